"""Plain SQL migrations, applied in the order of their names, each once and, but for indexes, in its own transaction.

What every service needs (outbox, inbox, rate limits, the clock) is in ``shared/migrations``; a service's own are in its
package's ``migrations`` folder. A role owns its schema and nothing else, and its search_path is that schema, so no
statement names one.

A deployment has two parts, because processes of the version before run beside the new ones for a while:

- ``0013_name.sql`` only adds. ``migrate`` applies it before the first new process starts.
- ``0014_name.concurrently.sql`` builds indexes on tables that are in use (``CREATE INDEX CONCURRENTLY IF NOT EXISTS``)
  or validates constraints: a statement at a time, outside a transaction, so that others write meanwhile. It comes at
  the same time, and what a run leaves half-done the next one does anew.
- ``0015_name.post.sql`` takes away or forbids (drops, constraints, the end of a rename). ``migrate --post`` applies it
  when no process of the version before is left; until then both versions work without it.

In a release the post migrations have the highest numbers. The post migrations of a release come before the next
one's others: ``migrate`` refuses to overtake them. In an empty schema nothing runs beside, and all are applied at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Any number: the advisory lock that lets one of several migrating processes go first.
LOCK = 5_402_779
POST = ".post.sql"
CONCURRENTLY = ".concurrently.sql"
#: What a statement that broke off has left, which is kept up to date and used by nobody.
HALF_BUILT = """SELECT indexrelid::regclass::text AS name FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace"""
#: Who asks for a table behind a long transaction makes everybody queue who comes after: not for longer than this.
LOCK_TIMEOUT_SECONDS = 2
LOCK_PAUSE_SECONDS = 1
#: For so long it is tried again.
LOCK_PATIENCE_SECONDS = 300


class MigrationError(Exception):
    """Migrations cannot be applied, in one sentence: one was changed, would overtake another, or gets no lock."""


async def migrate(dsn: str, package: str, *, post: bool = False) -> list[str]:
    """Bring the schema of ``dsn``'s role up to date for the service ``package``; the names of what was applied.

    Post migrations are left out, but with ``post``, or in an empty schema. What was applied before one that fails
    stays. Raises MigrationError, or what PostgreSQL says of a statement.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await _be_the_only_one(connection)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = {row["name"]: row["checksum"] for row in await connection.fetch("SELECT * FROM migrations")}
        due = _due(applied, migrations(package))
        if applied and not post:
            due = _without_post(due)
        for name, sql in due:
            await _apply(connection, name, sql)
        return [name for name, _ in due]
    finally:
        await connection.close()


@cache
def migrations(package: str) -> tuple[tuple[str, str], ...]:
    """Name and SQL of each migration that the service has, in the order in which they apply.

    Read once: every readiness probe asks for them.
    """
    return tuple(
        (f"{owner}/{file.name}", file.read_text(encoding="utf-8"))
        for owner in ("shared", package)
        for file in sorted((files(owner) / "migrations").iterdir(), key=lambda entry: entry.name)
        if file.name.endswith(".sql")
    )


def is_post(name: str) -> bool:
    """Whether a migration waits until no process of the version before is left."""
    return name.endswith(POST)


async def pending(
    connection: asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record], package: str
) -> list[str]:
    """Names of the migrations that this version has and the schema has not, post migrations included."""
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        return [name for name, _ in migrations(package)]
    applied = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
    return [name for name, _ in migrations(package) if name not in applied]


def _due(applied: dict[str, str], every: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that are not applied. Raises MigrationError where one that is has another text now."""
    for name, sql in every:
        if name in applied and applied[name] != _checksum(sql):
            msg = f"{name} was changed after it was applied; write a new migration instead"
            raise MigrationError(msg)
    return [(name, sql) for name, sql in every if name not in applied]


def _without_post(due: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What comes before new processes start. Raises MigrationError where that counts on a post migration."""
    for name, _ in due:
        overtaken = [post for post, _ in due if is_post(post) and _owner(post) == _owner(name) and post < name]
        if overtaken and not is_post(name):
            msg = (
                f"{overtaken[0]} ends an earlier release and comes before {name}: finish that release by its own"
                " migrate --post, or stop every process of the service and run this one's"
            )
            raise MigrationError(msg)
    return [(name, sql) for name, sql in due if not is_post(name)]


async def _be_the_only_one(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Wait until no other process migrates the schema.

    Not in a statement: an index that the other one builds concurrently would wait for that statement's end.
    """
    ask = "SELECT pg_try_advisory_lock(hashtext(current_schema()) + $1)"
    while not await connection.fetchval(ask, LOCK):  # noqa: ASYNC110 - another process's doing
        await asyncio.sleep(LOCK_PAUSE_SECONDS)


async def _apply(connection: asyncpg.Connection[asyncpg.Record], name: str, sql: str) -> None:
    """Apply one, and try again while others hold what it wants to lock."""
    work = _by_statements if name.endswith(CONCURRENTLY) else _in_a_transaction
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            await work(connection, name, sql)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if time.monotonic() > deadline:
                msg = f"{name}: a long transaction holds a table that it changes (see pg_stat_activity); run it again"
                raise MigrationError(msg) from None
            await asyncio.sleep(LOCK_PAUSE_SECONDS)
        else:
            return


async def _in_a_transaction(connection: asyncpg.Connection[asyncpg.Record], name: str, sql: str) -> None:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
        await connection.execute(sql)
        await _note(connection, name, sql)


async def _by_statements(connection: asyncpg.Connection[asyncpg.Record], name: str, sql: str) -> None:
    """Each waits for transactions that began before it, and holds up nobody meanwhile."""
    await connection.execute(f"SET lock_timeout = '{LOCK_PATIENCE_SECONDS}s'")
    for row in await connection.fetch(HALF_BUILT):
        await connection.execute(f"DROP INDEX CONCURRENTLY {row['name']}")
    for statement in statements(sql):
        await connection.execute(statement)
    await _note(connection, name, sql)


def statements(sql: str) -> list[str]:
    """Those of a ``.concurrently.sql``, in which no semicolon stands but at their ends."""
    return [statement.strip() for statement in sql.split(";") if statement.strip()]


async def _note(connection: asyncpg.Connection[asyncpg.Record], name: str, sql: str) -> None:
    await connection.execute("INSERT INTO migrations (name, checksum) VALUES ($1, $2)", name, _checksum(sql))


def _owner(name: str) -> str:
    return name.partition("/")[0]


def _checksum(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()
