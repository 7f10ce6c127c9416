from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest

from shared.database import Database
from shared.wakes import Wakes, happens
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.databases import Databases

#: Far below the time after which anybody looks without being woken.
SOON = 3


@dataclass
class Process:
    """A process that listens: its database, its wakes, and one that sleeps in it."""

    database: Database
    wakes: Wakes
    woken: asyncio.Event

    async def commit(self) -> None:
        """Commit something."""
        async with self.database.transaction() as connection:
            await connection.execute("SELECT 1")

    async def hears(self) -> bool:
        """Whether a wake comes soon; the next one is another."""
        heard = await happens(self.woken, within=SOON)
        self.woken.clear()
        return heard


@asynccontextmanager
async def listening(dsn: str) -> AsyncIterator[Process]:
    """A process, from the moment on at which it has heard itself."""
    database = Database(dsn)
    await database.open()
    wakes = Wakes(database)
    process = Process(database, wakes, wakes.subscribe())
    process.woken.clear()
    running = asyncio.create_task(wakes.run())
    assert await process.hears()
    yield process
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await database.close()


@pytest.fixture
async def superuser(databases: Databases) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(databases.superuser)
    yield connection
    await connection.close()


LISTENERS = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_notify%'"


async def cut(superuser: asyncpg.Connection) -> None:
    """End every listening connection, as a database does that restarts."""
    ended = await superuser.fetch(f"SELECT pg_terminate_backend(pid, 5000) {LISTENERS} AND pid <> pg_backend_pid()")
    assert ended


async def test_a_commit_wakes_who_sleeps_in_this_process_and_in_others(databases: Databases) -> None:
    async with listening(databases.otp) as one, listening(databases.otp) as other:
        await one.hears()  # the other's arrival
        await one.commit()
        assert await one.hears()
        assert await other.hears()


async def test_a_transaction_that_failed_wakes_nobody(database: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.transaction() as connection:
            await connection.execute("SELECT 1 / 0")
    assert not database.committed.is_set()


async def test_everybody_in_a_process_is_woken_over_one_connection(
    databases: Databases, superuser: asyncpg.Connection
) -> None:
    async with listening(databases.otp) as process:
        others = [process.wakes.subscribe() for _ in range(3)]
        for other in others:
            other.clear()
        await process.commit()
        assert all([await happens(other, within=SOON) for other in others])
        assert await superuser.fetchval(f"SELECT count(*) {LISTENERS} AND pid <> pg_backend_pid()") == 1


async def test_many_commits_are_told_by_few_notifications(databases: Databases, superuser: asyncpg.Connection) -> None:
    told: list[object] = []
    await superuser.add_listener("commits_otp", lambda *_: told.append(None))
    async with listening(databases.otp) as process:
        await asyncio.gather(*(process.commit() for _ in range(200)))
        assert await process.hears()
    assert 1 <= len(told) < 100


async def test_a_commit_in_another_schema_is_nobodys_here(databases: Databases) -> None:
    async with listening(databases.otp) as ours, listening(databases.binding) as theirs:
        ours.woken.clear()
        await theirs.commit()
        assert await theirs.hears()
        assert not ours.woken.is_set()
        await ours.commit()
        assert await ours.hears()


async def test_when_the_connection_was_lost_everybody_is_woken_and_hears_again(
    databases: Databases, superuser: asyncpg.Connection
) -> None:
    async with listening(databases.otp) as process:
        await cut(superuser)
        assert await process.hears()
        await process.commit()
        assert await process.hears()


async def test_what_was_committed_without_a_connection_is_told_to_other_processes_later(
    databases: Databases, superuser: asyncpg.Connection
) -> None:
    async with listening(databases.otp) as one:
        await cut(superuser)
        async with listening(databases.otp) as other:
            other.woken.clear()
            await one.commit()
            assert await other.hears()


async def test_who_no_longer_sleeps_is_forgotten(database: Database) -> None:
    wakes = Wakes(database)
    kept, dropped = wakes.subscribe(), wakes.subscribe()
    del dropped

    async def only_one() -> bool:
        gc.collect()
        return len(wakes._sleepers) == 1

    await eventually(only_one)
    assert kept.is_set()
