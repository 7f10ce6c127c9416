"""The compose file, started once for all tests of this folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.compose import installation, is_reachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.compose import Installation


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Everything that deploy/docker-compose.yml describes, with the development environment."""
    if os.environ.get("KINBIND_TEST_SERVERS") == "private":
        pytest.skip("a run on private servers has no containers")
    if not is_reachable():
        pytest.skip("there is no Docker engine, or no Compose")
    with installation(tmp_path_factory.mktemp("roster")) as started:
        yield started
