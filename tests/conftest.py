"""Fixtures for every test: real servers, a fresh database, a fresh vhost, a clock that can be moved."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import structlog

from local_stack import fonts
from local_stack.servers import StackError
from support.databases import Clock, Databases, fresh_databases, template_database
from support.servers import test_servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_stack.servers import Servers


#: Where Rich is installed, structlog draws a traceback with every local in it: seconds for each.
PLAIN = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], PLAIN])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the browser come last: Playwright keeps a loop running in this thread, and other tests start theirs."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is not None)


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """What a test configures of the process's logs, a program's ``main`` among it, ends with the test."""
    root = logging.getLogger()
    handlers, level, configuration = list(root.handlers), root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and RabbitMQ, for the whole run."""
    with test_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def template(servers: Servers) -> Iterator[str]:
    """The name of a database that is never used itself, only copied."""
    with template_database(servers.postgres) as name:
        yield name


@pytest.fixture
def databases(servers: Servers, template: str) -> Iterator[Databases]:
    """A fresh database with the schema of each service; ``databases.otp`` is otp's address, and so on."""
    with fresh_databases(servers.postgres, template) as fresh:
        yield fresh


@pytest.fixture
def broker_url(servers: Servers) -> Iterator[str]:
    """The AMQP address of a fresh vhost."""
    vhost = f"test-{uuid4().hex[:12]}"
    servers.rabbitmq.make_vhost(vhost)
    yield servers.rabbitmq.of_vhost(vhost)
    # What is left behind ends with the server; whether that still answers, the next test sees.
    with suppress(StackError):
        servers.rabbitmq.drop_vhost(vhost)


@pytest.fixture
def clock(databases: Databases) -> Clock:
    """Moves the time that decides: ``await clock.shift(timedelta(hours=1))``."""
    return Clock(databases)


@pytest.fixture(scope="session")
def font_folders() -> list[Path]:
    """Where the fonts of the paper form are; what is missing is fetched."""
    return fonts.font_folders(Path(__file__).resolve().parents[1] / ".run")
