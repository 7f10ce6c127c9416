"""A heap of messages that wait makes the delivery worker no slower.

Counted is what PostgreSQL reads, by the plan it has settled on after a dozen times: no clock, so no other load matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.notify.world import World, make_code
from notify_service import sending, storage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.database import Connection

HEAP = 20_000
ROOM = 8
READ = """SELECT sum(seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables
    WHERE schemaname = current_schema() AND relname = 'messages'"""
WORK: dict[str, tuple[Callable[[Connection], Awaitable[object]], int]] = {
    "claims": (lambda c: storage.claim_due(c, ROOM, sending.LEASE), 20 * ROOM),
    "claims beside the heap's channel": (lambda c: storage.claim_due(c, ROOM, sending.LEASE, ["sms"]), 20 * ROOM),
    "too late": (storage.drop_expired, 0),
    "until the next": (storage.seconds_until_due, 4),
    "until the next beside the heap's channel": (lambda c: storage.seconds_until_due(c, ["sms"]), 2),
}


@pytest.fixture
async def heap(world: World) -> World:
    """Very many notices that are due, after a code."""
    await world.hear(make_code())
    await world.execute(
        """
        INSERT INTO messages (id, kind, cause, channel, letter, correlation_id, expires_at)
        SELECT gen_random_uuid(), 'withdrawn', n, 'email', 'sealed', '', present() + make_interval(days => 4, secs => n)
        FROM generate_series(1, $1::int) AS n
        """,
        HEAP,
    )
    await world.execute("ANALYZE messages")
    return world


@pytest.mark.parametrize("is_due", [True, False], ids=["due", "held back"])
@pytest.mark.parametrize("what", WORK)
async def test_a_heap_is_not_read_to_take_a_few_from_it(heap: World, what: str, *, is_due: bool):
    work, most = WORK[what]
    if not is_due:
        await heap.execute("UPDATE messages SET due_at = present() + interval '1 hour' WHERE kind <> 'code'")
        await heap.execute("VACUUM ANALYZE messages")
    async with heap.notify.database.transaction() as connection:
        for _ in range(12):
            await work(connection)
        before = await connection.fetchval(READ)
        await work(connection)
        assert await connection.fetchval(READ) - before <= most


async def test_after_a_long_standstill_what_came_too_late_is_dropped_part_by_part(
    heap: World, monkeypatch: pytest.MonkeyPatch
):
    await heap.execute("UPDATE messages SET expires_at = present() WHERE cause::int <= 25 AND kind <> 'code'")
    monkeypatch.setattr(storage, "DROPPED_AT_ONCE", 10)
    async with heap.notify.database.connection() as connection:
        assert [len(await storage.drop_expired(connection)) for _ in range(4)] == [10, 10, 5, 0]
