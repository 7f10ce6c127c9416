"""Entering an application that came on paper, and hearing what binding makes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import structlog

from review_service.audit.use_cases import note
from review_service.classes.storage import today
from review_service.errors import NotFoundError, PaperProblemsError
from review_service.papers import domain, storage
from review_service.roster.use_cases import student_place
from shared import outbox
from shared.events import Model, PaperApplication, PaperApplicationEntered
from shared.languages import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from review_service.context import Review, Teacher
    from shared.database import Connection
    from shared.events import BindingSubmitted, PaperApplicationRejected

MOST_LISTED = 100
#: Where the form has what binding calls otherwise.
IN_FORM = {"student": "student_id", "entered_by": "paper"}

log = structlog.get_logger(__name__)


class Typed(Model):
    """At rest, sealed: the form as it was filled in."""

    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Choice:
    """A class or a student to choose."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A paper application: ``state`` is sent, accepted or rejected; ``typed`` is gone once it is accepted."""

    id: UUID
    student_id: str
    student: str
    class_name: str
    state: str
    entered_at: datetime
    binding_id: UUID | None
    typed: Mapping[str, str]
    problems: Mapping[str, str]


async def list_classes(review: Review, administrator: Teacher) -> Sequence[Choice]:
    """The school's classes."""
    async with review.database.connection() as connection:
        rows = await storage.classes(connection, administrator.school_id)
    return [Choice(row["id"], row["name"]) for row in rows]


async def list_students(review: Review, administrator: Teacher, class_id: str) -> Sequence[Choice]:
    """The students of a class of the school, which is a look at them for the audit log; nobody for another one's."""
    async with review.database.transaction() as connection:
        rows = await storage.students(connection, administrator.school_id, class_id)
        if rows:
            await note(review, connection, administrator, "students.looked-at", class_id)
    return [Choice(row["id"], _student_name(review, row["id"], row["name"])) for row in rows]


async def class_of(review: Review, administrator: Teacher, student_id: str) -> str:
    """The class of a student of the school; empty for who has left it."""
    async with review.database.connection() as connection:
        return await storage.class_of_student(connection, administrator.school_id, student_id) or ""


async def enter(
    review: Review, administrator: Teacher, typed: Mapping[str, str], key: UUID, *, corrects: UUID | None = None
) -> UUID:
    """Send what stands on the paper to binding; the new entry. ``corrects``: one that binding sent back, which goes.

    The same form, told by its ``key``, is taken once however often it is sent. Raises PaperProblemsError for what can
    be seen here; what binding finds comes later, by an event.
    """
    typed = {field: typed.get(field, "").strip() for field in domain.FIELDS}
    # With what was typed: a browser may bring a form back with its key, and something else is typed into it.
    entry_id = uuid5(key, json.dumps([administrator.school_id, typed], sort_keys=True))
    async with review.database.transaction() as connection:
        problems = domain.problems(typed, await today(connection), NAMES)
        in_school = await storage.class_of_student(connection, administrator.school_id, typed["student_id"])
        if typed["student_id"] and in_school is None:
            problems = {"student_id": "no_match"} | problems
        if problems:
            raise PaperProblemsError(problems)
        sealed = review.store.seal_model(Typed(fields=typed), _place(entry_id))
        student_id = typed["student_id"]
        if not await storage.add(connection, entry_id, administrator.school_id, student_id, administrator.id, sealed):
            return entry_id
        if corrects is not None and not await storage.delete_rejected(connection, administrator.school_id, corrects):
            raise NotFoundError
        await outbox.record(connection, _entered(review, administrator, entry_id, typed))
        await note(review, connection, administrator, "application.paper-entered", entry_id)
    log.info("paper application entered", entry=str(entry_id))
    return entry_id


async def list_entries(review: Review, administrator: Teacher) -> Sequence[Entry]:
    """The school's latest entries."""
    async with review.database.connection() as connection:
        rows = await storage.entries(connection, administrator.school_id, MOST_LISTED)
    return [_entry(review, row) for row in rows]


async def look(review: Review, administrator: Teacher, entry_id: UUID) -> Entry:
    """One of the school's entries; a look at one that was sent back goes to the audit log. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        row = await storage.entry(connection, administrator.school_id, entry_id)
        if row is None:
            raise NotFoundError
        if row["state"] == "rejected":
            await note(review, connection, administrator, "application.contacts-shown", entry_id)
    return _entry(review, row)


async def take_rejection(connection: Connection, event: PaperApplicationRejected) -> None:
    """Binding says what is wrong with an entry. Raises ValueError for a subject that is no UUID."""
    problems = {IN_FORM.get(field, field): code for field, code in event.data.problems.items()}
    await storage.reject(connection, UUID(event.subject), problems)


async def take_acceptance(connection: Connection, event: BindingSubmitted) -> None:
    """An application was made of an entry, where it was made of one."""
    if event.data.paper_entry_id is not None:
        await storage.accept(connection, event.data.paper_entry_id)


def _entered(
    review: Review, administrator: Teacher, entry_id: UUID, typed: Mapping[str, str]
) -> PaperApplicationEntered:
    event = PaperApplicationEntered.of(
        "review",
        entry_id,
        school_id=administrator.school_id,
        entered_by=administrator.id,
        **{field: typed[field] for field in ("student_id", "language", "statement_version", "signed_on")},
    )
    paper = PaperApplication.model_validate(
        {field: typed[field] for field in ("relation", "relation_text", "parent_name", "national_id", "email", "phone")}
    )
    return event.sealed(review.to_binding, for_binding=paper)


def _entry(review: Review, row: asyncpg.Record) -> Entry:
    typed = review.store.unseal_model(Typed, row["typed"], _place(row["id"])).fields if row["typed"] else {}
    return Entry(
        id=row["id"],
        student_id=row["student_id"],
        student=_student_name(review, row["student_id"], row["student_name"]),
        class_name=row["class_name"] or "",
        state=row["state"],
        entered_at=row["entered_at"],
        binding_id=row["binding_id"],
        typed=typed,
        problems=row["problems"],
    )


def _student_name(review: Review, student_id: str, sealed: str | None) -> str:
    return review.store.unseal(sealed, student_place(student_id)) if sealed else ""


def _place(entry_id: UUID) -> str:
    return f"paper_entries:{entry_id}:typed"
