from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import rate_limits
from shared.rate_limits import Limit

if TYPE_CHECKING:
    from shared.database import Database
    from support.databases import Clock

HOURLY = Limit("hourly", 3, timedelta(hours=1))
DAILY = Limit("daily", 4, timedelta(days=1))


async def hit(database: Database, *limits: Limit, subject: str = "somebody") -> timedelta | None:
    async with database.transaction() as connection:
        return await rate_limits.hit(connection, [(limit, subject) for limit in limits])


async def test_hits_up_to_the_limit_are_allowed_and_the_next_is_told_how_long_to_wait(database: Database) -> None:
    assert [await hit(database, HOURLY) for _ in range(3)] == [None] * 3
    wait = await hit(database, HOURLY)
    assert wait is not None
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)


async def test_the_window_slides(database: Database, clock: Clock) -> None:
    assert await hit(database, HOURLY) is None
    await clock.shift(timedelta(minutes=30))
    assert [await hit(database, HOURLY) for _ in range(2)] == [None] * 2
    await clock.shift(timedelta(minutes=59))
    wait = await hit(database, HOURLY)
    assert wait is not None
    assert wait <= timedelta(minutes=1)
    # The first hit is over an hour old now, the two others are not.
    await clock.shift(timedelta(minutes=61))
    assert await hit(database, HOURLY) is None
    assert await hit(database, HOURLY) is not None


async def test_a_refused_hit_is_not_counted(database: Database, clock: Clock) -> None:
    for _ in range(3):
        await hit(database, HOURLY)
    await clock.shift(timedelta(minutes=59))
    for _ in range(5):
        assert await hit(database, HOURLY) is not None
    await clock.shift(timedelta(minutes=61))
    assert [await hit(database, HOURLY) for _ in range(3)] == [None] * 3


async def test_of_several_limits_the_longest_wait_counts(database: Database, clock: Clock) -> None:
    for _ in range(3):
        assert await hit(database, HOURLY, DAILY) is None
    await clock.shift(timedelta(hours=2))
    assert await hit(database, HOURLY, DAILY) is None
    wait = await hit(database, HOURLY, DAILY)
    assert wait is not None
    assert wait > timedelta(hours=20)


async def test_subjects_do_not_share_a_limit(database: Database) -> None:
    for _ in range(4):
        await hit(database, HOURLY, subject="one")
    assert await hit(database, HOURLY, subject="other") is None


async def test_of_twenty_hits_at_once_exactly_as_many_as_the_limit_are_allowed(database: Database) -> None:
    waits = await asyncio.gather(*(hit(database, HOURLY) for _ in range(20)))
    assert waits.count(None) == 3


async def test_limits_in_any_order_do_not_wait_for_each_other_in_a_circle(database: Database) -> None:
    many, more = Limit("a", 100, timedelta(hours=1)), Limit("b", 100, timedelta(hours=1))
    orders = [(many, more), (more, many)] * 10
    assert await asyncio.gather(*(hit(database, *order) for order in orders)) == [None] * 20


async def test_a_forgotten_subject_begins_anew(database: Database) -> None:
    for _ in range(4):
        await hit(database, HOURLY)
    async with database.transaction() as connection:
        await rate_limits.forget(connection, HOURLY.rule, "somebody")
    assert await hit(database, HOURLY) is None


async def test_a_refusal_writes_nothing(database: Database) -> None:
    async def written() -> object:
        async with database.connection() as connection:
            return await connection.fetch("SELECT xmin::text, ctid::text FROM rate_limits ORDER BY rule")

    for _ in range(3):
        await hit(database, HOURLY, DAILY)
    before = await written()
    assert await hit(database, HOURLY, DAILY) is not None
    assert await written() == before


async def test_who_only_asks_is_told_the_same_wait_and_is_not_counted(database: Database, clock: Clock) -> None:
    async def wait(*limits: Limit) -> timedelta | None:
        async with database.connection() as connection:
            return await rate_limits.wait_for(connection, [(limit, "somebody") for limit in limits])

    assert await wait(HOURLY) is None
    assert await hit(database, HOURLY, DAILY) is None
    await clock.shift(timedelta(minutes=30))
    for _ in range(2):
        assert await wait(HOURLY, DAILY) is None
        assert await hit(database, HOURLY, DAILY) is None
    told, refused = await wait(HOURLY, DAILY), await hit(database, HOURLY, DAILY)
    assert told is not None
    assert refused is not None
    assert timedelta(minutes=29) < refused <= told <= timedelta(minutes=30)
    await clock.shift(timedelta(minutes=61))
    assert await wait(HOURLY, DAILY) is None
