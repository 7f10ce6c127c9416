"""The otp service's SQL, one function a query."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.purging import expired

#: How long a lost answer can be asked for again; the id is worth nothing afterwards.
ANSWER_LIFE = timedelta(minutes=10)

#: Rows that mean nothing any more.
EXPIRED = (
    expired("answers", "given_at < present() - interval '1 day'"),
    expired("attempts", "expires_at < present() - interval '1 day'"),
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from shared.database import Connection


async def answer_given(connection: Connection, request_id: UUID, question: str) -> dict[str, Any] | None:
    """The answer that this very question got under this id a little while ago."""
    answer: dict[str, Any] | None = await connection.fetchval(
        "SELECT answer FROM answers WHERE request_id = $1 AND question = $2 AND given_at > present() - $3::interval",
        request_id,
        question,
        ANSWER_LIFE,
    )
    return answer


async def keep_answer(connection: Connection, request_id: UUID, question: str, answer: dict[str, Any]) -> None:
    """Remember an answer; an id that was used for another question keeps its first one."""
    await connection.execute(
        "INSERT INTO answers (request_id, question, answer, given_at) VALUES ($1, $2, $3, present())"
        " ON CONFLICT DO NOTHING",
        request_id,
        question,
        answer,
    )


async def lock_attempt(connection: Connection, attempt_id: UUID) -> None:
    """Let one request at a time work on an attempt, with or without a row yet; held until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", str(attempt_id))


async def seconds_until_resend(connection: Connection, attempt_id: UUID, contact_hash: str, wait: timedelta) -> int:
    """Whole seconds, rounded up, until this attempt may ask for another code to this contact; 0 when it may now.

    Who mistyped a contact need not wait to correct it: the limits of the client address bound that.
    """
    seconds: int = await connection.fetchval(
        "SELECT coalesce((SELECT greatest(0, ceil(extract(epoch FROM issued_at + $3::interval - present())))"
        " FROM attempts WHERE id = $1 AND contact_hash = $2), 0)::int",
        attempt_id,
        contact_hash,
        wait,
    )
    return seconds


async def save_code(
    connection: Connection, attempt_id: UUID, code_hash: str, contact_hash: str, life: timedelta
) -> asyncpg.Record:
    """The attempt's newest code; the one before it is dead. Returns ``issued_at`` and ``expires_at``."""
    row = await connection.fetchrow(
        """
        INSERT INTO attempts (id, code_hash, contact_hash, issued_at, expires_at)
        VALUES ($1, $2, $3, present(), present() + $4::interval)
        ON CONFLICT (id) DO UPDATE SET code_hash = excluded.code_hash, contact_hash = excluded.contact_hash,
            issued_at = excluded.issued_at, expires_at = excluded.expires_at, tries = 0, redeemed_by = NULL
        RETURNING issued_at, expires_at
        """,
        attempt_id,
        code_hash,
        contact_hash,
        life,
    )
    assert row is not None  # noqa: S101 - an upsert without WHERE always returns its row
    return row


async def end_code(connection: Connection, attempt_id: UUID, expires_at: datetime, tries_allowed: int) -> bool:
    """The code that expires at that time was never redeemed, and has no try left; whether it is the newest one."""
    ended: bool | None = await connection.fetchval(
        "UPDATE attempts SET tries = $3, redeemed_by = NULL WHERE id = $1 AND expires_at = $2 RETURNING true",
        attempt_id,
        expires_at,
        tries_allowed,
    )
    return bool(ended)


async def redeemed_code(
    connection: Connection, attempt_id: UUID, code_hashes: list[str], tries_allowed: int
) -> asyncpg.Record | None:
    """What :func:`try_code` returns, without a try: whether this is the attempt's code, and was redeemed."""
    return await connection.fetchrow(
        """
        SELECT redeemed_by IS NOT NULL AND code_hash = ANY($2) AS redeemed, $3 - tries AS tries_left, expires_at
        FROM attempts WHERE id = $1
        """,
        attempt_id,
        code_hashes,
        tries_allowed,
    )


async def try_code(
    connection: Connection, attempt_id: UUID, try_id: UUID, code_hashes: list[str], tries_allowed: int
) -> asyncpg.Record | None:
    """Count a try and redeem the code if it is right, alive and unused, in one statement.

    Returns ``redeemed``, ``tries_left`` and ``expires_at``; None for an attempt that never had a code. Any number of
    tries at once are counted one after the other, and at most one ever redeems. ``try_id`` is this try's alone.
    """
    return await connection.fetchrow(
        """
        UPDATE attempts SET
            tries = least(tries + 1, $4),
            redeemed_by = CASE
                WHEN redeemed_by IS NULL AND tries < $4 AND expires_at > present() AND code_hash = ANY($3) THEN $2
                ELSE redeemed_by END
        WHERE id = $1
        RETURNING coalesce(redeemed_by = $2 AND code_hash = ANY($3), false) AS redeemed, $4 - tries AS tries_left,
                  expires_at
        """,
        attempt_id,
        try_id,
        code_hashes,
        tries_allowed,
    )
