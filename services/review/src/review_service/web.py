"""What every teachers' page is made with: the site, who is signed in, forms, and what a page that fails says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse

from review_service.accounts import use_cases as accounts
from review_service.errors import ForbiddenError, NotFoundError, TooManySignInsError, TooManyTriesError
from review_service.words import LANGUAGES, _
from shared.database import DATABASE_FAULTS
from shared.web.fair_share import RETRY_SECONDS
from shared.web.pages import Pages, waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ExceptionHandler

    from review_service.context import Review, Teacher

    Handler: TypeAlias = "Callable[[Request, Site, Teacher], Awaitable[Response]]"

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 10
FORM = ["GET", "POST"]
#: Where a password is changed, and where a form waits that was sent when the session was over.
CHANGE_PASSWORD = "/account/password"  # noqa: S105 - an address
KEPT = "/kept"


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages work with."""

    review: Review
    pages: Pages
    secure: bool

    @property
    def cookie(self) -> str:
        """The session cookie's name."""
        return self.cookie_named("review")

    def cookie_named(self, name: str) -> str:
        """A cookie's name; the prefix makes a browser keep it to this host and to HTTPS (RFC 6265bis)."""
        return f"__Host-{name}" if self.secure else name

    def set_cookie(self, response: Response, name: str, value: str, max_age: int | None = None) -> None:
        """A cookie out of reach of scripts and other sites' forms; without ``max_age`` (s) it ends with the browser."""
        response.set_cookie(name, value, max_age, path="/", httponly=True, samesite="lax", secure=self.secure)

    def drop_cookie(self, response: Response, name: str) -> None:
        """The browser is to forget a cookie."""
        response.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=self.secure)


def templates(**everywhere: object) -> Pages:
    """The service's templates, with what ``everywhere`` gives them."""
    return Pages("review_service", LANGUAGES, waiting=waiting, **everywhere)


def signed_in(
    handler: Handler, *, before_change: bool = False, is_stream: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """The page for who is signed in; everyone else is sent to sign in first, and comes back.

    Who has to choose a password first sees no other page, unless it may be seen ``before_change``. From a stream nobody
    is sent anywhere: an EventSource would follow, and take the page that it meets for a broken stream.
    """

    async def guarded(request: Request) -> Response:
        here = site(request)
        token = request.cookies.get(here.cookie, "")
        teacher = await accounts.recognise(here.review, token, client_address(request), is_used=is_visit(request))
        if is_stream and (teacher is None or teacher.must_change):
            return PlainTextResponse("not signed in", 401)
        if teacher is None:
            return await _send_to_sign_in(request, here, token)
        if teacher.must_change and not before_change:
            return see(CHANGE_PASSWORD)
        return await handler(request, here, teacher)

    return guarded


def is_visit(request: Request) -> bool:
    """Whether a person asks (Fetch Metadata): a page that renews itself in an empty room keeps no session alive."""
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate"


async def _send_to_sign_in(request: Request, here: Site, token: str) -> Response:
    """To the form to sign in. A form that came when its session was over is kept for the same teacher's next one."""
    next_ = request.url.path
    if request.method != "GET":
        next_ = KEPT if await _keep_form(request, here, token) else ""
    return see(f"/sign-in?{urlencode({'next': next_})}" if next_ else "/sign-in")


async def _keep_form(request: Request, here: Site, token: str) -> bool:
    """Whether the form was kept. Passwords are not; nor is a file."""
    kind = request.headers.get("content-type", "")
    if not (token and kind.startswith("application/x-www-form-urlencoded")) or request.url.path.startswith("/account"):
        return False
    async with request.form() as form:
        pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    return await accounts.keep_form(here.review, token, accounts.KeptForm(path=request.url.path, fields=pairs))


def administrator(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The page for a signed-in administrator; a teacher is told that it is not theirs."""

    async def guarded(request: Request, here: Site, teacher: Teacher) -> Response:
        if not teacher.is_administrator:
            raise ForbiddenError
        return await handler(request, here, teacher)

    return signed_in(guarded)


# --- what a page that cannot be shown says ---


def problem_handlers() -> dict[int | type[Exception], ExceptionHandler]:
    """What a page that cannot be shown says instead."""
    return {
        HTTPException: not_shown,
        NotFoundError: not_found,
        ForbiddenError: not_yours,
        TooManyTriesError: too_many,
        # An id with a NUL in it: PostgreSQL has no such text, so nobody has it.
        asyncpg.CharacterNotInRepertoireError: not_found,
        **dict.fromkeys((*DATABASE_FAULTS, TooManySignInsError), unavailable),
    }


async def not_found(request: Request, _fault: Exception) -> Response:
    """Not there, or not this teacher's: the same answer."""
    return _problem(request, 404, _("找不到這筆資料"), _("它可能屬於其他班級或學校，或網址不完整。"))


async def not_yours(request: Request, _fault: Exception) -> Response:
    """A page of the administrator's."""
    return _problem(request, 403, _("這一頁由學校管理者使用"), _("需要時請洽學校管理者。"))


async def too_many(request: Request, error: Exception) -> Response:
    """More than one teacher needs."""
    return _too_many(request, math.ceil(cast("TooManyTriesError", error).wait.total_seconds()))


async def not_shown(request: Request, error: Exception) -> Response:
    """An address or a way of asking that does not exist."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _problem(request, status, _("找不到這個頁面"), _("請從申請列表重新開始。"))


async def unavailable(request: Request, error: Exception) -> Response:
    """The database is away, or too many sign in."""
    log.warning("page not available", fault=type(error).__name__)
    page = _problem(request, 503, _("系統暫時無法使用"), _("資料沒有遺失，請稍候幾秒再重新整理。"))
    page.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return page


def refuse_crowd(request: Request) -> Response:
    """One client asks for so much at once that no turn is left."""
    return _too_many(request, RETRY_SECONDS)


def refuse_forged(request: Request) -> Response:
    """A form of another site."""
    return _problem(request, 403, _("無法完成"), _("這個請求來自其他網站，為了您的安全沒有執行。"))


def refuse_large(request: Request) -> Response:
    """More was sent than a form can hold."""
    return _problem(request, 413, _("無法完成"), _("送出的內容太大，請重新整理頁面後再試。"))


def say_unexpected(request: Request) -> Response:
    """A fault of ours."""
    return _problem(request, 500, _("無法完成"), _("系統發生錯誤，我們已留下紀錄，請稍後再試。"))


def _too_many(request: Request, seconds: int) -> Response:
    page = _problem(request, 429, _("開啟的頁面太多"), _("請關閉幾個分頁後，再重新整理。"))
    page.headers["retry-after"] = str(seconds)
    return page


def _problem(request: Request, status: int, title: str, text: str) -> Response:
    return site(request).pages.render("problem.html", status=status, teacher=None, heading=title, text=text)


# --- small things ---


def site(request: Request) -> Site:
    """The site that this request is answered by."""
    here: Site = request.app.state.site
    return here


def see(address: str) -> RedirectResponse:
    """Go there with GET, so that a reload repeats nothing."""
    return RedirectResponse(address, 303)


def client_address(request: Request) -> str:
    """Where the request comes from."""
    return request.client.host if request.client else ""


async def fields(request: Request) -> Mapping[str, str]:
    """The form's text fields; a file in one of them is as good as nothing."""
    async with request.form() as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def known_uuid(text: str) -> UUID | None:
    """The UUID that a text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
