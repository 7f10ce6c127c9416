"""Login by code, as JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from binding_service.accounts import use_cases as accounts
from binding_service.api_parts import ONCE, AnySession, Body, IdempotencyKey, Parts, SessionState, refuses
from binding_service.api_route import Route
from binding_service.applications import use_cases as applications
from binding_service.doors import (
    SESSION_COOKIE,
    browser_of,
    delete_cookie,
    request_id_of,
    set_cookie,
    token_of,
    wish_of,
)
from binding_service.errors import (
    CodeDeadError,
    CodeRejectedError,
    InvalidFieldsError,
    LimitedError,
    NoAttemptError,
    TooSoonError,
)
from binding_service.logins import use_cases as logins
from binding_service.logins.domain import Attempt
from shared.contacts import mask_email, mask_phone
from shared.events import Channel, Language
from shared.languages import current_language

router = APIRouter(route_class=Route)


class CodeRequest(Body):
    """Where a code is to go."""

    channel: Channel = Field(examples=["email"])
    contact: str = Field(max_length=254, examples=["parent@example.org"])
    attempt: str | None = Field(default=None, max_length=100, description="The attempt that asks for another code.")
    language: Language | None = Field(default=None, description="Of the message; by Accept-Language where left out.")
    device: str = Field(default="", max_length=100, description="What the last sign-in on this device gave.")


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
    cookie: bool = Field(default=False, description="Set the session as a cookie, which no script can read.")


class CurrentSession(BaseModel):
    """Who is signed in: for a front end that has the session as a cookie."""

    contact_masked: str = Field(examples=["pa***@example.org"])
    proven_by: Literal["email", "sms", "password"]
    expires_at: datetime
    has_account: bool = Field(description="The contact is the login of an account, or is signed in to it.")
    password_change_due: bool = Field(description="The first password has to be changed before anything else.")


@router.post(
    "/codes",
    status_code=201,
    summary="Have a one-time code sent",
    dependencies=[ONCE],
    openapi_extra=refuses(InvalidFieldsError, TooSoonError, LimitedError),
)
async def ask_code(request: Request, binding: Parts, body: CodeRequest) -> CodeState:
    browser = browser_of(request)
    # Who has a session asks for a code to another contact, or is about to lose it: it shows who they are.
    browser = replace(browser, token=token_of(request), device=body.device or browser.device)
    token, attempt = await logins.ask_code(
        binding,
        body.attempt,
        body.channel,
        body.contact,
        browser,
        body.language or current_language(),
        wish_of(request),
    )
    return _code_state(token, attempt)


@router.post(
    "/sessions",
    status_code=201,
    summary="Redeem a one-time code",
    openapi_extra=refuses(InvalidFieldsError, NoAttemptError, CodeRejectedError, CodeDeadError),
)
async def redeem_code(
    request: Request, response: Response, binding: Parts, body: Redemption, idempotency_key: IdempotencyKey = None
) -> SessionState:
    request_id = request_id_of(f"sessions/{body.attempt}", idempotency_key)
    token, session = await logins.redeem(binding, body.attempt, body.code, request_id, browser_of(request))
    landing: Literal["progress", "students"] = (
        "progress" if await applications.has_applications(binding, session) else "students"
    )
    if body.cookie:
        set_cookie(request, response, SESSION_COOKIE, token)
    return SessionState(token="" if body.cookie else token, expires_at=session.expires_at, next=landing)


@router.get("/sessions/current", summary="Who is signed in")
async def current_session(binding: Parts, session: AnySession) -> CurrentSession:
    mask = mask_email if session.channel == "email" else mask_phone
    return CurrentSession(
        contact_masked=mask(session.contact),
        proven_by=session.proven_by,
        expires_at=session.expires_at,
        has_account=await accounts.has_account(binding, session),
        password_change_due=session.password_change_due,
    )


@router.delete("/sessions/current", status_code=204, summary="Sign out")
async def sign_out(request: Request, binding: Parts, session: AnySession) -> Response:
    await logins.sign_out(binding, session)
    response = Response(status_code=204)
    delete_cookie(request, response, SESSION_COOKIE)
    return response


def _code_state(token: str, attempt: Attempt) -> CodeState:
    mask = mask_email if attempt.channel == "email" else mask_phone
    return CodeState(
        attempt=token,
        contact_masked=mask(attempt.contact),
        expires_at=attempt.expires_at,
        resend_in=attempt.resend_in,
        tries_left=attempt.tries_left,
    )
