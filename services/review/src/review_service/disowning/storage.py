"""SQL of disowned notices, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.applications.storage import ENTITLED
from review_service.roster.storage import SCHOOL_OF_ADMINISTRATOR

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection
    from shared.events import NoticeDisownedData

#: Those about an application of the school of the administrator $1, who is not its parent; and those that went to the
#: school's own staff.
THEIRS = f"""
    FROM disowned_notices AS disowned
        LEFT JOIN bindings AS about ON about.id = disowned.binding_id
        LEFT JOIN teachers ON teachers.id = disowned.teacher_id
        LEFT JOIN classes ON classes.id = about.class_id
    WHERE coalesce(teachers.school_id, about.school_id) = ({SCHOOL_OF_ADMINISTRATOR})
        AND (about.id IS NULL OR (about.submission_version IS NOT NULL
                                  AND NOT about.parent_teacher_ids @> ARRAY[$1::text]))"""


async def is_in_time(connection: Connection, moment: datetime, life: timedelta) -> bool:
    """Whether so much time has not yet passed since then."""
    in_time: bool = await connection.fetchval("SELECT present() < $1::timestamptz + $2::interval", moment, life)
    return in_time


async def add(connection: Connection, binding_id: UUID, told: NoticeDisownedData, disowned_at: datetime) -> bool:
    """A notice about a binding was disowned; False where that is known."""
    added: bool | None = await connection.fetchval(
        """
        INSERT INTO disowned_notices (binding_id, kind, sent_at, disowned_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        binding_id,
        told.kind,
        told.sent_at,
        disowned_at,
    )
    return bool(added)


async def add_of_staff(connection: Connection, teacher_id: str, kind: str, sent_at: datetime) -> str | None:
    """A notice to one of the staff was disowned: the school; None where that is known, or nobody has that id."""
    school_id: str | None = await connection.fetchval(
        """
        WITH added AS (
            INSERT INTO disowned_notices (teacher_id, kind, sent_at) SELECT id, $2, $3 FROM teachers WHERE id = $1
            ON CONFLICT DO NOTHING RETURNING teacher_id
        )
        SELECT school_id FROM teachers JOIN added ON teacher_id = teachers.id
        """,
        teacher_id,
        kind,
        sent_at,
    )
    return school_id


async def binding(connection: Connection, binding_id: UUID) -> asyncpg.Record | None:
    """The student and the school of a binding, as far as they are known."""
    return await connection.fetchrow("SELECT student_id, school_id FROM bindings WHERE id = $1", binding_id)


async def disowned(connection: Connection, teacher_id: str, limit: int) -> list[asyncpg.Record]:
    """The school's, for its administrator: those that wait first, the latest before."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT disowned.*, about.names, about.relation, classes.name AS class_name, teachers.details {THEIRS}
        ORDER BY disowned.handled_at IS NOT NULL, disowned.disowned_at DESC, disowned.id DESC LIMIT $2
        """,
        teacher_id,
        limit,
    )
    return rows


async def count_open(connection: Connection, teacher_id: str) -> int:
    """How many wait for this administrator."""
    count: int = await connection.fetchval(f"SELECT count(*) {THEIRS} AND disowned.handled_at IS NULL", teacher_id)
    return count


async def about(connection: Connection, teacher_id: str, binding_id: UUID) -> list[asyncpg.Record]:
    """What was disowned of one application, for who may see that."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT id, kind, disowned_at, handled_at FROM disowned_notices
        WHERE binding_id = (SELECT id FROM bindings WHERE id = $2 AND {ENTITLED}) ORDER BY disowned_at
        """,  # noqa: S608 - a constant of ours
        teacher_id,
        binding_id,
    )
    return rows


async def handle(connection: Connection, teacher_id: str, id_: UUID) -> asyncpg.Record | None:
    """The administrator has looked into it: what it is about; None where it is not theirs, or somebody has."""
    return await connection.fetchrow(
        f"""
        UPDATE disowned_notices AS known SET handled_at = present(), handled_by = $1
        WHERE known.id = (SELECT disowned.id {THEIRS} AND disowned.id = $2) AND known.handled_at IS NULL
        RETURNING known.binding_id, known.teacher_id
        """,  # noqa: S608 - the same
        teacher_id,
        id_,
    )
