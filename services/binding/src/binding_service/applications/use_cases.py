"""What a parent does with an application that is filled in: send it, follow it, withdraw it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog
from pydantic import ValidationError

from binding_service.accounts import storage as account_storage
from binding_service.applications import domain, facts, storage
from binding_service.applications.domain import Applicant, BindingView
from binding_service.applications.signed import SignedDocument, SignedStudent, document_hash
from binding_service.applications.submissions import submitted
from binding_service.drafts import storage as draft_storage
from binding_service.drafts import use_cases as drafts
from binding_service.drafts.domain import LONGEST_NAME
from binding_service.errors import (
    InvalidFieldsError,
    NotFoundError,
    NotPendingError,
    NotSignedInError,
    StepMissingError,
    StudentKnownError,
    StudentsChangedError,
)
from binding_service.logins import storage as login_storage
from binding_service.statements import statement
from shared import outbox
from shared.events import Signature
from shared.observing import use_case
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from binding_service.context import Binding
    from binding_service.drafts.domain import Student
    from binding_service.drafts.draft import Consent, Draft, DraftStudent
    from binding_service.logins.domain import Session
    from shared.database import Connection
    from shared.events import Language

log = structlog.get_logger(__name__)

#: Of a typed signature; twice a name, for who puts spaces between the characters. What is longer is no name.
LONGEST_TYPED = 2 * LONGEST_NAME


@dataclass(frozen=True, slots=True)
class Sent:
    """An application that was accepted."""

    id: UUID
    number: str


# --- sending ---


def parse_signature(drawn: str, typed: str) -> Signature:
    """A signature from a form: strokes as JSON, a typed name, or both. Raises InvalidFieldsError at ``signature``."""
    if len(drawn.encode()) > domain.MAX_SIGNATURE_BYTES:
        raise InvalidFieldsError({"signature": "signature_too_large"})
    try:
        shape = json.loads(drawn) if drawn.strip() else {}
        return Signature.model_validate({**shape, "typed": typed.strip()[:LONGEST_TYPED]})
    except (ValidationError, TypeError, AttributeError, ValueError, RecursionError):
        raise InvalidFieldsError({"signature": "signature_malformed"}) from None


async def was_sent(binding: Binding, session: Session, idempotency_key: str) -> bool:
    """Whether an application was sent under this key."""
    async with binding.database.connection() as connection:
        return await storage.application_sent(connection, session.contact_hash, idempotency_key) is not None


@use_case
async def submit(
    binding: Binding, session: Session, signature: Signature, idempotency_key: str, language: Language
) -> Sent:
    """Send the draft: one application, a binding a child, an event each, in one transaction.

    The same key again gives the same application, whatever happened to the first answer. Raises NotSignedInError,
    StepMissingError, StudentsChangedError, InvalidFieldsError, StudentKnownError, EmailTakenError.
    """
    async with binding.database.transaction() as connection:
        if not await login_storage.hold_session(connection, session.id):
            # Its code was disowned a moment ago: the schools were told of all that there was.
            raise NotSignedInError
        row = await draft_storage.lock_draft(connection, session.contact_hash)
        sent = await storage.application_sent(connection, session.contact_hash, idempotency_key)
        if sent is not None:
            return Sent(sent["id"], sent["number"])
        draft = await drafts.load_draft(binding, connection, session, row)
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
    applicant = await _applicant(binding, connection, session, draft)
    signature = _check_signature(signature, applicant.name)
    await drafts.refuse_taken_email(binding, connection, applicant.email, applicant.national_id)
    children = await drafts.students(connection, draft)
    if len(children) < len(draft.students):
        raise StudentsChangedError
    await _refuse_known_students(binding, connection, applicant, children)
    now = await draft_storage.now(connection)
    sent = Sent(uuid4(), domain.application_number(now.astimezone(TAIPEI).date()))
    signed = _signed_document(session, draft.consent, sent.number, applicant, children, signature, now)
    await _insert_application(binding, connection, session, sent, applicant, signed, idempotency_key, language)
    told = await submitted(binding.keys, connection, await _insert_bindings(connection, sent, applicant, children))
    students = [student for _, student in children]
    acknowledged = facts.application_submitted(binding.keys, sent.id, sent.number, applicant, students, language)
    await outbox.record(connection, *told, acknowledged)
    await draft_storage.delete_draft(connection, session.contact_hash)
    log.info("application submitted", application=str(sent.id), bindings=len(children))
    return sent


def _signed_document(
    session: Session,
    consent: Consent,
    number: str,
    applicant: Applicant,
    children: list[tuple[DraftStudent, Student]],
    signature: Signature,
    now: datetime,
) -> SignedDocument:
    return SignedDocument(
        number=number,
        students=[
            SignedStudent(
                name=student.name,
                school=student.school_name,
                class_name=student.class_name,
                relation=named.relation,
                relation_text=named.relation_text,
            )
            for named, student in children
        ],
        parent_name=applicant.name,
        national_id=applicant.national_id,
        email=applicant.email,
        phone=applicant.phone,
        proven_by=session.proven_by,
        proven_contact=session.contact,
        proven_at=session.proven_at,
        statement_version=consent.version,
        statement_language=consent.language,
        statement_hash=consent.hash,
        consented_at=consent.at,
        consent_address=consent.client_address,
        signature=signature,
        signed_at=now,
    )


async def _insert_application(
    binding: Binding,
    connection: Connection,
    session: Session,
    sent: Sent,
    applicant: Applicant,
    signed: SignedDocument,
    idempotency_key: str,
    language: Language,
) -> None:
    store, digest = binding.keys.store, binding.keys.hashes.digest
    canonical = signed.canonical()
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
        "statement_version": signed.statement_version,
        "statement_language": signed.statement_language,
        "statement_hash": signed.statement_hash,
        "consented_at": signed.consented_at,
        "consent_address": signed.consent_address,
        "signature_sealed": store.seal_model(signed.signature, f"applications:{sent.id}:signature"),
        "signed_sealed": store.seal(canonical, f"applications:{sent.id}:signed"),
        "signed_hash": document_hash(canonical),
        "submitted_at": signed.signed_at,
    }
    # The e-mail was proven by a code, now or before the account was opened; the phone was only typed.
    proven, others = [digest("contact", applicant.email)], [digest("contact", applicant.phone)]
    (proven if applicant.is_proven else others).append(session.contact_hash)
    await storage.insert_application(connection, values, proven, others)


async def _insert_bindings(
    connection: Connection, sent: Sent, applicant: Applicant, children: list[tuple[DraftStudent, Student]]
) -> list[UUID]:
    ids = sorted(uuid4() for _ in children)
    rows = [
        (student.id, student.school_id, student.school_name, student.class_name, named.relation, named.relation_text)
        for named, student in children
    ]
    await storage.insert_bindings(connection, sent.id, applicant.person_hash, ids, rows)
    return ids


# --- after ---


@use_case
async def progress(binding: Binding, session: Session) -> list[BindingView]:
    """Every child that this contact's applications are about, but for withdrawn and cleared ones; oldest first."""
    async with binding.database.connection() as connection:
        rows = await storage.bindings_of_contact(connection, session.contact_hash)
    return [_view(binding, row) for row in rows]


async def has_applications(binding: Binding, session: Session) -> bool:
    """Whether a login with this contact lands on the progress page."""
    async with binding.database.connection() as connection:
        return await storage.has_applications(connection, session.contact_hash)


@use_case
async def withdraw(binding: Binding, session: Session, binding_id: UUID) -> None:
    """Withdraw one pending binding. Raises NotFoundError for another's, NotPendingError when a decision came first."""
    if binding_id not in {view.id for view in await progress(binding, session)}:
        raise NotFoundError
    async with binding.database.transaction() as connection:
        if not await _withdraw(binding, connection, binding_id):
            raise NotPendingError


@use_case
async def clear_all(binding: Binding, session: Session) -> None:
    """註銷全部紀錄: withdraw every pending binding, take every refusal and unbinding off the list."""
    views = await progress(binding, session)
    async with binding.database.transaction() as connection:
        for view in views:
            if view.state == "pending":
                await _withdraw(binding, connection, view.id)
        await storage.clear_ended(connection, [view.id for view in views if view.state in facts.WITH_REASON])


async def _withdraw(binding: Binding, connection: Connection, binding_id: UUID) -> bool:
    if not await storage.end_pending(connection, binding_id, "withdrawn"):
        return False
    await outbox.record(connection, facts.binding_ended(binding.keys, await _row(connection, binding_id)))
    log.info("binding withdrawn", binding=str(binding_id))
    return True


# --- helpers ---


def _check_signature(signature: Signature, name: str) -> Signature:
    """The signature as it is kept: drawn, or typed without the dots beside it. Raises InvalidFieldsError."""
    if len(signature.model_dump_json().encode()) > domain.MAX_SIGNATURE_BYTES:
        raise InvalidFieldsError({"signature": "signature_too_large"})
    if domain.is_drawn(signature.strokes):
        return signature.model_copy(update={"typed": ""})
    problem = domain.typed_signature_problem(signature.typed, name)
    if problem:
        raise InvalidFieldsError({"signature": problem})
    return signature.model_copy(update={"strokes": []})


async def _applicant(binding: Binding, connection: Connection, session: Session, draft: Draft) -> Applicant:
    """The account's data where the person has one by now, else what was filled in. Raises StepMissingError."""
    parent = draft.parent
    assert parent is not None  # noqa: S101 - see Draft.missing
    person_hash = binding.keys.hashes.digest("national-id", parent.national_id)
    account = await account_storage.of_person(connection, drafts.person_hashes(binding, parent.national_id))
    if account is not None:
        proven = await _is_account_holder(connection, session, account)
        return Applicant(person_hash, parent.national_id, account["name"], account["login"], account["phone"], proven)
    if not parent.email:
        raise StepMissingError(step="parent")
    return Applicant(person_hash, parent.national_id, parent.name, parent.email, parent.phone, is_proven=True)


async def _is_account_holder(connection: Connection, session: Session, account: asyncpg.Record) -> bool:
    """Whether the login is the account's, or proves a contact of it: its e-mail, or one proven with its e-mail."""
    if session.account_id == account["id"] or session.contact == account["login"]:
        return True
    return await storage.proven_with(connection, session.contact_hash, account["person_hash"], account["login"])


async def _refuse_known_students(
    binding: Binding, connection: Connection, applicant: Applicant, children: list[tuple[DraftStudent, Student]]
) -> None:
    names = {student.id: student.name for _, student in children}
    # Of two applications of one person at once, the second waits here and then sees the first.
    await storage.lock_person(connection, applicant.person_hash)
    hashes = drafts.person_hashes(binding, applicant.national_id)
    known = await storage.students_known_to_person(connection, hashes, list(names))
    if known:
        raise StudentKnownError(field="students", name=names[known[0]])


async def _row(connection: Connection, binding_id: UUID) -> asyncpg.Record:
    row = await storage.binding(connection, binding_id)
    if row is None:
        raise NotFoundError
    return row


def _view(binding: Binding, row: asyncpg.Record) -> BindingView:
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
        version=row["version"],
        reason=facts.reason_of(binding.keys, row),
        submitted_at=row["submitted_at"],
        changed_at=row["changed_at"],
        has_signed_in=row["has_signed_in"],
        has_paper_form=row["has_paper_form"],
        on_paper=row["on_paper"],
        left_on=row["left_on"],
    )
