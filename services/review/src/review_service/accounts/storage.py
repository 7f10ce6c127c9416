"""SQL of accounts and sessions, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from review_service.errors import UsernameTakenError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from shared.database import Connection

#: Sessions that have ended.
EXPIRED = ("DELETE FROM sessions WHERE expires_at < present()",)


#: Who a teacher is, for context.Teacher: from TEACHER_TABLES.
TEACHER = "teachers.id, teachers.role, teachers.details, teachers.school_id, schools.name AS school_name"
TEACHER_TABLES = "teachers LEFT JOIN schools ON schools.id = teachers.school_id"


async def account(connection: Connection, username: str) -> asyncpg.Record | None:
    """``password_hash``, and the teacher's columns, which are null unless the roster has this teacher, and active."""
    return await connection.fetchrow(
        f"SELECT password_hash, {TEACHER} FROM accounts"  # noqa: S608 - constants of ours
        f" LEFT JOIN ({TEACHER_TABLES}) ON teachers.id = teacher_id AND teachers.active WHERE username = $1",
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
        f"""
        UPDATE sessions SET seen_at = present()
        FROM {TEACHER_TABLES}
        WHERE token_hash = ANY($1) AND expires_at > present() AND seen_at > present() - $2::interval
            AND teachers.id = teacher_id AND teachers.active
        RETURNING {TEACHER}
        """,  # noqa: S608 - constants of ours
        token_hashes,
        idle,
    )


async def live_sessions(connection: Connection, token_hashes: Sequence[str], idle: timedelta) -> set[str]:
    """Those of the sessions that are not over."""
    rows = await connection.fetch(
        """
        SELECT token_hash FROM sessions JOIN teachers ON teachers.id = teacher_id AND teachers.active
        WHERE token_hash = ANY($1) AND expires_at > present() AND seen_at > present() - $2::interval
        """,
        token_hashes,
        idle,
    )
    return {row["token_hash"] for row in rows}


async def end_session(connection: Connection, token_hashes: list[str]) -> None:
    """End a session, if there is one."""
    await connection.execute("DELETE FROM sessions WHERE token_hash = ANY($1)", token_hashes)
