"""Sending and following an application, as JSON."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from binding_service import labels
from binding_service.api_parts import ONCE, TAGGED, Body, IdempotencyKey, Parts, SignedIn, refuses
from binding_service.api_route import Route
from binding_service.applications import papers
from binding_service.applications import use_cases as applications
from binding_service.applications.domain import BindingView
from binding_service.context import Binding
from binding_service.doors import client_address, pdf_response
from binding_service.drafts import use_cases as drafts
from binding_service.errors import (
    EmailTakenError,
    InvalidFieldsError,
    LimitedError,
    NotFoundError,
    NotPendingError,
    PaperUnavailableError,
    StepMissingError,
    StudentKnownError,
    StudentsChangedError,
    UnsupportedTypeError,
)
from binding_service.paging import Cursor, Limit, page_of, time_key
from shared.events import Language, Signature
from shared.languages import current_language
from shared.web.streams import StateStream

router = APIRouter(route_class=Route)

PDF = "application/pdf"

EVENTS = {
    "schema": {"type": "string"},
    "example": 'retry: 5000\n\nevent: state\nid: 5f0c2a9be1d47768\ndata: {"version": "5f0c2a9be1d47768"}\n\n',
}


class Submission(Body):
    """The signature under the draft."""

    signature: Signature
    language: Language | None = Field(default=None, description="Of the notices; by Accept-Language where left out.")


class SubmissionState(BaseModel):
    """The application was accepted for review."""

    id: UUID
    number: str = Field(examples=["20261124-7K3FQ9"])


class BindingState(BaseModel):
    """One child of an application."""

    id: UUID
    application_id: UUID
    application_number: str
    has_paper_form: bool
    on_paper: bool = Field(description="It came to the school on paper; the school entered it.")
    student: str
    school: str
    class_name: str
    relation: str
    relation_label: str
    state: Literal["pending", "approved", "refused", "revoked"]
    state_label: str = Field(examples=["申請", "認證", "不通過", "已解除綁定"])
    reason: str = Field(description="For a refusal or an unbinding: the school's, or that the child has left it.")
    submitted_at: datetime
    changed_at: datetime
    left_on: date | None = Field(description="Since when the school has no such student: graduated or left.")


class GenuineState(BaseModel):
    """What stands on the genuine form, names masked, to be compared with the one at hand."""

    number: str
    submitted_at: datetime
    parent_name: str = Field(examples=["林○芬"])
    students: list[str]
    hash: str = Field(description="SHA-256 of what was signed, in hex: it is printed on the form.")
    is_file: bool = Field(description="True where the hash is that of the whole file, false for the printed one.")


@router.post(
    "/applications",
    status_code=201,
    summary="Send the draft",
    openapi_extra=refuses(
        StepMissingError, StudentsChangedError, InvalidFieldsError, StudentKnownError, EmailTakenError
    ),
)
async def submit(
    binding: Parts, session: SignedIn, body: Submission, idempotency_key: IdempotencyKey = None
) -> SubmissionState:
    key = idempotency_key or str((await drafts.draft_of(binding, session)).id)
    sent = await applications.submit(binding, session, body.signature, key, body.language or current_language())
    return SubmissionState(id=sent.id, number=sent.number)


@router.get("/bindings", summary="Every child and its state", dependencies=[TAGGED])
async def progress(
    request: Request,
    response: Response,
    binding: Parts,
    session: SignedIn,
    limit: Limit = None,
    cursor: Cursor = None,
) -> list[BindingState]:
    known = await applications.progress(binding, session)
    views = page_of(request, response, known, _place, limit, cursor)
    return [
        BindingState.model_validate(
            {
                "id": view.id,
                "application_id": view.application_id,
                "application_number": view.application_number,
                "has_paper_form": view.has_paper_form,
                "on_paper": view.on_paper,
                "student": view.student_name,
                "school": view.school_name,
                "class_name": view.class_name,
                "relation": view.relation,
                "relation_label": labels.relation(view.relation, view.relation_text),
                "state": view.state,
                "state_label": labels.state(view.state),
                "reason": view.reason,
                "submitted_at": view.submitted_at,
                "changed_at": view.changed_at,
                "left_on": view.left_on,
            }
        )
        for view in views
    ]


def _place(view: BindingView) -> tuple[str, ...]:
    return time_key(view.submitted_at), str(view.id)


@router.post(
    "/bindings/{binding_id}/again",
    status_code=204,
    summary="Begin anew for the child of a refusal",
    dependencies=[ONCE],
    openapi_extra=refuses(InvalidFieldsError, NotFoundError, LimitedError),
)
async def send_again(request: Request, binding: Parts, session: SignedIn, binding_id: UUID) -> Response:
    await drafts.take_up_again(binding, session, binding_id, client_address(request))
    return Response(status_code=204)


@router.get(
    "/applications/{application_id}/form",
    summary="The paper form, as a PDF",
    response_class=Response,
    responses={200: {"content": {PDF: {"schema": {"type": "string", "format": "binary"}}}}},
    openapi_extra=refuses(NotFoundError, LimitedError, PaperUnavailableError),
)
async def paper_form(binding: Parts, session: SignedIn, application_id: UUID) -> Response:
    paper = await papers.paper_form(binding, session, application_id, current_language())
    return pdf_response(paper.number, paper.content)


@router.get(
    "/documents/{document_hash}",
    summary="Whether a paper form is genuine",
    openapi_extra=refuses(InvalidFieldsError, NotFoundError),
)
async def verify(binding: Parts, document_hash: str) -> GenuineState:
    return await _genuine(binding, papers.parse_hash(document_hash))


@router.post(
    "/document-checks",
    summary="Whether a paper form is genuine, by the file itself",
    openapi_extra=refuses(NotFoundError, UnsupportedTypeError)
    | {
        "requestBody": {
            "required": True,
            "content": {PDF: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def verify_file(request: Request, binding: Parts) -> GenuineState:
    """The body is the PDF. It is compared by its hash, and not kept."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PDF:
        raise UnsupportedTypeError
    return await _genuine(binding, hashlib.sha256(await request.body()).hexdigest())


async def _genuine(binding: Binding, document_hash: str) -> GenuineState:
    found = await papers.verify(binding, document_hash)
    if found is None:
        raise NotFoundError
    return GenuineState.model_validate(found, from_attributes=True)


@router.get(
    "/bindings/events",
    summary="Every change, as it happens",
    response_class=Response,
    responses={200: {"description": "A stream of events", "content": {StateStream.media_type: EVENTS}}},
    openapi_extra=refuses(LimitedError),
)
async def events(session: SignedIn) -> StateStream:
    """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    `event: state` comes at once and after each change. Its `id`, also `{"version": …}` in its data, names what
    `GET /bindings` answers by now: get that again when it is another than the last one. A comment every 20 seconds
    keeps the connection open. The stream ends with the session and with the service; connect again after `retry`
    milliseconds.
    """
    return StateStream(session)


@router.delete(
    "/bindings/{binding_id}",
    status_code=204,
    summary="Withdraw one that waits",
    openapi_extra=refuses(NotFoundError, NotPendingError),
)
async def withdraw(binding: Parts, session: SignedIn, binding_id: UUID) -> Response:
    await applications.withdraw(binding, session, binding_id)
    return Response(status_code=204)


@router.delete("/bindings", status_code=204, summary="Withdraw all that wait, clear all refusals and unbindings")
async def clear_all(binding: Parts, session: SignedIn) -> Response:
    await applications.clear_all(binding, session)
    return Response(status_code=204)
