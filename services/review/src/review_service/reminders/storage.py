"""SQL of reminders, one function a query. Each is for all reviewers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.roster.storage import TEACHERS_OF_CLASSES

if TYPE_CHECKING:
    from datetime import date, timedelta

    import asyncpg

    from shared.database import Connection

#: Waits for a reviewer.
WAITING = "state = 'waiting' AND decided_outcome IS NULL AND submission_version IS NOT NULL"
#: Those whom it concerns, at work today.
ACTIVE_TEACHERS = f"""
    SELECT of_class.class_id, teachers.id AS teacher_id
    FROM ({TEACHERS_OF_CLASSES}) AS of_class JOIN teachers ON teachers.id = of_class.teacher_id AND teachers.active
"""  # noqa: S608 - constants
#: Who reviews each application of the rows "due": the teachers of its class; the school's administrators where it is
#: for them, or where the class has nobody.
REVIEWERS = """
    SELECT due.*, active_teachers.teacher_id FROM due JOIN active_teachers USING (class_id) WHERE NOT for_administrator
    UNION ALL
    SELECT due.*, teachers.id FROM due JOIN teachers ON teachers.school_id = due.school_id
        WHERE teachers.active AND teachers.role = 'administrator'
            AND (for_administrator OR class_id NOT IN (SELECT class_id FROM active_teachers))
"""
ADMINISTRATORS = """
    SELECT due.*, teachers.id AS teacher_id FROM due JOIN teachers ON teachers.school_id = due.school_id
        WHERE teachers.active AND teachers.role = 'administrator'
"""
#: A row for each of the rows "told" and class: how much waits there, and for how many whole days the oldest of it.
BY_CLASS = """
    SELECT told.teacher_id, teachers.details, coalesce(classes.name, '') AS class_name, count(*) AS waiting,
        floor(extract(epoch FROM present() - min(told.submitted_at)) / 86400)::int AS oldest_days
    FROM told JOIN teachers ON teachers.id = told.teacher_id LEFT JOIN classes ON classes.id = told.class_id
    GROUP BY told.teacher_id, teachers.details, told.class_id, classes.name ORDER BY told.teacher_id, class_name
"""


async def claim_day(connection: Connection, hour: int, hours_late: int) -> date | None:
    """Today in Taipei, where it is the hour or not much later and nobody has told today; to one caller only."""
    day: date | None = await connection.fetchval(
        """
        WITH here AS (SELECT present() AT TIME ZONE 'Asia/Taipei' AS now)
        INSERT INTO reminder_days (day)
        SELECT now::date FROM here WHERE extract(hour FROM now) >= $1 AND extract(hour FROM now) < $1 + $2
        ON CONFLICT DO NOTHING RETURNING day
        """,
        hour,
        hours_late,
    )
    return day


async def all_that_waits(connection: Connection) -> list[asyncpg.Record]:
    """What waits for each reviewer, by class."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        WITH active_teachers AS ({ACTIVE_TEACHERS}),
            due AS (SELECT id, class_id, school_id, submitted_at, for_administrator FROM bindings WHERE {WAITING}),
            told AS ({REVIEWERS})
        {BY_CLASS}
        """  # noqa: S608 - constants of this module
    )
    return rows


async def take_reminders(connection: Connection, after: timedelta) -> list[asyncpg.Record]:
    """What has waited longer than that, for each reviewer, by class; each application once and then never again."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        WITH active_teachers AS ({ACTIVE_TEACHERS}), due AS ({_marked("reminded_at")}), told AS ({REVIEWERS})
        {BY_CLASS}
        """,
        after,
    )
    return rows


async def take_escalations(connection: Connection, after: timedelta) -> list[asyncpg.Record]:
    """What has waited longer than that, for each administrator of its school, by class; each application once."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"WITH due AS ({_marked('escalated_at')}), told AS ({ADMINISTRATORS}) {BY_CLASS}",
        after,
    )
    return rows


def _marked(column: str) -> str:
    """Applications that have waited longer than $1, marked. One that is being decided on at this moment is left."""
    return f"""
        UPDATE bindings SET {column} = present() WHERE id IN (
            SELECT id FROM bindings WHERE {WAITING} AND {column} IS NULL AND submitted_at <= present() - $1::interval
            FOR UPDATE SKIP LOCKED
        ) RETURNING id, class_id, school_id, submitted_at, for_administrator
    """  # noqa: S608 - constants of this module
