"""What review does with applications: take them in, show them to whom they concern, take decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from review_service.applications import domain, storage
from review_service.applications.domain import Outcome, Standing, State
from review_service.audit.use_cases import note
from review_service.errors import AlreadyDecidedError, NotFoundError, WithdrawnError
from review_service.roster.use_cases import teacher_name
from shared import outbox
from shared.events import (
    BindingApproved,
    BindingRefused,
    BindingToReview,
    BindingWithdrawn,
    DecisionMade,
    DecisionReason,
    Model,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    import asyncpg

    from review_service.context import Review, Teacher
    from shared.database import Connection
    from shared.events import BindingSubmitted

LONGEST_LIST = 100

log = structlog.get_logger(__name__)


class Names(Model):
    """At rest, sealed: what a list shows of an application."""

    student: str
    parent: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An application in a list."""

    id: UUID
    names: Names
    class_name: str
    relation: str
    standing: Standing
    submitted_at: datetime
    waited: timedelta


@dataclass(frozen=True, slots=True)
class Inbox:
    """A list of applications: the first LONGEST_LIST of ``total``."""

    entries: Sequence[Entry]
    total: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What a teacher has just done, to be told on the next page."""

    names: Names
    class_name: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Application:
    """One application as the teacher sees it. ``details`` are None once it is withdrawn: no one needs them any more."""

    id: UUID
    number: str
    names: Names
    class_name: str
    school_name: str
    relation: str
    submitted_at: datetime
    statement_version: str
    waited: timedelta
    standing: Standing
    settled_at: datetime | None
    outcome: Outcome | None
    decided_by: str
    decided_at: datetime | None
    reason: str
    details: BindingToReview | None


# --- what binding tells ---


async def take_submission(review: Review, connection: Connection, event: BindingSubmitted) -> None:
    """An application waits for its teacher. Raises UnsealError, and ValueError for a subject that is no UUID."""
    binding_id = UUID(event.subject)
    details = review.from_binding.unseal_model(BindingToReview, event.data.for_review, event.place("for_review"))
    names = Names(student=details.student_name, parent=details.parent_name)
    await storage.save_submission(
        connection,
        binding_id,
        event.data,
        names=review.store.seal_model(names, _place(binding_id, "names")),
        details=review.store.seal_model(details, _place(binding_id, "details")),
    )


async def take_settlement(connection: Connection, event: BindingApproved | BindingRefused | BindingWithdrawn) -> None:
    """Binding says how an application ended. Raises ValueError for a subject that is no UUID."""
    states = {
        BindingApproved.TYPE: State.APPROVED,
        BindingRefused.TYPE: State.REFUSED,
        BindingWithdrawn.TYPE: State.WITHDRAWN,
    }
    await storage.settle(connection, UUID(event.subject), event.data.version, states[event.type], event.time)


# --- what a teacher sees and does ---


async def list_waiting(review: Review, teacher: Teacher) -> Inbox:
    """What waits for this teacher, oldest first."""
    async with review.database.connection() as connection:
        return _inbox(review, await storage.waiting_applications(connection, teacher.id, LONGEST_LIST))


async def list_decided(review: Review, teacher: Teacher) -> Inbox:
    """What was decided or withdrawn, the latest first."""
    async with review.database.connection() as connection:
        return _inbox(review, await storage.decided_applications(connection, teacher.id, LONGEST_LIST))


async def look(review: Review, teacher: Teacher, binding_id: UUID) -> Application:
    """One application; that it was looked at goes to the audit log. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
        if row is None:
            raise NotFoundError
        await note(review, connection, teacher, "application.looked-at", binding_id)
    return _application(review, row)


async def find_next(review: Review, teacher: Teacher, binding_id: UUID) -> UUID | None:
    """The application to go on with after this one; None when nothing waits."""
    async with review.database.connection() as connection:
        return await storage.next_waiting(connection, teacher.id, binding_id)


async def decide(review: Review, teacher: Teacher, binding_id: UUID, outcome: Outcome, reason: str = "") -> None:
    """Decide on an application; binding is told, and has the last word.

    Asked again by the same teacher for the same outcome (a double tap, a lost answer) it does nothing. Raises
    NotFoundError, WithdrawnError, AlreadyDecidedError.
    """
    sealed = review.store.seal(reason, _place(binding_id, "reason")) if reason else None
    async with review.database.transaction() as connection:
        if not await storage.take_decision(connection, teacher.id, binding_id, outcome, sealed):
            _explain(teacher, outcome, await storage.application(connection, teacher.id, binding_id))
            return
        event = DecisionMade.of("review", binding_id, outcome=outcome, decided_by=teacher.id)
        await outbox.record(connection, event.sealed(review.to_binding, for_binding=DecisionReason(reason=reason)))
        await note(review, connection, teacher, f"application.{outcome}", binding_id)
    log.info("decision made", binding=str(binding_id), outcome=outcome)


async def recall_decision(review: Review, teacher: Teacher, binding_id: UUID) -> Decided | None:
    """This teacher's own decision on an application; None where they made none."""
    async with review.database.connection() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
    if row is None or row["decided_by"] != teacher.id:
        return None
    names = review.store.unseal_model(Names, row["names"], _place(binding_id, "names"))
    return Decided(names, row["class_name"] or "", Outcome(row["decided_outcome"]))


def _explain(teacher: Teacher, outcome: Outcome, row: asyncpg.Record | None) -> None:
    """Raise what kept a decision from being taken; returns where it had been taken before by this very request."""
    if row is None:
        raise NotFoundError
    if row["state"] == State.WITHDRAWN:
        raise WithdrawnError
    if row["decided_by"] != teacher.id or row["decided_outcome"] != outcome:
        raise AlreadyDecidedError


def _inbox(review: Review, rows: list[asyncpg.Record]) -> Inbox:
    return Inbox([_entry(review, row) for row in rows], rows[0]["total"] if rows else 0)


def _entry(review: Review, row: asyncpg.Record) -> Entry:
    return Entry(
        id=row["id"],
        names=review.store.unseal_model(Names, row["names"], _place(row["id"], "names")),
        class_name=row["class_name"] or "",
        relation=row["relation"],
        standing=domain.standing(row["state"], row["decided_outcome"]),
        submitted_at=row["submitted_at"],
        waited=row["waited"],
    )


def _application(review: Review, row: asyncpg.Record) -> Application:
    id_ = row["id"]
    withdrawn = row["state"] == State.WITHDRAWN
    return Application(
        id=id_,
        number=row["application_number"],
        names=review.store.unseal_model(Names, row["names"], _place(id_, "names")),
        class_name=row["class_name"] or "",
        school_name=row["school_name"] or "",
        relation=row["relation"],
        submitted_at=row["submitted_at"],
        statement_version=row["statement_version"],
        waited=row["waited"],
        standing=domain.standing(row["state"], row["decided_outcome"]),
        settled_at=row["settled_at"],
        outcome=Outcome(row["decided_outcome"]) if row["decided_outcome"] else None,
        decided_by=teacher_name(review, row["decided_by"], row["decider_details"]),
        decided_at=row["decided_at"],
        reason=review.store.unseal(row["reason"], _place(id_, "reason")) if row["reason"] else "",
        details=None
        if withdrawn
        else review.store.unseal_model(BindingToReview, row["details"], _place(id_, "details")),
    )


def names_of(review: Review, binding_id: UUID, sealed: str) -> Names:
    """The names of an application, from its column of that name."""
    return review.store.unseal_model(Names, sealed, _place(binding_id, "names"))


def _place(binding_id: UUID, column: str) -> str:
    return f"bindings:{binding_id}:{column}"
