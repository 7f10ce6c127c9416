"""Binding is the arbiter: it applies a teacher's decision, unless the parent withdrew first."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from binding_service.accounts import use_cases as accounts
from binding_service.applications import facts, storage
from shared import outbox
from shared.events import DecisionReason

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding
    from shared.database import Connection
    from shared.events import DecisionMade

log = structlog.get_logger(__name__)


class UnknownBindingError(ValueError):
    """A decision about a binding that never was: no later try will find it."""


async def apply_decision(binding: Binding, connection: Connection, event: DecisionMade) -> None:
    """Approve or refuse, and say so by an event; part of the inbox's transaction.

    A binding that no longer waits stays as it is, and its present state is told again: review follows that. Raises
    UnknownBindingError.
    """
    binding_id = UUID(event.subject)
    approves = event.data.outcome == "approve"
    if approves:
        moved = await storage.end_pending(connection, binding_id, "approved", None, event.data.decided_by)
    else:
        moved = await _refuse(binding, connection, binding_id, event)
    row = await storage.binding(connection, binding_id)
    if row is None:
        raise UnknownBindingError
    opened = moved and approves and await _open_account(binding, connection, row)
    if opened:
        # The account's e-mail may not be the application's: read what notices go by again.
        row = await storage.binding(connection, binding_id) or row
    await outbox.record(connection, facts.binding_ended(binding.keys, row))
    log.info("decision applied" if moved else "decision came too late", binding=event.subject, state=row["state"])


async def _refuse(binding: Binding, connection: Connection, binding_id: UUID, event: DecisionMade) -> bool:
    place = event.place("for_binding")
    reason = binding.keys.from_review.unseal_model(DecisionReason, event.data.for_binding, place).reason
    sealed = binding.keys.store.seal(reason, f"bindings:{binding_id}:reason")
    return await storage.end_pending(connection, binding_id, "refused", sealed, event.data.decided_by)


async def _open_account(binding: Binding, connection: Connection, row: asyncpg.Record) -> bool:
    applicant = await storage.applicant(connection, row["id"])
    return applicant is not None and await accounts.open_for(binding, connection, applicant, row["student_name"])
