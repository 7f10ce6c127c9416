"""The SQL of imports that come over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from binding_service.roster.storage import LOCK
from shared.purging import expired

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

#: A process that runs an import says so every few seconds; one that was silent for so long is gone.
SILENT_SECONDS = 60
#: Whoever sent a roster can read the report for so long; the import itself stays noted in roster_imports.
EXPIRED = (expired("roster_pushes", "coalesce(finished_at, started_at) < present() - interval '90 days'"),)
#: What the import itself has committed counts before what was last heard of it.
STATES = f"""
    SELECT push.id, push.pushed_by, push.choices, push.progress, push.started_at,
        coalesce(import.finished_at, push.finished_at) AS finished_at, coalesce(import.report, push.report) AS report,
        CASE WHEN import.revision IS NOT NULL THEN 'done'
            WHEN state = 'running' AND seen_at < now() - interval '{SILENT_SECONDS} seconds' THEN 'failed'
            ELSE state END AS state,
        CASE WHEN import.revision IS NOT NULL THEN ''
            WHEN state = 'running' AND seen_at < now() - interval '{SILENT_SECONDS} seconds'
            THEN 'the process that ran it is gone; nothing of it went in' ELSE reason END AS reason
    FROM roster_pushes AS push LEFT JOIN roster_imports AS import ON import.push_id = push.id
"""  # noqa: S608 - a constant

#: Those whose process is gone run no more.
BURY = f"""
    UPDATE roster_pushes SET state = known.state, reason = known.reason, finished_at = now()
    FROM ({STATES}) AS known
    WHERE known.id = roster_pushes.id AND roster_pushes.state = 'running' AND known.state <> 'running'
"""  # noqa: S608 - put together from constants

IS_UNDER_WAY = """
    SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE locktype = 'advisory' AND classid = 0 AND objid::bigint = $1 AND datname = current_database())
"""


async def begin(
    connection: Connection, push_id: UUID, pushed_by: str, key: str | None, choices: dict[str, Any]
) -> bool:
    """Note that an import runs; False where another one does, by HTTP or by command, or the key was used before."""
    await connection.execute(BURY)
    # Looked at, not tried: trying would turn away an import that begins at this moment.
    if await connection.fetchval(IS_UNDER_WAY, LOCK):
        return False
    status = await connection.execute(
        "INSERT INTO roster_pushes (id, pushed_by, idempotency_key, choices, state)"
        " VALUES ($1, $2, $3, $4, 'running') ON CONFLICT DO NOTHING",
        push_id,
        pushed_by,
        key,
        choices,
    )
    return bool(status == "INSERT 0 1")


async def by_key(connection: Connection, pushed_by: str, key: str) -> UUID | None:
    """The import that was begun with this key."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM roster_pushes WHERE pushed_by = $1 AND idempotency_key = $2", pushed_by, key
    )
    return found


async def state_of(connection: Connection, push_id: UUID) -> asyncpg.Record | None:
    """What is known of an import."""
    return await connection.fetchrow(f"{STATES} WHERE push.id = $1", push_id)


async def say(connection: Connection, push_id: UUID, progress: dict[str, Any]) -> None:
    """It still runs, and is so far."""
    await connection.execute("UPDATE roster_pushes SET seen_at = now(), progress = $2 WHERE id = $1", push_id, progress)


async def end(connection: Connection, push_id: UUID, state: str, reason: str, report: dict[str, Any] | None) -> None:
    """It has ended, one way or the other."""
    await connection.execute(
        "UPDATE roster_pushes SET state = $2, reason = $3, report = $4, finished_at = now() WHERE id = $1",
        push_id,
        state,
        reason,
        report,
    )
