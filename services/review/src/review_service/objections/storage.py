"""SQL of objections, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.applications.storage import ENTITLED
from review_service.roster.storage import SCHOOL_OF_ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from shared.database import Connection
    from shared.events import GuardianObjectedData

OBJECTIONS = """
    FROM objections
        JOIN bindings AS about ON about.id = objections.binding_id AND about.submission_version IS NOT NULL
        LEFT JOIN bindings AS objector ON objector.id = objections.objector_binding_id
        LEFT JOIN classes ON classes.id = about.class_id"""
#: The teacher is neither the guardian who is objected to nor the one who objects.
NOT_INVOLVED = """
    NOT about.parent_teacher_ids @> ARRAY[{teacher}]
    AND NOT coalesce(objector.parent_teacher_ids @> ARRAY[{teacher}], false)
"""
#: Whose objection it is to deal with, for the teacher $1: the administrator's of the school in which the guardian was
#: bound, who is not involved.
THEIRS = f"""{OBJECTIONS}
    WHERE about.school_id = ({SCHOOL_OF_ADMINISTRATOR}) AND {NOT_INVOLVED.format(teacher="$1::text")}"""
COLUMNS = """
    objections.*, about.names AS about_names, about.relation AS about_relation, about.state AS about_state,
    about.revoked_by IS NOT NULL AS is_unbinding, objector.names AS objector_names,
    objector.relation AS objector_relation, classes.name AS class_name"""


async def save(connection: Connection, objection_id: UUID, told: GuardianObjectedData, reason: str) -> None:
    """An objection, unless it is known; one whose end was heard of first stays closed, and without its text."""
    await connection.execute(
        """
        INSERT INTO objections AS known (id, binding_id, objector_binding_id, reason, submitted_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE SET binding_id = excluded.binding_id,
            objector_binding_id = excluded.objector_binding_id, submitted_at = excluded.submitted_at,
            reason = CASE WHEN known.state <> 'withdrawn' THEN excluded.reason END
        WHERE known.binding_id IS NULL
        """,
        objection_id,
        told.binding_id,
        told.objector_binding_id,
        reason,
        told.submitted_at,
    )


async def close(
    connection: Connection, objection_id: UUID, binding_id: UUID, outcome: str, closed_at: datetime
) -> None:
    """Binding's word on how an objection ended; the objection itself may still be to come."""
    await connection.execute(
        """
        INSERT INTO objections AS known (id, state, closed_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE
            SET state = excluded.state, closed_at = coalesce(known.closed_at, excluded.closed_at)
        """,
        objection_id,
        outcome,
        closed_at,
    )
    await touch(connection, binding_id)


async def forget(connection: Connection, objection_ids: Sequence[UUID], closed_at: datetime) -> None:
    """Who sent these is forgotten: their texts go, also one that comes later."""
    await connection.execute(
        """
        INSERT INTO objections AS known (id, state, closed_at) SELECT unnest($1::uuid[]), 'withdrawn', $2
        ON CONFLICT (id) DO UPDATE SET reason = NULL, note = NULL,
            state = CASE WHEN known.state = 'open' THEN 'withdrawn' ELSE known.state END,
            closed_at = coalesce(known.closed_at, excluded.closed_at)
        """,
        objection_ids,
        closed_at,
    )


async def touch(connection: Connection, binding_id: UUID) -> None:
    """Let open pages see that something about this application changed: the trigger counts on."""
    await connection.execute("UPDATE bindings SET change = 0 WHERE id = $1", binding_id)


async def objections(connection: Connection, teacher_id: str, limit: int) -> list[asyncpg.Record]:
    """The school's objections, for its administrator: those that wait first, the oldest before, then the latest."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT {COLUMNS} {THEIRS}
        ORDER BY objections.state <> 'open', CASE WHEN objections.state = 'open' THEN objections.submitted_at END,
            objections.closed_at DESC, objections.id LIMIT $2
        """,
        teacher_id,
        limit,
    )
    return rows


async def count_open(connection: Connection, teacher_id: str) -> int:
    """How many wait for this administrator."""
    count: int = await connection.fetchval(
        f"SELECT count(*) {THEIRS} AND objections.state = 'open'",
        teacher_id,
    )
    return count


async def open_of_administrators(connection: Connection) -> list[asyncpg.Record]:
    """How many wait for each administrator at work, since when, and for how many whole days the oldest of them."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT teachers.id AS teacher_id, teachers.details, count(*) AS open, min(objections.submitted_at) AS since,
            floor(extract(epoch FROM present() - min(objections.submitted_at)) / 86400)::int AS oldest_days
        {OBJECTIONS}
            JOIN teachers ON teachers.school_id = about.school_id AND teachers.active
                AND teachers.role = 'administrator'
        WHERE objections.state = 'open' AND {NOT_INVOLVED.format(teacher="teachers.id")}
        GROUP BY teachers.id, teachers.details
        """  # noqa: S608 - constants of this module
    )
    return rows


async def objection(connection: Connection, teacher_id: str, objection_id: UUID) -> asyncpg.Record | None:
    """One of them."""
    return await connection.fetchrow(
        f"SELECT {COLUMNS} {THEIRS} AND objections.id = $2",
        teacher_id,
        objection_id,
    )


async def about(connection: Connection, teacher_id: str, binding_id: UUID) -> Sequence[asyncpg.Record]:
    """What was objected to one application, for who may see that: id, state, times."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT id, state, submitted_at, closed_at FROM objections
        WHERE binding_id = (SELECT id FROM bindings WHERE id = $2 AND {ENTITLED}) ORDER BY submitted_at
        """,  # noqa: S608 - constants of this module
        teacher_id,
        binding_id,
    )
    return rows


async def answer(connection: Connection, teacher_id: str, objection_id: UUID, note: str) -> UUID | None:
    """The administrator's answer (sealed) to one that waits; whom it is about. None where it waits no longer."""
    answered: UUID | None = await connection.fetchval(
        f"""
        UPDATE objections AS known SET state = 'answered', note = $3, closed_by = $1, closed_at = present()
        WHERE known.id = (SELECT objections.id {THEIRS} AND objections.id = $2) AND known.state = 'open'
        RETURNING known.binding_id
        """,  # noqa: S608 - the same
        teacher_id,
        objection_id,
        note,
    )
    return answered
