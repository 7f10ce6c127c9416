"""Plain SQL migrations, applied in the order of their names, each once, all of a run in one transaction.

What every service needs (outbox, inbox, rate limits, the clock) is in ``shared/migrations``; a service's own are in its
package's ``migrations`` folder. A role owns its schema and nothing else, and its search_path is that schema, so no
statement names one.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Any number: the advisory lock that lets one of several migrating processes go first.
LOCK = 5_402_779


class MigrationError(Exception):
    """A migration that was applied has been changed since, or is not known to this version."""


async def migrate(dsn: str, package: str) -> list[str]:
    """Bring the schema of ``dsn``'s role up to date for the service ``package``; the names of what was applied."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema()) + $1)", LOCK)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, checksum text NOT NULL,"
                " applied_at timestamptz NOT NULL DEFAULT now())"
            )
            return [name for name, sql in migrations(package) if await _apply(connection, name, sql)]
    finally:
        await connection.close()


def migrations(package: str) -> Iterator[tuple[str, str]]:
    """Name and SQL of each migration that the service has, in the order in which they apply."""
    for owner in ("shared", package):
        folder = files(owner) / "migrations"
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".sql"):
                yield f"{owner}/{file.name}", file.read_text(encoding="utf-8")


async def pending(
    connection: asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record], package: str
) -> list[str]:
    """Names of the migrations that this version has and the schema has not."""
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        return [name for name, _ in migrations(package)]
    applied = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
    return [name for name, _ in migrations(package) if name not in applied]


async def _apply(connection: asyncpg.Connection[asyncpg.Record], name: str, sql: str) -> bool:
    checksum = hashlib.sha256(sql.encode()).hexdigest()
    known = await connection.fetchval("SELECT checksum FROM migrations WHERE name = $1", name)
    if known is None:
        await connection.execute(sql)
        await connection.execute("INSERT INTO migrations (name, checksum) VALUES ($1, $2)", name, checksum)
        return True
    if known != checksum:
        msg = f"{name} was changed after it was applied; write a new migration instead"
        raise MigrationError(msg)
    return False
