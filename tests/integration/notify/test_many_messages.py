"""The operators' page costs what it shows, however many messages there are.

Counted is what PostgreSQL reads, by the plan it has settled on after a dozen times: no clock, so no other load matters.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from notify_service import storage as messages
from notify_service.operators import storage, use_cases
from notify_service.operators.domain import Place, Wanted
from notify_service.operators.use_cases import PAGE
from notify_service.retention import make_purges
from shared.purging import purge
from support.many_messages import DAYS, fill
from support.operators import make_desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from integration.notify.world import World
    from notify_service.operators.use_cases import Desk
    from notify_service.settings import Settings
    from shared.database import Connection
    from support.databases import Clock

ROWS = 100_000
A_DAY = ROWS // DAYS
READ = """SELECT sum(seq_tup_read)::bigint AS whole, sum(idx_tup_fetch)::bigint AS fetched FROM pg_stat_xact_user_tables
    WHERE schemaname = current_schema() AND relname IN ('messages', 'message_tries')"""


@pytest.fixture
async def full(world: World) -> Desk:
    """Very many messages of a hundred days, one in a hundred failed."""
    await fill(world.notify.database, ROWS)
    return make_desk(world.notify)


async def read_by(desk: Desk, work: Callable[[], Awaitable[object]], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many rows ``work`` reads; fails where it goes through a whole table."""
    async with desk.database.transaction() as connection:

        @asynccontextmanager
        async def here() -> AsyncIterator[Connection]:
            yield connection

        with monkeypatch.context() as patched:
            patched.setattr(desk.database, "connection", here)
            for _ in range(12):
                await work()
            before = await connection.fetchrow(READ)
            await work()
            after = await connection.fetchrow(READ)
    assert before is not None
    assert after is not None
    assert after["whole"] == before["whole"], "a scan of a whole table"
    return int(after["fetched"] - before["fetched"])


#: The most that a page of each reads, its own and the row after it aside.
LISTS = [
    (Wanted(period="all"), PAGE),
    (Wanted(), PAGE),
    (Wanted(state="failed", period="all"), PAGE),
    # Nothing is both: all that failed is looked through, or all of the kind.
    (Wanted(state="failed", kind="withdrawn", period="all"), ROWS // 100),
    (Wanted(state="sent", kind="refused", period="all"), 20 * PAGE),
    (Wanted(kind="secured", period="all"), PAGE),
    (Wanted(provider="smtp2", period="all"), PAGE),
    (Wanted(provider="mitake", period="all"), 20 * PAGE),
    (Wanted(channel="sms", period="all"), 20 * PAGE),
    (Wanted(state="waiting", period="all"), PAGE),
]


async def test_pages_read_what_they_show_and_the_overview_a_day(full: Desk, monkeypatch: pytest.MonkeyPatch):
    for wanted, most in LISTS:
        page = partial(use_cases.list_messages, full, wanted, None)
        assert await read_by(full, page, monkeypatch) <= most + 1, wanted
        listed = await page()
        if listed.next is not None:
            far = Place(listed.next.created_at - timedelta(days=3), listed.next.id)
            later = partial(use_cases.list_messages, full, wanted, far)
            assert await read_by(full, later, monkeypatch) <= most + 1, wanted

    assert await read_by(full, partial(use_cases.overview, full), monkeypatch) <= 6 * A_DAY
    failed = partial(use_cases.count_kept, full, Wanted(state="failed", period="all"))
    assert (await failed())[0] == ROWS // 100
    assert await read_by(full, failed, monkeypatch) <= ROWS // 100 + 10


async def test_the_purge_reads_what_it_purges_and_forgetting_reads_what_is_forgotten(
    full: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    purges = make_purges(settings)
    await purge(full.database, purges)
    async with full.database.connection() as connection:
        await connection.execute("VACUUM ANALYZE messages")

    async def look() -> None:
        async with full.database.connection() as connection:
            for each in purges:
                assert await each.count(connection) == await each.batch(connection, 1000) == 0

    async def forget() -> None:
        async with full.database.connection() as connection:
            await messages.drop_about(connection, [str(uuid4()) for _ in range(8)])

    assert await read_by(full, look, monkeypatch) <= 2 * 3 * ROWS // 100, "more than all that failed, for each purge"
    assert await read_by(full, forget, monkeypatch) <= PAGE


async def test_very_many_are_sent_again_in_batches_that_are_noted(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(use_cases, "BATCH", 40)
    await fill(world.notify.database, 10_000)
    await clock.shift(timedelta(seconds=1))
    desk, wanted = make_desk(world.notify), Wanted(state="failed", period="all")
    count, now = await use_cases.count_kept(desk, wanted)
    counts = await asyncio.gather(*(use_cases.send_all_again(desk, name, wanted, now) for name in ("chen", "lin")))
    async with desk.database.connection() as connection:
        noted = [row["messages"] for row in await storage.latest_acts(connection, 10)]
    assert (count, sum(counts), sum(noted)) == (100, 100, 100)
    assert max(noted) == 40
    assert (await use_cases.count_kept(desk, wanted))[0] == 0
