from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.purging import purge
from shared.rate_limits import Limit, hit

if TYPE_CHECKING:
    from shared.database import Database
    from support.databases import Clock

ATTEMPTS = ("DELETE FROM attempts WHERE expires_at < present() - interval '1 day'",)


async def fill(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('probe', $1)", uuid4())
        await connection.execute(
            "INSERT INTO attempts (id, code_hash, contact_hash, issued_at, expires_at)"
            " VALUES ($1, 'h', 'h', present(), present() + interval '1 hour')",
            uuid4(),
        )
        await hit(connection, [(Limit("probe", 5, timedelta(hours=1)), "somebody")])


async def test_what_still_counts_stays(database: Database) -> None:
    await fill(database)
    assert await purge(database, ATTEMPTS) == 0


async def test_what_has_expired_goes(database: Database, clock: Clock) -> None:
    await fill(database)
    await clock.shift(timedelta(days=2))
    assert await purge(database, ATTEMPTS) == 2
    await clock.shift(timedelta(days=31))
    assert await purge(database, ATTEMPTS) == 1
