"""Telling every binding again: for a review service that is new, or has lost its data."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from binding_service.applications import facts, move_storage, storage
from binding_service.applications.moves import follow_students
from binding_service.applications.submissions import submitted
from shared import outbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from binding_service.roster.importing import Roster
    from shared.database import Connection
    from shared.events import Event

log = structlog.get_logger(__name__)


async def replay(roster: Roster) -> int:
    """Tell how every binding stands and what was applied for, under new event ids; returns how many events that are.

    Bindings that are out of step with the roster come into step first. Some hundreds a transaction, so the relay sends
    while more are recorded; stopped half-way it can be run again, as versions decide. How each ended is told before
    what was applied for, so that no teacher sees an old application wait. Nobody is written to.
    """
    async with roster.database.transaction() as connection:
        await follow_students(roster, connection)
    count = 0
    for ended in (True, False):
        last: UUID | None = UUID(int=0)
        while last is not None:
            async with roster.database.transaction() as connection:
                last, events = await _next(roster, connection, last, ended=ended)
                if events:
                    await outbox.record(connection, *events)
            count += len(events)
    log.info("bindings replayed", events=count)
    return count


async def replay_to(
    roster: Roster,
    since: datetime | None,
    deliver: Callable[[Sequence[Event]], Awaitable[None]],
    tell: Callable[[str], Awaitable[None]],
) -> int:
    """The same, handed to ``deliver`` instead of to all who hear it; returns how many events that are.

    With ``since``, only of bindings that were sent, settled or left since, and of all that wait.
    """
    async with roster.database.transaction() as connection:
        await follow_students(roster, connection)
    count = 0
    for ended in (True, False):
        last: UUID | None = UUID(int=0)
        while last is not None:
            async with roster.database.connection() as connection:
                last, events = await _next(roster, connection, last, ended=ended, since=since)
            await deliver(events)
            count += len(events)
            await tell(f"{count} events told again")
    log.info("bindings replayed to one consumer", events=count)
    return count


async def _next(
    roster: Roster, connection: Connection, last: UUID, *, ended: bool, since: datetime | None = None
) -> tuple[UUID | None, list[Event]]:
    """The events of the bindings behind ``last``, and the last of these; None where there are no more."""
    ids = await move_storage.ids_after(connection, last, ended=ended, since=since)
    if not ids:
        return None, []
    if ended:
        rows = await storage.bindings_of(connection, ids)
        return ids[-1], [
            facts.binding_ended(roster.keys, row, is_replay=True) for row in rows if row["state"] != "pending"
        ]
    return ids[-1], list(await submitted(roster.keys, connection, ids))
