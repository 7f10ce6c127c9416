"""SQL of login attempts and sessions, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection


#: Rows that mean nothing any more.
EXPIRED = (
    "DELETE FROM login_attempts WHERE expires_at < present() - interval '1 day'",
    # Kept for a day: what was typed on a page when the session ended finds its draft by it.
    "DELETE FROM sessions WHERE expires_at < present() - interval '1 day'",
)


async def attempt(connection: Connection, token_hash: str) -> asyncpg.Record | None:
    """The login attempt of this token, up to a day after its newest code; ``…_in`` are seconds."""
    return await connection.fetchrow(
        """
        SELECT id, channel, contact_sealed, tries_left, expires_at,
               greatest(0, ceil(extract(epoch FROM resend_at - present())))::int AS resend_in,
               ceil(extract(epoch FROM expires_at - present()))::int AS expires_in
        FROM login_attempts WHERE token_hash = $1 AND expires_at > present() - interval '1 day'
        """,
        token_hash,
    )


async def save_attempt(
    connection: Connection,
    attempt_id: UUID,
    token_hash: str,
    channel: str,
    contact_sealed: str,
    tries_left: int,
    expires_at: datetime,
    resend_at: datetime,
) -> None:
    """A new attempt, or the newest code of a known one."""
    await connection.execute(
        """
        INSERT INTO login_attempts (id, token_hash, channel, contact_sealed, tries_left, expires_at, resend_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (id) DO UPDATE SET channel = excluded.channel, contact_sealed = excluded.contact_sealed,
            tries_left = excluded.tries_left, expires_at = excluded.expires_at, resend_at = excluded.resend_at
        """,
        attempt_id,
        token_hash,
        channel,
        contact_sealed,
        tries_left,
        expires_at,
        resend_at,
    )


async def note_tries_left(connection: Connection, attempt_id: UUID, tries_left: int) -> None:
    """Remember how many tries otp said are left, to show them again."""
    await connection.execute("UPDATE login_attempts SET tries_left = $2 WHERE id = $1", attempt_id, tries_left)


async def end_attempt(connection: Connection, attempt_id: UUID) -> None:
    """Forget the attempt: its token is worth nothing from now on."""
    await connection.execute("DELETE FROM login_attempts WHERE id = $1", attempt_id)


async def open_session(
    connection: Connection,
    session_id: UUID,
    token_hash: str,
    channel: str,
    contact_hash: str,
    contact_sealed: str,
    life: timedelta,
    *,
    attempt_id: UUID | None = None,
    account_id: UUID | None = None,
) -> datetime:
    """A new session; when it ends."""
    ends: datetime = await connection.fetchval(
        """
        INSERT INTO sessions (id, token_hash, channel, contact_hash, contact_sealed, expires_at, attempt_id, account_id)
        VALUES ($1, $2, $3, $4, $5, present() + $6::interval, $7, $8) RETURNING expires_at
        """,
        session_id,
        token_hash,
        channel,
        contact_hash,
        contact_sealed,
        life,
        attempt_id,
        account_id,
    )
    return ends


async def session(connection: Connection, token_hash: str, *, expired: bool = False) -> asyncpg.Record | None:
    """The live (or the expired) session of this token, and whether its account still has its first password."""
    return await connection.fetchrow(
        """
        SELECT sessions.id, attempt_id, account_id, channel, contact_hash, contact_sealed, proven_at, expires_at,
               account_id IS NOT NULL AND password_hash IS NULL AS password_change_due
        FROM sessions LEFT JOIN accounts ON accounts.id = account_id
        WHERE token_hash = $1 AND (expires_at <= present()) = $2
        """,
        token_hash,
        expired,
    )


async def live_sessions(connection: Connection, session_ids: list[UUID]) -> list[UUID]:
    """Those of the sessions that have neither expired nor been ended."""
    rows = await connection.fetch("SELECT id FROM sessions WHERE id = ANY($1) AND expires_at > present()", session_ids)
    return [row["id"] for row in rows]


async def end_session(connection: Connection, session_id: UUID) -> None:
    """The session is over."""
    await connection.execute("DELETE FROM sessions WHERE id = $1", session_id)


async def end_other_sessions(connection: Connection, account_id: UUID, session_id: UUID) -> None:
    """Every session of the account but this one is over."""
    await connection.execute("DELETE FROM sessions WHERE account_id = $1 AND id <> $2", account_id, session_id)
