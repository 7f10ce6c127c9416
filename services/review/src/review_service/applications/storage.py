"""SQL of applications, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.roster.storage import CLASSES_OF_TEACHER, SCHOOL_OF_ADMINISTRATOR

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from shared.database import Connection
    from shared.events import BindingSubmittedData

#: Whose application a row of bindings is, for the teacher $1: their class's, or, for an administrator, their school's.
#: Every query that reads or changes an application has it, so that no page can forget to ask.
ENTITLED = f"""
    submission_version IS NOT NULL AND (
        class_id = ANY(ARRAY({CLASSES_OF_TEACHER})) OR school_id = ({SCHOOL_OF_ADMINISTRATOR})
    )"""
#: Waits for a teacher: neither settled by binding nor decided by anyone.
UNDECIDED = "state = 'waiting' AND decided_outcome IS NULL"


async def save_submission(
    connection: Connection, binding_id: UUID, submitted: BindingSubmittedData, *, names: str, details: str
) -> None:
    """What was submitted, unless a later submission is known. It waits, unless something later is known of it."""
    await connection.execute(
        """
        INSERT INTO bindings AS known (id, version, state, submission_version, application_id, application_number,
            student_id, school_id, class_id, relation, submitted_at, statement_version, names, details)
        VALUES ($1, $2, 'waiting', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (id) DO UPDATE SET
            state = CASE WHEN known.version < excluded.version THEN excluded.state ELSE known.state END,
            settled_at = CASE WHEN known.version < excluded.version THEN NULL ELSE known.settled_at END,
            version = greatest(known.version, excluded.version),
            submission_version = excluded.submission_version, application_id = excluded.application_id,
            application_number = excluded.application_number, student_id = excluded.student_id,
            school_id = excluded.school_id, class_id = excluded.class_id, relation = excluded.relation,
            submitted_at = excluded.submitted_at, statement_version = excluded.statement_version,
            names = excluded.names, details = excluded.details
        WHERE coalesce(known.submission_version, -1) < excluded.submission_version
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
    )


async def settle(connection: Connection, binding_id: UUID, version: int, state: str, settled_at: datetime) -> None:
    """Binding's word on an application, unless a later one is known; the submission itself may still be to come."""
    await connection.execute(
        """
        INSERT INTO bindings AS known (id, version, state, settled_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET
            version = excluded.version, state = excluded.state, settled_at = excluded.settled_at
        WHERE known.version < excluded.version
        """,
        binding_id,
        version,
        state,
        settled_at,
    )


async def refresh(connection: Connection, student_ids: list[str]) -> None:
    """Bring what depends on others up to date for the students' bindings: whether a case is the administrator's."""
    await connection.execute(
        """
        UPDATE bindings SET for_administrator = parent_teacher_ids <> '{}'
            OR EXISTS (SELECT FROM custody_notes WHERE custody_notes.student_id = bindings.student_id)
        WHERE student_id = ANY($1)
        """,
        student_ids,
    )


async def waiting_applications(connection: Connection, teacher_id: str, limit: int) -> list[asyncpg.Record]:
    """What waits for this teacher, oldest first; ``total`` on each row is how many there are in all."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT bindings.id, state, decided_outcome, relation, submitted_at, names, classes.name AS class_name,
            present() - submitted_at AS waited, count(*) OVER () AS total
        FROM bindings LEFT JOIN classes ON classes.id = class_id
        WHERE bindings.id IN (SELECT id FROM bindings WHERE {UNDECIDED} AND {ENTITLED})
        ORDER BY submitted_at, bindings.id LIMIT $2
        """,  # noqa: S608 - constants of this module
        teacher_id,
        limit,
    )
    return rows


async def decided_applications(connection: Connection, teacher_id: str, limit: int) -> list[asyncpg.Record]:
    """What no longer waits for this teacher, the latest first; columns as of :func:`waiting_applications`."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT bindings.id, state, decided_outcome, relation, submitted_at, names, classes.name AS class_name,
            present() - submitted_at AS waited, count(*) OVER () AS total
        FROM bindings LEFT JOIN classes ON classes.id = class_id
        WHERE bindings.id IN (SELECT id FROM bindings WHERE NOT ({UNDECIDED}) AND {ENTITLED})
        ORDER BY coalesce(settled_at, decided_at) DESC, bindings.id LIMIT $2
        """,  # noqa: S608 - constants of this module
        teacher_id,
        limit,
    )
    return rows


async def application(connection: Connection, teacher_id: str, binding_id: UUID) -> asyncpg.Record | None:
    """One application with its class, school and who decided; None where this teacher may not see it."""
    return await connection.fetchrow(
        f"""
        SELECT bindings.*, classes.name AS class_name, schools.name AS school_name,
            deciders.details AS decider_details, present() - submitted_at AS waited
        FROM bindings
            LEFT JOIN classes ON classes.id = class_id
            LEFT JOIN schools ON schools.id = bindings.school_id
            LEFT JOIN teachers AS deciders ON deciders.id = decided_by
        WHERE bindings.id = (SELECT id FROM bindings WHERE id = $2 AND {ENTITLED})
        """,  # noqa: S608 - constants of this module
        teacher_id,
        binding_id,
    )


async def next_waiting(connection: Connection, teacher_id: str, binding_id: UUID) -> UUID | None:
    """The application that waits next after this one in the inbox, from the top again at its end; None when empty."""
    found: UUID | None = await connection.fetchval(
        f"""
        SELECT id FROM bindings
        WHERE {UNDECIDED} AND {ENTITLED}
        ORDER BY (submitted_at, id) <= (SELECT submitted_at, id FROM bindings WHERE id = $2), submitted_at, id
        LIMIT 1
        """,  # noqa: S608 - constants of this module
        teacher_id,
        binding_id,
    )
    return found


async def take_decision(
    connection: Connection, teacher_id: str, binding_id: UUID, outcome: str, reason: str | None
) -> bool:
    """Decide, if nobody did and binding still waits; ``reason`` is sealed. Of many at once exactly one gets True."""
    return bool(
        await connection.fetchval(
            f"""
            UPDATE bindings SET decided_outcome = $3, decided_by = $1, decided_at = present(), reason = $4
            WHERE id = $2 AND {UNDECIDED} AND {ENTITLED}
            RETURNING true
            """,  # noqa: S608 - constants of this module
            teacher_id,
            binding_id,
            outcome,
            reason,
        )
    )
