"""An operator beside a database and a vhost of each test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from support.house import House, house
from support.operator import Operator, admit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local_stack.servers import Servers
    from support.databases import Databases


@pytest.fixture
async def operator(servers: Servers, databases: Databases, broker_url: str) -> Operator:
    """With the rights that operator.sql and the settings document, and no others."""
    return await admit(servers, databases, broker_url)


@pytest.fixture
async def db(databases: Databases) -> AsyncIterator[asyncpg.Connection]:
    """The database as its superuser sees it."""
    connection = await asyncpg.connect(databases.superuser)
    yield connection
    await connection.close()


@pytest.fixture
async def here(databases: Databases, broker_url: str, operator: Operator) -> AsyncIterator[House]:
    """All four services, and an operator who knows where they are."""
    async with house(databases, broker_url, operator) as here:
        yield here
