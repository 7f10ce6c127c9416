"""The SQL of requests that came with an Idempotency-Key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.purging import expired

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

KEPT = "interval '1 day'"
#: Longer than any request of this kind takes: one that runs for longer has died with its process.
LONGEST = "interval '1 minute'"

EXPIRED = (expired("idempotent_requests", f"begun_at < present() - {KEPT}"),)


async def begin(connection: Connection, request_id: UUID, fingerprint: str) -> bool:
    """Note that a request runs; False where it did before, or does now."""
    begun = await connection.fetchval(
        f"""
        INSERT INTO idempotent_requests AS known (id, fingerprint) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, answer_sealed = NULL, begun_at = present()
        WHERE known.begun_at < present() - CASE WHEN known.answer_sealed IS NULL THEN {LONGEST} ELSE {KEPT} END
        RETURNING true
        """,  # noqa: S608 - constants of ours
        request_id,
        fingerprint,
    )
    return bool(begun)


async def known(connection: Connection, request_id: UUID) -> asyncpg.Record | None:
    """What is known of a request; None where it has just been forgotten."""
    return await connection.fetchrow(
        "SELECT fingerprint, answer_sealed FROM idempotent_requests WHERE id = $1", request_id
    )


async def keep(connection: Connection, request_id: UUID, answer_sealed: str) -> None:
    """Its answer."""
    await connection.execute(
        "UPDATE idempotent_requests SET answer_sealed = $2 WHERE id = $1", request_id, answer_sealed
    )


async def forget(connection: Connection, request_id: UUID) -> None:
    """It was never made."""
    await connection.execute("DELETE FROM idempotent_requests WHERE id = $1 AND answer_sealed IS NULL", request_id)
