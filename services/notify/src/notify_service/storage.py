"""The notify service's SQL, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.events import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from notify_service.domain import Kind
    from notify_service.providers import Message
    from shared.database import Connection
    from shared.events import Channel

#: After a long standstill very many have come too late: all of them in one statement would outlast its time limit.
DROPPED_AT_ONCE = 1000


async def add_message(
    connection: Connection,
    message_id: UUID,
    *,
    kind: Kind,
    cause: str,
    channel: Channel,
    contact: str,
    letter: str,
    correlation_id: str,
    traceparent: str | None,
    life: timedelta,
    expires_at: datetime | None,
) -> bool:
    """Queue a message; False when this kind was queued for this cause before.

    It expires after ``life``, or at ``expires_at`` where that comes first. ``contact`` is masked.
    """
    added: bool | None = await connection.fetchval(
        """
        INSERT INTO messages (id, kind, cause, channel, letter, correlation_id, expires_at, traceparent, contact)
        VALUES ($1, $2, $3, $4, $5, $6, least(present() + $7::interval, $8::timestamptz), $9, $10)
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
        contact,
    )
    return bool(added)


async def drop_expired(connection: Connection) -> list[asyncpg.Record]:
    """Drop what came too late, contents and all, so many at once; one that is being sent is left to its sender."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        UPDATE messages SET state = 'dropped', letter = NULL, claimed = false, settled_at = present()
        WHERE id IN (SELECT id FROM messages
                     WHERE state = 'waiting' AND expires_at <= present() AND (NOT claimed OR due_at <= present())
                     ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING id, kind, channel, tries
        """,
        DROPPED_AT_ONCE,
    )
    return rows


async def drop_about(connection: Connection, subjects: list[str]) -> None:
    """Drop what waits to be sent about these; of what is settled, the contents that were kept and the masked contact.

    A message that is being sent right now is left to its sender, for this one try: it is worth nothing after it.
    """
    await connection.execute(
        """
        WITH about AS (
            SELECT id, claimed AND due_at > present() AS is_under_way
            FROM messages WHERE split_part(cause, ':', 1) = ANY($1) FOR UPDATE
        )
        UPDATE messages SET contact = '', letter = CASE WHEN is_under_way THEN letter END, claimed = is_under_way,
            state = CASE WHEN state = 'waiting' AND NOT is_under_way THEN 'dropped' ELSE state END,
            expires_at = least(expires_at, present()),
            settled_at = CASE WHEN NOT is_under_way THEN coalesce(settled_at, present()) END
        FROM about WHERE messages.id = about.id
        """,
        subjects,
    )


async def claim_due(
    connection: Connection, most: int, lease: timedelta, channels: Collection[Channel] = CHANNELS
) -> list[asyncpg.Record]:
    """Claim messages of these channels that are due: for the time of the lease nobody else gets them.

    Codes go first, so no heap of notices keeps one waiting, and of the others what has been due the longest. The try is
    counted before it is made, so a message that kills its process does not do so for ever. Of a claimed row that was
    never released, and whose provider had been asked, nobody knows whether it went out: that is counted as unsure, and
    ``lost`` in the row. ``due_at`` in it is when the claim ends: the other queries know the claim by that, because no
    two end at the same moment. ``unsure_for``: seconds since the first answer was lost.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        WITH due AS (
            SELECT next.id
            FROM unnest($3::text[]) AS wanted (channel) CROSS JOIN (VALUES (true), (false)) AS lane (codes)
            CROSS JOIN LATERAL (
                SELECT id, due_at FROM messages
                WHERE state = 'waiting' AND channel = wanted.channel AND (kind = 'code') = lane.codes
                    AND due_at <= present() AND expires_at > present()
                ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
            ) AS next
            ORDER BY lane.codes DESC, next.due_at LIMIT $1
        ), lost AS (
            UPDATE message_tries SET ended_at = present(), outcome = 'unknown', reason = 'ClaimEnded'
            FROM due WHERE message_id = due.id AND ended_at IS NULL
            RETURNING message_id, provider
        ), claimed AS (
            UPDATE messages SET tries = tries + 1, claimed = true, due_at = present() + $2::interval,
                unsure = unsure + (SELECT count(*) FROM lost WHERE message_id = messages.id),
                asked = coalesce((SELECT max(lost.provider) FROM lost WHERE message_id = messages.id), asked)
            FROM due WHERE messages.id = due.id
            RETURNING messages.*
        )
        SELECT id, kind, channel, due_at, letter, correlation_id, traceparent, created_at, tries, unsure,
            coalesce(asked, '') AS asked, greatest(0, extract(epoch FROM expires_at - present()))::int AS seconds_left,
            (SELECT count(*) FROM lost WHERE message_id = claimed.id)::int AS lost,
            coalesce((SELECT extract(epoch FROM present() - min(ended_at)) FROM message_tries
                      WHERE message_id = claimed.id AND outcome = 'unknown'), 0)::float AS unsure_for
        FROM claimed
        """,
        most,
        lease,
        list(channels),
    )
    return rows


async def seconds_until_due(connection: Connection, channels: Collection[Channel] = CHANNELS) -> float | None:
    """Seconds until the next message of these channels is due; None when none waits."""
    seconds: float | None = await connection.fetchval(
        """
        SELECT extract(epoch FROM min(next.due_at) - present())::float
        FROM unnest($1::text[]) AS wanted (channel) CROSS JOIN (VALUES (true), (false)) AS lane (codes)
        CROSS JOIN LATERAL (
            SELECT due_at FROM messages
            WHERE state = 'waiting' AND channel = wanted.channel AND (kind = 'code') = lane.codes
            ORDER BY due_at LIMIT 1
        ) AS next
        """,
        list(channels),
    )
    return seconds


# --- one try, and what becomes of its message ---


async def begin_try(connection: Connection, try_id: UUID, message_id: UUID, until: datetime, provider: str) -> bool:
    """A provider is about to be asked; False where the claim has ended, and somebody else has the message.

    Repeated, where the answer to the first time was lost, it is the same try.
    """
    begun: bool | None = await connection.fetchval(
        """
        INSERT INTO message_tries (id, message_id, provider)
        SELECT $1::uuid, id, $4::text FROM messages
        WHERE id = $2 AND state = 'waiting' AND claimed AND due_at = $3 AND due_at > present()
        ON CONFLICT (id) DO UPDATE SET provider = excluded.provider
        RETURNING true
        """,
        try_id,
        message_id,
        until,
        provider,
    )
    return bool(begun)


async def drop_try(connection: Connection, try_id: UUID) -> None:
    """The provider was not asked after all."""
    await connection.execute("DELETE FROM message_tries WHERE id = $1 AND ended_at IS NULL", try_id)


async def end_try(connection: Connection, try_id: UUID, outcome: str, reason: str | None, provider_id: str) -> None:
    """What a provider answered. An answer that was lost is counted in the message's row too."""
    await connection.execute(
        """
        WITH ended AS (
            UPDATE message_tries
            SET ended_at = present(), outcome = $2, reason = $3, provider_id = coalesce(nullif($4, ''), provider_id)
            WHERE id = $1 AND ended_at IS NULL RETURNING message_id, provider
        )
        UPDATE messages SET unsure = unsure + 1, asked = ended.provider
        FROM ended WHERE messages.id = ended.message_id AND $2 = 'unknown'
        """,
        try_id,
        outcome,
        reason,
        provider_id,
    )


async def settle(
    connection: Connection,
    message_id: UUID,
    until: datetime,
    state: str,
    *,
    provider: str | None = None,
    fault: str | None = None,
    last_error: str | None = None,
    keeps_letter: bool = False,
) -> None:
    """A message has come to its end, whichever it is: its contents go, but where they are to be kept for a while.

    What was sent is so, whatever became of the claim meanwhile. Another end is for the claim's holder alone to say.
    What is worth nothing any more is not kept: it is too late, or its reader is forgotten.
    """
    await connection.execute(
        """
        UPDATE messages SET state = $2, claimed = false, settled_at = present(),
            letter = CASE WHEN $6 AND expires_at > present() THEN letter END,
            provider = $3, fault = coalesce($4, fault), last_error = coalesce($5, last_error)
        WHERE id = $1 AND state <> 'sent'
            AND ($2 = 'sent' OR state = 'waiting' AND claimed AND due_at = $7)
        """,
        message_id,
        state,
        provider,
        fault,
        last_error,
        keeps_letter,
        until,
    )


async def postpone(
    connection: Connection,
    message_id: UUID,
    until: datetime,
    wait: timedelta,
    *,
    provider: str | None,
    fault: str,
    last_error: str,
) -> None:
    """Release a claimed message to be tried again; not where its claim ran out and somebody else has it now."""
    await connection.execute(
        """
        UPDATE messages SET claimed = false, due_at = present() + $3::interval, fault = $4, last_error = $5,
            provider = coalesce($6, provider)
        WHERE id = $1 AND state = 'waiting' AND claimed AND due_at = $2
        """,
        message_id,
        until,
        wait,
        fault,
        last_error,
        provider,
    )


async def give_back(
    connection: Connection,
    message_id: UUID,
    until: datetime,
    wait: timedelta | None,
    *,
    fault: str | None = None,
    last_error: str | None = None,
) -> None:
    """Release a claimed message for which nobody was asked: its try is not counted.

    It is due after ``wait`` or, where there is none, at the next full hour.
    """
    await connection.execute(
        """
        UPDATE messages SET claimed = false, tries = tries - 1,
            fault = coalesce($4, fault), last_error = coalesce($5, last_error),
            due_at = coalesce(present() + $3::interval, date_trunc('hour', present()) + interval '1 hour')
        WHERE id = $1 AND state = 'waiting' AND claimed AND due_at = $2
        """,
        message_id,
        until,
        wait,
        fault,
        last_error,
    )


async def hold_back(connection: Connection, channel: Channel, most: int) -> int:
    """Let at most so many of the channel's notices wait for the next full hour, with its new room; how many did."""
    status: str = await connection.execute(
        """
        UPDATE messages SET due_at = date_trunc('hour', present()) + interval '1 hour',
            fault = 'limit', last_error = 'LimitReached'
        WHERE id IN (SELECT id FROM messages
                     WHERE state = 'waiting' AND NOT claimed AND channel = $1 AND kind <> 'code'
                         AND due_at < date_trunc('hour', present()) + interval '1 hour'
                     LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        channel,
        most,
    )
    return int(status.rpartition(" ")[2])


async def hurry(connection: Connection, channel: Channel) -> None:
    """Let what waits because of its providers go within a minute: one of them is well again.

    A try that was made to come sooner is not counted: a provider that is away and back time and again must not cost a
    message of four days all its tries within the hour.
    """
    await connection.execute(
        """
        UPDATE messages SET due_at = present() + random() * interval '1 minute', tries = greatest(0, tries - 1)
        WHERE id IN (SELECT id FROM messages
                     WHERE state = 'waiting' AND NOT claimed AND channel = $1 AND fault IN ('technical', 'declined')
                         AND due_at > present() + interval '1 minute'
                     FOR UPDATE SKIP LOCKED)
        """,
        channel,
    )


async def tries_of(connection: Connection, message_id: UUID) -> list[asyncpg.Record]:
    """Who was asked when, and what came of it, oldest first."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT provider, began_at, ended_at, outcome, reason, provider_id, receipt, receipt_at, receipt_why
        FROM message_tries WHERE message_id = $1 ORDER BY began_at, id
        """,
        message_id,
    )
    return rows


# --- receipts ---


async def note_receipt(
    connection: Connection, try_id: UUID, provider: str, receipt: str, why: str | None, provider_id: str
) -> bool:
    """What the provider has said of a try in the end; False where it is none of that provider's, or was said before.

    Delivered is delivered, whatever else was thought of the message. Undelivered is the end of a message that counts as
    sent by this very try; one that waits is tried again anyway. ``delivered`` stays, whatever comes after it.
    """
    noted: bool | None = await connection.fetchval(
        """
        WITH noted AS (
            UPDATE message_tries SET receipt = $3, receipt_at = present(), receipt_why = $4,
                provider_id = coalesce(provider_id, nullif($5, ''))
            WHERE id = $1 AND provider = $2 AND (receipt IS NULL OR receipt = 'undelivered' AND $3 = 'delivered')
            RETURNING message_id, began_at
        ), delivered AS (
            UPDATE messages SET state = 'sent', letter = NULL, claimed = false, delivered_at = present(), provider = $2,
                settled_at = coalesce(settled_at, present())
            FROM noted WHERE id = message_id AND $3 = 'delivered'
        ), failed AS (
            UPDATE messages SET state = 'failed', fault = 'permanent', last_error = $4
            FROM noted WHERE id = message_id AND $3 = 'undelivered' AND state = 'sent' AND delivered_at IS NULL
                AND NOT EXISTS (SELECT FROM message_tries AS later
                                WHERE later.message_id = noted.message_id AND later.began_at > noted.began_at)
        )
        SELECT true FROM noted
        """,
        try_id,
        provider,
        receipt,
        why,
        provider_id,
    )
    return bool(noted)


# --- limits and switches ---


async def count_sent(
    connection: Connection, channel: Channel, country: str, most: int | None, most_of_country: int | None
) -> bool:
    """Count one more message of this hour, in one statement for all processes; False, and uncounted, over a limit."""
    counted: bool | None = await connection.fetchval(
        """
        INSERT INTO hourly_counts AS known (channel, hour, total, by_country)
        VALUES ($1, date_trunc('hour', present()), 1, jsonb_build_object($2::text, 1))
        ON CONFLICT (channel, hour) DO UPDATE SET total = known.total + 1, by_country = known.by_country
            || jsonb_build_object($2::text, coalesce((known.by_country ->> $2::text)::int, 0) + 1)
        WHERE ($3::int IS NULL OR known.total < $3)
            AND ($4::int IS NULL OR coalesce((known.by_country ->> $2::text)::int, 0) < $4)
        RETURNING true
        """,
        channel,
        country,
        most,
        most_of_country,
    )
    return bool(counted)


async def sent_this_hour(connection: Connection, channel: Channel) -> int:
    """How many messages were counted in this hour of the clock."""
    total: int | None = await connection.fetchval(
        "SELECT total FROM hourly_counts WHERE channel = $1 AND hour = date_trunc('hour', present())", channel
    )
    return total or 0


async def paused(connection: Connection) -> set[Channel]:
    """The channels that an operator has paused."""
    return {row["channel"] for row in await connection.fetch("SELECT channel FROM paused_channels")}


async def pause(connection: Connection, channel: Channel, reason: str) -> None:
    """Send nothing more by the channel until :func:`resume`; the newest reason stands."""
    await connection.execute(
        "INSERT INTO paused_channels (channel, reason) VALUES ($1, $2)"
        " ON CONFLICT (channel) DO UPDATE SET reason = excluded.reason",
        channel,
        reason,
    )


async def resume(connection: Connection, channel: Channel) -> bool:
    """Send again by the channel; False where it was not paused."""
    status: str = await connection.execute("DELETE FROM paused_channels WHERE channel = $1", channel)
    return status != "DELETE 0"


async def channels(connection: Connection) -> list[asyncpg.Record]:
    """How each channel is: since when and why it is paused, what waits, and what went out in this hour."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT each.channel, paused_at, reason,
            coalesce(total, 0) AS this_hour, coalesce(by_country, '{}') AS by_country,
            (SELECT count(*) FROM messages AS m WHERE m.channel = each.channel AND state = 'waiting') AS waiting,
            (SELECT extract(epoch FROM present() - min(created_at))::int FROM messages AS m
             WHERE m.channel = each.channel AND state = 'waiting') AS oldest_seconds
        FROM unnest(ARRAY['email', 'sms']) AS each (channel)
        LEFT JOIN paused_channels USING (channel)
        LEFT JOIN hourly_counts AS sent ON sent.channel = each.channel AND sent.hour = date_trunc('hour', present())
        ORDER BY each.channel
        """
    )
    return rows


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
