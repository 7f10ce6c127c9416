"""How a parent fills in an application: step by step, in any order, on any device; kept on the server."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from binding_service import id_numbers
from binding_service.accounts import storage as account_storage
from binding_service.drafts import domain, limits, storage
from binding_service.drafts.domain import Student
from binding_service.drafts.draft import Consent, Draft, DraftStudent, EmailProof, NewStudent, Parent
from binding_service.errors import (
    CodeDeadError,
    EmailTakenError,
    InvalidFieldsError,
    NoMatchError,
    NotFoundError,
    StatementChangedError,
    StepMissingError,
    StudentKnownError,
)
from binding_service.logins import acquaintance, sent_codes
from binding_service.logins import use_cases as logins
from binding_service.logins.domain import digits_of
from binding_service.statements import statement
from shared.contacts import ContactError, parse_email, parse_phone
from shared.languages import current_language
from shared.observing import use_case

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from binding_service.context import Binding
    from binding_service.logins.domain import Session
    from shared.database import Connection
    from shared.events import Language


#: Characters that a draft keeps of pages which were left: a signature of 64 kB, and more than the other pages hold.
MOST_TYPED = 80_000


@dataclass(frozen=True, slots=True)
class StudentForm:
    """Step 2 as it was typed."""

    relation: str
    relation_text: str
    level: str
    national_id: str
    school_id: str


async def draft_of(binding: Binding, session: Session) -> Draft:
    """What this contact has filled in so far; an empty draft where that is nothing."""
    async with binding.database.connection() as connection:
        row = await storage.draft(connection, session.contact_hash)
        return await load_draft(binding, connection, session, row)


async def students_of(binding: Binding, draft: Draft) -> list[tuple[DraftStudent, Student]]:
    """The children of a draft, as the roster has them now, in the order in which they were named."""
    async with binding.database.connection() as connection:
        return await students(connection, draft)


async def drop_moved_students(binding: Binding, session: Session) -> bool:
    """Take those out of the draft that have left the school that was named; whether there were any."""
    draft = await draft_of(binding, session)
    if len(await students_of(binding, draft)) == len(draft.students):
        return False
    async with _editing(binding, session) as (connection, draft):
        draft.students = [named for named, _ in await students(connection, draft)]
    return True


async def keep_typed(binding: Binding, session: Session, page: str, typed: dict[str, str]) -> None:
    """Keep what stands on a page that is left before it is complete; an empty one is forgotten.

    Of more than anybody types, the pages that were left first are forgotten.
    """
    async with _editing(binding, session) as (_, draft):
        draft.typed = {name: fields for name, fields in draft.typed.items() if name != page}
        if any(typed.values()):
            draft.typed[page] = typed
        while _size(draft.typed) > MOST_TYPED:
            del draft.typed[next(iter(draft.typed))]


async def schools(binding: Binding) -> list[asyncpg.Record]:
    """The schools to choose from: id, name, level."""
    async with binding.database.connection() as connection:
        return await storage.schools(connection)


async def seconds_until(binding: Binding, *moments: datetime | None) -> list[int]:
    """How long it is until each moment, by the clock that decides; 0 for one that is past or was never set."""
    async with binding.database.connection() as connection:
        now = await storage.now(connection)
    return [max(0, math.ceil((moment - now).total_seconds())) if moment else 0 for moment in moments]


def check_id_number(typed: str, field: str) -> str:
    """The ID number as it is stored. Raises InvalidFieldsError at ``field``."""
    if not typed.strip():
        raise InvalidFieldsError({field: "required"})
    try:
        return id_numbers.parse(typed).text
    except id_numbers.IdNumberError:
        raise InvalidFieldsError({field: "bad_id_number"}) from None


def check_parent(name: str, email: str, phone: str) -> dict[str, str]:
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


async def describe_new_student(binding: Binding, session: Session, **answers: str) -> None:
    """Keep answers about the child that is being named: relation and relation_text, level, or national_id.

    Raises InvalidFieldsError for those that can't be right.
    """
    wrong = domain.relation_problem(answers["relation"], answers["relation_text"]) if "relation" in answers else {}
    if "level" in answers and answers["level"] not in domain.LEVELS:
        wrong["level"] = "choose"
    if wrong:
        raise InvalidFieldsError(wrong)
    if answers.get("relation", "other") != "other":
        answers["relation_text"] = ""
    if "national_id" in answers:
        answers["national_id"] = check_id_number(answers["national_id"], "national_id")
    async with _editing(binding, session) as (_, draft):
        draft.adding = (draft.adding or NewStudent()).model_copy(update=answers)


@use_case
async def change_relation(
    binding: Binding, session: Session, student_id: str, relation: str, relation_text: str
) -> None:
    """Say anew what the parent is to a child of the draft. Raises InvalidFieldsError, NotFoundError."""
    wrong = domain.relation_problem(relation, relation_text)
    if wrong:
        raise InvalidFieldsError(wrong)
    async with _editing(binding, session) as (_, draft):
        chosen = next((student for student in draft.students if student.student_id == student_id), None)
        if chosen is None:
            raise NotFoundError
        named = _named(student_id, chosen.school_id, relation, relation_text)
        draft.students = [named if student is chosen else student for student in draft.students]


@use_case
async def take_up_again(binding: Binding, session: Session, binding_id: UUID, client_address: str) -> None:
    """Begin a new application for the child of a refused one, with all that was said then.

    It shows the child's class of today, so it counts as a look-up. A child that has left the school which was named
    then is dropped like any other. Raises NotFoundError, LimitedError and InvalidFieldsError.
    """
    await limits.count_look(binding, session, client_address)
    async with _editing(binding, session) as (connection, draft):
        refused = await storage.refused_of_contact(connection, session.contact_hash, binding_id)
        if refused is None:
            raise NotFoundError
        others = [student for student in draft.students if student.student_id != refused["student_id"]]
        _refuse_too_many(binding, others, "students")
        draft.students = [*others, DraftStudent.model_validate(dict(refused))]
        await _fill_in_known_parent(binding, connection, session, draft)


@use_case
async def add_student(
    binding: Binding, session: Session, form: StudentForm, client_address: str, request_id: UUID | None = None
) -> None:
    """Add a child to the draft, if ID, level and school together match the roster.

    The same ``request_id`` again is done already, though it counts as another look-up. Raises InvalidFieldsError,
    LimitedError, NoMatchError (the same for an unknown ID and a wrong school) and StudentKnownError.
    """
    national_id = _check_student_form(form)
    await limits.count_match(binding, session, national_id, client_address)
    async with _editing(binding, session) as (connection, draft):
        found = await storage.find_student(
            connection, binding.keys.hashes.digests("national-id", national_id), form.level, form.school_id
        )
        if found is None:
            raise NoMatchError(field="national_id")
        if any(student.student_id == found["id"] for student in draft.students):
            if request_id is not None and draft.added_by.get(found["id"]) == request_id:
                return
            raise InvalidFieldsError({"national_id": "already_in_draft"})
        # Two parents may share a phone, so only an e-mail says who asks; the others are told when they send.
        if session.channel == "email" and await storage.student_known_to_contact(
            connection, session.contact_hash, found["id"]
        ):
            raise StudentKnownError(field="national_id", name=found["name"])
        _refuse_too_many(binding, draft.students, "national_id")
        named = _named(found["id"], form.school_id, form.relation, form.relation_text)
        draft.students = [*draft.students, named]
        if request_id is not None:
            draft.added_by[found["id"]] = request_id
        draft.adding = None
        await _fill_in_known_parent(binding, connection, session, draft)


@use_case
async def remove_student(binding: Binding, session: Session, student_id: str) -> None:
    """Take a child out of the draft; one that is not in it is no fault."""
    async with _editing(binding, session) as (_, draft):
        draft.students = [student for student in draft.students if student.student_id != student_id]


@use_case
async def accept_statement(binding: Binding, session: Session, version: str, client_address: str) -> None:
    """Accept the statement of that version, as it reads in the reader's language.

    Raises StatementChangedError when there is a newer one.
    """
    current = statement(language=current_language())
    if version != current.version:
        raise StatementChangedError(field="agree")
    async with _editing(binding, session) as (connection, draft):
        draft.consent = Consent(
            version=current.version,
            hash=current.hash,
            language=current.language,
            at=await storage.now(connection),
            client_address=client_address,
        )


@use_case
async def abandon(binding: Binding, session: Session) -> None:
    """The parent does not agree: the draft is deleted."""
    async with binding.database.transaction() as connection:
        await storage.lock_draft(connection, session.contact_hash)
        await storage.delete_draft(connection, session.contact_hash)


@use_case
async def name_parent(binding: Binding, session: Session, typed_id: str, client_address: str) -> None:
    """Say who the parent is. With an account, the rest is the account's. Raises InvalidFieldsError, LimitedError."""
    national_id = check_id_number(typed_id, "parent_id")
    await limits.count_parent(binding, session, client_address)
    async with _editing(binding, session) as (connection, draft):
        former = draft.parent
        if session.account_id is not None and former is not None and former.national_id != national_id:
            raise InvalidFieldsError({"parent_id": "not_account_holder"})
        account = await account_storage.of_person(connection, person_hashes(binding, national_id))
        _forget_another_person(draft, national_id)
        draft.parent = Parent(national_id=national_id, account_id=account["id"] if account else None)
        if account is None and former is not None and former.account_id is None and not former.known:
            draft.parent = former.model_copy(update={"national_id": national_id})


async def take_proof_back(binding: Binding, connection: Connection, draft_id: UUID, attempt_id: UUID) -> None:
    """What a code of that attempt has proven in the draft counts no more; the draft is held by the transaction."""
    contact_hash = await storage.contact_of_draft(connection, draft_id)
    row = await storage.lock_draft(connection, contact_hash) if contact_hash else None
    if contact_hash is None or row is None or row["id"] != draft_id:
        return
    place = f"drafts:{draft_id}"
    draft = binding.keys.store.unseal_model(Draft, row["sealed"], place)
    if draft.email_proof is not None and draft.email_proof.proven and draft.email_proof.attempt_id == attempt_id:
        draft.email_proof = None
        await storage.save_draft(connection, draft_id, contact_hash, binding.keys.store.seal_model(draft, place))


async def parent_of(binding: Binding, draft: Draft) -> Parent | None:
    """The parent of a draft; with an account, also one that was opened meanwhile, its name, e-mail and phone."""
    if draft.parent is None:
        return None
    async with binding.database.connection() as connection:
        account = await account_storage.of_person(connection, person_hashes(binding, draft.parent.national_id))
    if account is None:
        return draft.parent
    values = {"name": account["name"], "email": account["login"], "phone": account["phone"]}
    return draft.parent.model_copy(update=values | {"account_id": account["id"]})


@use_case
async def confirm_parent(binding: Binding, session: Session) -> bool:
    """Go on with the parent as it is known, also by an account that was opened meanwhile; False where data are missing.

    Raises StepMissingError.
    """
    async with _editing(binding, session) as (connection, draft):
        if draft.parent is None:
            raise StepMissingError(step="parent")
        account = await account_storage.of_person(connection, person_hashes(binding, draft.parent.national_id))
        if account is not None:
            draft.parent = Parent(national_id=draft.parent.national_id, account_id=account["id"])
        return draft.parent.is_known


@use_case
async def fill_parent(binding: Binding, session: Session, name: str, email: str, phone: str) -> bool:
    """The rest of the parent's data; True when the e-mail is proven, False when a code has to prove it first.

    Raises InvalidFieldsError, EmailTakenError, StepMissingError.
    """
    values = check_parent(name, email, phone)
    async with _editing(binding, session) as (connection, draft):
        if draft.parent is None or draft.parent.account_id:
            raise StepMissingError(step="parent")
        draft.parent = draft.parent.model_copy(update=values | {"known": False})
        proven = draft.email_is_proven(session.contact)
        if proven:
            await refuse_taken_email(binding, connection, draft.parent.email, draft.parent.national_id)
        return proven


@use_case
async def send_email_code(
    binding: Binding, session: Session, client_address: str, language: Language, request_id: UUID
) -> None:
    """Send a code to the e-mail of the draft. Raises what logins.issue_code raises, and StepMissingError."""
    async with _editing(binding, session) as (_, draft):
        if draft.parent is None or not draft.parent.email:
            raise StepMissingError(step="parent")
        if draft.email_proof is None or draft.email_proof.email != draft.parent.email:
            draft.email_proof = EmailProof(email=draft.parent.email)
        proof, draft_id = draft.email_proof, draft.id
    acquainted = await acquaintance.is_known_to(binding, proof.email, session.contact)
    answer = await logins.issue_code(
        binding, proof.attempt_id, "email", proof.email, client_address, language, request_id, acquainted=acquainted
    )
    async with _editing(binding, session) as (connection, draft):
        await sent_codes.note(binding, connection, proof.attempt_id, proof.email, logins.times(answer)[0], draft_id)
        if draft.email_proof and draft.email_proof.attempt_id == proof.attempt_id:
            draft.email_proof = draft.email_proof.model_copy(
                update={
                    "tries_left": answer.tries_left,
                    "expires_at": answer.expires_at,
                    "resend_at": answer.resend_at,
                }
            )


@use_case
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
        known = draft.email_proof
        ends = answer.expires_at or proof.expires_at
        if answer.redeemed:
            if ends is None:
                # Neither otp nor the draft tells which code it was, so its reader could not disown it.
                raise CodeDeadError(field="code")
            await sent_codes.hold(binding, connection, proof.attempt_id, proof.email, ends, request_id, draft.id)
        # Meanwhile the e-mail may have been changed, or proven by another tab: then this answer is about nothing.
        if known is not None and known.attempt_id == proof.attempt_id and not known.proven:
            draft.email_proof = known.model_copy(update={"proven": answer.redeemed, "tries_left": answer.tries_left})
        if answer.redeemed and draft.parent:
            await refuse_taken_email(binding, connection, proof.email, draft.parent.national_id)
    if not answer.redeemed:
        raise logins.rejection(answer.tries_left)


# --- for sending ---


async def load_draft(binding: Binding, connection: Connection, session: Session, row: asyncpg.Record | None) -> Draft:
    """The draft of a row; an empty one where there is none.

    Its parent is the account's holder where the session is signed in to an account, whoever stood there before: who is
    known types nothing, and applies in no other's name.
    """
    draft = Draft()
    if row is not None:
        draft = binding.keys.store.unseal_model(Draft, row["sealed"], f"drafts:{row['id']}")
    if session.account_id is None:
        return draft
    account = await account_storage.by_id(connection, session.account_id)
    if account is not None:
        place = f"accounts:{account['id']}:national_id"
        national_id = binding.keys.store.unseal(account["national_id_sealed"], place)
        _forget_another_person(draft, national_id)
        draft.parent = Parent(national_id=national_id, account_id=account["id"])
    return draft


async def students(connection: Connection, draft: Draft) -> list[tuple[DraftStudent, Student]]:
    """The children of a draft as the roster has them.

    One that has left the school that the parent named is left out: a parent who does not know of the move is not told.
    """
    rows = await storage.students(connection, [student.student_id for student in draft.students])
    found = {(row["id"], row["school_id"]): Student(**row) for row in rows}
    places = [(named, (named.student_id, named.school_id)) for named in draft.students]
    return [(named, found[place]) for named, place in places if place in found]


async def refuse_taken_email(binding: Binding, connection: Connection, email: str, national_id: str) -> None:
    """Raises EmailTakenError where the e-mail is, or is about to become, the login of somebody else."""
    if await storage.email_owner_other_than(connection, email, person_hashes(binding, national_id)):
        raise EmailTakenError(field="email")


def person_hashes(binding: Binding, national_id: str) -> list[str]:
    """The keyed hashes under which a person is found."""
    return binding.keys.hashes.digests("national-id", national_id)


# --- helpers ---


def _forget_another_person(draft: Draft, national_id: str) -> None:
    """What somebody else than the person with this ID number has signed and proven is not theirs."""
    if draft.parent is not None and draft.parent.national_id != national_id:
        draft.email_proof = None
        draft.typed.pop("check", None)


def _refuse_too_many(binding: Binding, present: list[DraftStudent], field: str) -> None:
    """Raises InvalidFieldsError at ``field`` where one more child is one too many."""
    limit = binding.settings.students_per_application
    if len(present) >= limit:
        raise InvalidFieldsError({field: "too_many_students"}, limit=limit)


def _size(typed: dict[str, dict[str, str]]) -> int:
    return sum(len(page) + sum(map(len, fields.values())) for page, fields in typed.items())


async def _fill_in_known_parent(binding: Binding, connection: Connection, session: Session, draft: Draft) -> None:
    """Nobody types again what an earlier application says in which this contact was proven; two who share it do."""
    if draft.parent is not None:
        return
    people = await storage.people_of_contact(connection, session.contact_hash)
    if len(people) != 1:
        return
    person = people[0]
    national_id = binding.keys.store.unseal(person["national_id_sealed"], f"applications:{person['id']}:national_id")
    account = await account_storage.of_person(connection, person_hashes(binding, national_id))
    draft.parent = Parent(
        national_id=national_id,
        account_id=account["id"] if account else None,
        known=True,
        name=person["name"],
        email=person["email"],
        phone=person["phone"],
    )
    # It was proven before that application was sent.
    draft.email_proof = EmailProof(email=person["email"], proven=True)


def _named(student_id: str, school_id: str, relation: str, relation_text: str) -> DraftStudent:
    words = relation_text.strip() if relation == "other" else ""
    values = {"student_id": student_id, "school_id": school_id, "relation": relation, "relation_text": words}
    return DraftStudent.model_validate(values)


@asynccontextmanager
async def _editing(binding: Binding, session: Session) -> AsyncIterator[tuple[Connection, Draft]]:
    """Change a draft: locked, loaded, and saved when the block ends well."""
    async with binding.database.transaction() as connection:
        row = await storage.lock_draft(connection, session.contact_hash)
        draft = await load_draft(binding, connection, session, row)
        yield connection, draft
        sealed = binding.keys.store.seal_model(draft, f"drafts:{draft.id}")
        await storage.save_draft(connection, draft.id, session.contact_hash, sealed)


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
