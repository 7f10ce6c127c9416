"""Wakes: whoever waits for something in the service's schema to change hears of each wave of commits.

A process keeps one LISTEN connection, whatever number of its parts wait, and sends one NOTIFY for however many commits
happened meanwhile: a NOTIFY inside each transaction would make them queue for PostgreSQL's notification lock. Every
replica hears it. A wake says that something was committed, never what: who is woken looks for itself.

A process may die between its commit and the NOTIFY, and a connection may die unnoticed: whoever waits here polls as
well, slowly.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

import asyncpg
import structlog

from shared.database import COMMAND_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS, DATABASE_FAULTS

if TYPE_CHECKING:
    from shared.database import Database

RECONNECT_SECONDS = 1
#: A NOTIFY at least so often: a connection that a firewall forgot is found out by speaking on it.
LONGEST_SILENCE_SECONDS = 60

log = structlog.get_logger(__name__)


class Wakes:
    """The wakes of one process, as long as :meth:`run` runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sleepers: WeakSet[asyncio.Event] = WeakSet()

    def subscribe(self) -> asyncio.Event:
        """An event that is set by every wake, and is its owner's to clear; one that nobody holds any more is forgotten.

        It is set from the start: what was committed before is as unknown to a newcomer as what comes.
        """
        sleeper = asyncio.Event()
        sleeper.set()
        self._sleepers.add(sleeper)
        return sleeper

    async def run(self) -> None:
        """Pass wakes on until cancelled; a connection that is lost is replaced, and everybody is woken then."""
        while True:
            try:
                connection = await asyncpg.connect(
                    self._database.dsn, timeout=CONNECT_TIMEOUT_SECONDS, command_timeout=COMMAND_TIMEOUT_SECONDS
                )
            except (*DATABASE_FAULTS, asyncpg.PostgresError):
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            try:
                await self._pass_on(connection)
            except Exception as fault:  # noqa: BLE001 - whatever it was, a new connection mends it or the next line tells
                log.warning("the listening connection was lost", fault=type(fault).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)
            finally:
                connection.terminate()

    async def _pass_on(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        committed = self._database.committed
        # What ends the wait below when the connection dies: the next statement then raises.
        connection.add_termination_listener(lambda _: committed.set())
        # A channel belongs to the whole database, what is waited for to one schema.
        channel = f"commits_{await connection.fetchval('SELECT current_schema()')}"
        await connection.add_listener(channel, lambda *_: self._wake_all())
        # Commits of the time without a connection, ours and the others', were told to nobody here.
        committed.set()
        while True:
            await happens(committed, within=LONGEST_SILENCE_SECONDS)
            committed.clear()
            await connection.execute("SELECT pg_notify($1, '')", channel)

    def _wake_all(self) -> None:
        for sleeper in self._sleepers:
            sleeper.set()


async def happens(event: asyncio.Event, *, within: float) -> bool:
    """Wait for ``event``; whether it was set within so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await event.wait()
    return event.is_set()
