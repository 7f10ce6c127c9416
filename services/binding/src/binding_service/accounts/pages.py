"""The parent's account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from binding_service import messages
from binding_service.accounts import use_cases as accounts
from binding_service.doors import SESSION_COOKIE, binding_of, client_address, set_cookie
from binding_service.errors import BindingError
from binding_service.web import PAGES, form_of, messages_at, render, retry_header, signed_in, to

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session


async def sign_in(request: Request) -> Response:
    """Sign in with e-mail and password."""
    if request.method != "POST":
        return PAGES.render("sign_in.html", login="", errors={}, signed_in=False)
    form = await form_of(request)
    login = form.get("login", "")
    try:
        token, _ = await accounts.sign_in(binding_of(request), login, form.get("password", ""), client_address(request))
    except BindingError as error:
        return PAGES.render(
            "sign_in.html",
            status=error.status,
            headers=retry_header(error.retry_after),
            login=login,
            errors={"login": messages.message(error)},
            signed_in=False,
        )
    response = to("/account")
    set_cookie(request, response, SESSION_COOKIE, token)
    return response


@signed_in
async def password(request: Request, session: Session) -> Response:
    """Change the password: by force while the first one is in force; by code to the e-mail where it was forgotten."""
    await accounts.account_of(binding_of(request), session)
    errors: dict[str, str] = {}
    refused = None
    if request.method == "POST":
        form = await form_of(request)
        try:
            await accounts.change_password(
                binding_of(request),
                session,
                form.get("current", ""),
                form.get("password", ""),
                form.get("repeated", ""),
            )
        except BindingError as error:
            errors, refused = messages_at(error, "password"), error
        else:
            return to("/account" if session.account_id else "/account/sign-in")
    return render(
        session,
        "password.html",
        refused,
        errors=errors,
        forced=session.password_change_due,
        asks_current=not accounts.needs_no_password(session),
    )
