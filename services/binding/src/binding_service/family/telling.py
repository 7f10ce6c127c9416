"""Closing what guardians objected to, and telling whom it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from binding_service.family import storage
from shared import outbox
from shared.events import ObjectionClosed, ObjectionOutcome

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from binding_service.context import Keys
    from shared.database import Connection

log = structlog.get_logger(__name__)


async def close_about(keys: Keys, connection: Connection, binding_id: UUID) -> None:
    """A guardian is bound no longer: what others objected to is settled by that; part of that transaction."""
    closed = await storage.close_objections(connection, "unbound", binding_id=binding_id)
    await tell_closed(keys, connection, closed, "unbound")


async def close_withdrawn(keys: Keys, connection: Connection, binding_ids: list[UUID]) -> None:
    """Who objected is forgotten: nobody waits for an answer."""
    closed = await storage.close_objections(connection, "withdrawn", objector_binding_ids=binding_ids)
    await tell_closed(keys, connection, closed, "withdrawn")


async def tell_closed(
    keys: Keys, connection: Connection, rows: list[asyncpg.Record], outcome: str, note: str = ""
) -> None:
    """Tell of objections that were just closed: ``rows`` are those of storage.close_objections."""
    for row in rows:
        who = {"email": row["email"], "parent_name": row["parent_name"], "student_name": row["student_name"]}
        event = ObjectionClosed.of(
            "binding", row["id"], binding_id=row["binding_id"], outcome=outcome, language=row["language"]
        )
        if outcome != "withdrawn":
            event = event.sealed(keys.to_notify, for_notify=ObjectionOutcome(**who, note=note))
        await outbox.record(connection, event)
        log.info("objection closed", objection=str(row["id"]), outcome=outcome)
