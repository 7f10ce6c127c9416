"""Hearing of objections, showing them to whom they concern, and answering them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from review_service.applications.cases import names_of
from review_service.audit.use_cases import note
from review_service.errors import NotFoundError, ReasonMissingError, ReasonTooLongError
from review_service.objections import storage
from shared import outbox
from shared.events import ObjectionAnswer, ObjectionAnswered, ObjectionToReview

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from review_service.context import Review, Teacher
    from shared.database import Connection
    from shared.events import GuardianObjected, ObjectionClosed

MOST_LISTED = 100
LONGEST_NOTE = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Guardian:
    """A guardian of the child as the application says; empty where that has not been heard of yet."""

    binding_id: UUID
    name: str
    relation: str


@dataclass(frozen=True, slots=True)
class Objection:
    """An objection. ``state`` is open, answered, unbound or withdrawn; ``reason`` is empty in a list."""

    id: UUID
    student: str
    class_name: str
    about: Guardian
    by: Guardian
    state: str
    submitted_at: datetime
    closed_at: datetime | None
    reason: str
    note: str
    is_bound: bool
    is_unbinding: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """That there is an objection to an application, for who sees that; what it says is the administrator's to read."""

    id: UUID
    state: str
    submitted_at: datetime
    closed_at: datetime | None


# --- what binding tells ---


async def take_objection(review: Review, connection: Connection, event: GuardianObjected) -> None:
    """A guardian objects. Raises UnsealError, and ValueError for a subject that is no UUID."""
    objection_id = UUID(event.subject)
    told = review.from_binding.unseal_model(ObjectionToReview, event.data.for_review, event.place("for_review"))
    sealed = review.store.seal(told.reason, _place(objection_id, "reason"))
    await storage.save(connection, objection_id, event.data, sealed)
    await storage.touch(connection, event.data.binding_id)


async def take_closing(connection: Connection, event: ObjectionClosed) -> None:
    """Binding says how an objection ended. Raises ValueError for a subject that is no UUID."""
    data = event.data
    await storage.close(connection, UUID(event.subject), data.binding_id, data.outcome, event.time)


# --- what the school sees and does ---


async def list_objections(review: Review, administrator: Teacher) -> Sequence[Objection]:
    """The school's objections, those that wait first; a list of names, which goes to the audit log."""
    async with review.database.transaction() as connection:
        rows = await storage.objections(connection, administrator.id, MOST_LISTED)
        if rows:
            await note(review, connection, administrator, "objections.listed", administrator.school_id)
    return [_objection(review, row) for row in rows]


async def count_open(review: Review, teacher: Teacher) -> int:
    """How many wait for this teacher: none for who is no administrator."""
    if not teacher.is_administrator:
        return 0
    async with review.database.connection() as connection:
        return await storage.count_open(connection, teacher.id)


async def look(review: Review, administrator: Teacher, objection_id: UUID) -> Objection:
    """One objection with its text; that it was read goes to the audit log. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        row = await storage.objection(connection, administrator.id, objection_id)
        if row is None:
            raise NotFoundError
        await note(review, connection, administrator, "objection.looked-at", objection_id)
    return _objection(review, row, in_full=True)


async def notices(review: Review, teacher: Teacher, binding_id: UUID) -> Sequence[Notice]:
    """That guardians have objected to an application, for who may see that application."""
    async with review.database.connection() as connection:
        rows = await storage.about(connection, teacher.id, binding_id)
    return [Notice(row["id"], row["state"], row["submitted_at"], row["closed_at"]) for row in rows]


async def answer(review: Review, administrator: Teacher, objection_id: UUID, written: str) -> None:
    """Close an objection with a note that its sender reads. One that waits no longer stays as it is.

    Raises NotFoundError, ReasonMissingError, ReasonTooLongError.
    """
    text = written.replace("\r\n", "\n").strip()
    if len(text) > LONGEST_NOTE:
        raise ReasonTooLongError
    async with review.database.transaction() as connection:
        if await storage.objection(connection, administrator.id, objection_id) is None:
            raise NotFoundError
        if not text:
            raise ReasonMissingError
        sealed = review.store.seal(text, _place(objection_id, "note"))
        binding_id = await storage.answer(connection, administrator.id, objection_id, sealed)
        if binding_id is None:
            return
        await storage.touch(connection, binding_id)
        event = ObjectionAnswered.of("review", objection_id, decided_by=administrator.id)
        await outbox.record(connection, event.sealed(review.to_binding, for_binding=ObjectionAnswer(note=text)))
        await note(review, connection, administrator, "objection.answered", objection_id)
    log.info("objection answered", objection=str(objection_id))


def _objection(review: Review, row: asyncpg.Record, *, in_full: bool = False) -> Objection:
    about = names_of(review, row["binding_id"], row["about_names"])
    by = names_of(review, row["objector_binding_id"], row["objector_names"]).parent if row["objector_names"] else ""
    return Objection(
        id=row["id"],
        student=about.student,
        class_name=row["class_name"] or "",
        about=Guardian(row["binding_id"], about.parent, row["about_relation"]),
        by=Guardian(row["objector_binding_id"], by, row["objector_relation"] or ""),
        state=row["state"],
        submitted_at=row["submitted_at"],
        closed_at=row["closed_at"],
        reason=_opened(review, row, "reason") if in_full else "",
        note=_opened(review, row, "note") if in_full else "",
        is_bound=row["about_state"] == "approved",
        is_unbinding=row["is_unbinding"],
    )


def _opened(review: Review, row: asyncpg.Record, column: str) -> str:
    return review.store.unseal(row[column], _place(row["id"], column)) if row[column] else ""


def _place(objection_id: UUID, column: str) -> str:
    return f"objections:{objection_id}:{column}"
