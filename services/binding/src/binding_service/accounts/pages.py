"""The parent's account: signing in, a forgotten password, and what keeps the account safe."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from binding_service.accounts import sessions
from binding_service.accounts import use_cases as accounts
from binding_service.doors import (
    ATTEMPT_COOKIE,
    CHOOSE_PATH,
    RETURN_COOKIE,
    SESSION_COOKIE,
    binding_of,
    browser_of,
    cookie_name,
    keep_device,
    renew_session,
    set_cookie,
)
from binding_service.errors import BindingError, NoAccountError, NotFoundError
from binding_service.logins import use_cases as logins
from binding_service.web import (
    PAGES,
    and_then,
    form_of,
    goodbye,
    messages_at,
    next_path,
    render,
    retry_header,
    signed_in,
    to,
)
from shared.languages import current_language

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session


async def sign_in(request: Request) -> Response:
    """Sign in with e-mail and password."""
    if request.method != "POST":
        return PAGES.render("sign_in.html", login="", errors={}, next=next_path(request), signed_in=False)
    form = await form_of(request)
    login = form.get("login", "")
    try:
        entered = await accounts.sign_in(binding_of(request), login, form.get("password", ""), browser_of(request))
    except BindingError as error:
        return _outside(request, "sign_in.html", error, "login", login=login)
    response = to(next_path(request) or "/account")
    set_cookie(request, response, SESSION_COOKIE, entered.token)
    keep_device(request, response, entered.device)
    return response


async def forgot(request: Request) -> Response:
    """Have a code sent to the account's e-mail, for a new password. Whether there is an account is told to nobody."""
    email = ""
    if request.method != "POST":
        return PAGES.render("forgot.html", email=email, errors={}, next=next_path(request), signed_in=False)
    email = (await form_of(request)).get("email", "")
    known = request.cookies.get(cookie_name(request, ATTEMPT_COOKIE))
    try:
        token, _ = await logins.ask_code(
            binding_of(request), known, "email", email, browser_of(request), current_language(), uuid4()
        )
    except BindingError as error:
        return _outside(request, "forgot.html", error, "email", email=email)
    response = to("/code")
    set_cookie(request, response, ATTEMPT_COOKIE, token)
    set_cookie(request, response, RETURN_COOKIE, and_then(CHOOSE_PATH, next_path(request)))
    return response


def _outside(request: Request, template: str, error: BindingError, field: str, **values: object) -> Response:
    """A page for who is not signed in, with what is wrong."""
    return PAGES.render(
        template,
        status=error.status,
        headers=retry_header(error.retry_after),
        errors=messages_at(error, field),
        next=next_path(request),
        signed_in=False,
        **values,
    )


@signed_in
async def password(request: Request, session: Session) -> Response:
    """Change the password: by force while the first one is in force; by code to the e-mail where it was forgotten."""
    binding = binding_of(request)
    if session.account_id is None and not await accounts.has_account(binding, session):
        raise NoAccountError
    errors: dict[str, str] = {}
    refused = None
    if request.method == "POST":
        form = await form_of(request)
        try:
            await accounts.change_password(
                binding,
                session,
                form.get("current", ""),
                form.get("password", ""),
                form.get("repeated", ""),
                browser_of(request).agent,
            )
        except BindingError as error:
            errors, refused = messages_at(error, "password"), error
        else:
            changed = "/account/security?changed=1" if accounts.needs_password(session) else "/account"
            response = to(next_path(request) or changed)
            await renew_session(request, response, session)
            return response
    return render(
        session,
        "password.html",
        refused,
        errors=errors,
        forced=session.password_change_due,
        asks_current=accounts.needs_password(session),
        login=session.contact,
    )


@signed_in
async def security(request: Request, session: Session) -> Response:
    """登入與安全: password, contacts, and where the account is signed in."""
    places = await sessions.places(binding_of(request), session)
    return render(session, "security.html", places=places, changed="changed" in request.query_params)


@signed_in
async def end_session(request: Request, session: Session) -> Response:
    """Sign out in one other place; one that is over already is no fault."""
    session_id = cast("UUID", request.path_params["session_id"])
    with suppress(NotFoundError):
        await sessions.end(binding_of(request), session, session_id)
    return goodbye(request, left=False) if session_id == session.id else to("/account/security#places")


@signed_in
async def end_other_sessions(request: Request, session: Session) -> Response:
    """Sign out everywhere but here."""
    await sessions.end_others(binding_of(request), session)
    return to("/account/security#places")


async def change_password_address(_: Request) -> Response:
    """Where password managers look for the page (https://w3c.github.io/webappsec-change-password-url/)."""
    return to(CHOOSE_PATH)
