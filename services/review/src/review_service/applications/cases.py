"""One application: taking it in from binding, and showing it to whom it concerns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from review_service.applications import domain, storage
from review_service.applications.domain import Flag, Outcome, Standing, State
from review_service.audit.use_cases import note
from review_service.errors import NotFoundError
from review_service.roster.use_cases import student_place, teacher_name
from shared.events import (
    BindingApproved,
    BindingLapsed,
    BindingRefused,
    BindingResumed,
    BindingRevoked,
    BindingToReview,
    BindingWithdrawn,
    Model,
)
from shared.observing import use_case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime, timedelta

    import asyncpg

    from review_service.context import Review, Teacher
    from shared.database import Connection
    from shared.events import BindingSubmitted, RosterGuardian


Settlement = BindingApproved | BindingRefused | BindingWithdrawn | BindingRevoked | BindingLapsed | BindingResumed
#: What each event says of an application. A lapse ends no binding: only the student has left.
STATES = {
    BindingApproved.TYPE: State.APPROVED,
    BindingRefused.TYPE: State.REFUSED,
    BindingWithdrawn.TYPE: State.WITHDRAWN,
    BindingRevoked.TYPE: State.REVOKED,
    BindingLapsed.TYPE: State.APPROVED,
    BindingResumed.TYPE: State.APPROVED,
}


class Names(Model):
    """At rest, sealed: what a list shows of an application."""

    student: str
    parent: str


class Contacts(Model):
    """At rest, sealed: what is shown only when somebody asks for it."""

    national_id: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Relative:
    """Another application that has the student or the sheet of paper in common with the one that is looked at."""

    id: UUID
    names: Names
    relation: str
    standing: Standing
    submitted_at: datetime
    is_same_student: bool


@dataclass(frozen=True, slots=True)
class RosterRecord:
    """What the school's roster says of the student today, and of the guardian that the parent is most likely.

    Null where it says nothing; ``others`` are the other guardians.
    """

    student: str
    class_name: str
    guardian: RosterGuardian | None
    others: Sequence[RosterGuardian]


@dataclass(frozen=True, slots=True)
class Application:
    """One application as the teacher sees it.

    ``details`` are None once it is withdrawn, or the parent forgotten: no one needs them any more.

    ``is_mine``: the decision is this teacher's to take. ``undo_left``: how long it can still be undone. ``left_on``:
    since when the roster has no such student; a refusal then is nobody's decision.
    """

    id: UUID
    number: str
    names: Names
    class_id: str
    class_name: str
    school_name: str
    relation: str
    submitted_at: datetime
    statement_version: str
    waited: timedelta
    standing: Standing
    flags: Sequence[Flag]
    on_paper: bool
    is_known_guardian: bool
    for_administrator: bool
    is_mine: bool
    settled_at: datetime | None
    left_on: date | None
    outcome: Outcome | None
    decided_by: str
    decider_id: str
    decided_at: datetime | None
    batch: UUID | None
    undo_left: timedelta | None
    reason: str
    revoked_by: str
    revoked_reason: str
    has_contacts: bool
    details: BindingToReview | None
    roster: RosterRecord | None
    relatives: Sequence[Relative]
    change: int


# --- what binding tells ---


@use_case
async def take_submission(review: Review, connection: Connection, event: BindingSubmitted) -> None:
    """An application waits for its teacher. Raises UnsealError, and ValueError for a subject that is no UUID."""
    binding_id = UUID(event.subject)
    told = review.from_binding.unseal_model(BindingToReview, event.data.for_review, event.place("for_review"))
    contacts = Contacts(national_id=told.national_id, email=told.email, phone=told.phone)
    details = told.model_copy(update={"national_id": "", "email": "", "phone": ""})
    names = Names(student=told.student_name, parent=told.parent_name)
    students = await _hold_students(connection, binding_id, event.data.student_id)
    await storage.forget_decision(connection, binding_id, event.data.version)
    await storage.save_submission(
        connection,
        binding_id,
        event.data,
        names=review.store.seal_model(names, place(binding_id, "names")),
        details=review.store.seal_model(details, place(binding_id, "details")),
        contacts=review.store.seal_model(contacts, place(binding_id, "contacts")) if told.national_id else None,
    )
    await storage.follow_students(connection, students)
    await storage.refresh(connection, students)


@use_case
async def take_settlement(connection: Connection, event: Settlement) -> None:
    """Binding says how an application stands that waits no longer. Raises ValueError for a subject that is no UUID."""
    binding_id = UUID(event.subject)
    students = await _hold_students(connection, binding_id, event.data.student_id)
    settled_at = event.data.settled_at or event.time
    if await storage.settle(connection, binding_id, STATES[event.type], event.data, settled_at) is not None:
        await storage.forget_overtaken(connection, binding_id)
        await storage.follow_students(connection, students)
        await storage.refresh(connection, students)


async def _hold_students(connection: Connection, binding_id: UUID, told: str) -> list[str]:
    """Hold the student whom an event is about (empty where it does not say), and the one known so far, if another."""
    known = await storage.student_of(connection, binding_id)
    students = [student_id for student_id in {told, known} if student_id]
    await storage.hold(connection, students)
    return students


# --- what a teacher sees ---


@use_case
async def look(review: Review, teacher: Teacher, binding_id: UUID) -> Application:
    """One application; that it was looked at goes to the audit log. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
        if row is None:
            raise NotFoundError
        relatives = await storage.relatives(connection, teacher.id, binding_id)
        await note(review, connection, teacher, "application.looked-at", binding_id)
    return _application(review, row, [_relative(review, other) for other in relatives])


@dataclass(frozen=True, slots=True)
class Mark:
    """An application, and the number of its last change."""

    id: UUID
    change: int


async def last_change(review: Review, teacher: Teacher, binding_id: UUID) -> Mark:
    """What is another one after every change of an application, without a look at it. Raises NotFoundError."""
    async with review.database.connection() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
    if row is None:
        raise NotFoundError
    return Mark(binding_id, row["change"])


@use_case
async def show_contacts(review: Review, teacher: Teacher, binding_id: UUID) -> Contacts | None:
    """ID number and contacts in full; who saw them goes to the audit log. None once they are gone.

    Raises NotFoundError.
    """
    async with review.database.transaction() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
        if row is None:
            raise NotFoundError
        if row["contacts"] is None:
            return None
        await note(review, connection, teacher, "application.contacts-shown", binding_id)
    return review.store.unseal_model(Contacts, row["contacts"], place(binding_id, "contacts"))


@use_case
async def find(review: Review, teacher: Teacher, scanned: str) -> UUID | None:
    """The application of this number, hash, or address in a paper form's QR code; None where none is to be seen."""
    number, document_hash = domain.parse_scanned(scanned)
    async with review.database.connection() as connection:
        return await storage.find(connection, teacher.id, number, document_hash)


def names_of(review: Review, binding_id: UUID, sealed: str) -> Names:
    """Whom a binding is about, from its column of that name."""
    return review.store.unseal_model(Names, sealed, place(binding_id, "names"))


def place(binding_id: UUID, column: str) -> str:
    """Where a sealed value of a binding belongs."""
    return f"bindings:{binding_id}:{column}"


def standing_of(row: asyncpg.Record) -> Standing:
    """Where a row of bindings stands."""
    return domain.standing(
        row["state"],
        row["decided_outcome"],
        has_left=row["left_at"] is not None,
        is_unbinding=row["revoked_by"] is not None,
        is_deleted=row["ended_by_deletion"],
    )


def _application(review: Review, row: asyncpg.Record, relatives: Sequence[Relative]) -> Application:
    id_ = row["id"]
    details = review.store.unseal_model(BindingToReview, row["details"], place(id_, "details"))
    is_withdrawn = row["state"] == State.WITHDRAWN or row["forgotten_at"] is not None
    return Application(
        id=id_,
        number=row["application_number"],
        names=names_of(review, row["id"], row["names"]),
        class_id=row["class_id"],
        class_name=row["class_name"] or "",
        school_name=row["school_name"] or "",
        relation=row["relation"],
        submitted_at=row["submitted_at"],
        statement_version=row["statement_version"],
        waited=row["waited"],
        standing=standing_of(row),
        flags=[Flag(flag) for flag in row["flags"]],
        on_paper=row["on_paper"],
        is_known_guardian=row["is_known_guardian"],
        for_administrator=row["for_administrator"],
        is_mine=row["is_mine"],
        settled_at=row["settled_at"],
        left_on=row["left_on"],
        outcome=Outcome(row["decided_outcome"]) if row["decided_outcome"] else None,
        decided_by=teacher_name(review, row["decided_by"], row["decider_details"]),
        decider_id=row["decided_by"] or "",
        decided_at=row["decided_at"],
        batch=row["batch"],
        undo_left=row["undo_left"],
        reason=_opened(review, row, "reason"),
        revoked_by=teacher_name(review, row["revoked_by"], row["revoker_details"]),
        revoked_reason=_opened(review, row, "revoked_reason"),
        has_contacts=row["contacts"] is not None,
        details=None if is_withdrawn else details,
        roster=None if is_withdrawn else _roster_record(review, row, details),
        relatives=relatives,
        change=row["change"],
    )


def _opened(review: Review, row: asyncpg.Record, column: str) -> str:
    return review.store.unseal(row[column], place(row["id"], column)) if row[column] else ""


def _roster_record(review: Review, row: asyncpg.Record, details: BindingToReview) -> RosterRecord:
    ranked = sorted(details.guardians, key=_likeness, reverse=True)
    likely = ranked[0] if ranked and any(_likeness(ranked[0])) else None
    student = row["student_id"]
    return RosterRecord(
        student=review.store.unseal(row["roster_name"], student_place(student)) if row["roster_name"] else "",
        class_name=row["roster_class"] or "",
        guardian=likely,
        others=[guardian for guardian in ranked if guardian is not likely],
    )


def _likeness(guardian: RosterGuardian) -> tuple[bool, bool, bool]:
    """How much a guardian of the roster is like the parent: by ID number before name, by name before contacts."""
    has_contact = bool(guardian.same_email or guardian.same_phone)
    return bool(guardian.same_national_id), guardian.same_name, has_contact


def _relative(review: Review, row: asyncpg.Record) -> Relative:
    return Relative(
        id=row["id"],
        names=names_of(review, row["id"], row["names"]),
        relation=row["relation"],
        standing=standing_of(row),
        submitted_at=row["submitted_at"],
        is_same_student=row["is_same_student"],
    )
