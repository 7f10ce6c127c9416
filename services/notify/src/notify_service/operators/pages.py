"""The operators' page over HTTP: signing in, the overview, the list, one message, and sending again.

It is reached by operators only (deploy/): neither the parents' nor the teachers' site leads here. Without tokens in the
settings it does not exist.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import urlencode

import structlog
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.routing import Route

from notify_service.errors import NotKeptError, TooManyTriesError, UnknownTokenError
from notify_service.operators import use_cases, words
from notify_service.operators.domain import CHOICES, Place, Wanted, known_moment
from notify_service.operators.sessions import LIFE
from notify_service.operators.words import LANGUAGES, _
from shared.database import DATABASE_FAULTS
from shared.web.language_choice import choose_language
from shared.web.middleware import BodyLimit, ReadersLanguage, SameOrigin, UnexpectedFaults
from shared.web.pages import Pages, static_mounts, waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from notify_service.operators.sessions import Sessions
    from notify_service.operators.use_cases import Desk

    Handler: TypeAlias = "Callable[[Request, Site, str], Awaitable[Response]]"

LARGEST_FORM_BYTES = 8 * 1024
LONGEST_TOKEN = 200
RETRY_AFTER_SECONDS = 10

log = structlog.get_logger(__name__)

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages work with."""

    desk: Desk
    sessions: Sessions
    pages: Pages
    secure: bool

    @property
    def cookie(self) -> str:
        """The session cookie's name; the prefix makes a browser keep it to this host and to HTTPS (RFC 6265bis)."""
        return "__Host-operator" if self.secure else "operator"

    def problem(self, status: int, heading: str, text: str) -> Response:
        """A page that says why there is no other."""
        return self.pages.render("operators/problem.html", status=status, operator="", heading=heading, text=text)


def operator_routes(desk: Desk, sessions: Sessions, *, secure: bool) -> list[BaseRoute]:
    """All addresses of the page. ``secure``: its cookie travels by HTTPS only."""
    site = Site(desk, sessions, _templates(), secure)

    async def language(request: Request) -> Response:
        return await choose_language(request, LANGUAGES)

    return [
        Route("/", _signed_in(site, show_overview)),
        Route("/sign-in", _answered(site, sign_in), methods=["GET", "POST"]),
        Route("/sign-out", _signed_in(site, sign_out), methods=["POST"]),
        Route("/language", language, methods=["POST"]),
        Route("/messages", _signed_in(site, list_messages)),
        Route("/messages/again", _signed_in(site, ask_again), methods=["GET"]),
        Route("/messages/again", _signed_in(site, send_all_again), methods=["POST"]),
        Route("/messages/{message_id:uuid}", _signed_in(site, show_message)),
        Route("/messages/{message_id:uuid}/again", _signed_in(site, send_one_again), methods=["POST"]),
        *static_mounts("notify_service"),
    ]


def operator_middleware() -> list[Middleware]:
    """What pages with a cookie and forms need, inside what every server has."""
    return [
        Middleware(ReadersLanguage, offered=LANGUAGES),
        Middleware(SameOrigin),
        Middleware(BodyLimit, limit=LARGEST_FORM_BYTES),
        Middleware(UnexpectedFaults),
    ]


def _templates() -> Pages:
    return Pages(
        "notify_service.operators",
        LANGUAGES,
        words=words,
        choices=CHOICES,
        waiting_seconds=lambda seconds: waiting(timedelta(seconds=seconds)),
        address=_address,
    )


def _address(wanted: Wanted, path: str = "/messages", **more: object) -> str:
    """The address of what is looked for; in a template, too."""
    values = wanted.as_values() | {name: str(value) for name, value in more.items()}
    return f"{path}?{urlencode(values)}"


# --- who is signed in, and what a page that fails says ---


def _answered(
    site: Site, handler: Callable[[Request, Site], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """The page, or one that says why there is none."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request, site)
        except HTTPException as fault:
            return site.problem(fault.status_code, _("找不到這個頁面"), _("網址不完整，或訊息的紀錄已過保存期限。"))
        except DATABASE_FAULTS as fault:
            log.warning("page not available", fault=type(fault).__name__)
            page = site.problem(503, _("資料庫暫時無法使用"), _("資料沒有遺失，請稍候幾秒再重新整理。"))
            page.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
            return page

    return answered


def _signed_in(site: Site, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The page for who is signed in; everyone else is sent to sign in."""

    async def guarded(request: Request, site: Site) -> Response:
        operator = await site.sessions.operator_of(request.cookies.get(site.cookie, ""))
        return _see("/sign-in") if operator is None else await handler(request, site, operator)

    return _answered(site, guarded)


async def sign_in(request: Request, site: Site) -> Response:
    """The form that takes a token, and what it leads to."""
    if request.method == "GET":
        return _sign_in_page(site)
    token = (await _fields(request)).get("token", "").strip()[:LONGEST_TOKEN]
    try:
        cookie = await site.sessions.sign_in(token)
    except UnknownTokenError:
        return _sign_in_page(site, 422, _("沒有這個權杖。請檢查是否完整貼上。"))
    except TooManyTriesError as fault:
        page = _sign_in_page(site, 429, _("錯誤次數太多，請%(wait)s後再試。") % {"wait": waiting(fault.wait)})
        page.headers["retry-after"] = str(math.ceil(fault.wait.total_seconds()))
        return page
    response = _see("/")
    seconds = int(LIFE.total_seconds())
    response.set_cookie(site.cookie, cookie, seconds, path="/", httponly=True, samesite="strict", secure=site.secure)
    return response


def _sign_in_page(site: Site, status: int = 200, error: str = "") -> Response:
    errors = {"token": error} if error else {}
    return site.pages.render("operators/sign_in.html", status=status, operator="", errors=errors)


async def sign_out(request: Request, site: Site, operator: str) -> Response:
    """The session ends here and in the browser."""
    await site.sessions.sign_out(request.cookies[site.cookie], operator)
    response = _see("/sign-in")
    response.delete_cookie(site.cookie, path="/", httponly=True, samesite="strict", secure=site.secure)
    return response


# --- what there is to see ---


async def show_overview(_request: Request, site: Site, operator: str) -> Response:
    """How it goes."""
    seen = await use_cases.overview(site.desk)
    return site.pages.render("operators/overview.html", operator=operator, seen=seen)


async def list_messages(request: Request, site: Site, operator: str) -> Response:
    """Messages that are looked for."""
    wanted = _wanted(request.query_params)
    before = _known(Place.parse, request.query_params.get("before", "")) if "before" in request.query_params else None
    listed = await use_cases.list_messages(site.desk, wanted, before)
    return site.pages.render(
        "operators/list.html",
        operator=operator,
        wanted=wanted,
        listed=listed,
        is_first=before is None,
        sent_again=_number(request.query_params.get("sent_again", "")),
    )


async def show_message(request: Request, site: Site, operator: str) -> Response:
    """One message with its tries."""
    shown = await use_cases.show(site.desk, request.path_params["message_id"])
    if shown is None:
        raise HTTPException(404)
    done = request.query_params.get("done", "")
    return site.pages.render("operators/message.html", operator=operator, shown=shown, done=done)


# --- sending again ---


async def send_one_again(request: Request, site: Site, operator: str) -> Response:
    """Of one message the failure that was seen."""
    message_id = request.path_params["message_id"]
    failed_at = _known(known_moment, (await _fields(request)).get("failed_at", ""))
    try:
        await use_cases.send_one_again(site.desk, operator, message_id, failed_at)
    except NotKeptError:
        return _see(f"/messages/{message_id}?done=not")
    return _see(f"/messages/{message_id}?done=again")


async def ask_again(request: Request, site: Site, operator: str) -> Response:
    """How many would be sent again, and whether that is meant."""
    wanted = _wanted(request.query_params)
    count, now = await use_cases.count_kept(site.desk, wanted)
    return site.pages.render("operators/again.html", operator=operator, wanted=wanted, count=count, now=now)


async def send_all_again(request: Request, site: Site, operator: str) -> Response:
    """Of all that were counted."""
    form = await _fields(request)
    wanted, failed_by = _wanted(form), _known(known_moment, form.get("failed_by", ""))
    count = await use_cases.send_all_again(site.desk, operator, wanted, failed_by)
    return _see(_address(wanted, sent_again=count))


# --- small things ---


def _wanted(values: Mapping[str, str]) -> Wanted:
    return _known(Wanted.parse, values)


def _known(parse: Callable[[V], T], value: V) -> T:
    """What an address or a form says. Raises HTTPException for what it cannot."""
    try:
        return parse(value)
    except ValueError:
        raise HTTPException(400) from None


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else None  # noqa: PLR2004 - digits of any count


def _see(address: str) -> RedirectResponse:
    """Go there with GET, so that a reload repeats nothing."""
    return RedirectResponse(address, 303)


async def _fields(request: Request) -> Mapping[str, str]:
    """The form's text fields; a file in one of them is as good as nothing."""
    async with request.form(max_files=0) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
