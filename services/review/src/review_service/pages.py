"""The teachers' pages: sign-in, the inbox, one application and the decision on it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlencode
from uuid import UUID

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import Route

from review_service import domain, use_cases
from review_service.domain import LONGEST_REASON, Outcome, Standing
from review_service.errors import (
    AlreadyDecidedError,
    NotFoundError,
    NotInRosterError,
    ReasonMissingError,
    ReasonTooLongError,
    SignInRefusedError,
    TooManyTriesError,
    WithdrawnError,
)
from review_service.reasons import COMMON_REASONS
from review_service.words import LANGUAGES, _
from shared.database import DATABASE_FAULTS
from shared.languages import SOURCE, current_language, known_language, speaking
from shared.web.language_choice import choose_language, in_language, in_language_here, remember_language
from shared.web.pages import Pages, waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ExceptionHandler

    from review_service.use_cases import Inbox, Review, Teacher

    Handler: TypeAlias = "Callable[[Request, Site, Teacher], Awaitable[Response]]"

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 10
FORM = ["GET", "POST"]
#: Where a sign-in may lead: our own pages only.
OWN_PAGE = re.compile(r"/applications/[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages work with."""

    review: Review
    pages: Pages
    secure: bool

    @property
    def cookie(self) -> str:
        """The session cookie's name; the prefix makes a browser keep it to this host and to HTTPS (RFC 6265bis)."""
        return "__Host-review" if self.secure else "review"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal form as it was filled in, and what is wrong with it. ``picked`` is None where nothing was."""

    picked: str | None = None
    written: str = ""
    error: str = ""

    @property
    def begun(self) -> bool:
        """Whether there is something in it that the teacher must find again."""
        return self.picked is not None or bool(self.written.strip() or self.error)

    @property
    def reason(self) -> str:
        """What the parent will read. Raises ReasonMissingError, ReasonTooLongError."""
        return domain.compose_reason(COMMON_REASONS.get(self.picked or "", ""), self.written)


def templates() -> Pages:
    """The service's templates."""
    return Pages(
        "review_service",
        LANGUAGES,
        waiting=waiting,
        svg_path=domain.svg_path,
        legal=domain.LEGAL_REPRESENTATIVES,
        parents_language=SOURCE,
    )


def routes() -> list[Route]:
    """Every page. An address with somebody's application in it answers 404 to everyone else.

    An address that answers a form with a page leads somewhere by GET too: there a teacher comes who goes on in another
    language, or who presses Enter in the address bar.
    """
    return [
        Route("/sign-in", show_sign_in),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=FORM),
        Route("/language", partial(choose_language, offered=LANGUAGES), methods=["POST"]),
        Route("/", signed_in(show_inbox)),
        Route("/applications/{id:uuid}", signed_in(show_application)),
        Route("/applications/{id:uuid}/approve", signed_in(approve), methods=FORM),
        Route("/applications/{id:uuid}/refuse", signed_in(refuse), methods=FORM),
    ]


def problem_handlers() -> dict[int | type[Exception], ExceptionHandler]:
    """What a page that cannot be shown says instead."""
    return {HTTPException: not_shown, NotFoundError: not_found, **dict.fromkeys(DATABASE_FAULTS, unavailable)}


# --- signing in ---


async def show_sign_in(request: Request) -> Response:
    """The sign-in form."""
    return _sign_in_page(request, next_=request.query_params.get("next", "/"))


async def sign_in(request: Request) -> Response:
    """Open a session and go on to where the teacher was heading."""
    site = _site(request)
    form = await _fields(request)
    username, next_ = form.get("username", ""), form.get("next", "/")
    if "language" in form:
        return in_language_here(form["language"], lambda: _sign_in_page(request, next_, username), LANGUAGES)
    try:
        token = await use_cases.sign_in(
            site.review, username, form.get("password", ""), _address(request), request.cookies.get(site.cookie, "")
        )
    except SignInRefusedError:
        return _sign_in_page(request, next_, username, _("帳號或密碼不正確，請再試一次。"), 422)
    except NotInRosterError:
        message = _("這個帳號目前沒有對應的在職教師資料，請洽貴校資訊組長。")
        return _sign_in_page(request, next_, username, message, 403)
    except TooManyTriesError as error:
        return _ask_to_wait(request, next_, username, error.wait)
    response = _see(next_ if OWN_PAGE.fullmatch(next_) else "/")
    response.set_cookie(site.cookie, token, path="/", httponly=True, samesite="lax", secure=site.secure)
    return response


async def sign_out(request: Request) -> Response:
    """End the session."""
    if request.method != "POST":
        return _see("/")
    site = _site(request)
    await use_cases.sign_out(site.review, request.cookies.get(site.cookie, ""))
    response = _see("/sign-in")
    response.delete_cookie(site.cookie, path="/", httponly=True, samesite="lax", secure=site.secure)
    return response


def signed_in(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The page for who is signed in; everyone else is sent to sign in first, and comes back."""

    async def guarded(request: Request) -> Response:
        site = _site(request)
        teacher = await use_cases.recognise(site.review, request.cookies.get(site.cookie, ""))
        if teacher is None:
            path = OWN_PAGE.match(request.url.path)
            return _see("/sign-in?" + urlencode({"next": path[0]}) if path else "/sign-in")
        return await handler(request, site, teacher)

    return guarded


def _ask_to_wait(request: Request, next_: str, username: str, wait: timedelta) -> Response:
    minutes = math.ceil(wait.total_seconds() / 60)
    message = _("嘗試次數過多，請在 {minutes} 分鐘後再試。").format(minutes=minutes)
    page = _sign_in_page(request, next_, username, message, 429)
    page.headers["retry-after"] = str(math.ceil(wait.total_seconds()))
    return page


def _sign_in_page(request: Request, next_: str, username: str = "", error: str = "", status: int = 200) -> Response:
    return _site(request).pages.render(
        "sign_in.html", status=status, teacher=None, next=next_, username=username, error=error, step_form=True
    )


# --- the inbox and one application ---


async def show_inbox(request: Request, site: Site, teacher: Teacher) -> Response:
    """What waits for this teacher, or what was decided."""
    show, inbox = await _list(request, site, teacher)
    done = await _done(request, site, teacher)
    return site.pages.render("inbox.html", teacher=teacher, show=show, inbox=inbox, done=done)


async def show_application(request: Request, site: Site, teacher: Teacher) -> Response:
    """One application."""
    return await _application_page(request, site, teacher)


async def approve(request: Request, site: Site, teacher: Teacher) -> Response:
    """Approve, and go on to the next one."""
    if request.method != "POST":
        return _see(_application_address(request))
    return await _decide(request, site, teacher, Outcome.APPROVE, "")


async def refuse(request: Request, site: Site, teacher: Teacher) -> Response:
    """Refuse with a reason, and go on to the next one."""
    if request.method != "POST":
        return _see(_application_address(request))
    form = await _fields(request)
    refusal = Refusal(form.get("picked"), form.get("written", ""))
    if "language" in form:
        return await _translate_refusal(request, site, teacher, refusal, form["language"])
    try:
        reason = refusal.reason
    except ReasonMissingError:
        wrong = replace(refusal, error=_("請選擇或填寫不通過的理由，家長會看到這段文字。"))
    except ReasonTooLongError:
        wrong = replace(refusal, error=_("理由最多 {limit} 個字，請精簡後再送出。").format(limit=LONGEST_REASON))
    else:
        return await _decide(request, site, teacher, Outcome.REFUSE, reason)
    return await _application_page(request, site, teacher, status=422, refusal=wrong)


async def _translate_refusal(
    request: Request, site: Site, teacher: Teacher, refusal: Refusal, language: str
) -> Response:
    """Go on in another language. A refusal that was begun stands there again; nothing is decided by it."""
    if not refusal.begun:
        return in_language(_application_address(request), language, LANGUAGES)
    with speaking(known_language(language, LANGUAGES) or current_language()):
        page = await _application_page(request, site, teacher, refusal=refusal)
        remember_language(page)
    return page


async def _decide(request: Request, site: Site, teacher: Teacher, outcome: Outcome, reason: str) -> Response:
    binding_id: UUID = request.path_params["id"]
    try:
        await use_cases.decide(site.review, teacher, binding_id, outcome, reason)
    except (WithdrawnError, AlreadyDecidedError):
        return await _application_page(request, site, teacher, status=409, late=True)
    following = await use_cases.find_next(site.review, teacher, binding_id)
    return _see(f"/applications/{following}?done={binding_id}" if following else f"/?done={binding_id}")


async def _application_page(
    request: Request,
    site: Site,
    teacher: Teacher,
    *,
    status: int = 200,
    refusal: Refusal | None = None,
    late: bool = False,
) -> Response:
    binding_id: UUID = request.path_params["id"]
    application = await use_cases.look(site.review, teacher, binding_id)
    show, inbox = await _list(request, site, teacher)
    return site.pages.render(
        "application.html",
        status=status,
        teacher=teacher,
        show=show,
        inbox=inbox,
        application=application,
        following=await use_cases.find_next(site.review, teacher, binding_id),
        done=await _done(request, site, teacher),
        late=late,
        refusal=refusal or Refusal(),
        reasons=COMMON_REASONS,
        longest=LONGEST_REASON,
        # The language switch sends the refusal along, so that what is written there is not lost.
        step_form=application.standing is Standing.WAITING,
    )


async def _list(request: Request, site: Site, teacher: Teacher) -> tuple[str, Inbox]:
    """The list that the page shows beside everything else, and its name."""
    if request.query_params.get("show") == "decided":
        return "decided", await use_cases.list_decided(site.review, teacher)
    return "waiting", await use_cases.list_waiting(site.review, teacher)


async def _done(request: Request, site: Site, teacher: Teacher) -> use_cases.Decided | None:
    """The decision that led to this page; the address has its id only, since it stays in the browser's history."""
    try:
        binding_id = UUID(request.query_params.get("done", ""))
    except ValueError:
        return None
    return await use_cases.recall_decision(site.review, teacher, binding_id)


# --- what a page that cannot be shown says ---


async def not_found(request: Request, _fault: Exception) -> Response:
    """Not there, or not this teacher's: the same answer."""
    return _problem(request, 404, _("找不到這件申請"), _("它可能屬於其他班級或學校，或網址不完整。"))


async def not_shown(request: Request, error: Exception) -> Response:
    """An address or a way of asking that does not exist."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _problem(request, status, _("找不到這個頁面"), _("請從申請列表重新開始。"))


async def unavailable(request: Request, error: Exception) -> Response:
    """The database is away."""
    log.warning("page not available", fault=type(error).__name__)
    page = _problem(request, 503, _("系統暫時無法使用"), _("資料沒有遺失，請稍候幾秒再重新整理。"))
    page.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return page


def refuse_forged(request: Request) -> Response:
    """A form of another site."""
    return _problem(request, 403, _("無法完成"), _("這個請求來自其他網站，為了您的安全沒有執行。"))


def refuse_large(request: Request) -> Response:
    """More was sent than a form can hold."""
    return _problem(request, 413, _("無法完成"), _("送出的內容太大，請重新整理頁面後再試。"))


def say_unexpected(request: Request) -> Response:
    """A fault of ours."""
    return _problem(request, 500, _("無法完成"), _("系統發生錯誤，我們已留下紀錄，請稍後再試。"))


def _problem(request: Request, status: int, title: str, text: str) -> Response:
    return _site(request).pages.render("problem.html", status=status, teacher=None, heading=title, text=text)


# --- small things ---


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def _application_address(request: Request) -> str:
    return f"/applications/{request.path_params['id']}"


def _see(address: str) -> RedirectResponse:
    """Go there with GET, so that a reload repeats nothing."""
    return RedirectResponse(address, 303)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _fields(request: Request) -> Mapping[str, str]:
    """The form's text fields; a file in one of them is as good as nothing."""
    async with request.form() as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
