"""Binding is the arbiter of what a school decides: it applies a decision, or says what stands instead."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from binding_service.accounts import use_cases as accounts
from binding_service.applications import facts, storage
from binding_service.applications.submissions import submitted
from binding_service.drafts.use_cases import person_hashes
from binding_service.family import objections, telling
from shared import outbox
from shared.events import DecisionReason
from shared.observing import use_case

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding
    from shared.database import Connection
    from shared.events import DecisionMade, UnbindingDecided

log = structlog.get_logger(__name__)


class UnknownBindingError(ValueError):
    """A decision about a binding that never was: no later try will find it."""


@use_case
async def apply_decision(binding: Binding, connection: Connection, event: DecisionMade) -> None:
    """Approve or refuse, and say so by an event; part of the inbox's transaction.

    Three decisions are not applied: on a binding that no longer waits, on what was told before the child moved, and by
    a teacher who is the parent, about which review may not have known. What stands is told again then, and review
    follows that. Of a binding whose parent was forgotten there is nothing more to tell. Raises UnknownBindingError.
    """
    applicant = await _applicant(connection, event)
    if applicant["erased_at"] is not None:
        log.info("decision not applied: erased", binding=event.subject)
        return
    if event.data.version is not None and event.data.version != applicant["version"]:
        moved = False
    elif await _is_parent(binding, connection, applicant, event.data.decided_by):
        moved = False
        await storage.raise_version(connection, applicant["binding_id"])
    elif event.data.outcome == "approve":
        moved = await _approve(binding, connection, applicant, event)
    else:
        moved = await _refuse(binding, connection, applicant, event)
    state = await _tell_state(binding, connection, applicant["binding_id"], is_news=moved)
    log.info("decision applied" if moved else "decision not applied", binding=event.subject, state=state)


@use_case
async def apply_unbinding(binding: Binding, connection: Connection, event: UnbindingDecided) -> None:
    """End a binding that was approved, and say so by an event; part of the inbox's transaction.

    Any other stays as it is, and its present state is told again. Raises UnknownBindingError.
    """
    applicant = await _applicant(connection, event)
    if applicant["erased_at"] is not None:
        log.info("unbinding not applied: erased", binding=event.subject)
        return
    sealed = _sealed_reason(binding, applicant["binding_id"], event)
    moved = await storage.revoke(connection, applicant["binding_id"], sealed, event.data.decided_by)
    if moved:
        await telling.close_about(binding.keys, connection, applicant["binding_id"])
    state = await _tell_state(binding, connection, applicant["binding_id"], is_news=moved)
    log.info("unbinding applied" if moved else "unbinding not applied", binding=event.subject, state=state)


async def _applicant(connection: Connection, event: DecisionMade | UnbindingDecided) -> asyncpg.Record:
    applicant = await storage.lock_applicant(connection, UUID(event.subject))
    if applicant is None:
        raise UnknownBindingError
    return applicant


async def _is_parent(binding: Binding, connection: Connection, applicant: asyncpg.Record, teacher_id: str) -> bool:
    place = f"applications:{applicant['id']}:national_id"
    national_id = binding.keys.store.unseal(applicant["national_id_sealed"], place)
    return await storage.has_national_id(connection, teacher_id, person_hashes(binding, national_id))


async def _approve(binding: Binding, connection: Connection, applicant: asyncpg.Record, event: DecisionMade) -> bool:
    binding_id = applicant["binding_id"]
    if not await storage.end_pending(connection, binding_id, "approved", None, event.data.decided_by):
        return False
    await accounts.open_for(binding, connection, applicant, binding_id, applicant["student_name"])
    await objections.tell_guardians(binding, connection, binding_id)
    return True


async def _refuse(binding: Binding, connection: Connection, applicant: asyncpg.Record, event: DecisionMade) -> bool:
    sealed = _sealed_reason(binding, applicant["binding_id"], event)
    return await storage.end_pending(connection, applicant["binding_id"], "refused", sealed, event.data.decided_by)


def _sealed_reason(binding: Binding, binding_id: UUID, event: DecisionMade | UnbindingDecided) -> str:
    """The reason that came with a decision, sealed for the binding's row."""
    place = event.place("for_binding")
    reason = binding.keys.from_review.unseal_model(DecisionReason, event.data.for_binding, place).reason
    return binding.keys.store.seal(reason, f"bindings:{binding_id}:reason")


async def _tell_state(binding: Binding, connection: Connection, binding_id: UUID, *, is_news: bool) -> str:
    """Record the event of the state that a binding is in now; the state."""
    row = await storage.binding(connection, binding_id)
    if row is None:
        raise UnknownBindingError
    if row["state"] == "pending":
        await outbox.record(connection, *await submitted(binding.keys, connection, [binding_id]))
    else:
        await outbox.record(connection, facts.binding_ended(binding.keys, row, is_replay=not is_news))
    return str(row["state"])
