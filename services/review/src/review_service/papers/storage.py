"""SQL of paper applications, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.purging import expired

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

#: Longer than anybody takes to correct a form; what was typed goes with the row.
EXPIRED = (expired("paper_entries", "entered_at < present() - interval '90 days'"),)


async def students(connection: Connection, school_id: str, class_id: str) -> list[asyncpg.Record]:
    """Id and sealed name of the students of a class of the school."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT students.id, students.name FROM students JOIN classes ON classes.id = class_id AND active
        WHERE class_id = $2 AND classes.school_id = $1 ORDER BY students.id
        """,
        school_id,
        class_id,
    )
    return rows


async def classes(connection: Connection, school_id: str) -> list[asyncpg.Record]:
    """Id and name of the school's classes."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, name FROM classes WHERE school_id = $1 AND active ORDER BY name, id", school_id
    )
    return rows


async def class_of_student(connection: Connection, school_id: str, student_id: str) -> str | None:
    """The class in which a student of the school is; None where the school has no such student."""
    class_id: str | None = await connection.fetchval(
        "SELECT class_id FROM students WHERE id = $2 AND school_id = $1", school_id, student_id
    )
    return class_id


async def add(connection: Connection, entry_id: UUID, school_id: str, student_id: str, by: str, typed: str) -> bool:
    """A new entry, on its way to binding; ``typed`` is sealed. False where it was added before."""
    return bool(
        await connection.fetchval(
            "INSERT INTO paper_entries (id, school_id, student_id, entered_by, typed) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT DO NOTHING RETURNING true",
            entry_id,
            school_id,
            student_id,
            by,
            typed,
        )
    )


async def delete_rejected(connection: Connection, school_id: str, entry_id: UUID) -> bool:
    """Take away an entry that binding sent back: a corrected one stands for it now. False where there is none."""
    status = await connection.execute(
        "DELETE FROM paper_entries WHERE id = $2 AND school_id = $1 AND state = 'rejected'", school_id, entry_id
    )
    return not status.endswith(" 0")


async def accept(connection: Connection, entry_id: UUID) -> None:
    """Binding made an application of it: what was typed goes."""
    await connection.execute(
        "UPDATE paper_entries SET state = 'accepted', typed = NULL, problems = '{}' WHERE id = $1", entry_id
    )


async def reject(connection: Connection, entry_id: UUID, problems: Mapping[str, str]) -> None:
    """Binding says what is wrong with it, unless it has taken it."""
    await connection.execute(
        "UPDATE paper_entries SET state = 'rejected', problems = $2 WHERE id = $1 AND state <> 'accepted'",
        entry_id,
        dict(problems),
    )


ENTRY = """
    paper_entries.*, classes.name AS class_name, students.name AS student_name,
    (SELECT bindings.id FROM bindings WHERE paper_entry_id = paper_entries.id LIMIT 1) AS binding_id
    FROM paper_entries LEFT JOIN students ON students.id = student_id LEFT JOIN classes ON classes.id = class_id
"""


async def entries(connection: Connection, school_id: str, limit: int) -> list[asyncpg.Record]:
    """The school's latest entries, with the student's sealed name and the application that each became."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT {ENTRY} WHERE paper_entries.school_id = $1 ORDER BY entered_at DESC LIMIT $2",
        school_id,
        limit,
    )
    return rows


async def entry(connection: Connection, school_id: str, entry_id: UUID) -> Any:  # noqa: ANN401 - a row, or None
    """One of the school's entries."""
    return await connection.fetchrow(
        f"SELECT {ENTRY} WHERE paper_entries.school_id = $1 AND paper_entries.id = $2",
        school_id,
        entry_id,
    )
