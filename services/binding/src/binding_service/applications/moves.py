"""What bindings do when the roster changes under them: children move, leave, and come back."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from binding_service.applications import facts, move_storage, storage
from binding_service.applications.submissions import submitted
from shared import outbox
from shared.sealing import UnsealError

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
    application that was sent while an import ran is caught up by the next one. A child is known by the ID number, under
    whichever key its hash is: the roster may give an id to another child, and a child another id.
    """
    await _put_back_same_children(roster.keys, connection)
    if revision is not None and (apart := await move_storage.take_apart(connection, revision)):
        await _tell_apart(roster.keys, connection, apart)
    renamed = [*await move_storage.follow_persons(connection), *await _follow_under_other_keys(roster.keys, connection)]
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


async def _put_back_same_children(keys: Keys, connection: Connection) -> None:
    """A child that came back under its own id is taken for another one where only the hash's key is."""
    for row in await move_storage.reused_ids(connection):
        if row["present_hash"] in _hashes(keys, row["former_of"], row["national_id_sealed"]):
            await move_storage.put_back(connection, row["id"], row["former_of"])


async def _tell_apart(keys: Keys, connection: Connection, binding_ids: list[UUID]) -> None:
    """Let review know that these are not of the child who has the id now."""
    for start in range(0, len(binding_ids), move_storage.BINDINGS_AT_ONCE):
        rows = await storage.bindings_of(connection, binding_ids[start : start + move_storage.BINDINGS_AT_ONCE])
        await outbox.record(connection, *(facts.binding_ended(keys, row, is_replay=True) for row in rows))
    log.warning("the roster gave ids of former students to others", bindings=len(binding_ids))


async def _follow_under_other_keys(keys: Keys, connection: Connection) -> list[UUID]:
    """Let bindings follow children whose hashes are under different keys, before and now."""
    sample = keys.hashes.digests("")
    former = move_storage.students_who_left(connection, sample[0].partition(".")[0], under_any_key=len(sample) > 1)
    renamed: list[UUID] = []
    async for rows in former:
        hashes = [
            (row["id"], hash_) for row in rows for hash_ in _hashes(keys, row["sealed_for"], row["national_id_sealed"])
        ]
        renamed += await move_storage.follow_persons(connection, hashes)
    return renamed


def _hashes(keys: Keys, student_id: str, national_id_sealed: str) -> list[str]:
    """The hashes of a student's ID number under each key; none where the key that sealed it is gone."""
    try:
        number = keys.store.unseal(national_id_sealed, f"students:{student_id}:national_id")
    except UnsealError:
        log.warning("a former student's ID number can't be unsealed")
        return []
    return keys.hashes.digests("national-id", number)


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
