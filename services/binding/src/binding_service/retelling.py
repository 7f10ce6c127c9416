"""Telling the roster again to one consumer alone, of a time: what an operator may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from binding_service.roster import facts, storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from binding_service.roster.importing import Roster
    from shared.database import Connection
    from shared.events import Event

log = structlog.get_logger(__name__)


async def retell(
    roster: Roster,
    since: datetime | None,
    deliver: Callable[[Sequence[Event]], Awaitable[None]],
    tell: Callable[[str], Awaitable[None]],
) -> int:
    """Hand the present state of schools, classes, teachers and classes' students to ``deliver``; how many events.

    With ``since``, what imports of that time or later changed; of students, every class's list then, since the roster
    does not tell which class a child has left.
    """
    count = 0
    async with roster.database.transaction() as connection:
        revision = None if since is None else await _revision_before(connection, since)
        async for events in _events(roster, connection, revision):
            await deliver(events)
            count += len(events)
            await tell(f"{count} events told again")
    log.info("roster replayed to one consumer", events=count)
    return count


async def _revision_before(connection: Connection, since: datetime) -> int:
    """That of the last import before ``since``; 0 where all are later."""
    revision: int = await connection.fetchval(
        "SELECT coalesce(max(revision), 0) FROM roster_imports WHERE finished_at < $1", since
    )
    return revision


async def _events(roster: Roster, connection: Connection, revision: int | None) -> AsyncIterator[list[Event]]:
    """Batches of events of everything, or of what is newer than the import ``revision``."""
    for table, make in facts.makers(roster.to_review).items():
        async for rows in storage.rows(connection, table):
            yield [make(row) for row in rows if revision is None or row["revision"] > revision]
    if revision is None or await _has_later(connection, revision):
        async for rows in storage.class_rosters(connection):
            yield [facts.class_roster(roster.to_review, row) for row in rows]


async def _has_later(connection: Connection, revision: int) -> bool:
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM roster_imports WHERE revision > $1)", revision))
