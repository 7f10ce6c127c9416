"""The services as their users meet them: processes behind ports, and a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.chromium import NoChromiumError, launched_chromium
from support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from support.databases import Databases
    from support.stack import Stack


@pytest.fixture
def stack(databases: Databases, broker_url: str, tmp_path: Path) -> Iterator[Stack]:
    """Four services with the sample roster."""
    with running_stack(databases, broker_url, tmp_path) as running:
        yield running


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Headless Chromium. Where none can be had, the test is skipped, and says so.

    One a test: while Playwright's synchronous side is open, no asyncio test can run.
    """
    try:
        with launched_chromium() as chromium:
            yield chromium
    except NoChromiumError as missing:
        pytest.skip(str(missing))
