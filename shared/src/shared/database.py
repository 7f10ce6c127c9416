"""One pool of PostgreSQL connections, and the transaction that is every use case's unit of work.

The pool opens no connection before the first use, so a service starts while its database is still down, and every
acquire heals what a restart of the database broke.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

COMMAND_TIMEOUT_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = 5

#: What a lost, starting, full or unreachable database raises, one that failed over or is not migrated yet, one whose
#: tables changed under a prepared statement, and a deadlock. The work was not done, or a commit's answer was lost: it
#: can be asked again, because every use case is idempotent.
DATABASE_FAULTS = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidCachedStatementError,
    ConnectionError,
    TimeoutError,
    OSError,
)


class Database:
    """The service's own schema of a PostgreSQL database."""

    def __init__(self, dsn: str, *, pool_size: int = 8) -> None:
        self.dsn = dsn
        self._pool_size = pool_size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        #: Set after each commit; shared.wakes turns any number of them into one NOTIFY.
        self.committed = asyncio.Event()
        self._last_steps: dict[Connection, list[Callable[[Connection], Awaitable[None]]]] = {}

    async def open(self) -> None:
        """Make the pool usable, once; connects to nothing yet."""
        if self._pool is not None:
            return
        self._pool = await asyncpg.create_pool(
            self.dsn,
            min_size=0,
            max_size=self._pool_size,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            timeout=CONNECT_TIMEOUT_SECONDS,
            init=_prepare,
            # No query here leaves SET, LISTEN or an advisory lock behind, so a connection needs no cleaning between
            # uses: that saves a round trip on each.
            reset=_keep,
        )

    @property
    def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """The pool. Raises asyncpg.InterfaceError before :meth:`open`."""
        if self._pool is None:
            msg = "the database is not open"
            raise asyncpg.InterfaceError(msg)
        return self._pool

    async def close(self) -> None:
        """Let queries under way finish, then close every connection."""
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection to read with: each statement is its own transaction."""
        async with self.pool.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One unit of work: all of it is committed, or, when the block raises, none."""
        async with self.pool.acquire() as connection, connection.transaction():
            last_steps = self._last_steps[connection] = []
            try:
                yield connection
                for step in last_steps:
                    await step(connection)
            finally:
                del self._last_steps[connection]
        self.committed.set()

    def do_last(self, connection: Connection, step: Callable[[Connection], Awaitable[None]]) -> None:
        """Do ``step`` in this connection's transaction when all else in it is done: just before its commit.

        For a lock that many transactions want: it is held for a moment, and nothing is waited for under it. Steps are
        done in the order in which they were given. Raises KeyError outside :meth:`transaction`.
        """
        self._last_steps[connection].append(step)


async def _prepare(connection: Connection) -> None:
    """Speak Python objects where a column is jsonb."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


async def _keep(_: Connection) -> None:
    """Nothing to clean: see the reset option above."""
