"""The review service's SQL, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from review_service.errors import UsernameTakenError

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from shared.database import Connection
    from shared.events import BindingSubmittedData, ClassUpdatedData, SchoolUpdatedData, TeacherUpdatedData

#: Whose application a row of bindings is, for the teacher $1: their class's, or, for an administrator, their school's.
#: Every query that reads or changes an application has it, so that no page can forget to ask.
ENTITLED = """
    submission_version IS NOT NULL AND (
        class_id = ANY(ARRAY(SELECT id FROM classes WHERE active AND teacher_ids @> ARRAY[$1::text]))
        OR school_id = (SELECT school_id FROM teachers WHERE id = $1 AND active AND role = 'administrator')
    )"""
#: Waits for a teacher: neither settled by binding nor decided by anyone.
UNDECIDED = "state = 'waiting' AND decided_outcome IS NULL"

# --- the roster ---

#: Sessions that have ended.
EXPIRED = ("DELETE FROM sessions WHERE expires_at < present()",)


async def save_school(connection: Connection, school_id: str, school: SchoolUpdatedData) -> None:
    """The school as of this revision, unless a later one is known."""
    await connection.execute(
        """
        INSERT INTO schools AS known (id, code, name, level, revision, active) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO UPDATE SET code = excluded.code, name = excluded.name, level = excluded.level,
            revision = excluded.revision, active = excluded.active
        WHERE known.revision < excluded.revision
        """,
        school_id,
        school.code,
        school.name,
        school.level,
        school.revision,
        school.active,
    )


async def save_class(connection: Connection, class_id: str, class_: ClassUpdatedData) -> None:
    """The class as of this revision, unless a later one is known."""
    await connection.execute(
        """
        INSERT INTO classes AS known (id, school_id, name, teacher_ids, revision, active)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO UPDATE SET school_id = excluded.school_id, name = excluded.name,
            teacher_ids = excluded.teacher_ids, revision = excluded.revision, active = excluded.active
        WHERE known.revision < excluded.revision
        """,
        class_id,
        class_.school_id,
        class_.name,
        class_.teacher_ids,
        class_.revision,
        class_.active,
    )


async def save_teacher(connection: Connection, teacher_id: str, teacher: TeacherUpdatedData, details: str) -> None:
    """The teacher as of this revision, unless a later one is known; ``details`` are sealed."""
    await connection.execute(
        """
        INSERT INTO teachers AS known (id, school_id, role, details, revision, active) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO UPDATE SET school_id = excluded.school_id, role = excluded.role,
            details = excluded.details, revision = excluded.revision, active = excluded.active
        WHERE known.revision < excluded.revision
        """,
        teacher_id,
        teacher.school_id,
        teacher.role,
        details,
        teacher.revision,
        teacher.active,
    )


# --- applications ---


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


# --- accounts and sessions ---


async def account(connection: Connection, username: str) -> asyncpg.Record | None:
    """``teacher_id``, ``password_hash``, and ``in_roster``: whether the roster has this teacher, and active."""
    return await connection.fetchrow(
        "SELECT teacher_id, password_hash, coalesce(teachers.active, false) AS in_roster"
        " FROM accounts LEFT JOIN teachers ON teachers.id = teacher_id WHERE username = $1",
        username,
    )


async def teachers_with_account(connection: Connection, teacher_ids: list[str]) -> set[str]:
    """Those of the teachers who have an account."""
    rows = await connection.fetch("SELECT teacher_id FROM accounts WHERE teacher_id = ANY($1)", teacher_ids)
    return {row["teacher_id"] for row in rows}


async def open_account(connection: Connection, teacher_id: str, username: str, password_hash: str) -> bool:
    """A new account; False where the teacher has one already. Raises UsernameTakenError."""
    try:
        return bool(
            await connection.fetchval(
                "INSERT INTO accounts (teacher_id, username, password_hash) VALUES ($1, $2, $3)"
                " ON CONFLICT (teacher_id) DO NOTHING RETURNING true",
                teacher_id,
                username,
                password_hash,
            )
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "accounts_username":
            raise UsernameTakenError from None
        raise


async def open_session(connection: Connection, token_hash: str, teacher_id: str, life: timedelta) -> None:
    """A new session."""
    await connection.execute(
        "INSERT INTO sessions (token_hash, teacher_id, expires_at) VALUES ($1, $2, present() + $3::interval)",
        token_hash,
        teacher_id,
        life,
    )


async def touch_session(connection: Connection, token_hashes: list[str], idle: timedelta) -> asyncpg.Record | None:
    """The teacher of a living session, which this use keeps alive; None when it is over, or the teacher has left."""
    return await connection.fetchrow(
        """
        UPDATE sessions SET seen_at = present()
        FROM teachers LEFT JOIN schools ON schools.id = school_id
        WHERE token_hash = ANY($1) AND expires_at > present() AND seen_at > present() - $2::interval
            AND teachers.id = teacher_id AND teachers.active
        RETURNING teachers.id, teachers.role, teachers.details, schools.name AS school_name
        """,
        token_hashes,
        idle,
    )


async def end_session(connection: Connection, token_hashes: list[str]) -> str | None:
    """End a session; whose it was, None where there was none."""
    teacher_id: str | None = await connection.fetchval(
        "DELETE FROM sessions WHERE token_hash = ANY($1) RETURNING teacher_id", token_hashes
    )
    return teacher_id


async def note(connection: Connection, teacher_id: str, action: str, subject: Any) -> None:  # noqa: ANN401 - any id
    """One more line of the audit log."""
    await connection.execute(
        "INSERT INTO audit (teacher_id, action, subject) VALUES ($1, $2, $3)", teacher_id, action, str(subject)
    )
