"""A database and a bus as a service has them, without a service around."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.bus import Bus
from shared.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.databases import Databases


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    """An open database with what every schema has: outbox, inbox, rate limits."""
    database = Database(databases.otp)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def bus(broker_url: str) -> Bus:
    """The bus of a service called probe; not started."""
    return Bus(broker_url, "probe", graceful_timeout=5)
