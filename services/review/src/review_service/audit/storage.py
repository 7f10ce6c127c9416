"""SQL of the audit log, one function a query. Lines are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.audit.domain import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import date
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

LINE = "audit.id, audit.school_id, position, happened_at, teacher_id, audit.role, action, subject, address, hash"
#: Rows that a walk along all chains holds at a time.
AT_A_TIME = 1000

#: A line with the sealed names of who did it, and of the teacher to whom it was done, where it was one of the school's.
SHOWN = f"""
    SELECT {LINE}, doers.details AS doer_details, subjects.details AS subject_details FROM audit
        LEFT JOIN teachers AS doers ON doers.id = teacher_id
        LEFT JOIN teachers AS subjects ON subjects.id = subject AND subjects.school_id = audit.school_id
    WHERE audit.school_id = $1
        AND ($2 = '' OR teacher_id = $2) AND ($3 = '' OR action = $3)
        AND ($4::date IS NULL OR happened_at >= $4::date::timestamp AT TIME ZONE 'Asia/Taipei')
        AND ($5::date IS NULL OR happened_at < ($5::date + 1)::timestamp AT TIME ZONE 'Asia/Taipei')
"""  # noqa: S608 - a constant of this module


async def head(connection: Connection, school_id: str) -> asyncpg.Record:
    """The end of a chain (``head_position``, ``head_hash``), and ``line_id`` and ``moment`` for the line to add.

    The chain waits for this transaction from now on, so it is asked for when everything else in it is done.
    """
    (row,) = await connection.fetch("SELECT * FROM audit_head($1)", school_id)
    return row


async def add(connection: Connection, line: Line) -> None:
    """One more line of a chain whose head this transaction holds."""
    await connection.execute(
        "INSERT INTO audit (id, school_id, position, happened_at, teacher_id, role, action, subject, address, hash)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        line.id,
        line.school_id,
        line.position,
        line.happened_at,
        line.teacher_id,
        line.role,
        line.action,
        line.subject,
        line.address,
        line.hash,
    )


async def lines_before_the_chain(connection: Connection, school_id: str) -> list[Line]:
    """The school's lines of before there were chains, oldest first; from where was not written down then."""
    rows = await connection.fetch("SELECT * FROM audit_before WHERE school_id = $1 ORDER BY id", school_id)
    return [
        Line(
            row["id"],
            school_id,
            position,
            row["happened_at"],
            row["teacher_id"],
            row["role"],
            row["action"],
            row["subject"],
            "",
        )
        for position, row in enumerate(rows, start=1)
    ]


async def every_line(connection: Connection) -> AsyncIterator[Line]:
    """All chains, one after the other, as they are at one moment; in a transaction, and never many in memory."""
    async for row in connection.cursor(
        f"SELECT {LINE} FROM audit ORDER BY school_id, position",  # noqa: S608 - a constant of this module
        prefetch=AT_A_TIME,
    ):
        yield Line(*row)


async def newest_lines(
    connection: Connection,
    school_id: str,
    who: str,
    action: str,
    first_day: date | None,
    last_day: date | None,
    *,
    before: int,
    limit: int,
) -> list[asyncpg.Record]:
    """A school's lines of before a position, newest first. ``''`` and None leave a filter out; days are Taipei's."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"{SHOWN} AND position < $6 ORDER BY position DESC LIMIT $7",
        *(school_id, who, action, first_day, last_day, before, limit),
    )
    return rows


async def lines_after(
    connection: Connection,
    school_id: str,
    who: str,
    action: str,
    first_day: date | None,
    last_day: date | None,
    *,
    after: int,
    until: int,
    limit: int,
) -> list[asyncpg.Record]:
    """A school's lines of after a position and until another, oldest first; filters as in :func:`newest_lines`."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"{SHOWN} AND position > $6 AND position <= $7 ORDER BY position LIMIT $8",
        *(school_id, who, action, first_day, last_day, after, until, limit),
    )
    return rows


async def is_known_school(connection: Connection, school_id: str) -> bool:
    """Whether the roster told of the school, or it has a chain; the operator's chain counts as one."""
    return bool(
        await connection.fetchval(
            "SELECT $1 = '' OR EXISTS (SELECT FROM schools WHERE id = $1)"
            " OR EXISTS (SELECT FROM audit WHERE school_id = $1)",
            school_id,
        )
    )


async def head_position(connection: Connection, school_id: str) -> int:
    """The position of a chain's last line; 0 where there is none."""
    found: int | None = await connection.fetchval("SELECT max(position) FROM audit WHERE school_id = $1", school_id)
    return found or 0


async def staff(connection: Connection, school_id: str) -> list[asyncpg.Record]:
    """``id`` and sealed ``details`` of all whom the school has or had, active or not."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, details FROM teachers WHERE school_id = $1", school_id
    )
    return rows


async def application_numbers(connection: Connection, school_id: str, ids: list[UUID]) -> dict[str, str]:
    """The numbers of those of the school's applications that have these ids, by the id."""
    rows = await connection.fetch(
        "SELECT id, application_number FROM bindings WHERE id = ANY($2) AND school_id = $1", school_id, ids
    )
    return {str(row["id"]): row["application_number"] for row in rows}
