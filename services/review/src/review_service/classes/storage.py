"""SQL of classes and who takes them over, of a school's figures, and of custody notes, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.roster.storage import CLASSES_OF_TEACHER, SCHOOL_OF_ADMINISTRATOR, TODAY

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    import asyncpg

    from review_service.classes.domain import Period
    from shared.database import Connection

#: Whose class a row of classes is, for the teacher $1: their own, or, for an administrator, their school's.
ENTITLED = f"""
    classes.active AND (
        classes.id = ANY(ARRAY({CLASSES_OF_TEACHER})) OR classes.school_id = ({SCHOOL_OF_ADMINISTRATOR})
    )"""
#: The same for an administrator only.
ADMINISTERED = f"classes.active AND classes.school_id = ({SCHOOL_OF_ADMINISTRATOR})"
#: A colleague ($3) who may take a class of classes over.
COLLEAGUE = """
    EXISTS (
        SELECT FROM teachers
        WHERE teachers.id = $3 AND teachers.active AND role = 'teacher' AND teachers.school_id = classes.school_id
    )"""
#: How many students of each class stand where, what waits to be decided there, and since when the oldest of it.
#: A look-up in the index for each student: the time grows with the students of these classes, whatever else there is,
#: and does not hang on the planner's guess of how many those are.
FIGURES = """
    SELECT classes.id, classes.name, count(students.id) AS students,
        count(*) FILTER (WHERE is_bound) AS bound, count(*) FILTER (WHERE NOT is_bound AND is_waiting) AS waiting,
        coalesce(sum(undecided), 0)::int AS undecided, present() - min(oldest) AS waited
    FROM classes
        LEFT JOIN students ON students.class_id = classes.id
        LEFT JOIN LATERAL (
            SELECT bool_or(state = 'approved') AS is_bound, bool_or(state = 'waiting') AS is_waiting,
                count(*) FILTER (WHERE state = 'waiting' AND decided_outcome IS NULL) AS undecided,
                min(submitted_at) FILTER (WHERE state = 'waiting' AND decided_outcome IS NULL) AS oldest
            FROM bindings WHERE bindings.student_id = students.id AND state IN ('approved', 'waiting')
        ) AS standings ON true
    WHERE {which}
    GROUP BY classes.id
"""
OWN_FIGURES = FIGURES.format(which=f"classes.active AND classes.id = ANY(ARRAY({CLASSES_OF_TEACHER}))")
SCHOOL_FIGURES = FIGURES.format(which=ADMINISTERED)


# --- classes and their students ---


async def own_classes(connection: Connection, teacher_id: str) -> list[asyncpg.Record]:
    """The figures of the classes that are the teacher's today."""
    rows: list[asyncpg.Record] = await connection.fetch(OWN_FIGURES, teacher_id)
    return rows


async def classes_of_school(connection: Connection, administrator_id: str) -> list[asyncpg.Record]:
    """The figures of every class of the administrator's school."""
    rows: list[asyncpg.Record] = await connection.fetch(SCHOOL_FIGURES, administrator_id)
    return rows


async def class_(connection: Connection, teacher_id: str, class_id: str) -> asyncpg.Record | None:
    """``id``, ``name``, ``moved_to`` and ``school_name``; None where the class is not this teacher's."""
    return await connection.fetchrow(
        f"""
        SELECT classes.id, classes.name, moved_to, schools.name AS school_name
        FROM classes LEFT JOIN schools ON schools.id = classes.school_id
        WHERE classes.id = $2 AND {ENTITLED}
        """,  # noqa: S608 - constants of this module
        teacher_id,
        class_id,
    )


async def administered_class(connection: Connection, administrator_id: str, class_id: str) -> asyncpg.Record | None:
    """As :func:`class_`, for the class of an administrator's school only."""
    return await connection.fetchrow(
        f"""
        SELECT classes.id, classes.name, moved_to, schools.name AS school_name
        FROM classes LEFT JOIN schools ON schools.id = classes.school_id
        WHERE classes.id = $2 AND {ADMINISTERED}
        """,  # noqa: S608 - constants of this module
        administrator_id,
        class_id,
    )


async def students_of_class(connection: Connection, class_id: str) -> list[asyncpg.Record]:
    """Each student's ``id`` and sealed ``name`` in the roster's order, once for each binding with that binding."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT students.id, students.name, bindings.id AS binding_id, state, decided_outcome, relation, names,
            ended_by_deletion,
            bindings.class_id = students.class_id AS is_here, present() - submitted_at AS waited
        FROM students
            LEFT JOIN bindings ON bindings.student_id = students.id AND submission_version IS NOT NULL
        WHERE students.class_id = $1
        ORDER BY students.id, submitted_at, bindings.id
        """,
        class_id,
    )
    return rows


async def teachers_of(
    connection: Connection, class_ids: list[str], *, has_single_sign_on: bool
) -> list[asyncpg.Record]:
    """Who teaches each class by what ``part``, substitutes of days to come included; sealed ``details``.

    ``active`` says whether the roster still has this teacher, at this school. ``is_today`` is False for who gave the
    class away and for substitutes of other days. A teacher of several parts has several rows.
    ``has_account``: they have a way in, and are not kept out.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        WITH parts AS (
            SELECT id AS class_id, unnest(teacher_ids) AS teacher_id,
                CASE WHEN moved_to IS NULL THEN 'homeroom' ELSE 'relieved' END AS part, moved_to IS NULL AS is_today,
                NULL::uuid AS substitute_id, NULL::date AS first_day, NULL::date AS last_day
            FROM classes WHERE id = ANY($1)
            UNION ALL
            SELECT id, moved_to, 'moved', true, NULL, NULL, NULL FROM classes
            WHERE id = ANY($1) AND moved_to IS NOT NULL
            UNION ALL
            SELECT class_id, teacher_id, 'substitute', first_day <= {TODAY}, id, first_day, last_day FROM substitutes
            WHERE class_id = ANY($1) AND last_day >= {TODAY}
        )
        SELECT parts.*, teachers.details,
            ($2 OR EXISTS (SELECT FROM accounts WHERE teacher_id = parts.teacher_id))
                AND NOT EXISTS (SELECT FROM access WHERE teacher_id = parts.teacher_id AND closed_at IS NOT NULL)
                AS has_account,
            coalesce(teachers.active AND (part IN ('homeroom', 'relieved') OR teachers.school_id = classes.school_id),
                false) AS active
        FROM parts JOIN classes ON classes.id = class_id LEFT JOIN teachers ON teachers.id = parts.teacher_id
        ORDER BY class_id, part = 'substitute', part = 'relieved', first_day, teacher_id
        """,  # noqa: S608 - constants of ours
        class_ids,
        has_single_sign_on,
    )
    return rows


async def colleagues(connection: Connection, administrator_id: str) -> list[asyncpg.Record]:
    """``id`` and sealed ``details`` of the active teachers of the administrator's school."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT id, details FROM teachers
        WHERE active AND role = 'teacher' AND school_id = ({SCHOOL_OF_ADMINISTRATOR}) ORDER BY id
        """,  # noqa: S608 - constants of ours
        administrator_id,
    )
    return rows


# --- who takes a class over ---


async def today(connection: Connection) -> date:
    """The day that it is at school."""
    found: date = await connection.fetchval(f"SELECT {TODAY}")
    return found


async def add_substitute(
    connection: Connection, administrator_id: str, class_id: str, teacher_id: str, substitute_id: UUID, period: Period
) -> bool:
    """Name a substitute. False where class or teacher are not the administrator's school's, or this was done before."""
    return bool(
        await connection.fetchval(
            f"""
            INSERT INTO substitutes (id, class_id, teacher_id, first_day, last_day, named_by)
            SELECT $4, classes.id, $3, $5, $6, $1 FROM classes
            WHERE classes.id = $2 AND {ADMINISTERED} AND {COLLEAGUE}
            ON CONFLICT (id) DO NOTHING RETURNING true
            """,  # noqa: S608 - constants of this module
            administrator_id,
            class_id,
            teacher_id,
            substitute_id,
            period.first,
            period.last,
        )
    )


async def end_substitute(
    connection: Connection, administrator_id: str, class_id: str, substitute_id: UUID
) -> str | None:
    """End a substitution now, begun or not; the teacher's id. None where the administrator's school has none."""
    found: str | None = await connection.fetchval(
        f"""
        DELETE FROM substitutes USING classes
        WHERE substitutes.id = $3 AND class_id = $2 AND classes.id = class_id AND {ADMINISTERED}
        RETURNING teacher_id
        """,  # noqa: S608 - constants of this module
        administrator_id,
        class_id,
        substitute_id,
    )
    return found


async def move_class(connection: Connection, administrator_id: str, class_id: str, teacher_id: str) -> bool:
    """Give a class to a teacher. False where class or teacher are not the administrator's school's."""
    return bool(
        await connection.fetchval(
            f"""
            UPDATE classes SET moved_to = $3 WHERE classes.id = $2 AND {ADMINISTERED} AND {COLLEAGUE} RETURNING true
            """,  # noqa: S608 - constants of this module
            administrator_id,
            class_id,
            teacher_id,
        )
    )


async def return_class(connection: Connection, administrator_id: str, class_id: str) -> bool:
    """Give a class back to whom the roster names; False where it was not moved, or is not of the school."""
    return bool(
        await connection.fetchval(
            f"""
            UPDATE classes SET moved_to = NULL
            WHERE classes.id = $2 AND moved_to IS NOT NULL AND {ADMINISTERED} RETURNING true
            """,  # noqa: S608 - constants of this module
            administrator_id,
            class_id,
        )
    )


# --- custody notes ---


async def students_with_note(connection: Connection, administrator_id: str, class_id: str) -> set[str]:
    """Which students of the class have a custody note, for the administrator of their school; nobody for others."""
    rows = await connection.fetch(
        f"""
        SELECT student_id FROM custody_notes JOIN students ON students.id = student_id
        WHERE class_id = $2 AND students.school_id = ({SCHOOL_OF_ADMINISTRATOR})
        """,  # noqa: S608 - constants of ours
        administrator_id,
        class_id,
    )
    return {row["student_id"] for row in rows}


async def student(connection: Connection, administrator_id: str, student_id: str) -> asyncpg.Record | None:
    """A student of the administrator's school with the custody note, if any: ``note`` is sealed; None for others."""
    return await connection.fetchrow(
        f"""
        SELECT students.id, students.name, students.class_id, classes.name AS class_name, note, set_by, set_at,
            setters.details AS setter_details
        FROM students
            LEFT JOIN classes ON classes.id = class_id AND classes.active
            LEFT JOIN custody_notes ON student_id = students.id
            LEFT JOIN teachers AS setters ON setters.id = set_by
        WHERE students.id = $2 AND students.school_id = ({SCHOOL_OF_ADMINISTRATOR})
        """,  # noqa: S608 - constants of ours
        administrator_id,
        student_id,
    )


async def set_note(connection: Connection, administrator_id: str, student_id: str, note: str) -> bool:
    """Set or change a student's custody note (sealed); False where the student is not of the administrator's school."""
    return bool(
        await connection.fetchval(
            f"""
            INSERT INTO custody_notes (student_id, school_id, note, set_by)
            SELECT id, school_id, $3, $1 FROM students WHERE id = $2 AND school_id = ({SCHOOL_OF_ADMINISTRATOR})
            ON CONFLICT (student_id) DO UPDATE SET school_id = excluded.school_id, note = excluded.note,
                set_by = excluded.set_by, set_at = excluded.set_at
            RETURNING true
            """,  # noqa: S608 - constants of ours
            administrator_id,
            student_id,
            note,
        )
    )


async def clear_note(connection: Connection, administrator_id: str, student_id: str) -> bool:
    """Forget a student's custody note; False where there is none, or the student is not of the school."""
    return bool(
        await connection.fetchval(
            f"""
            DELETE FROM custody_notes USING students
            WHERE student_id = $2 AND students.id = student_id AND students.school_id = ({SCHOOL_OF_ADMINISTRATOR})
            RETURNING true
            """,  # noqa: S608 - constants of ours
            administrator_id,
            student_id,
        )
    )
