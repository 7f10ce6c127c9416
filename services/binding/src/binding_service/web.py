"""What every page of this service needs: who asks, the form, the answer, and where an error is mended."""

from __future__ import annotations

import re
from functools import wraps
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import RedirectResponse

from binding_service import id_numbers, labels, messages
from binding_service.doors import (
    ATTEMPT_COOKIE,
    CHOOSE_PATH,
    RETURN_COOKIE,
    SESSION_COOKIE,
    cookie_name,
    delete_cookie,
    session_of,
    set_cookie,
)
from binding_service.drafts.domain import mask_name
from binding_service.errors import (
    BindingError,
    NoAttemptError,
    NotSignedInError,
    PasswordChangeDueError,
    StepMissingError,
)
from shared.contacts import mask_email, mask_phone, national_phone
from shared.languages import NAMES
from shared.web.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session

    Page = Callable[[Request], Awaitable[Response]]
    SignedInPage = Callable[[Request, Session], Awaitable[Response]]

PAGES = Pages(
    "binding_service",
    tuple(NAMES),
    labels=labels,
    mask_id=id_numbers.mask,
    mask_name=mask_name,
    mask_email=mask_email,
    mask_phone=mask_phone,
    national_phone=national_phone,
)
#: Where the first step that is not complete is completed.
STEP_PAGES = {
    "students": "/students",
    "consent": "/consent",
    "parent_id": "/parent/id",
    "parent": "/parent",
    "email_proof": "/parent/email-code",
}
#: Where a sign-in may lead: what mails link to, and nothing else, so that no stranger's link leads elsewhere by it.
NEXT = r"/account/children/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/objection"
#: Where somebody may be brought back to after a login: pages that are opened by their address alone.
RETURNABLE = re.compile(
    r"/(students(/new/(relation|level|id|school))?|consent|parent(/id)?|check|progress)"
    rf"|{CHOOSE_PATH}(\?next={NEXT})?"
)


def signed_in(page: SignedInPage) -> Page:
    """The page is for who is signed in; another is brought to the start, and back when signed in again."""

    @wraps(page)
    async def guarded(request: Request) -> Response:
        session = await session_of(request)
        if session.password_change_due and request.url.path not in {"/account/password", "/sign-out"}:
            raise PasswordChangeDueError
        return await page(request, session)

    return guarded


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; files are not fields."""
    form: FormData = await request.form(max_files=0, max_fields=50)
    return {key: value for key, value in form.items() if isinstance(value, str)}


def render(session: Session, template: str, error: BindingError | None = None, **values: object) -> Response:
    """A page for somebody who is signed in; ``error`` gives it its status."""
    status = error.status if error else 200
    return PAGES.render(
        template,
        status=status,
        headers=retry_header(error.retry_after if error else None),
        signed_in=True,
        by_password=session.account_id is not None,
        **values,
    )


def messages_at(error: BindingError, field: str) -> dict[str, str]:
    """The messages of an error at their fields; at ``field`` where it names none."""
    return messages.field_messages(error) or {field: messages.message(error)}


def ask_to_sign_in(request: Request) -> Response:
    """To the login, and back to this page afterwards."""
    path = request.url.path
    if path.startswith("/account"):
        return to(and_then("/account/sign-in", path))
    response = to("/?expired=1" if cookie_name(request, SESSION_COOKIE) in request.cookies else "/")
    if RETURNABLE.fullmatch(path):
        set_cookie(request, response, RETURN_COOKIE, path)
    return response


def return_path(request: Request) -> str | None:
    """Where the login interrupted somebody."""
    path = request.cookies.get(cookie_name(request, RETURN_COOKIE), "")
    return path if RETURNABLE.fullmatch(path) else None


def chooses_password(request: Request) -> bool:
    """Whether the login by code is there for a new password."""
    return (return_path(request) or "").startswith(CHOOSE_PATH)


def next_path(request: Request) -> str | None:
    """Where the sign-in leads that this page is part of, if it was asked for by a page that it may lead to."""
    path = request.query_params.get("next", "")
    return path if re.fullmatch(NEXT, path) else None


def and_then(address: str, path: str | None) -> str:
    """The address of a page of the sign-in that leads to the path; the plain address where it may not."""
    return f"{address}?next={path}" if path and re.fullmatch(NEXT, path) else address


def goodbye(request: Request, *, left: bool) -> Response:
    """The last page; the cookies are taken back. ``left`` says that the draft was deleted."""
    response = PAGES.render("goodbye.html", left=left, signed_in=False)
    for name in (SESSION_COOKIE, ATTEMPT_COOKIE, RETURN_COOKIE):
        delete_cookie(request, response, name)
    return response


def to(path: str) -> Response:
    """Go there by GET, so that reloading sends nothing twice."""
    return RedirectResponse(quote(path, safe="/?=&#"), 303)


def retry_header(seconds: int | None) -> dict[str, str]:
    """Retry-After, where there is something to wait for."""
    return {} if seconds is None else {"retry-after": str(seconds)}


def error_page(request: Request, error: BindingError, status: int, headers: dict[str, str]) -> Response:
    """A page for an error that belongs to no field, or a redirect to where it is mended."""
    if isinstance(error, StepMissingError):
        return to(STEP_PAGES[error.step])
    if isinstance(error, NotSignedInError):
        return ask_to_sign_in(request)
    if isinstance(error, NoAttemptError):
        return to("/?expired=1" if cookie_name(request, ATTEMPT_COOKIE) in request.cookies else "/")
    if isinstance(error, PasswordChangeDueError):
        return to(and_then(CHOOSE_PATH, request.url.path))
    message = " ".join(messages.field_messages(error).values()) or messages.message(error)
    return PAGES.render("error.html", status=status, headers=headers, code=error.code, message=message, signed_in=False)
