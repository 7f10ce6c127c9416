"""What bindings do when the roster changes under them: children move, leave, and come back."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from binding_service.applications import facts, move_storage, storage
from binding_service.applications.submissions import submitted
from shared import outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from binding_service.context import Keys
    from binding_service.roster.importing import Roster
    from shared.database import Connection
    from shared.events import Event

log = structlog.get_logger(__name__)


async def follow_students(roster: Roster, connection: Connection, revision: int | None = None) -> Counter[str]:
    """Bring the bindings to what the roster says of their children, and tell; how many made which change.

    One that waits goes to the child's new class, or is refused where the roster no longer has the child. One that is
    bound lapses and resumes. All bindings are looked at, not only those of what the import ``revision`` changed: an
    application that was sent while an import ran is caught up by the next one.
    """
    renamed = await move_storage.follow_persons(connection)
    rows = await move_storage.out_of_step(connection, renamed)
    counts: Counter[str] = Counter()
    for change, of_change in groupby(rows, key=lambda row: str(row["change"])):
        ids = [row["id"] for row in of_change]
        for start in range(0, len(ids), move_storage.BINDINGS_AT_ONCE):
            batch = ids[start : start + move_storage.BINDINGS_AT_ONCE]
            counts[change] += await _make(roster.keys, connection, change, batch)
    if counts:
        log.info("bindings followed the roster", revision=revision, **counts)
    return counts


async def _make(keys: Keys, connection: Connection, change: str, binding_ids: list[UUID]) -> int:
    """Change these bindings and tell it; how many there were to change."""
    made = await move_storage.make(connection, change, binding_ids)
    if made:
        await outbox.record(connection, *await _events(keys, connection, change, made))
    return len(made)


async def _events(keys: Keys, connection: Connection, change: str, binding_ids: list[UUID]) -> Sequence[Event]:
    if change == "moved":
        return await submitted(keys, connection, binding_ids)
    rows = await storage.bindings_of(connection, binding_ids)
    if change == "closed":
        return [facts.binding_ended(keys, row) for row in rows]
    return [facts.binding_lapsed(row) if change == "lapsed" else facts.binding_resumed(row) for row in rows]
