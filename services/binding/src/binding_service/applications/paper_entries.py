"""Applications that came to a school on paper: its administrator enters them, and they are checked like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog

from binding_service.accounts import storage as account_storage
from binding_service.applications import facts, storage
from binding_service.applications.domain import Applicant, application_number
from binding_service.applications.submissions import submitted
from binding_service.drafts import storage as draft_storage
from binding_service.drafts import use_cases as drafts
from binding_service.drafts.domain import Student, relation_problem
from binding_service.errors import EmailTakenError, InvalidFieldsError
from binding_service.statements import is_known, statement
from shared import outbox
from shared.events import PaperApplication
from shared.observing import use_case
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from binding_service.context import Binding
    from shared.database import Connection
    from shared.events import Event, PaperApplicationEntered

log = structlog.get_logger(__name__)

#: What the event calls a field that the parents' pages call otherwise.
FIELDS = {"name": "parent_name"}


@use_case
async def enter(binding: Binding, connection: Connection, event: PaperApplicationEntered) -> None:
    """Make an application of what was entered, or say what is wrong with it; part of the inbox's transaction.

    An entry is answered once. When it comes again, under whatever event id, the same answer is told again, and after it
    what has become of the application since.
    """
    entry_id = UUID(event.subject)
    answer = await storage.lock_paper_entry(connection, entry_id)
    if answer is None:
        events = await _answer(binding, connection, entry_id, event)
    else:
        events = await _repeat(binding, connection, entry_id, answer)
    await outbox.record(connection, *events)


async def _answer(
    binding: Binding, connection: Connection, entry_id: UUID, event: PaperApplicationEntered
) -> list[Event]:
    place = event.place("for_binding")
    paper = binding.keys.from_review.unseal_model(PaperApplication, event.data.for_binding, place)
    now = await draft_storage.now(connection)
    student = await _student(connection, event)
    applicant, problems = await _check_parent(binding, connection, paper)
    problems |= await _check_entry(connection, event, paper, now)
    if student is None:
        problems["student"] = "no_match"
    elif applicant is not None and await _is_known(binding, connection, applicant, student):
        problems["student"] = "student_known"
    if problems or applicant is None or student is None:
        await storage.answer_paper_entry(
            connection, entry_id, event.data.entered_by, event.data.signed_on, problems=problems
        )
        log.info("paper application rejected", entry=str(entry_id), problems=problems)
        return [facts.paper_application_rejected(entry_id, problems)]
    return await _accept(binding, connection, entry_id, event, paper, applicant, student, now)


async def _repeat(binding: Binding, connection: Connection, entry_id: UUID, answer: asyncpg.Record) -> list[Event]:
    if answer["application_id"] is None:
        return [facts.paper_application_rejected(entry_id, answer["problems"])]
    ids = await storage.binding_ids(connection, answer["application_id"])
    rows = [row for id_ in ids if (row := await storage.binding(connection, id_)) is not None]
    ended = [facts.binding_ended(binding.keys, row, is_replay=True) for row in rows if row["state"] != "pending"]
    return [*await submitted(binding.keys, connection, ids), *ended]


# --- checks ---


async def _student(connection: Connection, event: PaperApplicationEntered) -> Student | None:
    """The student, where it is one of the administrator's school now."""
    rows = await draft_storage.students(connection, [event.data.student_id])
    return next((Student(**row) for row in rows if row["school_id"] == event.data.school_id), None)


async def _check_entry(
    connection: Connection, event: PaperApplicationEntered, paper: PaperApplication, now: datetime
) -> dict[str, str]:
    """What is wrong with the rest of the paper, and with who entered it."""
    problems = relation_problem(paper.relation, paper.relation_text)
    if not is_known(event.data.statement_version):
        problems["statement_version"] = "unknown_statement"
    if event.data.signed_on > now.astimezone(TAIPEI).date():
        problems["signed_on"] = "in_future"
    if not await storage.is_administrator(connection, event.data.entered_by, event.data.school_id):
        problems["entered_by"] = "not_administrator"
    return problems


async def _check_parent(
    binding: Binding, connection: Connection, paper: PaperApplication
) -> tuple[Applicant | None, dict[str, str]]:
    """Who applies, with the account's data where there is one; or what is wrong, as on the parents' pages."""
    problems: dict[str, str] = {}
    values: dict[str, str] = {}
    try:
        values = drafts.check_parent(paper.parent_name, paper.email, paper.phone)
    except InvalidFieldsError as error:
        problems = {FIELDS.get(field, field): code for field, code in error.fields.items()}
    try:
        national_id = drafts.check_id_number(paper.national_id, "national_id")
    except InvalidFieldsError as error:
        return None, problems | error.fields
    if problems:
        return None, problems
    applicant = await _applicant(binding, connection, national_id, values)
    try:
        await drafts.refuse_taken_email(binding, connection, applicant.email, national_id)
    except EmailTakenError as error:
        return None, {"email": error.code}
    return applicant, {}


async def _applicant(binding: Binding, connection: Connection, national_id: str, values: dict[str, str]) -> Applicant:
    """The person's account says who applies, where there is one. Nothing on a paper was proven by a code."""
    person_hash = binding.keys.hashes.digest("national-id", national_id)
    account = await account_storage.of_person(connection, drafts.person_hashes(binding, national_id))
    if account is not None:
        values = {"name": account["name"], "email": account["login"], "phone": account["phone"]}
    return Applicant(person_hash, national_id, **values, is_proven=False)


async def _is_known(binding: Binding, connection: Connection, applicant: Applicant, student: Student) -> bool:
    # Of two applications of one person at once, the second waits here and then sees the first.
    await storage.lock_person(connection, applicant.person_hash)
    hashes = drafts.person_hashes(binding, applicant.national_id)
    return bool(await storage.students_known_to_person(connection, hashes, [student.id]))


# --- an application ---


async def _accept(
    binding: Binding,
    connection: Connection,
    entry_id: UUID,
    event: PaperApplicationEntered,
    paper: PaperApplication,
    applicant: Applicant,
    student: Student,
    now: datetime,
) -> list[Event]:
    application_id, binding_id = uuid4(), uuid4()
    number = application_number(now.astimezone(TAIPEI).date())
    await _insert_application(binding, connection, application_id, number, event, applicant, now)
    relation_text = paper.relation_text.strip() if paper.relation == "other" else ""
    child = (student.id, student.school_id, student.school_name, student.class_name, paper.relation, relation_text)
    await storage.insert_bindings(connection, application_id, applicant.person_hash, [binding_id], [child])
    await storage.answer_paper_entry(
        connection, entry_id, event.data.entered_by, event.data.signed_on, application_id=application_id
    )
    log.info("paper application accepted", entry=str(entry_id), application=str(application_id))
    told = await submitted(binding.keys, connection, [binding_id])
    language = event.data.language
    acknowledged = facts.application_submitted(binding.keys, application_id, number, applicant, [student], language)
    return [*told, acknowledged]


async def _insert_application(
    binding: Binding,
    connection: Connection,
    application_id: UUID,
    number: str,
    event: PaperApplicationEntered,
    applicant: Applicant,
    now: datetime,
) -> None:
    store, digest = binding.keys.store, binding.keys.hashes.digest
    accepted = statement(event.data.statement_version)
    values = {
        "id": application_id,
        "number": number,
        "person_hash": applicant.person_hash,
        "national_id_sealed": store.seal(applicant.national_id, f"applications:{application_id}:national_id"),
        "name": applicant.name,
        "email": applicant.email,
        "phone": applicant.phone,
        "language": event.data.language,
        "statement_version": accepted.version,
        "statement_language": accepted.language,
        "statement_hash": accepted.hash,
        "submitted_at": now,
    }
    typed = [digest("contact", applicant.email), digest("contact", applicant.phone)]
    await storage.insert_application(connection, values, [], typed)
