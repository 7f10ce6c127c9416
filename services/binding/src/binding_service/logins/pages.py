"""Step 1, the login by code; and leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import uuid4

from binding_service.applications import use_cases as applications
from binding_service.doors import (
    ATTEMPT_COOKIE,
    RETURN_COOKIE,
    SESSION_COOKIE,
    binding_of,
    browser_of,
    cookie_name,
    delete_cookie,
    request_id_of,
    session_of,
    set_cookie,
)
from binding_service.drafts import use_cases as drafts
from binding_service.errors import BindingError, InvalidFieldsError, NoAttemptError, NotSignedInError
from binding_service.logins import use_cases as logins
from binding_service.web import (
    PAGES,
    chooses_password,
    form_of,
    goodbye,
    messages_at,
    render,
    retry_header,
    return_path,
    signed_in,
    to,
)
from shared.contacts import mask_email, mask_phone
from shared.languages import current_language
from shared.web.language_choice import in_language, in_language_here

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session
    from shared.events import Channel

CONTACT_FIELDS = ("channel", "email", "phone")


async def start(request: Request) -> Response:
    """Step 1: choose e-mail or phone. Who is signed in already goes on where they were."""
    if request.method == "POST":
        return await _ask_code(request)
    try:
        session = await session_of(request)
    except NotSignedInError:
        channel = "sms" if request.query_params.get("use") == "sms" else "email"
        return _start_page(request, {"channel": channel, "email": "", "phone": ""})
    return to(await _landing(request, session))


async def _ask_code(request: Request) -> Response:
    """Have a code sent to the contact."""
    form = await form_of(request)
    typed = {name: form.get(name, "") for name in CONTACT_FIELDS}
    if "language" in form:
        # What was typed is shown again at once: before a login there is no draft that could keep it.
        return in_language_here(form["language"], lambda: _start_page(request, typed))
    channel = typed["channel"]
    if channel not in {"email", "sms"}:
        return _start_page(request, typed, InvalidFieldsError({"channel": "choose"}))
    field = "email" if channel == "email" else "phone"
    try:
        response = await _send_code(request, cast("Channel", channel), typed[field])
    except BindingError as error:
        return _start_page(request, typed, error, field)
    if chooses_password(request):
        # Wanted before, and given up: who begins here wants to apply.
        delete_cookie(request, response, RETURN_COOKIE)
    return response


async def _send_code(request: Request, channel: Channel, contact: str) -> Response:
    """Have a code sent in this browser's login attempt. Raises BindingError."""
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    token, _ = await logins.ask_code(
        binding_of(request), token, channel, contact, browser_of(request), current_language(), uuid4()
    )
    response = to("/code")
    set_cookie(request, response, ATTEMPT_COOKIE, token)
    return response


def _start_page(
    request: Request, typed: dict[str, str], error: BindingError | None = None, error_field: str = "channel"
) -> Response:
    return PAGES.render(
        "start.html",
        status=error.status if error else 200,
        headers=retry_header(error.retry_after if error else None),
        typed=typed,
        errors=messages_at(error, error_field) if error else {},
        expired="expired" in request.query_params,
        step_form=True,
        signed_in=False,
    )


async def code(request: Request) -> Response:
    """Type the code that came."""
    if request.method != "POST":
        return await _code_page(request)
    form = await form_of(request)
    if "language" in form:
        return in_language("/code", form["language"])
    try:
        return await (_send_again(request) if form.get("action") == "again" else _redeem(request, form))
    except NoAttemptError:
        raise
    except BindingError as error:
        return await _code_page(request, error, "again" if form.get("action") == "again" else "code")


async def _send_again(request: Request) -> Response:
    """Have another code sent to the same contact. Raises BindingError."""
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    attempt = await logins.attempt(binding_of(request), token)
    return await _send_code(request, cast("Channel", attempt.channel), attempt.contact)


async def _redeem(request: Request, form: dict[str, str]) -> Response:
    """Prove the contact by its code. Raises BindingError."""
    token = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    request_id = request_id_of(f"sessions/{token}", form.get("request_id"))
    session_token, session = await logins.redeem(
        binding_of(request), token, form.get("code", ""), request_id, browser_of(request)
    )
    response = to(return_path(request) or await _landing(request, session))
    set_cookie(request, response, SESSION_COOKIE, session_token)
    delete_cookie(request, response, RETURN_COOKIE)
    return response


async def _code_page(request: Request, error: BindingError | None = None, error_field: str = "code") -> Response:
    attempt = await logins.attempt(binding_of(request), request.cookies.get(cookie_name(request, ATTEMPT_COOKIE)))
    mask = mask_email if attempt.channel == "email" else mask_phone
    return PAGES.render(
        "code.html",
        status=error.status if error else 200,
        headers=retry_header(error.retry_after if error else None),
        attempt=attempt,
        for_password=chooses_password(request),
        contact=mask(attempt.contact),
        request_id=uuid4(),
        errors=messages_at(error, error_field) if error else {},
        step_form=True,
        signed_in=False,
    )


@signed_in
async def sign_out(request: Request, session: Session) -> Response:
    """End the session."""
    await logins.sign_out(binding_of(request), session)
    return goodbye(request, left=False)


@signed_in
async def leave(request: Request, session: Session) -> Response:
    """The way out for who does not agree, asked once: the draft is deleted, the session ends."""
    if request.method != "POST":
        return render(session, "leave.html")
    await drafts.abandon(binding_of(request), session)
    await logins.sign_out(binding_of(request), session)
    return goodbye(request, left=True)


async def _landing(request: Request, session: Session) -> str:
    if session.account_id:
        return "/account"
    return "/progress" if await applications.has_applications(binding_of(request), session) else "/students"
