"""SQL of what bindings do when the roster changes under them, and of telling all of them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
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


async def reused_ids(connection: Connection) -> list[asyncpg.Record]:
    """Students whose id in the roster is another one's now: sealed ID number, and the hash of that one's."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT former.id, former.former_of, former.national_id_sealed, present.national_id_hash AS present_hash
        FROM students AS former JOIN students AS present ON present.id = former.former_of
        """,
        timeout=STATEMENT_SECONDS,
    )
    return rows


async def put_back(connection: Connection, former_id: str, student_id: str) -> None:
    """The student who seemed to be another one is the same: the bindings are theirs, and the copy goes."""
    await connection.execute("UPDATE bindings SET student_id = $2 WHERE student_id = $1", former_id, student_id)
    await connection.execute("DELETE FROM students WHERE id = $1", former_id)


async def take_apart(connection: Connection, revision: int) -> list[UUID]:
    """The bindings whose student's id this import gave to another one, each told anew from now on; their ids.

    Those whose personal data was erased are not among them: of these nobody is told again.
    """
    rows = await connection.fetch(
        """
        UPDATE bindings SET version = bindings.version + 1 FROM students, applications
        WHERE students.id = student_id AND former_of IS NOT NULL AND students.revision = $1
            AND applications.id = application_id AND erased_at IS NULL AND state <> 'pending'
        RETURNING bindings.id
        """,
        revision,
        timeout=STATEMENT_SECONDS,
    )
    return [row["id"] for row in rows]


async def students_who_left(
    connection: Connection, key_id: str, *, under_any_key: bool
) -> AsyncIterator[list[asyncpg.Record]]:
    """Students who left and are bound all the same, some hundreds at a time: id, former id and sealed ID number.

    Those whose hash is not under this key, or all of them.
    """
    cursor = await connection.cursor(
        """
        SELECT id, coalesce(former_of, id) AS sealed_for, national_id_sealed FROM students
        WHERE NOT active AND ($2 OR split_part(national_id_hash, '.', 1) <> $1)
            AND EXISTS (SELECT FROM bindings WHERE student_id = students.id AND state IN ('pending', 'approved'))
        """,
        key_id,
        under_any_key,
        timeout=STATEMENT_SECONDS,
    )
    while rows := await cursor.fetch(BINDINGS_AT_ONCE, timeout=STATEMENT_SECONDS):
        yield rows


#: Students who left, each with the hash of its ID number as it is kept, and as $1 and $2 say.
KEPT = "SELECT id, national_id_hash AS hash FROM students WHERE NOT active"
GIVEN = "SELECT * FROM unnest($1::text[], $2::text[]) AS given (id, hash)"


async def follow_persons(connection: Connection, hashes: Sequence[tuple[str, str]] | None = None) -> list[UUID]:
    """Let what waits or is bound follow a child whom the roster knows by a new id, by its ID number; their ids.

    By the hash that is kept, or by ``hashes``: a student's id and a hash each. Not where the parent waits for, or is
    bound to, the child under the new id already.
    """
    given = [] if hashes is None else [[id_ for id_, _ in hashes], [hash_ for _, hash_ in hashes]]
    rows = await connection.fetch(
        f"""
        WITH former AS ({KEPT if hashes is None else GIVEN}), found AS (
            SELECT DISTINCT ON (bindings.person_hash, present.id) bindings.id, present.id AS student_id
            FROM bindings JOIN former ON former.id = bindings.student_id
            JOIN students AS present ON present.national_id_hash = former.hash AND present.active
            WHERE state IN ('pending', 'approved')
              AND NOT EXISTS (SELECT FROM bindings AS other
                              WHERE other.person_hash = bindings.person_hash AND other.student_id = present.id
                                AND other.state IN ('pending', 'approved'))
            ORDER BY bindings.person_hash, present.id, state, submitted_at DESC
        )
        UPDATE bindings SET student_id = found.student_id FROM found
        WHERE bindings.id = found.id AND state IN ('pending', 'approved') RETURNING bindings.id
        """,  # noqa: S608 - constants of this module
        *given,
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
