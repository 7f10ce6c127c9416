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
    "claims while a channel is left out": (lambda c: storage.claim_due(c, ROOM, sending.LEASE, ["sms"]), 20 * ROOM),
    "too late": (storage.drop_expired, 0),
    "until the next": (storage.seconds_until_due, 1),
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


@pytest.mark.parametrize("what", WORK)
async def test_a_heap_is_not_read_to_take_a_few_from_it(heap: World, what: str):
    work, most = WORK[what]
    async with heap.notify.database.transaction() as connection:
        for _ in range(12):
            await work(connection)
        before = await connection.fetchval(READ)
        await work(connection)
        assert await connection.fetchval(READ) - before <= most
