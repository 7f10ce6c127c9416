"""The pages on which an account's e-mail and phone are corrected; and the one that a notice's link opens."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from binding_service.accounts import contacts, not_me
from binding_service.doors import binding_of, browser_of, renew_session, request_id_of
from binding_service.errors import BindingError, LinkOverError, NoAttemptError
from binding_service.web import PAGES, form_of, messages_at, render, signed_in, to

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.accounts.contacts import Field
    from binding_service.logins.domain import Session


@signed_in
async def show(request: Request, session: Session) -> Response:
    """Both contacts, as they are now."""
    known = await contacts.contacts(binding_of(request), session)
    return render(session, "contacts.html", contacts=known, changed="changed" in request.query_params)


@signed_in
async def correct(request: Request, session: Session) -> Response:
    """Type the contact that is to be the account's, and the password again."""
    field, binding = _field(request), binding_of(request)
    typed, errors, refused = "", {}, None
    if request.method == "POST":
        form = await form_of(request)
        typed = form.get(field, "")
        try:
            begun = await contacts.begin(
                binding, session, field, typed, form.get("current", ""), browser_of(request), uuid4()
            )
        except BindingError as error:
            errors, refused = messages_at(error, field), error
        else:
            return to(f"/account/contacts/{field}/code" if begun else "/account/contacts?changed=1")
    known = await contacts.contacts(binding, session)
    return render(
        session, "contact.html", refused, field=field, typed=typed, errors=errors, contacts=known, login=known.email
    )


@signed_in
async def code(request: Request, session: Session) -> Response:
    """Type the code that came to the new contact."""
    try:
        return await (_take_code(request, session) if request.method == "POST" else _code_page(request, session))
    except NoAttemptError:
        return to("/account/contacts")


async def _take_code(request: Request, session: Session) -> Response:
    """Prove the contact, have another code sent, or go back. Raises NoAttemptError."""
    field, binding, form = _field(request), binding_of(request), await form_of(request)
    action = form.get("action", "")
    if action == "back":
        return to(f"/account/contacts/{field}")
    try:
        if action == "again":
            await contacts.send_again(binding, session, field, browser_of(request), uuid4())
            return to(f"/account/contacts/{field}/code")
        request_id = request_id_of(f"contacts/{session.id}/{field}", form.get("request_id"))
        await contacts.prove(binding, session, field, form.get("code", ""), request_id, browser_of(request))
    except NoAttemptError:
        raise
    except BindingError as error:
        return await _code_page(request, session, error, "again" if action == "again" else "code")
    response = to("/account/contacts?changed=1")
    await renew_session(request, response, session)
    return response


async def _code_page(
    request: Request, session: Session, error: BindingError | None = None, error_field: str = "code"
) -> Response:
    field = _field(request)
    change = await contacts.change(binding_of(request), session, field)
    return render(
        session,
        "contact_code.html",
        error,
        field=field,
        change=change,
        request_id=uuid4(),
        errors=messages_at(error, error_field) if error else {},
    )


def _field(request: Request) -> Field:
    """``/account/contacts/<field>`` and ``…/code``: there is a route for each."""
    return "email" if "/email" in request.url.path else "phone"


async def this_was_not_me(request: Request) -> Response:
    """What the link of a notice opens. Only its button does something: scanners of mail open links too."""
    binding = binding_of(request)
    try:
        if request.method == "POST":
            await not_me.secure(binding, (await form_of(request)).get("token", ""))
            return PAGES.render("secured.html", signed_in=False)
        token = request.query_params.get("token", "")
        kind = await not_me.kind_of(binding, token)
    except LinkOverError as error:
        return PAGES.render("link_over.html", status=error.status, signed_in=False)
    return PAGES.render("not_me.html", kind=kind, token=token, signed_in=False)
