"""What has expired is deleted once an hour; any number of replicas may do it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from shared import rate_limits
from shared.database import DATABASE_FAULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database import Database

EVERY_SECONDS = 3600
#: Longer than any event can be under way: retries and dead letters that are sent again included.
INBOX_DAYS = 30
LONGEST_LIMIT = timedelta(days=1)

log = structlog.get_logger(__name__)


async def purge_for_ever(database: Database, expired: Sequence[str]) -> None:
    """Purge now, and every hour from then on."""
    while True:
        try:
            await purge(database, expired)
        except DATABASE_FAULTS as fault:
            log.warning("purge waits for the database", fault=type(fault).__name__)
        await asyncio.sleep(EVERY_SECONDS)


async def purge(database: Database, expired: Sequence[str]) -> int:
    """Run the service's DELETE statements ``expired``, and those for what every service has; how many rows went."""
    statements = (
        *expired,
        f"DELETE FROM inbox WHERE received_at < present() - interval '{INBOX_DAYS} days'",  # noqa: S608 - a constant
    )
    async with database.connection() as connection:
        gone = await rate_limits.purge(connection, LONGEST_LIMIT)
        for statement in statements:
            gone += int((await connection.execute(statement)).rpartition(" ")[2])
    if gone:
        log.info("expired rows deleted", count=gone)
    return gone
