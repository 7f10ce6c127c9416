"""Signing in and out, and the own account."""

from __future__ import annotations

import math
import re
import secrets
from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.accounts import single_sign_on, use_cases
from review_service.accounts.domain import LONGEST_PASSWORD, SHORTEST_PASSWORD, Way
from review_service.accounts.use_cases import Browser
from review_service.errors import (
    AccountClosedError,
    IdentityRefusedError,
    NotInRosterError,
    ProviderAwayError,
    ReviewError,
    SignInNotFinishedError,
    SignInRefusedError,
    StartPasswordExpiredError,
    TooManyTriesError,
    Weakness,
    WeakPasswordError,
)
from review_service.web import (
    CHANGE_PASSWORD,
    FORM,
    KEPT,
    RETRY_AFTER_SECONDS,
    client_address,
    fields,
    see,
    signed_in,
    site,
)
from review_service.words import LANGUAGES, _
from shared.languages import marked
from shared.web.language_choice import in_language_here

if TYPE_CHECKING:
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site

#: Where a sign-in may lead: our own pages only, as their addresses are written here.
OWN_PAGE = re.compile(r"/(?!sign-)(?:[a-z0-9][A-Za-z0-9_-]*(?:/[A-Za-z0-9_-]+)*)?")
#: How long a browser is known to an account after a sign-in.
DEVICE_SECONDS = 180 * 24 * 3600
UNDER_WAY_SECONDS = 3600

#: What is said of a sign-in that failed, and the answer's status.
FAULTS: dict[type[ReviewError], tuple[str, int]] = {
    SignInRefusedError: (marked("帳號或密碼不正確，請再試一次。"), 422),
    NotInRosterError: (marked("這個帳號目前沒有對應的在職教師資料，請洽學校管理者。"), 403),
    AccountClosedError: (marked("這個帳號已由學校停用，請洽學校管理者。"), 403),
    StartPasswordExpiredError: (marked("起始密碼已過期，請洽學校管理者重新設定。"), 403),
    SignInNotFinishedError: (marked("單一登入沒有完成，請重新登入。"), 403),
    IdentityRefusedError: (marked("單一登入傳回的身分資料無法確認，沒有登入。請重試；仍不行時請洽學校管理者。"), 403),
    ProviderAwayError: (marked("單一登入系統目前沒有回應，請稍後再試。"), 503),
}
WEAKNESSES = {
    Weakness.SHORT: marked("密碼至少要 {shortest} 個字元。"),
    Weakness.LONG: marked("密碼最多 {longest} 個字元。"),
    Weakness.COMMON: marked("這個密碼太常見，容易被猜到，請換一個。"),
    Weakness.OWN: marked("密碼不能包含帳號或電子郵件，請換一個。"),
    Weakness.SAME: marked("新密碼不能和目前的密碼相同。"),
}


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/sign-in", show_sign_in),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-in/sso", go_to_provider),
        Route("/sign-in/return", come_back),
        Route("/sign-out", sign_out, methods=FORM),
        Route("/signed-out", show_signed_out),
        Route(KEPT, signed_in(show_kept), methods=FORM),
        Route("/account", signed_in(show_account)),
        Route(CHANGE_PASSWORD, signed_in(change_password, before_change=True), methods=FORM),
        Route("/account/sign-out", signed_in(sign_out_everywhere), methods=FORM),
    ]


# --- with a local account ---


async def show_sign_in(request: Request) -> Response:
    """The ways to sign in."""
    return _sign_in_page(request, next_=request.query_params.get("next", "/"))


async def sign_in(request: Request) -> Response:
    """Open a session and go on to where the teacher was heading."""
    here = site(request)
    form = await fields(request)
    username, next_ = form.get("username", ""), form.get("next", "/")
    if "language" in form:
        return in_language_here(form["language"], lambda: _sign_in_page(request, next_, username), LANGUAGES)
    if not here.review.settings.local_accounts:
        return _sign_in_page(request, next_)
    try:
        opened = await use_cases.sign_in(here.review, username, form.get("password", ""), _browser(request))
    except TooManyTriesError as error:
        return _sign_in_page(request, next_, username, _ask_to_wait(error.wait), 429, error.wait)
    except tuple(FAULTS) as error:
        text, status = FAULTS[type(error)]
        return _sign_in_page(request, next_, username, _(text), status)
    response = _enter(here, opened.token, next_)
    here.set_cookie(response, here.cookie_named("known"), opened.device, DEVICE_SECONDS)
    return response


def _enter(here: Site, token: str, next_: str) -> Response:
    response = see(_own(next_))
    here.set_cookie(response, here.cookie, token)
    return response


def _own(address: str) -> str:
    """The address, where it is a page of ours; else the first one."""
    return address if OWN_PAGE.fullmatch(address) else "/"


def _browser(request: Request) -> Browser:
    here = site(request)
    cookies = request.cookies
    return Browser(client_address(request), cookies.get(here.cookie, ""), cookies.get(here.cookie_named("known"), ""))


def _ask_to_wait(wait: timedelta) -> str:
    return _("嘗試次數過多，請在 {minutes} 分鐘後再試。").format(minutes=math.ceil(wait.total_seconds() / 60))


def _sign_in_page(
    request: Request,
    next_: str,
    username: str = "",
    error: str = "",
    status: int = 200,
    wait: timedelta | None = None,
) -> Response:
    here = site(request)
    provider, is_local = here.review.provider, here.review.settings.local_accounts
    page = here.pages.render(
        "sign_in.html",
        status=status,
        teacher=None,
        next=next_,
        username=username,
        error=error,
        provider=provider,
        is_local=is_local,
        has_kept=next_ == KEPT,
        step_form=is_local,
    )
    if wait is not None:
        page.headers["retry-after"] = str(math.ceil(wait.total_seconds()))
    return page


# --- at the provider ---


async def go_to_provider(request: Request) -> Response:
    """To the OpenID provider. A link leads here, not a form: so no policy of ours has to name the provider."""
    here = site(request)
    next_ = _own(request.query_params.get("next", "/"))
    # Two sign-ins in two tabs of one browser share the mark.
    mark = request.cookies.get(_mark(here)) or secrets.token_urlsafe(use_cases.TOKEN_BYTES)
    try:
        response = see(await single_sign_on.begin(here.review, mark, next_, client_address(request)))
    except TooManyTriesError as error:
        return _sign_in_page(request, next_, error=_ask_to_wait(error.wait), status=429, wait=error.wait)
    except ProviderAwayError as error:
        return _not_by_provider(request, next_, error)
    here.set_cookie(response, _mark(here), mark, UNDER_WAY_SECONDS)
    return response


async def come_back(request: Request) -> Response:
    """From the OpenID provider."""
    here = site(request)
    answer, mark = dict(request.query_params), request.cookies.get(_mark(here), "")
    try:
        token, next_ = await single_sign_on.finish(here.review, answer, mark, _browser(request))
    except tuple(FAULTS) as error:
        return _not_by_provider(request, "/", error)
    return _enter(here, token, next_)


def _mark(here: Site) -> str:
    return here.cookie_named("sign-in")


def _not_by_provider(request: Request, next_: str, error: Exception) -> Response:
    text, status = next(FAULTS[kind] for kind in FAULTS if isinstance(error, kind))
    page = _sign_in_page(request, next_, error=_(text), status=status)
    if isinstance(error, ProviderAwayError):
        page.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return page


# --- out ---


async def sign_out(request: Request) -> Response:
    """End the session."""
    if request.method != "POST":
        return see("/")
    here = site(request)
    way = await use_cases.sign_out(here.review, request.cookies.get(here.cookie, ""), client_address(request))
    response = see("/signed-out" if way is Way.SINGLE_SIGN_ON else "/sign-in")
    here.drop_cookie(response, here.cookie)
    return response


async def show_signed_out(request: Request) -> Response:
    """Out of this service; the provider's own session goes on until it is ended there."""
    here = site(request)
    provider = here.review.provider
    address = await provider.sign_out_address() if provider else ""
    return here.pages.render("signed_out.html", teacher=None, provider=provider, address=address)


# --- a form that came too late ---


async def show_kept(request: Request, site: Site, teacher: Teacher) -> Response:
    """What was sent when the session was over, to send it on or to drop it."""
    token = request.cookies.get(site.cookie, "")
    if request.method == "POST":
        await use_cases.drop_form(site.review, token)
        return see("/")
    form = await use_cases.kept_form(site.review, teacher, token)
    return site.pages.render("kept.html", teacher=teacher, form=form) if form else see("/")


# --- the own account ---


async def show_account(request: Request, site: Site, teacher: Teacher) -> Response:
    """Who is signed in, and what there is to do about it."""
    username = await use_cases.own_username(site.review, teacher)
    return site.pages.render(
        "account.html", teacher=teacher, username=username, is_changed="changed" in request.query_params
    )


async def change_password(request: Request, site: Site, teacher: Teacher) -> Response:
    """A password of one's own."""
    if request.method != "POST":
        return await _password_page(site, teacher)
    form = await fields(request)
    new = form.get("new", "")
    if new != form.get("again", ""):
        return await _password_page(site, teacher, {"again": _("兩次輸入的新密碼不同，請再輸入一次。")})
    token = request.cookies.get(site.cookie, "")
    try:
        token = await use_cases.change_password(site.review, teacher, token, form.get("old", ""), new)
    except TooManyTriesError as error:
        return await _password_page(site, teacher, {"old": _ask_to_wait(error.wait)}, 429)
    except SignInRefusedError:
        return await _password_page(site, teacher, {"old": _("目前的密碼不正確。")})
    except WeakPasswordError as error:
        text = _(WEAKNESSES[error.weakness]).format(shortest=SHORTEST_PASSWORD, longest=LONGEST_PASSWORD)
        return await _password_page(site, teacher, {"new": text})
    response = see("/" if teacher.must_change else "/account?changed")
    site.set_cookie(response, site.cookie, token)
    return response


async def _password_page(
    site: Site, teacher: Teacher, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    username = await use_cases.own_username(site.review, teacher)
    return site.pages.render(
        "password.html",
        status=422 if errors and status == 200 else status,  # noqa: PLR2004 - HTTP's
        teacher=teacher,
        username=username,
        errors=errors or {},
        shortest=SHORTEST_PASSWORD,
    )


async def sign_out_everywhere(request: Request, site: Site, teacher: Teacher) -> Response:
    """End every session of the teacher, this one too."""
    if request.method != "POST":
        return site.pages.render("sign_out_everywhere.html", teacher=teacher)
    await use_cases.sign_out_everywhere(site.review, teacher)
    response = see("/sign-in")
    site.drop_cookie(response, site.cookie)
    return response
