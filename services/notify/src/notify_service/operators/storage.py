"""The SQL of the operators' page, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notify_service.operators.domain import PERIODS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from notify_service.operators.domain import Place, Wanted
    from shared.database import Connection

#: Whether a message can be sent again.
IS_KEPT = "state = 'failed' AND letter IS NOT NULL AND kind <> 'code'"
#: What a list shows of a message.
COLUMNS = f"""id, kind, channel, state, claimed, tries, unsure, coalesce(provider, '') AS provider, contact,
    coalesce(fault, '') AS fault, coalesce(last_error, '') AS reason, created_at, settled_at, delivered_at, due_at,
    expires_at, {IS_KEPT} AS is_kept"""


# --- who is signed in ---


async def add_session(connection: Connection, token_hash: str, key_hash: str, life: timedelta) -> None:
    """Somebody is signed in for so long."""
    await connection.execute(
        "INSERT INTO operator_sessions (token_hash, key_hash, expires_at) VALUES ($1, $2, present() + $3::interval)",
        token_hash,
        key_hash,
        life,
    )


async def key_of_session(connection: Connection, token_hash: str) -> str | None:
    """The hash of the token that somebody signed in with; None where nobody has, or it is over."""
    key_hash: str | None = await connection.fetchval(
        "SELECT key_hash FROM operator_sessions WHERE token_hash = $1 AND expires_at > present()", token_hash
    )
    return key_hash


async def end_session(connection: Connection, token_hash: str) -> None:
    """Nobody is signed in by this cookie any more."""
    await connection.execute("DELETE FROM operator_sessions WHERE token_hash = $1", token_hash)


async def note_act(
    connection: Connection,
    operator: str,
    act: str,
    *,
    message_id: UUID | None = None,
    messages: int = 0,
    wanted: dict[str, str] | None = None,
) -> None:
    """Who did what, now."""
    await connection.execute(
        "INSERT INTO operator_acts (operator, act, message_id, messages, wanted) VALUES ($1, $2, $3, $4, $5)",
        operator,
        act,
        message_id,
        messages,
        wanted or {},
    )


async def latest_acts(connection: Connection, most: int) -> list[asyncpg.Record]:
    """What operators did last, newest first."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT * FROM operator_acts ORDER BY at DESC, id DESC LIMIT $1", most
    )
    return rows


async def acts_on(connection: Connection, message_id: UUID) -> list[asyncpg.Record]:
    """Who sent a message again by itself, oldest first."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT * FROM operator_acts WHERE message_id = $1 ORDER BY at, id", message_id
    )
    return rows


# --- messages ---


async def messages(connection: Connection, wanted: Wanted, before: Place | None, most: int) -> list[asyncpg.Record]:
    """Messages, newest first, those before a place in the list."""
    values: list[object] = []
    conditions = _conditions(wanted, values)
    if before is not None:
        values += [before.created_at, before.id]
        conditions += f" AND (created_at, id) < (${len(values) - 1}, ${len(values)})"
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT {COLUMNS} FROM messages WHERE {conditions} ORDER BY created_at DESC, id DESC LIMIT {most:d}",  # noqa: S608 - constants of ours, and numbers of parameters
        *values,
    )
    return rows


async def message(connection: Connection, message_id: UUID) -> asyncpg.Record | None:
    """One message."""
    return await connection.fetchrow(f"SELECT {COLUMNS} FROM messages WHERE id = $1", message_id)  # noqa: S608 - constants


async def count_kept(connection: Connection, wanted: Wanted) -> asyncpg.Record:
    """How many messages that are looked for can be sent again ``now``."""
    values: list[object] = []
    row = await connection.fetchrow(
        f"SELECT count(*) AS count, present() AS now FROM messages WHERE {IS_KEPT} AND {_conditions(wanted, values)}",  # noqa: S608 - the same
        *values,
    )
    assert row is not None  # noqa: S101 - a count always has a row
    return row


async def send_again(
    connection: Connection, wanted: Wanted, lives: Sequence[tuple[str, timedelta]], failed_by: datetime, most: int
) -> int:
    """Let at most so many failed messages that are looked for wait anew, each with its life and tries; how many.

    Only those whose contents are kept, and that had failed by then: what fails once more meanwhile was not meant.
    """
    values: list[object] = [*_columns(lives), failed_by]
    return await _send_again(connection, f"settled_at <= $3 AND {_conditions(wanted, values)}", values, most)


async def send_one_again(
    connection: Connection, message_id: UUID, lives: Sequence[tuple[str, timedelta]], failed_at: datetime
) -> bool:
    """Let one failed message wait anew; False where its contents are gone, or that failure is no longer its last."""
    values = [*_columns(lives), failed_at, message_id]
    return await _send_again(connection, "settled_at = $3 AND id = $4", values, 1) > 0


async def _send_again(connection: Connection, conditions: str, values: list[object], most: int) -> int:
    """Who comes second waits for the first one's rows, in the same order, and finds that they have not failed."""
    status: str = await connection.execute(
        f"""
        WITH chosen AS (
            SELECT id FROM messages WHERE {IS_KEPT} AND {conditions}
            ORDER BY created_at, id LIMIT {most:d} FOR UPDATE
        )
        UPDATE messages SET state = 'waiting', tries = 0, claimed = false, due_at = present(), settled_at = NULL,
            expires_at = present() + lives.life
        FROM chosen, unnest($1::text[], $2::interval[]) AS lives (kind_of_life, life)
        WHERE messages.id = chosen.id AND kind = kind_of_life
        """,  # noqa: S608 - the same
        *values,
    )
    return int(status.rpartition(" ")[2])


def _columns(lives: Sequence[tuple[str, timedelta]]) -> tuple[list[str], list[timedelta]]:
    return [kind for kind, _ in lives], [life for _, life in lives]


def _conditions(wanted: Wanted, values: list[object]) -> str:
    """SQL for what is looked for; its parameters are added to ``values``.

    The state stands in the text, so that PostgreSQL knows the index of the few that did not end well.
    """
    conditions = [f"state = '{wanted.state}'"] if wanted.state else []
    for column in ("kind", "channel", "provider"):
        if value := getattr(wanted, column):
            values.append(value)
            conditions.append(f"{column} = ${len(values)}")
    hours = PERIODS[wanted.period]
    if hours is not None:
        conditions.append(f"created_at > present() - interval '{hours} hours'")
    return " AND ".join(conditions) or "true"


# --- how it goes ---


async def counts(connection: Connection) -> list[asyncpg.Record]:
    """How many messages wait, and how many came to which end in a day and an hour, by channel, kind and provider."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT channel, kind, coalesce(provider, '') AS provider, state, count(*) AS day,
            count(*) FILTER (WHERE settled_at > present() - interval '1 hour') AS hour
        FROM messages WHERE settled_at > present() - interval '1 day' GROUP BY 1, 2, 3, 4
        UNION ALL
        SELECT channel, kind, coalesce(provider, ''), state, count(*), 0
        FROM messages WHERE state = 'waiting' GROUP BY 1, 2, 3, 4
        """
    )
    return rows


async def troubles(connection: Connection, most: int) -> list[asyncpg.Record]:
    """Why messages wait that were tried, and why others failed or were dropped in the last day; most frequent first."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT state, channel, kind, coalesce(provider, '') AS provider, coalesce(fault, '') AS fault,
            coalesce(last_error, '') AS reason, count(*) AS messages
        FROM messages
        WHERE state = 'waiting' AND last_error IS NOT NULL
            OR state IN ('failed', 'dropped') AND settled_at > present() - interval '1 day'
        GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY count(*) DESC, 1, 2, 3, 4, 5, 6 LIMIT $1
        """,
        most,
    )
    return rows


async def providers(connection: Connection, names: Sequence[str]) -> list[asyncpg.Record]:
    """How each provider answered in the last hour, its ``latest`` three outcomes, and its last failure of a day."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT name, hour.*, coalesce(latest.outcomes, '{}') AS latest, bad.began_at AS failed_at,
            coalesce(bad.outcome, '') AS fault, coalesce(bad.reason, '') AS reason
        FROM unnest($1::text[]) WITH ORDINALITY AS asked (name, place)
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE outcome = 'accepted') AS accepted,
                count(*) FILTER (WHERE outcome IN ('temporary', 'permanent', 'declined')) AS refused,
                count(*) FILTER (WHERE outcome IN ('technical', 'unknown')) AS failed
            FROM message_tries WHERE provider = name AND began_at > present() - interval '1 hour'
        ) AS hour
        CROSS JOIN LATERAL (
            SELECT array_agg(outcome ORDER BY began_at DESC) AS outcomes FROM (
                SELECT outcome, began_at FROM message_tries WHERE provider = name AND outcome IS NOT NULL
                ORDER BY began_at DESC LIMIT 3
            ) AS newest
        ) AS latest
        LEFT JOIN LATERAL (
            SELECT began_at, outcome, reason FROM message_tries
            WHERE provider = name AND outcome IN ('technical', 'unknown') AND began_at > present() - interval '1 day'
            ORDER BY began_at DESC LIMIT 1
        ) AS bad ON true
        ORDER BY place
        """,
        names,
    )
    return rows
