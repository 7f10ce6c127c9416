"""The JSON API under /api/v1: a thin door to the same use cases as the pages.

Errors are problem details (RFC 9457) with a stable ``code``. A session travels as a bearer token or as a cookie.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from binding_service import id_numbers, labels, messages
from binding_service.accounts import use_cases as accounts
from binding_service.applications import domain
from binding_service.applications import use_cases as applications
from binding_service.applications.draft import Draft
from binding_service.applications.use_cases import StudentForm
from binding_service.context import Binding
from binding_service.doors import (
    SESSION_COOKIE,
    binding_of,
    client_address,
    delete_cookie,
    request_id_of,
    session_in_force,
    session_of,
)
from binding_service.errors import BindingError, InvalidFieldsError
from binding_service.logins import use_cases as logins
from binding_service.logins.domain import Attempt, Session
from binding_service.statements import statement
from shared.contacts import mask_email, mask_phone
from shared.events import Channel, Language, Relation, Signature

router = APIRouter(prefix="/api/v1")

Parts = Annotated[Binding, Depends(binding_of)]
AnySession = Annotated[Session, Depends(session_of)]
SignedIn = Annotated[Session, Depends(session_in_force)]
IdempotencyKey = Annotated[
    str | None,
    Header(max_length=200, description="Send the same key again when an answer was lost: the wish is granted once."),
]


class Body(BaseModel):
    """A request: unknown fields are refused, and an error never quotes the input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    code: str
    message: str


class Problem(BaseModel):
    """Problem details, RFC 9457. ``errors`` has a message for each field that is wrong."""

    type: str = Field(description="urn:kinbind:problem:<code>")
    title: str
    status: int
    code: str = Field(description="Stable; go by it.")
    detail: str = Field(description="For the reader, in their language.")
    errors: list[FieldProblem] = []


# --- login by code ---


class CodeRequest(Body):
    """Where a code is to go."""

    channel: Channel = Field(examples=["email"])
    contact: str = Field(max_length=254, examples=["parent@example.org"])
    attempt: str | None = Field(default=None, max_length=100, description="The attempt that asks for another code.")
    language: Language = "zh-TW"


class CodeState(BaseModel):
    """A code is on its way. The attempt is a secret of the client: only with it can the code be redeemed."""

    attempt: str
    contact_masked: str = Field(examples=["pa***@example.org"])
    expires_at: datetime
    resend_in: int = Field(description="Seconds until another code may be asked for.")
    tries_left: int


class Redemption(Body):
    """The code that came."""

    attempt: str = Field(max_length=100)
    code: str = Field(max_length=50, examples=["549 497"])


class SessionState(BaseModel):
    """A session. ``next`` is the page that the parent sees first."""

    token: str
    expires_at: datetime
    next: Literal["progress", "students", "password"]


@router.post("/codes", status_code=201, tags=["login"], summary="Have a one-time code sent")
async def ask_code(request: Request, binding: Parts, body: CodeRequest) -> CodeState:
    token, attempt = await logins.ask_code(
        binding,
        body.attempt,
        body.channel,
        body.contact,
        client_address(request),
        body.language,
        request_id_of("codes", None),
    )
    return _code_state(token, attempt)


@router.post("/sessions", status_code=201, tags=["login"], summary="Redeem a one-time code")
async def redeem_code(binding: Parts, body: Redemption, idempotency_key: IdempotencyKey = None) -> SessionState:
    request_id = request_id_of(f"sessions/{body.attempt}", idempotency_key)
    token, session = await logins.redeem(binding, body.attempt, body.code, request_id)
    landing: Literal["progress", "students"] = (
        "progress" if await applications.has_applications(binding, session) else "students"
    )
    return SessionState(token=token, expires_at=session.expires_at, next=landing)


@router.delete("/sessions/current", status_code=204, tags=["login"], summary="Sign out")
async def sign_out(request: Request, binding: Parts, session: AnySession) -> Response:
    await logins.sign_out(binding, session)
    response = Response(status_code=204)
    delete_cookie(request, response, SESSION_COOKIE)
    return response


# --- the draft ---


class School(BaseModel):
    """A school to choose."""

    id: str
    name: str
    level: str


class StudentBody(Body):
    """A child, as the parent knows it."""

    relation: Relation
    relation_text: str = Field(default="", max_length=100, description="The parent's words, for the relation 'other'.")
    level: Literal["elementary", "junior_high", "senior_high", "vocational_high"]
    national_id: str = Field(max_length=50, examples=["A800000014"])
    school_id: str = Field(max_length=200)


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
    """The parent's own data."""

    name: str = Field(max_length=200)
    email: str = Field(max_length=254)
    phone: str = Field(max_length=50)


class ParentState(BaseModel):
    """What is known of the parent, masked. With an account, the rest is the account's."""

    national_id_masked: str
    has_account: bool
    name: str
    email_masked: str
    phone_masked: str
    email_proven: bool


class DraftState(BaseModel):
    """How far the application is. ``missing`` is the first step that is not complete; null when it can be sent."""

    id: UUID
    students: list[DraftStudentState]
    consent_version: str | None
    parent: ParentState | None
    missing: Literal["students", "consent", "parent", "email_proof"] | None


class StatementState(BaseModel):
    """The personal-data statement that is in force."""

    version: str
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


@router.get("/schools", tags=["application"], summary="The schools to choose from")
async def schools(binding: Parts, _: SignedIn) -> list[School]:
    return [School(**row) for row in await applications.schools(binding)]


@router.post("/id-numbers/check", tags=["application"], summary="Check an ID number's form and check digit")
async def check_id_number(_: SignedIn, body: IdNumberBody) -> IdNumberState:
    text = applications.check_id_number(body.national_id, "national_id")
    return IdNumberState(kind=id_numbers.parse(text).kind)


@router.get("/statement", tags=["application"], summary="The personal-data statement in force")
async def current_statement() -> StatementState:
    current = statement()
    return StatementState(version=current.version, hash=current.hash, text=current.text)


@router.get("/draft", tags=["application"], summary="The application as far as it is filled in")
async def draft(binding: Parts, session: SignedIn) -> DraftState:
    return await _draft_state(binding, session)


@router.delete("/draft", status_code=204, tags=["application"], summary="Do not agree: delete the draft")
async def abandon(binding: Parts, session: SignedIn) -> Response:
    await applications.abandon(binding, session)
    return Response(status_code=204)


@router.post("/draft/students", status_code=201, tags=["application"], summary="Add a child")
async def add_student(request: Request, binding: Parts, session: SignedIn, body: StudentBody) -> DraftState:
    form = StudentForm(body.relation, body.relation_text, body.level, body.national_id, body.school_id)
    await applications.add_student(binding, session, form, client_address(request))
    return await _draft_state(binding, session)


@router.delete("/draft/students/{student_id}", tags=["application"], summary="Take a child out")
async def remove_student(binding: Parts, session: SignedIn, student_id: str) -> DraftState:
    await applications.remove_student(binding, session, student_id)
    return await _draft_state(binding, session)


@router.put("/draft/consent", tags=["application"], summary="Accept the statement")
async def accept_statement(request: Request, binding: Parts, session: SignedIn, body: ConsentBody) -> DraftState:
    await applications.accept_statement(binding, session, body.version, client_address(request))
    return await _draft_state(binding, session)


@router.put("/draft/parent/id", tags=["application"], summary="Say who the parent is")
async def name_parent(binding: Parts, session: SignedIn, body: ParentIdBody) -> DraftState:
    await applications.name_parent(binding, session, body.national_id)
    return await _draft_state(binding, session)


@router.put("/draft/parent", tags=["application"], summary="The parent's own data")
async def fill_parent(binding: Parts, session: SignedIn, body: ParentBody) -> DraftState:
    await applications.fill_parent(binding, session, body.name, body.email, body.phone)
    return await _draft_state(binding, session)


@router.post("/draft/email-code", status_code=202, tags=["application"], summary="Send a code to the draft's e-mail")
async def send_email_code(request: Request, binding: Parts, session: SignedIn) -> DraftState:
    request_id = request_id_of("email", None)
    await applications.send_email_code(binding, session, client_address(request), "zh-TW", request_id)
    return await _draft_state(binding, session)


@router.post("/draft/email-proof", tags=["application"], summary="Prove the draft's e-mail by its code")
async def prove_email(
    binding: Parts, session: SignedIn, body: CodeBody, idempotency_key: IdempotencyKey = None
) -> DraftState:
    await applications.prove_email(binding, session, body.code, request_id_of(f"proof/{session.id}", idempotency_key))
    return await _draft_state(binding, session)


# --- applications ---


class Submission(Body):
    """The signature under the draft."""

    signature: Signature
    language: Language = "zh-TW"


class SubmissionState(BaseModel):
    """The application was accepted for review."""

    id: UUID
    number: str = Field(examples=["20261124-7K3FQ9"])


class BindingState(BaseModel):
    """One child of an application."""

    id: UUID
    application_number: str
    student: str
    school: str
    class_name: str
    relation: str
    relation_label: str
    state: Literal["pending", "approved", "refused"]
    state_label: str = Field(examples=["申請", "認證", "不通過"])
    reason: str = Field(description="The teacher's, for a refusal.")
    submitted_at: datetime
    changed_at: datetime


@router.post("/applications", status_code=201, tags=["application"], summary="Send the draft")
async def submit(
    binding: Parts, session: SignedIn, body: Submission, idempotency_key: IdempotencyKey = None
) -> SubmissionState:
    key = idempotency_key or str((await applications.draft_of(binding, session)).id)
    sent = await applications.submit(binding, session, body.signature, key, body.language)
    return SubmissionState(id=sent.id, number=sent.number)


@router.get("/bindings", tags=["progress"], summary="Every child and its state")
async def progress(binding: Parts, session: SignedIn) -> list[BindingState]:
    views = await applications.progress(binding, session)
    return [
        BindingState.model_validate(
            {
                "id": view.id,
                "application_number": view.application_number,
                "student": view.student_name,
                "school": view.school_name,
                "class_name": view.class_name,
                "relation": view.relation,
                "relation_label": labels.relation(view.relation, view.relation_text),
                "state": view.state,
                "state_label": labels.STATES[view.state],
                "reason": view.reason,
                "submitted_at": view.submitted_at,
                "changed_at": view.changed_at,
            }
        )
        for view in views
    ]


@router.delete("/bindings/{binding_id}", status_code=204, tags=["progress"], summary="Withdraw one that waits")
async def withdraw(binding: Parts, session: SignedIn, binding_id: UUID) -> Response:
    await applications.withdraw(binding, session, binding_id)
    return Response(status_code=204)


@router.delete("/bindings", status_code=204, tags=["progress"], summary="Withdraw all that wait, clear all refusals")
async def clear_all(binding: Parts, session: SignedIn) -> Response:
    await applications.clear_all(binding, session)
    return Response(status_code=204)


# --- the account ---


class SignIn(Body):
    """Login and password."""

    login: str = Field(max_length=254)
    password: str = Field(max_length=256)


class NewPassword(Body):
    """A new password, at least 12 characters; ``current`` may be left out while the first password is in force."""

    current: str = Field(default="", max_length=256)
    password: str = Field(max_length=256)


class Child(BaseModel):
    """A child that is bound to the account."""

    name: str
    school: str
    class_name: str
    relation_label: str
    bound_at: datetime


@router.post("/account/sessions", status_code=201, tags=["account"], summary="Sign in with a password")
async def sign_in(request: Request, binding: Parts, body: SignIn) -> SessionState:
    token, session = await accounts.sign_in(binding, body.login, body.password, client_address(request))
    landing: Literal["password", "progress"] = "password" if session.password_change_due else "progress"
    return SessionState(token=token, expires_at=session.expires_at, next=landing)


@router.put("/account/password", status_code=204, tags=["account"], summary="Change the password")
async def change_password(binding: Parts, session: AnySession, body: NewPassword) -> Response:
    await accounts.change_password(binding, session, body.current, body.password, body.password)
    return Response(status_code=204)


@router.get("/account/children", tags=["account"], summary="The account's children")
async def children(binding: Parts, session: SignedIn) -> list[Child]:
    return [
        Child(
            name=row["name"],
            school=row["school_name"],
            class_name=row["class_name"],
            relation_label=labels.relation(row["relation"], row["relation_text"]),
            bound_at=row["bound_at"],
        )
        for row in await accounts.children(binding, session)
    ]


# --- shapes ---


def _code_state(token: str, attempt: Attempt) -> CodeState:
    mask = mask_email if attempt.channel == "email" else mask_phone
    return CodeState(
        attempt=token,
        contact_masked=mask(attempt.contact),
        expires_at=attempt.expires_at,
        resend_in=attempt.resend_in,
        tries_left=attempt.tries_left,
    )


async def _draft_state(binding: Binding, session: Session) -> DraftState:
    draft = await applications.draft_of(binding, session)
    students = await applications.students_of(binding, draft)
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
            "consent_version": draft.consent.version if draft.consent else None,
            "parent": await _parent_state(binding, session, draft),
            "missing": draft.missing(statement().version, session.contact),
        }
    )


async def _parent_state(binding: Binding, session: Session, draft: Draft) -> dict[str, Any] | None:
    parent = await applications.parent_of(binding, draft)
    if parent is None:
        return None
    return {
        "national_id_masked": id_numbers.mask(parent.national_id),
        "has_account": parent.account_id is not None,
        "name": domain.mask_name(parent.name) if parent.account_id else parent.name,
        "email_masked": mask_email(parent.email) if parent.email else "",
        "phone_masked": mask_phone(parent.phone) if parent.phone else "",
        "email_proven": draft.email_is_proven(session.contact),
    }


def problem(error: BindingError, status: int) -> dict[str, Any]:
    """An error as RFC 9457 writes it."""
    codes = error.fields if isinstance(error, InvalidFieldsError) else {error.field: error.code}
    return Problem(
        type=f"urn:kinbind:problem:{error.code}",
        title=error.code.replace("_", " "),
        status=status,
        code=error.code,
        detail=messages.message(error),
        errors=[
            FieldProblem(field=field, code=codes[field], message=message)
            for field, message in messages.field_messages(error).items()
        ],
    ).model_dump()
