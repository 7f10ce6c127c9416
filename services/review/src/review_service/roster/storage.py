"""SQL of the roster, one function a query. A row is as of the highest revision that was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database import Connection
    from shared.events import ClassUpdatedData, SchoolUpdatedData, TeacherUpdatedData


#: The day that it is at school.
TODAY = "(present() AT TIME ZONE 'Asia/Taipei')::date"
#: The school of the teacher ($1).
SCHOOL_OF_TEACHER = "SELECT school_id FROM teachers WHERE id = $1 AND active"
#: Ids of the classes that are the teacher's ($1) today: by the roster, the administrator's word, or as a substitute.
#: The administrator's word ends where class and teacher are no longer of one school.
CLASSES_OF_TEACHER = f"""
    SELECT id FROM classes WHERE active AND moved_to IS NULL AND teacher_ids @> ARRAY[$1::text]
    UNION SELECT id FROM classes WHERE active AND moved_to = $1 AND school_id = ({SCHOOL_OF_TEACHER})
    UNION SELECT class_id FROM substitutes JOIN classes ON classes.id = class_id
        WHERE teacher_id = $1 AND {TODAY} BETWEEN first_day AND last_day
            AND active AND school_id = ({SCHOOL_OF_TEACHER})
"""  # noqa: S608 - constants of this module
#: The same for all teachers at once: class_id and teacher_id, one row each.
TEACHERS_OF_CLASSES = f"""
    SELECT id AS class_id, unnest(teacher_ids) AS teacher_id FROM classes WHERE active AND moved_to IS NULL
    UNION SELECT classes.id, moved_to FROM classes
        JOIN teachers ON teachers.id = moved_to AND teachers.school_id = classes.school_id WHERE classes.active
    UNION SELECT class_id, teacher_id FROM substitutes
        JOIN classes ON classes.id = class_id AND classes.active
        JOIN teachers ON teachers.id = teacher_id AND teachers.school_id = classes.school_id
        WHERE {TODAY} BETWEEN first_day AND last_day
"""  # noqa: S608 - constants of this module
#: The school whose administrator the teacher ($1) is, if any.
SCHOOL_OF_ADMINISTRATOR = "SELECT school_id FROM teachers WHERE id = $1 AND active AND role = 'administrator'"


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
            teacher_ids = excluded.teacher_ids, revision = excluded.revision, active = excluded.active,
            moved_to = CASE WHEN known.teacher_ids = excluded.teacher_ids THEN known.moved_to END
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


async def save_email_hash(connection: Connection, teacher_id: str, revision: int, email_hash: str | None) -> None:
    """The keyed hash of a teacher's e-mail as of this revision, unless a later one is known."""
    await connection.execute(
        "UPDATE teachers SET email_hash = $3 WHERE id = $1 AND revision = $2 AND email_hash IS DISTINCT FROM $3",
        teacher_id,
        revision,
        email_hash,
    )


async def save_class_roster(
    connection: Connection, class_id: str, school_id: str, revision: int, students: Sequence[tuple[str, str]]
) -> bool:
    """Who is in a class as of this revision: (id, sealed name) each. False where a later one is known; nothing changes.

    Who was in it and is missing has left, unless a later revision put them somewhere; the class may be unknown yet.
    """
    is_newer = await connection.fetchval(
        """
        INSERT INTO classes AS known (id, school_id, name, teacher_ids, revision, active, roster_revision)
        VALUES ($1, $2, '', '{}', -1, false, $3)
        ON CONFLICT (id) DO UPDATE SET roster_revision = excluded.roster_revision
        WHERE known.roster_revision < excluded.roster_revision
        RETURNING true
        """,
        class_id,
        school_id,
        revision,
    )
    if not is_newer:
        return False
    await connection.execute(
        """
        UPDATE students SET class_id = NULL, revision = $2
        WHERE class_id = $1 AND revision < $2 AND NOT id = ANY($3)
        """,
        class_id,
        revision,
        [id_ for id_, _ in students],
    )
    await connection.execute(
        """
        INSERT INTO students AS known (id, school_id, class_id, name, revision)
        SELECT id, $1, $2, name, $3 FROM unnest($4::text[], $5::text[]) AS student (id, name)
        ON CONFLICT (id) DO UPDATE SET school_id = excluded.school_id, class_id = excluded.class_id,
            name = excluded.name, revision = excluded.revision
        WHERE known.revision <= excluded.revision
        """,
        school_id,
        class_id,
        revision,
        [id_ for id_, _ in students],
        [name for _, name in students],
    )
    return True
