"""Guardians who are bound to the same child: they are told of each other, and can ask the school to look."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from binding_service.accounts.use_cases import require_account
from binding_service.drafts.domain import mask_name
from binding_service.errors import InvalidFieldsError, LimitedError, NotFoundError, ObjectionOpenError
from binding_service.family import domain, storage
from binding_service.family.domain import Guardian, Objection
from binding_service.family.telling import tell_closed
from shared import outbox, rate_limits
from shared.events import GuardianBound, GuardianObjected, GuardianToTell, ObjectionAnswer, ObjectionToReview
from shared.observing import use_case
from shared.rate_limits import Limit

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding
    from binding_service.logins.domain import Session
    from shared.database import Connection
    from shared.events import ObjectionAnswered

log = structlog.get_logger(__name__)


async def tell_guardians(binding: Binding, connection: Connection, binding_id: UUID) -> None:
    """Tell whoever was bound to the child before that this binding was approved; part of that transaction.

    They share the child, but may be at odds: the relation and a masked name are told, no contact and no ID number.
    """
    for row in await storage.guardians_to_tell(connection, binding_id):
        told = GuardianToTell(
            email=row["login"],
            parent_name=row["parent_name"],
            student_name=row["student_name"],
            guardian_name_masked=mask_name(row["guardian_name"]),
            relation=row["relation"],
            relation_text=row["relation_text"],
        )
        event = GuardianBound.of("binding", row["own_id"], binding_id=binding_id, language=row["language"])
        await outbox.record(connection, event.sealed(binding.keys.to_notify, for_notify=told))


async def guardians_of(
    binding: Binding, connection: Connection, account_id: UUID, binding_id: UUID | None = None
) -> list[Guardian]:
    """The other guardians of the account's children who were bound later; all, or the one of this binding.

    Who came later is not shown who was there before: nobody is told of that either.
    """
    rows = await storage.guardians(connection, account_id, binding_id)
    return [_guardian(binding, row) for row in rows]


async def look(binding: Binding, session: Session, binding_id: UUID) -> Guardian:
    """A guardian to whom the account may object, or has. Raises NotFoundError, NotSignedInError."""
    account_id = require_account(session)
    async with binding.database.connection() as connection:
        found = await guardians_of(binding, connection, account_id, binding_id)
    if not found:
        raise NotFoundError
    return found[0]


@use_case
async def object_to(binding: Binding, session: Session, binding_id: UUID, typed: str, objection_id: UUID) -> Guardian:
    """Ask the school to look at another guardian. The same ``objection_id`` again is the same objection.

    Raises InvalidFieldsError at ``reason``, ObjectionOpenError while an earlier one waits, NotFoundError, LimitedError.
    """
    guardian = await look(binding, session, binding_id)
    reason = domain.clean_reason(typed)
    problem = domain.reason_problem(reason)
    if problem:
        raise InvalidFieldsError({"reason": problem}, limit=domain.LONGEST_REASON)
    if not await _was_sent(binding, guardian, objection_id):
        if guardian.objection is not None and not guardian.objection.outcome:
            raise ObjectionOpenError(field="reason")
        if not guardian.is_bound:
            raise NotFoundError
        await _count(binding, session)
        await _send(binding, guardian, objection_id, reason)
    return await look(binding, session, binding_id)


async def _was_sent(binding: Binding, guardian: Guardian, objection_id: UUID) -> bool:
    async with binding.database.connection() as connection:
        return await storage.has_objection(connection, objection_id, guardian.own_binding_id)


async def _send(binding: Binding, guardian: Guardian, objection_id: UUID, reason: str) -> None:
    sealed = binding.keys.store.seal(reason, f"objections:{objection_id}:reason")
    async with binding.database.transaction() as connection:
        row = await storage.add_objection(
            connection, objection_id, guardian.binding_id, guardian.own_binding_id, sealed
        )
        if row is None:
            # Another tap came between: the same wish, or another one that the school has to deal with first.
            if await storage.has_objection(connection, objection_id, guardian.own_binding_id):
                return
            raise ObjectionOpenError(field="reason")
        event = GuardianObjected.of(
            "binding",
            objection_id,
            binding_id=guardian.binding_id,
            objector_binding_id=guardian.own_binding_id,
            submitted_at=row["submitted_at"],
        )
        told = ObjectionToReview(reason=reason)
        await outbox.record(connection, event.sealed(binding.keys.to_review, for_review=told))
    log.info("objection sent", objection=str(objection_id), binding=str(guardian.binding_id))


@use_case
async def apply_answer(binding: Binding, connection: Connection, event: ObjectionAnswered) -> None:
    """The school has dealt with an objection; part of the inbox's transaction. One that is closed stays as it is."""
    place = event.place("for_binding")
    note = binding.keys.from_review.unseal_model(ObjectionAnswer, event.data.for_binding, place).note
    objection_id = UUID(event.subject)
    closed = await storage.close_objections(
        connection,
        "answered",
        objection_id=objection_id,
        note_sealed=binding.keys.store.seal(note, f"objections:{objection_id}:note"),
        decided_by=event.data.decided_by,
    )
    await tell_closed(binding.keys, connection, closed, "answered", note)


async def _count(binding: Binding, session: Session) -> None:
    """Count an objection in a transaction of its own. Raises LimitedError."""
    limit = Limit("objection-account", binding.settings.objections_per_account_day, timedelta(days=1))
    subject = binding.keys.hashes.digest("account", str(session.account_id))
    async with binding.database.transaction() as connection:
        wait = await rate_limits.hit(connection, [(limit, subject)])
    if wait is not None:
        raise LimitedError(retry_after=int(wait.total_seconds()) + 1)


def _guardian(binding: Binding, row: asyncpg.Record) -> Guardian:
    return Guardian(
        binding_id=row["id"],
        own_binding_id=row["own_id"],
        student_name=row["student_name"],
        name=row["name"],
        relation=row["relation"],
        relation_text=row["relation_text"],
        bound_at=row["bound_at"],
        is_bound=row["is_bound"],
        objection=_objection(binding, row) if row["objection_id"] else None,
    )


def _objection(binding: Binding, row: asyncpg.Record) -> Objection:
    sealed = row["note_sealed"]
    return Objection(
        id=row["objection_id"],
        submitted_at=row["submitted_at"],
        outcome=row["outcome"],
        closed_at=row["closed_at"],
        note=binding.keys.store.unseal(sealed, f"objections:{row['objection_id']}:note") if sealed else "",
    )
