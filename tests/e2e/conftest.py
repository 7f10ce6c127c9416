"""The services as their users meet them: processes behind ports, and a real browser.

While Playwright's synchronous side is open in this thread no asyncio runs, and making a database does: so the stack
comes up first, and both live either for a test or for a module, whose tests then use people of their own.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from support.chromium import NoChromiumError, launched_chromium
from support.databases import fresh_databases
from support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from local_stack.servers import Servers
    from support.databases import Databases
    from support.stack import Stack


@pytest.fixture
def stack(databases: Databases, broker_url: str, font_folders: list[Path], tmp_path: Path) -> Iterator[Stack]:
    """Four services with the sample roster."""
    with running_stack(databases, broker_url, tmp_path, font_folders) as running:
        yield running


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Headless Chromium. Where none can be had, the test is skipped, and says so."""
    with _chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def shared_stack(
    servers: Servers,
    template: str,
    font_folders: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Stack]:
    """Four services for a whole module, which may name its UNDO_SECONDS and the staff WITHOUT_ACCOUNT."""
    vhost = f"test-{uuid4().hex[:12]}"
    with ExitStack() as stack:
        databases = stack.enter_context(fresh_databases(servers.postgres, template))
        servers.rabbitmq.make_vhost(vhost)
        stack.callback(servers.rabbitmq.drop_vhost, vhost)
        broker_url, logs = servers.rabbitmq.of_vhost(vhost), tmp_path_factory.mktemp("logs")
        running = running_stack(
            databases,
            broker_url,
            logs,
            font_folders,
            undo_seconds=getattr(request.module, "UNDO_SECONDS", 1),
            without_account=getattr(request.module, "WITHOUT_ACCOUNT", ()),
        )
        yield stack.enter_context(running)


@pytest.fixture(scope="module")
def shared_browser(shared_stack: Stack) -> Iterator[Browser]:  # noqa: ARG001 - it has to come up first
    """Headless Chromium for a whole module."""
    with _chromium() as chromium:
        yield chromium


@contextmanager
def _chromium() -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            chromium = stack.enter_context(launched_chromium())
        except NoChromiumError as missing:
            pytest.skip(str(missing))
        yield chromium
