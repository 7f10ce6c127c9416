"""SQL of what bindings do when the roster changes under them, and of telling all of them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

#: A look at all bindings of a city takes longer than a request may.
STATEMENT_SECONDS = 600
BINDINGS_AT_ONCE = 500
TODAY = "(present() AT TIME ZONE 'Asia/Taipei')::date"


class Change(NamedTuple):
    """What becomes of a binding: of which state it has to be, and the columns that are set."""

    state: str
    columns: str


PLACE = "told_school_id = students.school_id, told_class_id = students.class_id"
#: By name. A lapse and its end leave changed_at alone: it is when the two were bound.
CHANGES = {
    "moved": Change("pending", PLACE),
    "closed": Change("pending", f"state = 'refused', changed_at = present(), left_on = {TODAY}"),
    "lapsed": Change("approved", f"left_on = {TODAY}, {PLACE}"),
    "resumed": Change("approved", "left_on = NULL"),
}


async def follow_persons(connection: Connection) -> list[UUID]:
    """Let what waits or is bound follow a child whom the roster knows by a new id, by its ID number; their ids.

    Not where the parent waits for, or is bound to, the child under the new id already.
    """
    rows = await connection.fetch(
        """
        WITH found AS (
            SELECT DISTINCT ON (bindings.person_hash, present.id) bindings.id, present.id AS student_id
            FROM bindings JOIN students AS former ON former.id = bindings.student_id AND NOT former.active
            JOIN students AS present ON present.national_id_hash = former.national_id_hash AND present.active
            WHERE state IN ('pending', 'approved')
              AND NOT EXISTS (SELECT FROM bindings AS other
                              WHERE other.person_hash = bindings.person_hash AND other.student_id = present.id
                                AND other.state IN ('pending', 'approved'))
            ORDER BY bindings.person_hash, present.id, state, submitted_at DESC
        )
        UPDATE bindings SET student_id = found.student_id FROM found
        WHERE bindings.id = found.id AND state IN ('pending', 'approved') RETURNING bindings.id
        """,
        timeout=STATEMENT_SECONDS,
    )
    return [row["id"] for row in rows]


async def out_of_step(connection: Connection, renamed: list[UUID]) -> list[asyncpg.Record]:
    """Bindings that say something else than the roster: ``id``, and the ``change`` that each has to make.

    ``renamed`` are those that have got another student's id: they are to be told in any case.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT bindings.id, CASE WHEN state = 'pending' THEN CASE WHEN active THEN 'moved' ELSE 'closed' END
                                 WHEN active THEN 'resumed' ELSE 'lapsed' END AS change
        FROM bindings JOIN students ON students.id = bindings.student_id
        WHERE state IN ('pending', 'approved') AND (
            state = 'approved' AND active = (left_on IS NOT NULL)
            OR state = 'pending' AND NOT active
            OR state = 'pending' AND (told_school_id, told_class_id)
                IS DISTINCT FROM (students.school_id, students.class_id)
            OR bindings.id = ANY($1))
        ORDER BY change, bindings.id
        """,
        renamed,
        timeout=STATEMENT_SECONDS,
    )
    return rows


async def make(connection: Connection, name: str, binding_ids: list[UUID]) -> list[UUID]:
    """Make the change of this name with those of the bindings that are still in its state; their ids, in order."""
    change = CHANGES[name]
    rows = await connection.fetch(
        f"""
        UPDATE bindings SET version = version + 1, {change.columns}
        FROM students WHERE students.id = student_id AND bindings.id = ANY($1) AND state = '{change.state}'
        RETURNING bindings.id
        """,  # noqa: S608 - constants of this module
        binding_ids,
        timeout=STATEMENT_SECONDS,
    )
    return sorted(row["id"] for row in rows)


async def ids_after(connection: Connection, last: UUID, *, ended: bool, since: datetime | None = None) -> list[UUID]:
    """Some hundreds of bindings behind this one, in the order of their ids: of all, or of those that wait no longer.

    With ``since``, of those that wait, and those that were sent or settled, or whose child left, since.
    Those whose personal data was erased are not among them: of these nobody is told again.
    """
    rows = await connection.fetch(
        f"""
        SELECT bindings.id FROM bindings JOIN applications ON applications.id = application_id
        WHERE bindings.id > $1 AND ($2 IS FALSE OR state <> 'pending') AND erased_at IS NULL
          AND ($3::timestamptz IS NULL OR state = 'pending' OR greatest(bindings.submitted_at, changed_at) >= $3
               OR left_on >= ($3 AT TIME ZONE 'Asia/Taipei')::date)
        ORDER BY bindings.id LIMIT {BINDINGS_AT_ONCE}
        """,  # noqa: S608 - a constant of this module
        last,
        ended,
        since,
    )
    return [row["id"] for row in rows]
