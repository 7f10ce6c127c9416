"""SQL of accounts and sessions, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from review_service.errors import UsernameTakenError
from shared.purging import expired

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from shared.database import Connection

#: What has ended. A session's row stays for a day: a form that comes too late is kept in it.
EXPIRED = (
    expired("sessions", "expires_at < present() - interval '1 day'"),
    expired("sign_ins_under_way", "expires_at < present()"),
)

#: Who a teacher is, for context.Teacher: from TEACHER_TABLES.
TEACHER = "teachers.id, teachers.role, teachers.details, teachers.school_id, schools.name AS school_name"
TEACHER_TABLES = "teachers LEFT JOIN schools ON schools.id = teachers.school_id"
IS_CLOSED = "EXISTS (SELECT FROM access WHERE access.teacher_id = {} AND closed_at IS NOT NULL)"


# --- who signs in ---


async def account(connection: Connection, username: str) -> asyncpg.Record | None:
    """The account, and the teacher's columns, which are null unless the roster has this teacher, and active."""
    return await connection.fetchrow(
        f"""
        SELECT accounts.teacher_id, password_hash, resets, {TEACHER},
            coalesce(accounts.expires_at < present(), false) AS is_expired,
            {IS_CLOSED.format("accounts.teacher_id")} AS is_closed
        FROM accounts
        LEFT JOIN ({TEACHER_TABLES}) ON teachers.id = accounts.teacher_id AND teachers.active
        WHERE username = $1
        """,  # noqa: S608 - constants of ours
        username,
    )


async def account_of(connection: Connection, teacher_id: str) -> asyncpg.Record | None:
    """A teacher's own account, with the sealed details of the teacher."""
    return await connection.fetchrow(
        "SELECT username, password_hash, must_change, details FROM accounts"
        " JOIN teachers ON teachers.id = accounts.teacher_id WHERE accounts.teacher_id = $1",
        teacher_id,
    )


async def teachers_called(
    connection: Connection, *, teacher_id: str | None = None, email_hashes: Sequence[str] = ()
) -> list[asyncpg.Record]:
    """The active teachers of this id, or of this e-mail, and whether their way in is closed."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT {TEACHER}, {IS_CLOSED.format('teachers.id')} AS is_closed FROM {TEACHER_TABLES}"  # noqa: S608 - the same
        " WHERE teachers.active AND (teachers.id = $1 OR email_hash = ANY($2))",
        teacher_id,
        email_hashes,
    )
    return rows


async def hold_account(connection: Connection, teacher_id: str, password_hash: str) -> bool:
    """Lock the account for this transaction; False where its password has changed meanwhile."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM accounts WHERE teacher_id = $1 AND password_hash = $2 FOR UPDATE",
            teacher_id,
            password_hash,
        )
    )


async def set_lock(connection: Connection, teacher_id: str, window: timedelta | None) -> None:
    """The account is locked for so long from now; None unlocks it."""
    await connection.execute(
        "UPDATE accounts SET locked_until = present() + $2::interval WHERE teacher_id = $1", teacher_id, window
    )


async def remember_sign_in(connection: Connection, teacher_id: str, way: str) -> None:
    """When and how a teacher last came in."""
    await connection.execute(
        """
        INSERT INTO access AS known (teacher_id, signed_in_at, signed_in_by) VALUES ($1, present(), $2)
        ON CONFLICT (teacher_id) DO UPDATE SET signed_in_at = present(), signed_in_by = excluded.signed_in_by
        """,
        teacher_id,
        way,
    )


async def change_password(connection: Connection, teacher_id: str, before: str, password_hash: str) -> bool:
    """A password of the teacher's own choice; False where the one before is no longer ``before``."""
    return bool(
        await connection.fetchval(
            """
            UPDATE accounts SET password_hash = $3, must_change = false, expires_at = NULL
            WHERE teacher_id = $1 AND password_hash = $2 RETURNING true
            """,
            teacher_id,
            before,
            password_hash,
        )
    )


# --- sessions ---


async def open_session(
    connection: Connection, token_hash: str, teacher_id: str, way: str, life: timedelta, kept: str | None
) -> None:
    """A new session."""
    await connection.execute(
        "INSERT INTO sessions (token_hash, teacher_id, way, kept, expires_at)"
        " VALUES ($1, $2, $3, $4, present() + $5::interval)",
        token_hash,
        teacher_id,
        way,
        kept,
        life,
    )


async def touch_session(
    connection: Connection, token_hashes: list[str], idle: timedelta, *, is_used: bool
) -> asyncpg.Record | None:
    """The teacher of a living session, which a use keeps alive; None when it is over, or the teacher is out."""
    return await connection.fetchrow(
        f"""
        UPDATE sessions SET seen_at = CASE WHEN $3 THEN present() ELSE seen_at END
        FROM {TEACHER_TABLES} LEFT JOIN accounts ON accounts.teacher_id = teachers.id
        WHERE token_hash = ANY($1) AND sessions.expires_at > present() AND seen_at > present() - $2::interval
            AND teachers.id = sessions.teacher_id AND teachers.active AND NOT {IS_CLOSED.format("teachers.id")}
        RETURNING {TEACHER}, way, way = 'password' AND coalesce(accounts.must_change, false) AS must_change
        """,  # noqa: S608 - constants of ours
        token_hashes,
        idle,
        is_used,
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


async def end_session(connection: Connection, token_hashes: list[str]) -> asyncpg.Record | None:
    """End a session, if there is one; whose it was, its way, and the form that was kept in it."""
    return await connection.fetchrow(
        "DELETE FROM sessions WHERE token_hash = ANY($1) RETURNING teacher_id, way, kept", token_hashes
    )


async def end_sessions(connection: Connection, teacher_id: str, but: Sequence[str] = ()) -> None:
    """End every session of a teacher, but the one with one of these hashes."""
    await connection.execute("DELETE FROM sessions WHERE teacher_id = $1 AND NOT token_hash = ANY($2)", teacher_id, but)


async def rename_session(connection: Connection, token_hashes: list[str], token_hash: str) -> None:
    """The session goes on under another token."""
    await connection.execute("UPDATE sessions SET token_hash = $2 WHERE token_hash = ANY($1)", token_hashes, token_hash)


async def owner_of_session(connection: Connection, token_hashes: list[str]) -> str | None:
    """Whose session this is or was, alive or not."""
    owner: str | None = await connection.fetchval(
        "SELECT teacher_id FROM sessions WHERE token_hash = ANY($1)", token_hashes
    )
    return owner


async def keep_form(connection: Connection, token_hashes: list[str], kept: str | None) -> None:
    """Keep a sealed form in a session, or none any more."""
    await connection.execute("UPDATE sessions SET kept = $2 WHERE token_hash = ANY($1)", token_hashes, kept)


async def kept_form(connection: Connection, token_hashes: list[str]) -> str | None:
    """The sealed form that is kept in a session."""
    kept: str | None = await connection.fetchval("SELECT kept FROM sessions WHERE token_hash = ANY($1)", token_hashes)
    return kept


# --- sign-ins that are at the provider ---


async def begin_sign_in(
    connection: Connection, state_hash: str, browser_hash: str, secrets: str, life: timedelta
) -> None:
    """A browser goes to the provider."""
    await connection.execute(
        "INSERT INTO sign_ins_under_way (state_hash, browser_hash, secrets, expires_at)"
        " VALUES ($1, $2, $3, present() + $4::interval)",
        state_hash,
        browser_hash,
        secrets,
        life,
    )


async def take_sign_in(connection: Connection, state_hashes: list[str]) -> asyncpg.Record | None:
    """Take a sign-in that is under way: it is gone then. None where it was taken before, or is too old."""
    return await connection.fetchrow(
        "DELETE FROM sign_ins_under_way WHERE state_hash = ANY($1) AND expires_at > present()"
        " RETURNING state_hash, browser_hash, secrets",
        state_hashes,
    )


# --- accounts of others ---


async def teachers_with_account(connection: Connection, teacher_ids: list[str]) -> set[str]:
    """Those of the teachers who have an account."""
    rows = await connection.fetch("SELECT teacher_id FROM accounts WHERE teacher_id = ANY($1)", teacher_ids)
    return {row["teacher_id"] for row in rows}


async def staff(connection: Connection, school_id: str | None, teacher_id: str | None = None) -> list[asyncpg.Record]:
    """The active teachers of a school (None: of any), or one of them, and what their way in is."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT teachers.id, role, details, username, signed_in_at, signed_in_by, accounts.expires_at,
            coalesce(must_change, false) AS must_change, closed_at IS NOT NULL AS is_closed,
            coalesce(locked_until > present(), false) AS is_locked,
            coalesce(accounts.expires_at < present(), false) AS is_expired,
            ARRAY(
                SELECT name FROM classes WHERE active AND moved_to IS NULL AND teacher_ids @> ARRAY[teachers.id]
                UNION ALL SELECT name FROM classes WHERE active AND moved_to = teachers.id
                ORDER BY name
            ) AS classes
        FROM teachers
        LEFT JOIN accounts ON accounts.teacher_id = teachers.id
        LEFT JOIN access ON access.teacher_id = teachers.id
        WHERE teachers.active AND ($1::text IS NULL OR school_id = $1) AND ($2::text IS NULL OR teachers.id = $2)
        """,
        school_id,
        teacher_id,
    )
    return rows


async def open_account(
    connection: Connection, teacher_id: str, username: str, password_hash: str, life: timedelta | None
) -> bool:
    """A new account; False where the teacher has one already. ``life`` is that of a password that must be changed.

    Raises UsernameTakenError.
    """
    try:
        return bool(
            await connection.fetchval(
                "INSERT INTO accounts (teacher_id, username, password_hash, must_change, expires_at)"
                " VALUES ($1, $2, $3, $4::interval IS NOT NULL, present() + $4)"
                " ON CONFLICT (teacher_id) DO NOTHING RETURNING true",
                teacher_id,
                username,
                password_hash,
                life,
            )
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "accounts_username":
            raise UsernameTakenError from None
        raise


async def reset_account(connection: Connection, teacher_id: str, password_hash: str, life: timedelta) -> bool:
    """A start password in place of the one before; wrong passwords count anew. False where there is no account."""
    return bool(
        await connection.fetchval(
            """
            UPDATE accounts SET password_hash = $2, must_change = true, expires_at = present() + $3::interval,
                resets = resets + 1, locked_until = NULL
            WHERE teacher_id = $1 RETURNING true
            """,
            teacher_id,
            password_hash,
            life,
        )
    )


async def start_password_ends(connection: Connection, teacher_id: str) -> datetime | None:
    """Until when a teacher's start password works."""
    ends: datetime | None = await connection.fetchval(
        "SELECT expires_at FROM accounts WHERE teacher_id = $1", teacher_id
    )
    return ends


async def close_access(connection: Connection, teacher_id: str, by: str) -> bool:
    """Neither way leads in from now on; False where that was so before."""
    return bool(
        await connection.fetchval(
            """
            INSERT INTO access AS known (teacher_id, closed_at, closed_by) VALUES ($1, present(), $2)
            ON CONFLICT (teacher_id) DO UPDATE SET closed_at = excluded.closed_at, closed_by = excluded.closed_by
            WHERE known.closed_at IS NULL RETURNING true
            """,
            teacher_id,
            by,
        )
    )


async def reopen_access(connection: Connection, teacher_id: str) -> bool:
    """Both ways lead in again; False where they did."""
    return bool(
        await connection.fetchval(
            "UPDATE access SET closed_at = NULL, closed_by = NULL"
            " WHERE teacher_id = $1 AND closed_at IS NOT NULL RETURNING true",
            teacher_id,
        )
    )
