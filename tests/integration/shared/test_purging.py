from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from shared.purging import LOCK, Purge, due, expired, purge, reports
from shared.rate_limits import Limit, hit
from support.serving import eventually

if TYPE_CHECKING:
    from shared.database import Connection, Database
    from support.databases import Clock

ATTEMPTS = expired("attempts", "expires_at < present() - interval '1 day'")


async def add_attempts(database: Database, count: int) -> None:
    async with database.transaction() as connection:
        for _ in range(count):
            await connection.execute(
                "INSERT INTO attempts (id, code_hash, contact_hash, issued_at, expires_at)"
                " VALUES ($1, 'h', 'h', present(), present() + interval '1 hour')",
                uuid4(),
            )


async def fill(database: Database) -> None:
    await add_attempts(database, 1)
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO inbox (consumer, event_id) VALUES ('probe', $1)", uuid4())
        await hit(connection, [(Limit("probe", 5, timedelta(hours=1)), "somebody")])


async def counts(database: Database, *purges: Purge, batch: int = 1000) -> dict[str, int]:
    """What a run purged."""
    done = await purge(database, purges, batch=batch)
    assert done is not None
    assert done.failed == []
    return done.counts


async def test_what_still_counts_stays(database: Database) -> None:
    await fill(database)
    assert await counts(database, ATTEMPTS) == {}


async def test_what_has_expired_goes_and_is_counted_by_kind(database: Database, clock: Clock) -> None:
    await fill(database)
    await clock.shift(timedelta(days=2))
    assert await counts(database, ATTEMPTS) == {"attempts": 1, "rate_limits": 1}
    await clock.shift(timedelta(days=31))
    assert await counts(database, ATTEMPTS) == {"inbox": 1}
    assert [report.counts for report in await reports(database, 5)] == [{"inbox": 1}, {"attempts": 1, "rate_limits": 1}]


async def test_a_dry_run_says_the_same_and_changes_nothing(database: Database, clock: Clock) -> None:
    await fill(database)
    await clock.shift(timedelta(days=2))
    assert await due(database, [ATTEMPTS]) == {"attempts": 1, "rate_limits": 1}
    assert await reports(database, 5) == []
    assert await counts(database, ATTEMPTS) == {"attempts": 1, "rate_limits": 1}
    assert await due(database, [ATTEMPTS]) == {}


async def test_many_go_in_batches(database: Database, clock: Clock) -> None:
    await add_attempts(database, 7)
    await clock.shift(timedelta(days=2))
    assert await counts(database, ATTEMPTS, batch=3) == {"attempts": 7}


async def test_what_is_changed_instead_of_deleted_counts_too(database: Database, clock: Clock) -> None:
    await add_attempts(database, 2)
    forget = expired(
        "attempts",
        "issued_at < present() - $1::interval AND code_hash <> ''",
        timedelta(hours=1),
        kind="codes",
        change="code_hash = ''",
    )
    await clock.shift(timedelta(hours=2))
    assert await counts(database, forget) == {"codes": 2}
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM attempts WHERE code_hash = ''") == 2


async def test_a_run_that_was_killed_half_way_has_told_what_it_did_and_the_next_goes_on(
    database: Database, clock: Clock
) -> None:
    await add_attempts(database, 5)
    await clock.shift(timedelta(days=2))
    batches = 0

    async def dies(connection: Connection, most: int) -> int:
        nonlocal batches
        batches += 1
        if batches > 2:
            raise asyncio.CancelledError
        return await ATTEMPTS.batch(connection, most)

    with pytest.raises(asyncio.CancelledError):
        await purge(database, [Purge("attempts", ATTEMPTS.count, dies)], batch=2)
    (killed,) = await reports(database, 5)
    assert (killed.ended_at, killed.counts) == (None, {"attempts": 4})
    assert await counts(database, ATTEMPTS) == {"attempts": 1}


async def is_free(database: Database) -> bool:
    """Whether nobody holds the lock of the purge in this database."""
    free: bool = await database.pool.fetchval(
        """
        SELECT NOT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
                           WHERE locktype = 'advisory' AND objid = $1 AND datname = current_database())
        """,
        LOCK,
    )
    return free


async def test_one_process_at_a_time(database: Database, clock: Clock) -> None:
    await fill(database)
    await clock.shift(timedelta(days=2))
    other = await asyncpg.connect(database.dsn)
    try:
        await other.execute("SELECT pg_advisory_lock(hashtext(current_schema()), $1)", LOCK)
        assert await purge(database, [ATTEMPTS]) is None
        assert await reports(database, 5) == []
    finally:
        await other.close()
    # A killed process holds the lock no longer, as soon as the database has noticed.
    await eventually(lambda: is_free(database))
    done = await purge(database, [ATTEMPTS])
    assert done is not None
    assert done.counts == {"attempts": 1, "rate_limits": 1}
    assert await purge(database, [ATTEMPTS]) is not None


async def test_what_the_database_refuses_holds_up_no_other_kind(database: Database, clock: Clock) -> None:
    await fill(database)
    await clock.shift(timedelta(days=2))
    refused = expired("attempts", "1 / (tries - tries) = 1", kind="refused")
    done = await purge(database, [refused, ATTEMPTS])
    assert done is not None
    assert (done.failed, done.counts) == (["refused"], {"attempts": 1, "rate_limits": 1})


async def test_a_row_that_somebody_holds_is_left_for_the_next_run(database: Database, clock: Clock) -> None:
    await add_attempts(database, 2)
    await clock.shift(timedelta(days=2))
    async with database.transaction() as connection:
        await connection.fetch("SELECT FROM attempts LIMIT 1 FOR UPDATE")
        assert await counts(database, ATTEMPTS) == {"attempts": 1}
    assert await counts(database, ATTEMPTS) == {"attempts": 1}
