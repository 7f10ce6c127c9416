"""SQL of applications, one function a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from review_service.roster.storage import CLASSES_OF_TEACHER, SCHOOL_OF_ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection
    from shared.events import BindingStandingData, BindingSubmittedData

IS_ADMINISTRATOR = f"coalesce(school_id = ({SCHOOL_OF_ADMINISTRATOR}), false)"
#: Whose application a row of bindings is, for the teacher $1: their class's, or, for an administrator, their school's;
#: never one in which they are the parent. Every query that reads or changes one application has it, so that no page can
#: forget to ask.
ENTITLED = f"""
    submission_version IS NOT NULL AND NOT parent_teacher_ids @> ARRAY[$1::text]
    AND (class_id = ANY(ARRAY({CLASSES_OF_TEACHER})) OR {IS_ADMINISTRATOR})"""
#: Waits for a teacher: neither settled by binding nor decided by anyone.
UNDECIDED = "state = 'waiting' AND decided_outcome IS NULL"
#: Whether the decision on it is the teacher's ($1) to take.
MINE_TO_DECIDE = f"(NOT for_administrator OR {IS_ADMINISTRATOR})"
#: Makes an application one that nobody decided on.
FORGOTTEN = """
    decided_outcome = NULL, decided_by = NULL, decided_at = NULL, reason = NULL, batch = NULL, leaves_at = NULL"""


# --- what binding tells ---


async def save_submission(
    connection: Connection,
    binding_id: UUID,
    submitted: BindingSubmittedData,
    *,
    names: str,
    details: str,
    contacts: str | None,
) -> None:
    """What was submitted, unless a later submission is known. It waits, unless something later is known of it.

    Of a parent who was forgotten nothing is learned again.
    """
    await connection.execute(
        """
        INSERT INTO bindings AS known (id, version, state, submission_version, told_version, application_id,
            application_number, student_id, told_school_id, told_class_id, relation, submitted_at, statement_version,
            names, details, contacts, on_paper, paper_entry_id, document_hash, parent_teacher_ids, is_contact_shared,
            is_known_guardian)
        VALUES ($1, $2, 'waiting', $2, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
        ON CONFLICT (id) DO UPDATE SET
            state = CASE WHEN known.version < excluded.version THEN excluded.state ELSE known.state END,
            settled_at = CASE WHEN known.version < excluded.version THEN NULL ELSE known.settled_at END,
            left_on = CASE WHEN known.version < excluded.version THEN NULL ELSE known.left_on END,
            (student_id, told_school_id, told_class_id, told_version) = (
                SELECT * FROM (VALUES
                    (known.student_id, known.told_school_id, known.told_class_id, known.told_version),
                    (excluded.student_id, excluded.told_school_id, excluded.told_class_id, excluded.told_version)
                ) AS told (student_id, school_id, class_id, version) ORDER BY version DESC NULLS LAST LIMIT 1),
            version = greatest(known.version, excluded.version),
            submission_version = excluded.submission_version, application_id = excluded.application_id,
            application_number = excluded.application_number, relation = excluded.relation,
            submitted_at = excluded.submitted_at, statement_version = excluded.statement_version,
            names = excluded.names, details = excluded.details,
            contacts = CASE WHEN known.version <= excluded.version THEN excluded.contacts END,
            on_paper = excluded.on_paper, paper_entry_id = excluded.paper_entry_id,
            document_hash = excluded.document_hash, parent_teacher_ids = excluded.parent_teacher_ids,
            is_contact_shared = excluded.is_contact_shared, is_known_guardian = excluded.is_known_guardian
        WHERE coalesce(known.submission_version, -1) < excluded.submission_version AND known.forgotten_at IS NULL
        """,
        binding_id,
        submitted.version,
        submitted.application_id,
        submitted.application_number,
        submitted.student_id,
        submitted.school_id,
        submitted.class_id,
        submitted.relation,
        submitted.submitted_at,
        submitted.statement_version,
        names,
        details,
        contacts,
        submitted.on_paper,
        submitted.paper_entry_id,
        submitted.document_hash,
        submitted.parent_teacher_ids,
        submitted.is_contact_shared,
        submitted.is_known_guardian,
    )


async def forget_decision(connection: Connection, binding_id: UUID, version: int) -> None:
    """Binding tells of a later submission than the one that was decided on: no decision on that counts any more."""
    await connection.execute(
        f"""
        UPDATE bindings SET {FORGOTTEN}, left_at = NULL, revoked_by = NULL, revoked_reason = NULL
        WHERE id = $1 AND submission_version < $2 AND (decided_outcome IS NOT NULL OR revoked_by IS NOT NULL)
        """,  # noqa: S608 - constants of this module
        binding_id,
        version,
    )


async def settle(
    connection: Connection, binding_id: UUID, state: str, told: BindingStandingData, settled_at: datetime
) -> str | None:
    """Binding's word on an application, unless a later one is known; the submission itself may still be to come.

    Contacts are needed no longer, and go. Returns the student, where the row changed and is known.
    """
    student_id: str | None = await connection.fetchval(
        """
        INSERT INTO bindings AS known (id, version, state, settled_at, left_on, student_id, told_school_id,
            told_class_id, told_version)
        VALUES ($1, $2, $3, $4, $5, nullif($6, ''), nullif($7, ''), nullif($8, ''),
            CASE WHEN $6 <> '' THEN $2::bigint END)
        ON CONFLICT (id) DO UPDATE SET
            version = excluded.version, state = excluded.state, settled_at = excluded.settled_at,
            left_on = excluded.left_on, contacts = NULL,
            student_id = coalesce(excluded.student_id, known.student_id),
            told_school_id = coalesce(excluded.told_school_id, known.told_school_id),
            told_class_id = coalesce(excluded.told_class_id, known.told_class_id),
            told_version = coalesce(excluded.told_version, known.told_version)
        WHERE known.version < excluded.version
        RETURNING student_id
        """,
        binding_id,
        told.version,
        state,
        settled_at,
        told.left_on,
        told.student_id,
        told.school_id,
        told.class_id,
    )
    return student_id


async def follow_students(connection: Connection, student_ids: Sequence[str]) -> None:
    """Put the applications of these students where they are.

    What is bound is where the roster has the student now. All else is where binding last told: what has ended stays
    with the school where it did. Rows that stay the same are not touched.
    """
    await connection.execute(
        """
        UPDATE bindings SET school_id = now.school_id, class_id = now.class_id
        FROM (
            SELECT here.id, coalesce(students.school_id, told_school_id) AS school_id,
                coalesce(students.class_id, told_class_id) AS class_id
            FROM bindings AS here LEFT JOIN students ON students.id = here.student_id
                AND students.class_id IS NOT NULL AND here.state = 'approved' AND here.left_on IS NULL
            WHERE here.student_id = ANY($1) AND told_version IS NOT NULL
        ) AS now
        WHERE bindings.id = now.id
            AND (bindings.school_id, bindings.class_id) IS DISTINCT FROM (now.school_id, now.class_id)
        """,
        student_ids,
    )


async def forget_overtaken(connection: Connection, binding_id: UUID) -> None:
    """Forget what a teacher decided on an application that the roster ended: it was never applied."""
    await connection.execute(
        f"""
        UPDATE bindings SET {FORGOTTEN}, left_at = NULL
        WHERE id = $1 AND state = 'refused' AND left_on IS NOT NULL AND decided_outcome IS NOT NULL
        """,  # noqa: S608 - a constant of this module
        binding_id,
    )


async def student_of(connection: Connection, binding_id: UUID) -> str | None:
    """The student that an application is about; None where that is not known yet."""
    student_id: str | None = await connection.fetchval("SELECT student_id FROM bindings WHERE id = $1", binding_id)
    return student_id


async def hold(connection: Connection, student_ids: Sequence[str]) -> None:
    """Until this transaction ends, nobody else changes what is told of these students.

    Of two applications that come at the same moment, each would otherwise be judged without the other. Who changes rows
    of a student's asks for this first, or the two would wait for each other.
    """
    await connection.execute(
        """
        SELECT pg_advisory_xact_lock(hashtextextended('review student ' || id, 0))
        FROM (SELECT DISTINCT unnest($1::text[]) AS id ORDER BY id) AS students
        """,
        student_ids,
    )


async def refresh(connection: Connection, student_ids: Sequence[str]) -> None:
    """Work out anew what is unusual about the waiting applications of these students, and who decides on them.

    The administrator does where there is a custody note, or where a teacher of the class is the parent. Rows that stay
    the same are not touched.
    """
    await hold(connection, student_ids)
    await connection.execute(
        """
        UPDATE bindings SET flags = now.flags, for_administrator = now.for_administrator
        FROM (
            SELECT here.id,
                array_remove(ARRAY[
                    CASE WHEN count(other.id) >= 2 THEN 'third_guardian' END,
                    CASE WHEN here.relation <> 'other' AND bool_or(other.relation = here.relation)
                        THEN 'same_relation' END,
                    CASE WHEN here.is_contact_shared THEN 'shared_contact' END,
                    CASE WHEN EXISTS (SELECT FROM disowned_notices WHERE binding_id = here.id AND handled_at IS NULL)
                        THEN 'disowned' END], NULL) AS flags,
                EXISTS (SELECT FROM custody_notes WHERE custody_notes.student_id = here.student_id)
                OR EXISTS (SELECT FROM classes WHERE classes.id = here.class_id
                           AND CASE WHEN moved_to IS NULL THEN teacher_ids ELSE ARRAY[moved_to] END
                               && here.parent_teacher_ids) AS for_administrator
            FROM bindings AS here
            LEFT JOIN bindings AS other ON other.student_id = here.student_id AND other.id <> here.id
                AND other.state IN ('waiting', 'approved') AND other.submission_version IS NOT NULL
            WHERE here.student_id = ANY($1) AND here.state = 'waiting'
            GROUP BY here.id
        ) AS now
        WHERE bindings.id = now.id
            AND (bindings.flags, bindings.for_administrator) IS DISTINCT FROM (now.flags, now.for_administrator)
        """,
        student_ids,
    )


async def waiting_students(connection: Connection, class_id: str) -> list[str]:
    """The students for whom an application waits in a class."""
    rows = await connection.fetch(
        "SELECT DISTINCT student_id FROM bindings WHERE class_id = $1 AND state = 'waiting' AND student_id IS NOT NULL",
        class_id,
    )
    return [row["student_id"] for row in rows]


# --- lists ---

ENTRY = """id, state, decided_outcome, left_at, revoked_by, ended_by_deletion, relation, submitted_at, ended_at, names,
    class_id, flags,
    for_administrator, on_paper, is_known_guardian, present() - submitted_at AS waited"""
#: What lists show to the teacher $1: never what they have sent themselves, as a parent.
WAITING = f"{UNDECIDED} AND submission_version IS NOT NULL AND NOT parent_teacher_ids @> ARRAY[$1::text]"
ENDED = "ended_at IS NOT NULL AND submission_version IS NOT NULL AND NOT parent_teacher_ids @> ARRAY[$1::text]"
FLAGGED = "AND flags <> '{}'"
#: Nobody reads on a badge how many more there are.
MOST_COUNTED = 999
#: As many as may be under way in one class or school at the same moment.
LATEST_CHANGES = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list's applications are, in a whole school or else in these classes, and if an administrator asks."""

    school_id: str = ""
    class_ids: Sequence[str] = ()
    is_administrators: bool = False

    @property
    def column(self) -> str:
        """The column that says so."""
        return "school_id" if self.school_id else "class_id"

    @property
    def values(self) -> Sequence[str]:
        """What stands in it."""
        return [self.school_id] if self.school_id else self.class_ids

    @property
    def waiting(self) -> str:
        """What waits there: what a teacher does not decide on waits for the administrator."""
        return f"{WAITING} {'' if self.is_administrators else 'AND NOT for_administrator'}"


async def classes_of(connection: Connection, teacher_id: str) -> list[asyncpg.Record]:
    """Id and name of the classes whose applications this teacher sees, by name."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT id, name FROM classes
        WHERE id IN ({CLASSES_OF_TEACHER}) OR (active AND {IS_ADMINISTRATOR}) ORDER BY name, id
        """,  # noqa: S608 - constants of this module
        teacher_id,
    )
    return rows


async def waiting_page(
    connection: Connection,
    teacher_id: str,
    where: Place,
    *,
    flagged: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
    backwards: bool = False,
) -> list[asyncpg.Record]:
    """What waits there, oldest first, from behind ``after`` on; ``backwards``: the other way round."""
    order, than = ("DESC", "<") if backwards else ("ASC", ">")
    conditions = f"""
        {where.waiting} {FLAGGED if flagged else ""}
        AND ($3::timestamptz IS NULL OR (submitted_at, id) {than} ($3, $4))"""
    return await _page(connection, teacher_id, where, conditions, ("submitted_at", order), after, limit)


async def ended_page(
    connection: Connection,
    teacher_id: str,
    where: Place,
    *,
    state: str,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """What was decided or has ended there, the latest first; ``state`` is one of the domain's, or empty for all."""
    conditions = f"""
        {ENDED} {f"AND state = '{state}'" if state else ""}
        AND ($3::timestamptz IS NULL OR (ended_at, id) < ($3, $4))"""
    return await _page(connection, teacher_id, where, conditions, ("ended_at", "DESC"), after, limit)


async def _page(
    connection: Connection,
    teacher_id: str,
    where: Place,
    conditions: str,
    order: tuple[str, str],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Each class is read from its own index, in order already, so that a page costs what a page holds."""
    column, direction = order
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT here.*, classes.name AS class_name
        FROM unnest($2::text[]) AS place CROSS JOIN LATERAL (
            SELECT {ENTRY} FROM bindings WHERE {where.column} = place AND {conditions}
            ORDER BY {column} {direction}, id {direction} LIMIT $5
        ) AS here LEFT JOIN classes ON classes.id = here.class_id
        ORDER BY here.{column} {direction}, here.id {direction} LIMIT $5
        """,  # noqa: S608 - put together from constants of this module and a state of the domain
        teacher_id,
        where.values,
        *(after or (None, None)),
        limit,
    )
    return rows


async def count_waiting(connection: Connection, teacher_id: str, where: Place, *, flagged: bool) -> int:
    """How many wait there, counted up to MOST_COUNTED.

    In order, though nobody sees it: so each class is counted in its own index, whatever PostgreSQL guesses of a list of
    classes that it does not know.
    """
    count: int = await connection.fetchval(
        f"""
        SELECT count(*) FROM (
            SELECT FROM unnest($2::text[]) AS place CROSS JOIN LATERAL (
                SELECT FROM bindings WHERE {where.column} = place AND {where.waiting} {FLAGGED if flagged else ""}
                ORDER BY submitted_at, id LIMIT {MOST_COUNTED}
            ) AS here LIMIT {MOST_COUNTED}
        ) AS counted
        """,  # noqa: S608 - constants of this module
        teacher_id,
        where.values,
    )
    return count


async def waiting_for(connection: Connection, teacher_id: str, binding_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Those of the applications on which this teacher may decide now; the columns of a list."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT here.*, classes.name AS class_name
        FROM (SELECT {ENTRY} FROM bindings
              WHERE id = ANY($2) AND {UNDECIDED} AND {ENTITLED} AND {MINE_TO_DECIDE}) AS here
            LEFT JOIN classes ON classes.id = class_id
        ORDER BY submitted_at, here.id
        """,  # noqa: S608 - constants of this module
        teacher_id,
        binding_ids,
    )
    return rows


async def changes(connection: Connection, teacher_ids: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """For each of the teachers three numbers of which one is another after every change in their classes or school.

    The first is the sum of the latest changes' numbers, not only the last one's: of two that overlap, the one with the
    lower number may be committed last. The second is how many wait, counted up to MOST_COUNTED, as some may leave a
    class for another. The third, for an administrator, is how many paper applications binding has answered.
    """
    rows = await connection.fetch(
        f"""
        SELECT teacher.id, coalesce(sum(seen.latest), 0)::bigint AS latest,
            coalesce(sum(seen.waiting), 0)::bigint AS waiting, coalesce(sum(seen.answered), 0)::bigint AS answered
        FROM unnest($1::text[]) AS teacher (id)
        LEFT JOIN LATERAL (
            SELECT {_seen("class_id", "mine.id")}, 0 AS answered
            FROM ({CLASSES_OF_TEACHER.replace("$1", "teacher.id")}) AS mine
            UNION ALL
            SELECT {_seen("school_id", "mine.school_id")},
                (SELECT count(*) FROM paper_entries WHERE school_id = mine.school_id AND state <> 'sent')
            FROM ({SCHOOL_OF_ADMINISTRATOR.replace("$1", "teacher.id")}) AS mine
        ) AS seen ON true
        GROUP BY teacher.id
        """,  # noqa: S608 - constants of ours
        teacher_ids,
    )
    return {row["id"]: (row["latest"], row["waiting"], row["answered"]) for row in rows}


def _seen(column: str, value: str) -> str:
    """The first two numbers of one class or school, each read from an index."""
    return f"""
        (SELECT sum(change) FROM (
            SELECT change FROM bindings WHERE {column} = {value}
            ORDER BY change DESC LIMIT {LATEST_CHANGES}) AS changed) AS latest,
        (SELECT count(*) FROM (
            SELECT FROM bindings WHERE {column} = {value} AND {UNDECIDED} AND submission_version IS NOT NULL
            LIMIT {MOST_COUNTED}) AS counted) AS waiting"""  # noqa: S608 - constants of ours


# --- one application ---


async def application(connection: Connection, teacher_id: str, binding_id: UUID) -> asyncpg.Record | None:
    """One application with its class, school, student and who decided; None where this teacher may not see it."""
    return await connection.fetchrow(
        f"""
        SELECT here.*, classes.name AS class_name, schools.name AS school_name,
            deciders.details AS decider_details, revokers.details AS revoker_details,
            students.name AS roster_name, now_in.name AS roster_class, students.id IS NOT NULL AS is_in_roster,
            present() - here.submitted_at AS waited, here.leaves_at - present() AS undo_left
        FROM (SELECT *, {MINE_TO_DECIDE} AS is_mine FROM bindings WHERE id = $2 AND {ENTITLED}) AS here
            LEFT JOIN classes ON classes.id = here.class_id
            LEFT JOIN schools ON schools.id = here.school_id
            LEFT JOIN teachers AS deciders ON deciders.id = here.decided_by
            LEFT JOIN teachers AS revokers ON revokers.id = here.revoked_by
            LEFT JOIN students ON students.id = here.student_id AND students.class_id IS NOT NULL
            LEFT JOIN classes AS now_in ON now_in.id = students.class_id
        """,  # noqa: S608 - constants of this module
        teacher_id,
        binding_id,
    )


async def relatives(connection: Connection, teacher_id: str, binding_id: UUID) -> list[asyncpg.Record]:
    """The other applications for the same student, and the same parent's for other students; only what may be seen."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT {ENTRY}, student_id = (SELECT student_id FROM bindings WHERE id = $2) AS is_same_student
        FROM bindings
        WHERE id <> $2 AND {ENTITLED} AND (
            student_id = (SELECT student_id FROM bindings WHERE id = $2)
            OR application_id = (SELECT application_id FROM bindings WHERE id = $2))
        ORDER BY submitted_at DESC, id LIMIT 20
        """,  # noqa: S608 - constants of this module
        teacher_id,
        binding_id,
    )
    return rows


async def find(connection: Connection, teacher_id: str, number: str, document_hash: str) -> UUID | None:
    """The application with this number or this document's hash, one that waits before others; None for none to see."""
    found: UUID | None = await connection.fetchval(
        f"""
        SELECT id FROM bindings
        WHERE (application_number = $2 OR ($3 <> '' AND document_hash = $3)) AND {ENTITLED}
        ORDER BY NOT ({UNDECIDED}), submitted_at, id LIMIT 1
        """,  # noqa: S608 - constants of this module
        teacher_id,
        number,
        document_hash,
    )
    return found


# --- decisions ---


async def hold_applications(connection: Connection, binding_ids: Sequence[UUID]) -> None:
    """Nobody else changes these until the transaction ends; asked for in one order, so that no two deadlock."""
    await connection.execute("SELECT FROM bindings WHERE id = ANY($1) ORDER BY id FOR UPDATE", binding_ids)


async def take_decisions(
    connection: Connection,
    teacher_id: str,
    binding_ids: Sequence[UUID],
    outcome: str,
    reasons: Sequence[str | None],
    *,
    batch: UUID,
    undo: timedelta,
    cause: str,
    traceparent: str | None,
) -> list[UUID]:
    """Decide on those that nobody decided on and that binding says wait; ``reasons`` are sealed, one each.

    Of many at once exactly one gets each. They leave after ``undo``, in this chain of causes and this trace.
    """
    rows = await connection.fetch(
        f"""
        UPDATE bindings SET decided_outcome = $4, decided_by = $1, decided_at = present(), reason = told.reason,
            batch = $5, leaves_at = present() + $6::interval, left_at = NULL,
            decision_cause = $7, decision_traceparent = $8
        FROM unnest($2::uuid[], $3::text[]) AS told (binding_id, reason)
        WHERE id = told.binding_id AND {UNDECIDED} AND {ENTITLED} AND {MINE_TO_DECIDE}
        RETURNING id
        """,  # noqa: S608 - constants of this module
        teacher_id,
        binding_ids,
        reasons,
        outcome,
        batch,
        undo,
        cause,
        traceparent,
    )
    return [row["id"] for row in rows]


async def undo_batch(connection: Connection, teacher_id: str, batch: UUID) -> list[UUID]:
    """Take back those of the teacher's decisions of a batch that have not left."""
    rows = await connection.fetch(
        f"""
        UPDATE bindings SET {FORGOTTEN}
        WHERE batch = $2 AND decided_by = $1 AND left_at IS NULL AND state = 'waiting' AND {ENTITLED}
        RETURNING id
        """,  # noqa: S608 - constants of this module
        teacher_id,
        batch,
    )
    return [row["id"] for row in rows]


async def take_back_from_teachers(connection: Connection, student_id: str) -> list[UUID]:
    """Take back what a teacher decided for this student and what has not left, where it is the administrator's now."""
    rows = await connection.fetch(
        f"""
        UPDATE bindings SET {FORGOTTEN}
        WHERE student_id = $1 AND for_administrator AND state = 'waiting'
            AND decided_outcome IS NOT NULL AND leaves_at IS NOT NULL AND left_at IS NULL
            AND NOT EXISTS (SELECT FROM teachers WHERE teachers.id = decided_by AND teachers.active
                            AND role = 'administrator' AND teachers.school_id = bindings.school_id)
        RETURNING id
        """,  # noqa: S608 - constants of this module
        student_id,
    )
    return [row["id"] for row in rows]


async def batch(connection: Connection, teacher_id: str, batch: UUID) -> list[asyncpg.Record]:
    """The teacher's own decisions of a batch: the columns of a list, and how long until they leave.

    Not those that a withdrawal overtook: they came to nothing.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT bindings.id, names, class_name.name AS class_name, decided_outcome, left_at, state,
            leaves_at - present() AS undo_left
        FROM (SELECT * FROM bindings
              WHERE batch = $2 AND decided_by = $1 AND state <> 'withdrawn' AND {ENTITLED}) AS bindings
            LEFT JOIN classes AS class_name ON class_name.id = class_id
        ORDER BY submitted_at, bindings.id
        """,  # noqa: S608 - constants of this module
        teacher_id,
        batch,
    )
    return rows


async def let_leave(connection: Connection, most: int) -> list[asyncpg.Record]:
    """The decisions that can be undone no longer, each for one of many who ask at once."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        UPDATE bindings SET left_at = present()
        WHERE id IN (
            SELECT id FROM bindings
            WHERE left_at IS NULL AND decided_outcome IS NOT NULL AND state = 'waiting' AND leaves_at <= present()
            ORDER BY leaves_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING id, decided_outcome, decided_by, reason, submission_version,
            decision_cause, decision_traceparent,
            extract(epoch FROM present() - submitted_at)::float8 AS waited_seconds
        """,
        most,
    )
    return rows


async def give_back(connection: Connection, binding_ids: Sequence[UUID]) -> None:
    """These wait again, as if nobody had decided."""
    await connection.execute(
        """
        UPDATE bindings SET decided_outcome = NULL, decided_by = NULL, decided_at = NULL, reason = NULL,
            batch = NULL, leaves_at = NULL, left_at = NULL
        WHERE id = ANY($1)
        """,
        binding_ids,
    )


async def seconds_until_next_leaves(connection: Connection) -> float | None:
    """How long until a decision is to leave; None when none waits for that."""
    seconds: float | None = await connection.fetchval(
        """
        SELECT extract(epoch FROM min(leaves_at) - present())::float8 FROM bindings
        WHERE left_at IS NULL AND decided_outcome IS NOT NULL AND state = 'waiting'
        """
    )
    return seconds


async def mark_unbinding(connection: Connection, teacher_id: str, binding_id: UUID, reason: str) -> bool:
    """The administrator ends a binding; ``reason`` is sealed. False where it is not bound, or is ending already."""
    return bool(
        await connection.fetchval(
            f"""
            UPDATE bindings SET revoked_by = $1, revoked_reason = $3
            WHERE id = $2 AND state = 'approved' AND revoked_by IS NULL AND {ENTITLED} AND {IS_ADMINISTRATOR}
            RETURNING true
            """,  # noqa: S608 - constants of this module
            teacher_id,
            binding_id,
            reason,
        )
    )


# --- reasons for a refusal ---


async def reasons(connection: Connection, school_id: str) -> list[str] | None:
    """The school's own list; None where it has none."""
    words: list[str] | None = await connection.fetchval(
        "SELECT words FROM refusal_reasons WHERE school_id = $1", school_id
    )
    return words


async def save_reasons(connection: Connection, school_id: str, words: Sequence[str], teacher_id: str) -> None:
    """The school's own list from now on; an empty one is none."""
    await connection.execute(
        """
        WITH gone AS (DELETE FROM refusal_reasons WHERE school_id = $1 AND cardinality($2::text[]) = 0)
        INSERT INTO refusal_reasons (school_id, words, changed_by)
        SELECT $1, $2, $3 WHERE cardinality($2::text[]) > 0
        ON CONFLICT (school_id) DO UPDATE SET
            words = excluded.words, changed_by = excluded.changed_by, changed_at = present()
        """,
        school_id,
        words,
        teacher_id,
    )


# --- forgetting ---


async def end_with_account(
    connection: Connection, binding_id: UUID, version: int, state: str, ended_at: datetime
) -> None:
    """The account of the parent was deleted: what was bound or waited has ended by that, unless it had before.

    Nothing may be known of the binding yet; then this is what stays.
    """
    await connection.execute(
        """
        INSERT INTO bindings AS known (id, version, state, settled_at, ended_by_deletion, forgotten_at)
        VALUES ($1, $2, $3, $4, true, $4)
        ON CONFLICT (id) DO UPDATE SET
            version = excluded.version, state = excluded.state, settled_at = excluded.settled_at,
            ended_by_deletion = known.ended_by_deletion OR known.state <> 'withdrawn'
        WHERE known.version < excluded.version
        """,
        binding_id,
        version,
        state,
        ended_at,
    )


async def to_forget(connection: Connection, binding_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Id and sealed names of these bindings, held until the transaction ends."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, names FROM bindings WHERE id = ANY($1) ORDER BY id FOR UPDATE", binding_ids
    )
    return rows


ENDED_LONG_AGO = """
    forgotten_at IS NULL AND submission_version IS NOT NULL AND state IN ('refused', 'withdrawn', 'revoked')
    AND settled_at < present() - $1::interval"""


async def count_ended_long_ago(connection: Connection, period: timedelta) -> int:
    """How many have ended so long ago, and are not forgotten."""
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM bindings WHERE {ENDED_LONG_AGO}",  # noqa: S608 - a constant of this module
        period,
    )
    return count


async def ended_long_ago(connection: Connection, period: timedelta, most: int) -> list[asyncpg.Record]:
    """The same: id and sealed names, held until the transaction ends."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT id, names FROM bindings WHERE {ENDED_LONG_AGO} LIMIT $2 FOR UPDATE SKIP LOCKED",  # noqa: S608 - the same
        period,
        most,
    )
    return rows


async def forget(connection: Connection, binding_id: UUID, names: str | None, details: str | None) -> None:
    """What was personal is gone: ``names`` and ``details`` (sealed) hold nothing of it any more."""
    await connection.execute(
        """
        UPDATE bindings SET names = $2, details = $3, contacts = NULL, reason = NULL, revoked_reason = NULL,
            document_hash = '', parent_teacher_ids = '{}', forgotten_at = coalesce(forgotten_at, present())
        WHERE id = $1
        """,
        binding_id,
        names,
        details,
    )
