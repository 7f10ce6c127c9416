"""The parent's account, as JSON."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from binding_service.accounts import contacts, not_me, sessions
from binding_service.accounts import use_cases as accounts
from binding_service.api_parts import ONCE, AnySession, Body, IdempotencyKey, Parts, SessionState, SignedIn, refuses
from binding_service.api_route import Route
from binding_service.doors import (
    SESSION_COOKIE,
    browser_of,
    keep_device,
    renew_session,
    request_id_of,
    set_cookie,
    wish_of,
)
from binding_service.errors import (
    CodeDeadError,
    CodeRejectedError,
    EmailTakenError,
    InvalidFieldsError,
    LimitedError,
    LinkOverError,
    NoAccountError,
    NoAttemptError,
    NotFoundError,
    TooSoonError,
    WrongCredentialsError,
)

router = APIRouter(route_class=Route)


class SignIn(Body):
    """Login and password."""

    login: str = Field(max_length=254)
    password: str = Field(max_length=256)
    device: str = Field(default="", max_length=100, description="What the last sign-in on this device gave.")
    cookie: bool = Field(
        default=False,
        description="Set session and device as cookies, which no script can read, in place of answering them.",
    )


class NewPassword(Body):
    """A new password, at least 12 characters.

    ``current`` may be left out while the first password is in force, and after a login by a code to the account's
    e-mail. The session goes on, in the account; a cookie gets another token.
    """

    current: str = Field(default="", max_length=256)
    password: str = Field(max_length=256)


class Place(BaseModel):
    """A session of the account; ``by_code``: by a code to its e-mail. Browser and system are empty if not known."""

    id: UUID
    browser: str
    system: str
    by_code: bool
    since: datetime
    last_used_at: datetime = Field(description="Within some minutes.")
    is_this: bool = Field(description="The one that asks.")


class Contacts(BaseModel):
    """The account's contacts: the e-mail is its login."""

    email: str
    phone: str = Field(description="E.164; an extension as ;ext=.")


class NewContact(Body):
    """The contact that is to be the account's, and the password again."""

    contact: str = Field(max_length=254)
    current: str = Field(max_length=256)


class ContactChange(BaseModel):
    """``proven`` where it counts already, as a landline does; else a code is on its way that has to prove it."""

    proven: bool
    expires_at: datetime | None = None
    resend_in: int = Field(default=0, description="Seconds until another code may be asked for.")
    tries_left: int = 0


class ContactProof(Body):
    """The code that came to the new contact."""

    code: str = Field(max_length=50, examples=["549 497"])


class NotMe(Body):
    """The token of a notice's link."""

    token: str = Field(max_length=100)


class NoticeState(BaseModel):
    """What the notice told its reader."""

    kind: str = Field(description="`password_changed`, say. There may be more kinds one day.")


@router.post(
    "/account/sessions",
    status_code=201,
    summary="Sign in with a password",
    dependencies=[ONCE],
    openapi_extra=refuses(WrongCredentialsError, LimitedError),
)
async def sign_in(request: Request, response: Response, binding: Parts, body: SignIn) -> SessionState:
    """A forgotten password: have a code sent to the e-mail, redeem it, and change the password without `current`."""
    browser = browser_of(request)
    # A cookie that the browser sends by itself counts for who asks for cookies only.
    browser = replace(browser, device=body.device or (browser.device if body.cookie else ""))
    entered = await accounts.sign_in(binding, body.login, body.password, browser)
    session = entered.session
    landing: Literal["password", "progress"] = "password" if session.password_change_due else "progress"
    state = SessionState(token=entered.token, expires_at=session.expires_at, next=landing, device=entered.device)
    if not body.cookie:
        return state
    set_cookie(request, response, SESSION_COOKIE, entered.token)
    keep_device(request, response, entered.device)
    return state.model_copy(update={"token": "", "device": ""})


@router.get("/account/sessions", summary="Where the account is signed in")
async def list_sessions(binding: Parts, session: SignedIn) -> list[Place]:
    """Whole: each of them ends after some hours."""
    return [Place(**asdict(place)) for place in await sessions.places(binding, session)]


@router.delete(
    "/account/sessions/{session_id}",
    status_code=204,
    summary="Sign out in one place",
    openapi_extra=refuses(NotFoundError),
)
async def end_session(binding: Parts, session: SignedIn, session_id: UUID) -> Response:
    await sessions.end(binding, session, session_id)
    return Response(status_code=204)


@router.delete("/account/sessions", status_code=204, summary="Sign out everywhere but here")
async def end_other_sessions(binding: Parts, session: SignedIn) -> Response:
    await sessions.end_others(binding, session)
    return Response(status_code=204)


@router.put(
    "/account/password",
    status_code=204,
    summary="Change the password",
    openapi_extra=refuses(NoAccountError, InvalidFieldsError, LimitedError),
)
async def change_password(request: Request, binding: Parts, session: AnySession, body: NewPassword) -> Response:
    if not await accounts.has_account(binding, session):
        raise NoAccountError
    agent = browser_of(request).agent
    await accounts.change_password(binding, session, body.current, body.password, body.password, agent)
    response = Response(status_code=204)
    await renew_session(request, response, session)
    return response


@router.get("/account/contacts", summary="The account's e-mail and phone")
async def show_contacts(binding: Parts, session: SignedIn) -> Contacts:
    return Contacts(**asdict(await contacts.contacts(binding, session)))


@router.get(
    "/account/contacts/{field}",
    summary="The correction that a code has yet to prove",
    openapi_extra=refuses(NoAttemptError),
)
async def show_change(binding: Parts, session: SignedIn, field: contacts.Field) -> ContactChange:
    return _change_state(await contacts.change(binding, session, field))


@router.post(
    "/account/contacts/{field}",
    status_code=201,
    summary="Correct the e-mail or the phone",
    dependencies=[ONCE],
    openapi_extra=refuses(InvalidFieldsError, LimitedError, TooSoonError),
)
async def correct_contact(
    request: Request, binding: Parts, session: SignedIn, field: contacts.Field, body: NewContact
) -> ContactChange:
    browser = browser_of(request)
    return _change_state(
        await contacts.begin(binding, session, field, body.contact, body.current, browser, wish_of(request))
    )


@router.post(
    "/account/contacts/{field}/codes",
    status_code=201,
    summary="Have another code sent to the new contact",
    dependencies=[ONCE],
    openapi_extra=refuses(InvalidFieldsError, NoAttemptError, LimitedError, TooSoonError),
)
async def send_code_again(request: Request, binding: Parts, session: SignedIn, field: contacts.Field) -> ContactChange:
    await contacts.send_again(binding, session, field, browser_of(request), wish_of(request))
    return _change_state(await contacts.change(binding, session, field))


@router.post(
    "/account/contacts/{field}/proof",
    status_code=204,
    summary="Prove the new contact by its code",
    openapi_extra=refuses(InvalidFieldsError, NoAttemptError, CodeRejectedError, CodeDeadError, EmailTakenError),
)
async def prove_contact(
    request: Request,
    binding: Parts,
    session: SignedIn,
    field: contacts.Field,
    body: ContactProof,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    request_id = request_id_of(f"contacts/{session.id}/{field}", idempotency_key)
    await contacts.prove(binding, session, field, body.code, request_id, browser_of(request))
    response = Response(status_code=204)
    await renew_session(request, response, session)
    return response


@router.post("/account/not-me/notice", summary="What the notice of a token told", openapi_extra=refuses(LinkOverError))
async def notice(binding: Parts, body: NotMe) -> NoticeState:
    """Nothing is done by it. A POST, because the token is a secret, and an address is not."""
    return NoticeState(kind=await not_me.kind_of(binding, body.token))


@router.post(
    "/account/not-me",
    status_code=204,
    summary="Say that it was somebody else, by a notice's token",
    dependencies=[ONCE],
    openapi_extra=refuses(LinkOverError),
)
async def this_was_not_me(binding: Parts, body: NotMe) -> Response:
    await not_me.secure(binding, body.token)
    return Response(status_code=204)


def _change_state(change: contacts.Change | None) -> ContactChange:
    if change is None:
        return ContactChange(proven=True)
    return ContactChange(
        proven=False, expires_at=change.expires_at, resend_in=change.resend_in, tries_left=change.tries_left
    )
