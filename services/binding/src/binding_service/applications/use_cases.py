"""What a parent does with an application: fill it in step by step, send it, follow it, withdraw it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog
from pydantic import ValidationError

from binding_service import id_numbers
from binding_service.accounts import storage as account_storage
from binding_service.applications import domain, facts, storage
from binding_service.applications.domain import BindingView, Student
from binding_service.applications.draft import Consent, Draft, DraftStudent, EmailProof, Parent
from binding_service.errors import (
    CodeRejectedError,
    EmailTakenError,
    InvalidFieldsError,
    LimitedError,
    NoMatchError,
    NotFoundError,
    NotPendingError,
    StatementChangedError,
    StepMissingError,
    StudentKnownError,
)
from binding_service.logins import use_cases as logins
from binding_service.logins.domain import digits_of
from binding_service.statements import statement
from shared import outbox, rate_limits
from shared.contacts import ContactError, parse_email, parse_phone
from shared.events import Signature
from shared.rate_limits import Limit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import asyncpg

    from binding_service.context import Binding
    from binding_service.logins.domain import Session
    from shared.database import Connection
    from shared.events import Event, Language

log = structlog.get_logger(__name__)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StudentForm:
    """Step 2 as it was typed."""

    relation: str
    relation_text: str
    level: str
    national_id: str
    school_id: str


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who applies, after all checks: the account's data where there is one."""

    person_hash: str
    national_id: str
    name: str
    email: str
    phone: str


@dataclass(frozen=True, slots=True)
class Sent:
    """An application that was accepted."""

    id: UUID
    number: str


# --- the draft ---


async def draft_of(binding: Binding, session: Session) -> Draft:
    """What this contact has filled in so far; an empty draft where that is nothing."""
    async with binding.database.connection() as connection:
        row = await storage.draft(connection, session.contact_hash)
    return _open_draft(binding, row)


async def students_of(binding: Binding, draft: Draft) -> list[tuple[DraftStudent, Student]]:
    """The children of a draft, as the roster has them now, in the order in which they were named."""
    async with binding.database.connection() as connection:
        return await _students(connection, draft)


async def schools(binding: Binding) -> list[asyncpg.Record]:
    """The schools to choose from: id, name, level."""
    async with binding.database.connection() as connection:
        return await storage.schools(connection)


def check_id_number(typed: str, field: str) -> str:
    """The ID number as it is stored. Raises InvalidFieldsError at ``field``."""
    if not typed.strip():
        raise InvalidFieldsError({field: "required"})
    try:
        return id_numbers.parse(typed).text
    except id_numbers.IdNumberError:
        raise InvalidFieldsError({field: "bad_id_number"}) from None


async def add_student(binding: Binding, session: Session, form: StudentForm, client_address: str) -> None:
    """Add a child to the draft, if ID, level and school together match the roster.

    Raises InvalidFieldsError, LimitedError, NoMatchError (the same for an unknown ID and a wrong school) and
    StudentKnownError.
    """
    national_id = _check_student_form(form)
    await _count_match(binding, session, national_id, client_address)
    async with _editing(binding, session) as (connection, draft):
        found = await storage.find_student(
            connection, binding.keys.hashes.digests("national-id", national_id), form.level, form.school_id
        )
        if found is None:
            raise NoMatchError(field="national_id")
        if any(student.student_id == found["id"] for student in draft.students):
            raise InvalidFieldsError({"national_id": "already_in_draft"})
        if await storage.student_known_to_contact(connection, session.contact_hash, found["id"]):
            raise StudentKnownError(field="national_id", name=found["name"])
        if len(draft.students) >= binding.settings.students_per_application:
            limit = binding.settings.students_per_application
            raise InvalidFieldsError({"national_id": "too_many_students"}, limit=limit)
        text = form.relation_text.strip() if form.relation == "other" else ""
        draft.students = [
            *draft.students,
            DraftStudent.model_validate({"student_id": found["id"], "relation": form.relation, "relation_text": text}),
        ]


async def remove_student(binding: Binding, session: Session, student_id: str) -> None:
    """Take a child out of the draft; one that is not in it is no fault."""
    async with _editing(binding, session) as (_, draft):
        draft.students = [student for student in draft.students if student.student_id != student_id]


async def accept_statement(binding: Binding, session: Session, version: str, client_address: str) -> None:
    """Accept the statement of that version. Raises StatementChangedError when there is a newer one."""
    current = statement()
    if version != current.version:
        raise StatementChangedError(field="consent")
    async with _editing(binding, session) as (connection, draft):
        draft.consent = Consent(
            version=current.version, hash=current.hash, at=await storage.now(connection), client_address=client_address
        )


async def abandon(binding: Binding, session: Session) -> None:
    """The parent does not agree: the draft is deleted."""
    async with binding.database.transaction() as connection:
        await storage.delete_draft(connection, session.contact_hash)


async def name_parent(binding: Binding, session: Session, typed_id: str) -> None:
    """Say who the parent is. With an account, the rest is the account's. Raises InvalidFieldsError, LimitedError."""
    national_id = check_id_number(typed_id, "parent_id")
    settings = binding.settings
    by_login = binding.keys.hashes.digest("session", str(session.id))
    await _count(binding, [(Limit("parent-login", settings.parent_per_login_hour, HOUR), by_login)])
    async with _editing(binding, session) as (connection, draft):
        account = await account_storage.of_person(connection, _person_hashes(binding, national_id))
        former = draft.parent
        draft.parent = Parent(national_id=national_id, account_id=account["id"] if account else None)
        if account is None and former is not None and former.account_id is None:
            draft.parent = former.model_copy(update={"national_id": national_id})


async def parent_of(binding: Binding, draft: Draft) -> Parent | None:
    """The parent of a draft; with an account, its name, e-mail and phone."""
    if draft.parent is None or draft.parent.account_id is None:
        return draft.parent
    async with binding.database.connection() as connection:
        account = await account_storage.by_id(connection, draft.parent.account_id)
    if account is None:
        return Parent(national_id=draft.parent.national_id)
    values = {"name": account["name"], "email": account["login"], "phone": account["phone"]}
    return draft.parent.model_copy(update=values)


async def fill_parent(binding: Binding, session: Session, name: str, email: str, phone: str) -> bool:
    """The rest of the parent's data; True when the e-mail is proven, False when a code has to prove it first.

    Raises InvalidFieldsError, EmailTakenError, StepMissingError.
    """
    values = _check_parent(name, email, phone)
    async with _editing(binding, session) as (connection, draft):
        if draft.parent is None or draft.parent.account_id:
            raise StepMissingError(step="parent")
        draft.parent = draft.parent.model_copy(update=values)
        proven = draft.email_is_proven(session.contact)
        if proven:
            await _refuse_taken_email(binding, connection, draft.parent.email, draft.parent.national_id)
        return proven


async def send_email_code(
    binding: Binding, session: Session, client_address: str, language: Language, request_id: UUID
) -> None:
    """Send a code to the e-mail of the draft. Raises what logins.issue_code raises, and StepMissingError."""
    async with _editing(binding, session) as (_, draft):
        if draft.parent is None or not draft.parent.email:
            raise StepMissingError(step="parent")
        if draft.email_proof is None or draft.email_proof.email != draft.parent.email:
            draft.email_proof = EmailProof(email=draft.parent.email)
        proof = draft.email_proof
    answer = await logins.issue_code(
        binding, proof.attempt_id, "email", proof.email, client_address, language, request_id
    )
    async with _editing(binding, session) as (_, draft):
        if draft.email_proof and draft.email_proof.attempt_id == proof.attempt_id:
            draft.email_proof = draft.email_proof.model_copy(update={"tries_left": answer.tries_left})


async def prove_email(binding: Binding, session: Session, typed_code: str, request_id: UUID) -> None:
    """Prove the e-mail of the draft. Raises what redeeming raises, StepMissingError, EmailTakenError."""
    proof = (await draft_of(binding, session)).email_proof
    if proof is None:
        raise StepMissingError(step="parent")
    code = digits_of(typed_code)
    if code is None:
        raise InvalidFieldsError({"code": "bad_code"})
    answer = await logins.redeem_code(binding, proof.attempt_id, proof.email, code, request_id)
    async with _editing(binding, session) as (connection, draft):
        draft.email_proof = proof.model_copy(update={"proven": answer.redeemed, "tries_left": answer.tries_left})
        if answer.redeemed and draft.parent:
            await _refuse_taken_email(binding, connection, proof.email, draft.parent.national_id)
    if not answer.redeemed:
        raise CodeRejectedError(field="code", tries_left=answer.tries_left)


# --- sending ---


def parse_signature(drawn: str, typed: str) -> Signature:
    """A signature from a form: strokes as JSON, or a typed name. Raises InvalidFieldsError at ``signature``."""
    if len(drawn.encode()) > domain.MAX_SIGNATURE_BYTES:
        raise InvalidFieldsError({"signature": "signature_too_large"})
    try:
        shape = json.loads(drawn) if drawn.strip() else {}
        return Signature.model_validate({**shape, "typed": "" if shape.get("strokes") else typed.strip()})
    except (ValidationError, TypeError, AttributeError, ValueError, RecursionError):
        raise InvalidFieldsError({"signature": "signature_malformed"}) from None


async def submit(
    binding: Binding, session: Session, signature: Signature, idempotency_key: str, language: Language
) -> Sent:
    """Send the draft: one application, a binding a child, an event each, in one transaction.

    The same key again gives the same application, whatever happened to the first answer. Raises StepMissingError,
    InvalidFieldsError, StudentKnownError, EmailTakenError.
    """
    async with binding.database.transaction() as connection:
        row = await storage.lock_draft(connection, session.contact_hash)
        sent = await storage.application_sent(connection, session.contact_hash, idempotency_key)
        if sent is not None:
            return Sent(sent["id"], sent["number"])
        draft = _open_draft(binding, row)
        missing = draft.missing(statement().version, session.contact)
        if missing:
            raise StepMissingError(step=missing)
        return await _send(binding, connection, session, draft, signature, idempotency_key, language)


async def _send(
    binding: Binding,
    connection: Connection,
    session: Session,
    draft: Draft,
    signature: Signature,
    idempotency_key: str,
    language: Language,
) -> Sent:
    assert draft.consent is not None  # noqa: S101 - see Draft.missing
    applicant = await _applicant(binding, connection, draft)
    _check_signature(signature, applicant.name)
    await _refuse_taken_email(binding, connection, applicant.email, applicant.national_id)
    children = await _students(connection, draft)
    await _refuse_known_students(binding, connection, applicant, children)
    now = await storage.now(connection)
    sent = Sent(uuid4(), domain.application_number(now.date()))
    store = binding.keys.store
    values = {
        "id": sent.id,
        "number": sent.number,
        "contact_hash": session.contact_hash,
        "idempotency_key": idempotency_key,
        "person_hash": applicant.person_hash,
        "national_id_sealed": store.seal(applicant.national_id, f"applications:{sent.id}:national_id"),
        "name": applicant.name,
        "email": applicant.email,
        "phone": applicant.phone,
        "language": language,
        "statement_version": draft.consent.version,
        "statement_hash": draft.consent.hash,
        "consented_at": draft.consent.at,
        "consent_address": draft.consent.client_address,
        "signature_sealed": store.seal_model(signature, f"applications:{sent.id}:signature"),
        "submitted_at": now,
    }
    contacts = [binding.keys.hashes.digest("contact", contact) for contact in (applicant.email, applicant.phone)]
    await storage.insert_application(connection, values, [session.contact_hash, *contacts])
    events = await _insert_bindings(binding, connection, sent, applicant, children, signature, now)
    acknowledged = [student for _, student in children]
    events.append(facts.application_submitted(binding.keys, sent.id, sent.number, applicant, acknowledged, language))
    await outbox.record(connection, *events)
    await storage.delete_draft(connection, session.contact_hash)
    log.info("application submitted", application=str(sent.id), bindings=len(children))
    return sent


async def _insert_bindings(
    binding: Binding,
    connection: Connection,
    sent: Sent,
    applicant: Applicant,
    children: list[tuple[DraftStudent, Student]],
    signature: Signature,
    now: datetime,
) -> list[Event]:
    ids = [uuid4() for _ in children]
    rows = [(student.id, named.relation, named.relation_text) for named, student in children]
    await storage.insert_bindings(connection, sent.id, applicant.person_hash, ids, rows)
    return [
        facts.binding_submitted(
            binding.keys, id_, sent.id, sent.number, applicant, student, named, signature, now, statement().version
        )
        for id_, (named, student) in zip(ids, children, strict=True)
    ]


# --- after ---


async def progress(binding: Binding, session: Session) -> list[BindingView]:
    """Every child that this contact's applications are about, but for withdrawn and cleared ones; oldest first."""
    async with binding.database.connection() as connection:
        rows = await storage.bindings_of_contact(connection, session.contact_hash)
    return [_view(binding, row) for row in rows]


async def has_applications(binding: Binding, session: Session) -> bool:
    """Whether a login with this contact lands on the progress page."""
    async with binding.database.connection() as connection:
        return await storage.has_applications(connection, session.contact_hash)


async def withdraw(binding: Binding, session: Session, binding_id: UUID) -> None:
    """Withdraw one pending binding. Raises NotFoundError for another's, NotPendingError when a decision came first."""
    if binding_id not in {view.id for view in await progress(binding, session)}:
        raise NotFoundError
    async with binding.database.transaction() as connection:
        if not await _withdraw(binding, connection, binding_id):
            raise NotPendingError


async def clear_all(binding: Binding, session: Session) -> None:
    """註銷全部紀錄: withdraw every pending binding, take every refusal off the list."""
    views = await progress(binding, session)
    async with binding.database.transaction() as connection:
        for view in views:
            if view.state == "pending":
                await _withdraw(binding, connection, view.id)
        await storage.clear_refused(connection, [view.id for view in views if view.state == "refused"])


async def _withdraw(binding: Binding, connection: Connection, binding_id: UUID) -> bool:
    if not await storage.end_pending(connection, binding_id, "withdrawn"):
        return False
    await outbox.record(connection, facts.binding_ended(binding.keys, await _row(connection, binding_id)))
    log.info("binding withdrawn", binding=str(binding_id))
    return True


# --- helpers ---


@asynccontextmanager
async def _editing(binding: Binding, session: Session) -> AsyncIterator[tuple[Connection, Draft]]:
    """Change a draft: locked, loaded, and saved when the block ends well."""
    async with binding.database.transaction() as connection:
        draft = _open_draft(binding, await storage.lock_draft(connection, session.contact_hash))
        yield connection, draft
        sealed = binding.keys.store.seal_model(draft, f"drafts:{draft.id}")
        await storage.save_draft(connection, draft.id, session.contact_hash, sealed)


def _open_draft(binding: Binding, row: asyncpg.Record | None) -> Draft:
    if row is None:
        return Draft()
    return binding.keys.store.unseal_model(Draft, row["sealed"], f"drafts:{row['id']}")


async def _students(connection: Connection, draft: Draft) -> list[tuple[DraftStudent, Student]]:
    rows = await storage.students(connection, [student.student_id for student in draft.students])
    found = {row["id"]: Student(**row) for row in rows}
    return [(named, found[named.student_id]) for named in draft.students if named.student_id in found]


def _check_student_form(form: StudentForm) -> str:
    """The child's ID number. Raises InvalidFieldsError with all that is wrong at once."""
    wrong = domain.relation_problem(form.relation, form.relation_text)
    if form.level not in domain.LEVELS:
        wrong["level"] = "choose"
    try:
        national_id = check_id_number(form.national_id, "national_id")
    except InvalidFieldsError as error:
        national_id = ""
        wrong |= error.fields
    if not form.school_id or domain.has_control_characters(form.school_id):
        wrong["school_id"] = "choose"
    if wrong:
        raise InvalidFieldsError(wrong)
    return national_id


async def _count_match(binding: Binding, session: Session, national_id: str, client_address: str) -> None:
    """Count a look-up before it is made: the form must not tell strangers where a child goes to school."""
    settings, digest = binding.settings, binding.keys.hashes.digest
    await _count(
        binding,
        [
            (Limit("match-login", settings.match_per_login_hour, HOUR), digest("session", str(session.id))),
            (Limit("match-contact", settings.match_per_contact_day, DAY), session.contact_hash),
            (Limit("match-address", settings.match_per_address_hour, HOUR), digest("address", client_address)),
            (Limit("match-student", settings.match_per_student_day, DAY), digest("national-id", national_id)),
        ],
    )


async def _count(binding: Binding, limits: list[tuple[Limit, str]]) -> None:
    """Count in a transaction of its own, so that a later refusal does not take it back. Raises LimitedError."""
    async with binding.database.transaction() as connection:
        wait = await rate_limits.hit(connection, limits)
    if wait is not None:
        raise LimitedError(retry_after=int(wait.total_seconds()) + 1)


def _check_parent(name: str, email: str, phone: str) -> dict[str, str]:
    """Name, e-mail and phone as they are stored. Raises InvalidFieldsError with all that is wrong at once."""
    wrong: dict[str, str] = {}
    values = {"name": domain.clean_name(name) or "", "email": "", "phone": ""}
    if not values["name"]:
        wrong["name"] = "bad_name"
    for field, typed, parse in (("email", email, parse_email), ("phone", phone, parse_phone)):
        try:
            values[field] = parse(typed)
        except ContactError:
            wrong[field] = f"bad_{field}" if typed.strip() else "required"
    if wrong:
        raise InvalidFieldsError(wrong)
    return values


def _check_signature(signature: Signature, name: str) -> None:
    if len(signature.model_dump_json().encode()) > domain.MAX_SIGNATURE_BYTES:
        raise InvalidFieldsError({"signature": "signature_too_large"})
    problem = domain.signature_problem(signature.strokes, signature.typed, name)
    if problem:
        raise InvalidFieldsError({"signature": problem})


async def _applicant(binding: Binding, connection: Connection, draft: Draft) -> Applicant:
    """The account's data where the person has one by now, else what was filled in. Raises StepMissingError."""
    parent = draft.parent
    assert parent is not None  # noqa: S101 - see Draft.missing
    person_hash = binding.keys.hashes.digest("national-id", parent.national_id)
    account = await account_storage.of_person(connection, _person_hashes(binding, parent.national_id))
    if account is not None:
        return Applicant(person_hash, parent.national_id, account["name"], account["login"], account["phone"])
    if not parent.email:
        raise StepMissingError(step="parent")
    return Applicant(person_hash, parent.national_id, parent.name, parent.email, parent.phone)


async def _refuse_taken_email(binding: Binding, connection: Connection, email: str, national_id: str) -> None:
    if await storage.email_owner_other_than(connection, email, _person_hashes(binding, national_id)):
        raise EmailTakenError(field="email")


async def _refuse_known_students(
    binding: Binding, connection: Connection, applicant: Applicant, children: list[tuple[DraftStudent, Student]]
) -> None:
    names = {student.id: student.name for _, student in children}
    # Of two applications of one person at once, the second waits here and then sees the first.
    await storage.lock_person(connection, applicant.person_hash)
    hashes = _person_hashes(binding, applicant.national_id)
    known = await storage.students_known_to_person(connection, hashes, list(names))
    if known:
        raise StudentKnownError(field="students", name=names[known[0]])


def _person_hashes(binding: Binding, national_id: str) -> list[str]:
    return binding.keys.hashes.digests("national-id", national_id)


async def _row(connection: Connection, binding_id: UUID) -> asyncpg.Record:
    row = await storage.binding(connection, binding_id)
    if row is None:
        raise NotFoundError
    return row


def _view(binding: Binding, row: asyncpg.Record) -> BindingView:
    reason = row["reason_sealed"]
    return BindingView(
        id=row["id"],
        application_id=row["application_id"],
        application_number=row["application_number"],
        student_id=row["student_id"],
        student_name=row["student_name"],
        school_name=row["school_name"],
        class_name=row["class_name"],
        relation=row["relation"],
        relation_text=row["relation_text"],
        state=row["state"],
        reason=binding.keys.store.unseal(reason, f"bindings:{row['id']}:reason") if reason else "",
        submitted_at=row["submitted_at"],
        changed_at=row["changed_at"],
    )
