"""Filling in an application, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from binding_service import id_numbers, labels
from binding_service.api_parts import ONCE, TAGGED, Body, IdempotencyKey, Parts, SignedIn, refuses
from binding_service.api_route import Route
from binding_service.context import Binding
from binding_service.doors import client_address, request_id_of, wish_of
from binding_service.drafts import domain, limits
from binding_service.drafts import use_cases as drafts
from binding_service.drafts.draft import Draft
from binding_service.drafts.use_cases import StudentForm
from binding_service.errors import (
    CodeDeadError,
    CodeRejectedError,
    EmailTakenError,
    InvalidFieldsError,
    LimitedError,
    NoMatchError,
    NotFoundError,
    StatementChangedError,
    StepMissingError,
    StudentKnownError,
    TooSoonError,
)
from binding_service.logins.domain import Session
from binding_service.paging import Cursor, Limit, page_of
from binding_service.statements import statement
from shared.contacts import mask_email, mask_phone
from shared.events import Language, Relation
from shared.languages import current_language

router = APIRouter(route_class=Route)

Level = Literal["elementary", "junior_high", "senior_high", "vocational_high"]
#: No personal data, and it changes once in months: the browser may keep it, and asks whether it is still true.
REVALIDATED = "private, no-cache"


class School(BaseModel):
    """A school to choose."""

    id: str
    name: str
    level: str


class StudentBody(Body):
    """A child, as the parent knows it."""

    relation: Relation
    relation_text: str = Field(default="", max_length=100, description="The parent's words, for the relation 'other'.")
    level: Level
    national_id: str = Field(max_length=50, examples=["A800000014"])
    school_id: str = Field(max_length=200)


class NewStudentBody(Body):
    """What is known so far of a child that is being named; what is left out stays as it is."""

    relation: Relation | None = None
    relation_text: str = Field(default="", max_length=100, description="The parent's words, for the relation 'other'.")
    level: Level | None = None
    national_id: str | None = Field(default=None, max_length=50)


class RelationBody(Body):
    """What the parent is to a child."""

    relation: Relation
    relation_text: str = Field(default="", max_length=100, description="The parent's words, for the relation 'other'.")


class DraftStudentState(BaseModel):
    """A child of the draft, as the roster has it."""

    id: str
    name: str
    school: str
    class_name: str
    relation: str
    relation_label: str


class ConsentBody(Body):
    """The statement that was read and accepted."""

    version: str = Field(max_length=50)


class ParentIdBody(Body):
    """Who the parent is."""

    national_id: str = Field(max_length=50)


class ParentBody(Body):
    """The parent's own data; all of it may be left out where `is_known` says that there is nothing to ask."""

    name: str = Field(default="", max_length=200)
    email: str = Field(default="", max_length=254)
    phone: str = Field(default="", max_length=50)


class ParentState(BaseModel):
    """What is known of the parent, masked. With an account, or an earlier application, nothing is left to ask."""

    national_id_masked: str
    has_account: bool
    is_known: bool
    name: str
    email_masked: str
    phone_masked: str
    email_proven: bool


class EmailCodeState(BaseModel):
    """The code that has to prove the draft's e-mail."""

    expires_in: int = Field(description="Seconds for which the newest code works; 0 where none does.")
    resend_in: int = Field(description="Seconds until another code may be asked for.")
    tries_left: int


class NewStudentState(BaseModel):
    """A child that is being named, as far as it is."""

    relation: str
    relation_text: str
    level: str
    national_id_masked: str


class DraftState(BaseModel):
    """How far the application is. ``missing`` is the first step that is not complete; null when it can be sent."""

    id: UUID
    students: list[DraftStudentState] = Field(description="Whole: a setting bounds the children of an application.")
    new_student: NewStudentState | None = Field(default=None, description="A child that was begun to be named.")
    look_ups_left: int = Field(default=0, description="How often this login may still look up a child.")
    students_dropped: bool = Field(
        default=False,
        description="True where children were taken out just now: they have left the school that was named.",
    )
    consent_version: str | None
    parent: ParentState | None
    email_code: EmailCodeState | None = Field(default=None, description="Where a code was asked for, until it came.")
    missing: Literal["students", "consent", "parent", "email_proof"] | None


class StatementState(BaseModel):
    """The personal-data statement that is in force."""

    version: str
    language: Language = Field(description="The reader's, by Accept-Language.")
    hash: str = Field(description="SHA-256 of the text, in hex.")
    text: str


class IdNumberBody(Body):
    """An ID number to check."""

    national_id: str = Field(max_length=50)


class IdNumberState(BaseModel):
    """It is well formed and its check digit is right; nothing is said of whose it is."""

    kind: str = Field(examples=["national", "resident", "resident_old"])


class CodeBody(Body):
    """A code."""

    code: str = Field(max_length=50)


@router.get("/schools", summary="The schools to choose from", dependencies=[TAGGED])
async def schools(
    request: Request,
    response: Response,
    binding: Parts,
    _: SignedIn,
    level: Annotated[Level | None, Query(description="Of this level only.")] = None,
    q: Annotated[str, Query(max_length=100, description="Each part of it stands somewhere in the school's name.")] = "",
    limit: Limit = None,
    cursor: Cursor = None,
) -> list[School]:
    response.headers["cache-control"] = REVALIDATED
    known = [School(**row) for row in await drafts.schools(binding)]
    found = [each for each in known if level in {None, each.level} and domain.school_matches(each.name, q)]
    return list(page_of(request, response, found, _place, limit, cursor))


def _place(school: School) -> tuple[str, ...]:
    return school.level, school.name, school.id


@router.post(
    "/id-numbers/check",
    summary="Check an ID number's form and check digit",
    openapi_extra=refuses(InvalidFieldsError),
)
async def check_id_number(_: SignedIn, body: IdNumberBody) -> IdNumberState:
    text = drafts.check_id_number(body.national_id, "national_id")
    return IdNumberState(kind=id_numbers.parse(text).kind)


@router.get("/statement", summary="The personal-data statement in force", dependencies=[TAGGED])
async def current_statement(response: Response) -> StatementState:
    response.headers["cache-control"] = REVALIDATED
    current = statement(language=current_language())
    return StatementState(version=current.version, language=current.language, hash=current.hash, text=current.text)


@router.get("/draft", summary="The application as far as it is filled in", dependencies=[TAGGED])
async def draft(request: Request, binding: Parts, session: SignedIn) -> DraftState:
    return await _draft_state(request, binding, session)


@router.delete("/draft", status_code=204, summary="Do not agree: delete the draft")
async def abandon(binding: Parts, session: SignedIn) -> Response:
    await drafts.abandon(binding, session)
    return Response(status_code=204)


@router.patch(
    "/draft/new-student",
    summary="Keep what is known so far of another child",
    openapi_extra=refuses(InvalidFieldsError),
)
async def describe_new_student(request: Request, binding: Parts, session: SignedIn, body: NewStudentBody) -> DraftState:
    """So that a parent can close the phone and go on later. `POST /draft/students` adds the child."""
    answers = body.model_dump(exclude_none=True)
    if body.relation is None:
        del answers["relation_text"]
    await drafts.describe_new_student(binding, session, **answers)
    return await _draft_state(request, binding, session)


@router.post(
    "/draft/students",
    status_code=201,
    summary="Add a child",
    dependencies=[ONCE],
    openapi_extra=refuses(InvalidFieldsError, LimitedError, NoMatchError, StudentKnownError),
)
async def add_student(request: Request, binding: Parts, session: SignedIn, body: StudentBody) -> DraftState:
    form = StudentForm(body.relation, body.relation_text, body.level, body.national_id, body.school_id)
    await drafts.add_student(binding, session, form, client_address(request), wish_of(request))
    return await _draft_state(request, binding, session)


@router.delete("/draft/students/{student_id}", summary="Take a child out")
async def remove_student(request: Request, binding: Parts, session: SignedIn, student_id: str) -> DraftState:
    await drafts.remove_student(binding, session, student_id)
    return await _draft_state(request, binding, session)


@router.put(
    "/draft/students/{student_id}/relation",
    summary="Say anew what the parent is to a child",
    openapi_extra=refuses(InvalidFieldsError, NotFoundError),
)
async def change_relation(
    request: Request, binding: Parts, session: SignedIn, student_id: str, body: RelationBody
) -> DraftState:
    await drafts.change_relation(binding, session, student_id, body.relation, body.relation_text)
    return await _draft_state(request, binding, session)


@router.put("/draft/consent", summary="Accept the statement", openapi_extra=refuses(StatementChangedError))
async def accept_statement(request: Request, binding: Parts, session: SignedIn, body: ConsentBody) -> DraftState:
    await drafts.accept_statement(binding, session, body.version, client_address(request))
    return await _draft_state(request, binding, session)


@router.put(
    "/draft/parent/id",
    summary="Say who the parent is",
    openapi_extra=refuses(InvalidFieldsError, LimitedError),
)
async def name_parent(request: Request, binding: Parts, session: SignedIn, body: ParentIdBody) -> DraftState:
    await drafts.name_parent(binding, session, body.national_id, client_address(request))
    return await _draft_state(request, binding, session)


@router.put(
    "/draft/parent",
    summary="The parent's own data",
    openapi_extra=refuses(InvalidFieldsError, EmailTakenError, StepMissingError),
)
async def fill_parent(request: Request, binding: Parts, session: SignedIn, body: ParentBody) -> DraftState:
    """With nothing in it: the parent as it is known, by an account or by an earlier application."""
    is_said = body.name or body.email or body.phone
    if is_said or not await drafts.confirm_parent(binding, session):
        await drafts.fill_parent(binding, session, body.name, body.email, body.phone)
    return await _draft_state(request, binding, session)


@router.post(
    "/draft/email-code",
    status_code=202,
    summary="Send a code to the draft's e-mail",
    dependencies=[ONCE],
    openapi_extra=refuses(StepMissingError, InvalidFieldsError, TooSoonError, LimitedError),
)
async def send_email_code(request: Request, binding: Parts, session: SignedIn) -> DraftState:
    await drafts.send_email_code(binding, session, client_address(request), current_language(), wish_of(request))
    return await _draft_state(request, binding, session)


@router.post(
    "/draft/email-proof",
    summary="Prove the draft's e-mail by its code",
    openapi_extra=refuses(StepMissingError, InvalidFieldsError, CodeRejectedError, CodeDeadError, EmailTakenError),
)
async def prove_email(
    request: Request, binding: Parts, session: SignedIn, body: CodeBody, idempotency_key: IdempotencyKey = None
) -> DraftState:
    await drafts.prove_email(binding, session, body.code, request_id_of(f"proof/{session.id}", idempotency_key))
    return await _draft_state(request, binding, session)


async def _draft_state(request: Request, binding: Binding, session: Session) -> DraftState:
    dropped = await drafts.drop_moved_students(binding, session)
    draft = await drafts.draft_of(binding, session)
    students = await drafts.students_of(binding, draft)
    return DraftState.model_validate(
        {
            "id": draft.id,
            "students": [
                {
                    "id": student.id,
                    "name": student.name,
                    "school": student.school_name,
                    "class_name": student.class_name,
                    "relation": named.relation,
                    "relation_label": labels.relation(named.relation, named.relation_text),
                }
                for named, student in students
            ],
            "new_student": _new_student_state(draft),
            "look_ups_left": await limits.matches_left(binding, session, client_address(request)),
            "students_dropped": dropped,
            "consent_version": draft.consent.version if draft.consent else None,
            "parent": await _parent_state(binding, session, draft),
            "email_code": await _email_code_state(binding, draft),
            "missing": draft.missing(statement().version, session.contact),
        }
    )


def _new_student_state(draft: Draft) -> dict[str, str] | None:
    if draft.adding is None:
        return None
    number = draft.adding.national_id
    said = draft.adding.model_dump(exclude={"national_id"})
    return said | {"national_id_masked": id_numbers.mask(number) if number else ""}


async def _email_code_state(binding: Binding, draft: Draft) -> dict[str, int] | None:
    parent, proof = draft.parent, draft.email_proof
    if parent is None or proof is None or proof.email != parent.email or proof.proven:
        return None
    expires_in, resend_in = await drafts.seconds_until(binding, proof.expires_at, proof.resend_at)
    return {"expires_in": expires_in, "resend_in": resend_in, "tries_left": proof.tries_left}


async def _parent_state(binding: Binding, session: Session, draft: Draft) -> dict[str, Any] | None:
    parent = await drafts.parent_of(binding, draft)
    if parent is None:
        return None
    return {
        "national_id_masked": id_numbers.mask(parent.national_id),
        "has_account": parent.account_id is not None,
        "is_known": parent.is_known,
        "name": domain.mask_name(parent.name) if parent.is_known else parent.name,
        "email_masked": mask_email(parent.email) if parent.email else "",
        "phone_masked": mask_phone(parent.phone) if parent.phone else "",
        "email_proven": draft.email_is_proven(session.contact),
    }
