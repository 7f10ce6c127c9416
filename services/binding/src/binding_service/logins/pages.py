"""Step 1, the login by code; and leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import uuid4

from binding_service import messages
from binding_service.applications import use_cases as applications
from binding_service.doors import (
    ATTEMPT_COOKIE,
    SESSION_COOKIE,
    binding_of,
    client_address,
    cookie_name,
    request_id_of,
    session_of,
    set_cookie,
)
from binding_service.drafts import use_cases as drafts
from binding_service.errors import BindingError, NoAttemptError, NotSignedInError
from binding_service.logins import use_cases as logins
from binding_service.web import LANGUAGE, PAGES, form_of, goodbye, retry_header, signed_in, to
from shared.contacts import mask_email, mask_phone

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session
    from shared.events import Channel

CONTACT_FIELDS = ("channel", "email", "phone")


async def start(request: Request) -> Response:
    """Step 1: choose e-mail or phone. Who is signed in already goes on where they were."""
    try:
        session = await session_of(request)
    except NotSignedInError:
        return _start_page(request, dict.fromkeys(CONTACT_FIELDS, ""), {})
    return to(await _landing(request, session))


async def ask_code(request: Request) -> Response:
    """Have a code sent to the contact."""
    form = await form_of(request)
    typed: dict[str, str] = {name: form.get(name, "") for name in CONTACT_FIELDS}
    channel = typed["channel"]
    if channel not in {"email", "sms"}:
        return _start_page(request, typed, {"channel": messages.text("choose.channel")}, 422)
    contact = typed["email" if channel == "email" else "phone"]
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    return await _ask(request, token, cast("Channel", channel), contact, typed)


async def ask_again(request: Request) -> Response:
    """Have another code sent to the same contact."""
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    attempt = await logins.attempt(binding_of(request), token)
    return await _ask(request, token, cast("Channel", attempt.channel), attempt.contact, {})


async def _ask(request: Request, token: str | None, channel: Channel, contact: str, typed: dict[str, str]) -> Response:
    request_id = uuid4()
    try:
        token, _ = await logins.ask_code(
            binding_of(request), token, channel, contact, client_address(request), LANGUAGE, request_id
        )
    except BindingError as error:
        if not typed:
            return await _code_page(request, {"again": messages.message(error)}, error.status, error.retry_after)
        fields = messages.field_messages(error) or {"email" if channel == "email" else "phone": messages.message(error)}
        return _start_page(request, typed, fields, error.status, error.retry_after)
    response = to("/code")
    set_cookie(request, response, ATTEMPT_COOKIE, token)
    return response


def _start_page(
    request: Request, typed: dict[str, str], errors: dict[str, str], status: int = 200, retry_after: int | None = None
) -> Response:
    expired = "expired" in request.query_params
    return PAGES.render(
        "start.html",
        status=status,
        headers=retry_header(retry_after),
        typed=typed,
        errors=errors,
        expired=expired,
        signed_in=False,
    )


async def code(request: Request) -> Response:
    """Type the code that came."""
    return await _code_page(request, {}, 200, None)


async def redeem(request: Request) -> Response:
    """Prove the contact by its code."""
    form = await form_of(request)
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    request_id = request_id_of(f"sessions/{token}", form.get("request_id"))
    try:
        session_token, session = await logins.redeem(binding_of(request), token, form.get("code", ""), request_id)
    except NoAttemptError:
        raise
    except BindingError as error:
        fields = messages.field_messages(error) or {"code": messages.message(error)}
        return await _code_page(request, fields, error.status, error.retry_after)
    response = to(await _landing(request, session))
    set_cookie(request, response, SESSION_COOKIE, session_token)
    return response


async def _code_page(request: Request, errors: dict[str, str], status: int, retry_after: int | None) -> Response:
    attempt = await logins.attempt(binding_of(request), request.cookies.get(cookie_name(request, ATTEMPT_COOKIE)))
    mask = mask_email if attempt.channel == "email" else mask_phone
    return PAGES.render(
        "code.html",
        status=status,
        headers=retry_header(retry_after),
        attempt=attempt,
        contact=mask(attempt.contact),
        request_id=uuid4(),
        errors=errors,
        signed_in=False,
    )


@signed_in
async def sign_out(request: Request, session: Session) -> Response:
    """End the session."""
    await logins.sign_out(binding_of(request), session)
    return goodbye(request, left=False)


@signed_in
async def leave(request: Request, session: Session) -> Response:
    """The way out for who does not agree: the draft is deleted, the session ends."""
    await drafts.abandon(binding_of(request), session)
    await logins.sign_out(binding_of(request), session)
    return goodbye(request, left=True)


async def _landing(request: Request, session: Session) -> str:
    if session.account_id:
        return "/account"
    return "/progress" if await applications.has_applications(binding_of(request), session) else "/students"
