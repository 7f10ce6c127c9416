"""The notify service's SQL, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from notify_service.domain import Kind
    from notify_service.providers import Message
    from shared.database import Connection
    from shared.events import Channel


async def add_message(
    connection: Connection,
    message_id: UUID,
    *,
    kind: Kind,
    cause: str,
    channel: Channel,
    letter: str,
    correlation_id: str,
    traceparent: str | None,
    life: timedelta,
    expires_at: datetime | None,
) -> bool:
    """Queue a message; False when this kind was queued for this cause before.

    It expires after ``life``, or at ``expires_at`` where that comes first.
    """
    added: bool | None = await connection.fetchval(
        """
        INSERT INTO messages (id, kind, cause, channel, letter, correlation_id, expires_at, traceparent)
        VALUES ($1, $2, $3, $4, $5, $6, least(present() + $7::interval, $8::timestamptz), $9)
        ON CONFLICT ON CONSTRAINT messages_once DO NOTHING RETURNING true
        """,
        message_id,
        kind,
        cause,
        channel,
        letter,
        correlation_id,
        life,
        expires_at,
        traceparent,
    )
    return bool(added)


async def drop_expired(connection: Connection) -> list[asyncpg.Record]:
    """Drop what came too late, contents and all; a message that is being sent right now is left to its sender."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        UPDATE messages SET state = 'dropped', letter = NULL, claimed = false, settled_at = present()
        WHERE state = 'waiting' AND expires_at <= present() AND (NOT claimed OR due_at <= present())
        RETURNING id, kind, channel, tries
        """
    )
    return rows


async def drop_about(connection: Connection, subjects: list[str]) -> None:
    """Drop what waits to be sent about these; a message that is being sent right now is left to its sender."""
    await connection.execute(
        """
        UPDATE messages SET state = 'dropped', letter = NULL, claimed = false, settled_at = present()
        WHERE state = 'waiting' AND split_part(cause, ':', 1) = ANY($1) AND (NOT claimed OR due_at <= present())
        """,
        subjects,
    )


async def claim_due(connection: Connection, most: int, lease: timedelta) -> list[asyncpg.Record]:
    """Claim messages that are due: for the time of the lease nobody else gets them.

    What expires first goes first, so no heap of notices keeps a code waiting. The try is counted before it is made, so
    a message that kills its process does not do so for ever. Of a row that was claimed already, and never released,
    nobody knows whether it went out: that is counted as unsure.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        WITH due AS (
            SELECT id FROM messages WHERE state = 'waiting' AND due_at <= present() AND expires_at > present()
            ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE messages SET tries = tries + 1, unsure = unsure + claimed::int, claimed = true,
            due_at = present() + $2::interval
        FROM due WHERE messages.id = due.id
        RETURNING messages.id, kind, channel, letter, correlation_id, traceparent, created_at, tries, unsure
        """,
        most,
        lease,
    )
    return rows


async def seconds_until_due(connection: Connection) -> float | None:
    """Seconds until the next message is due; None when none waits."""
    seconds: float | None = await connection.fetchval(
        "SELECT extract(epoch FROM min(due_at) - present())::float FROM messages WHERE state = 'waiting'"
    )
    return seconds


async def settle(
    connection: Connection, message_id: UUID, state: str, *, provider: str, last_error: str | None = None
) -> None:
    """A message has come to its end, whichever it is: its contents go."""
    await connection.execute(
        "UPDATE messages SET state = $2, letter = NULL, claimed = false, settled_at = present(), provider = $3,"
        " last_error = coalesce($4, last_error) WHERE id = $1 AND state = 'waiting'",
        message_id,
        state,
        provider,
        last_error,
    )


async def postpone(
    connection: Connection, message_id: UUID, tries: int, wait: timedelta, *, provider: str, last_error: str
) -> None:
    """Release a claimed message to be tried again; not where its claim ran out and somebody else has it now."""
    await connection.execute(
        "UPDATE messages SET claimed = false, due_at = present() + $3::interval, provider = $4, last_error = $5"
        " WHERE id = $1 AND tries = $2 AND state = 'waiting'",
        message_id,
        tries,
        wait,
        provider,
        last_error,
    )


# --- the development mailbox ---


async def put_in_mailbox(connection: Connection, message: Message, channel: Channel) -> None:
    """Keep a message for its readers; one that is there already stays as it is."""
    await connection.execute(
        "INSERT INTO mailbox (id, kind, channel, recipient, subject, body, html) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT DO NOTHING",
        message.id,
        message.kind,
        channel,
        message.letter.to,
        message.letter.subject,
        message.letter.text,
        message.letter.html,
    )


async def mailbox_messages(connection: Connection, recipient: str, most: int) -> list[asyncpg.Record]:
    """The newest messages, newest first, of one recipient or, where it is empty, of all."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT * FROM mailbox WHERE $1 IN ('', recipient) ORDER BY arrived_at DESC, id LIMIT $2", recipient, most
    )
    return rows


async def mailbox_message(connection: Connection, message_id: UUID) -> asyncpg.Record | None:
    """One message of the mailbox."""
    return await connection.fetchrow("SELECT * FROM mailbox WHERE id = $1", message_id)
