"""Signing in and out."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.accounts import use_cases
from review_service.errors import NotInRosterError, SignInRefusedError, TooManyTriesError
from review_service.web import FORM, client_address, fields, see, site
from review_service.words import LANGUAGES, _
from shared.web.language_choice import in_language_here

if TYPE_CHECKING:
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response

#: Where a sign-in may lead: our own pages only, as their addresses are written here.
OWN_PAGE = re.compile(r"/(?!sign-)(?:[a-z0-9][A-Za-z0-9_-]*(?:/[A-Za-z0-9_-]+)*)?")


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/sign-in", show_sign_in),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=FORM),
    ]


async def show_sign_in(request: Request) -> Response:
    """The sign-in form."""
    return _sign_in_page(request, next_=request.query_params.get("next", "/"))


async def sign_in(request: Request) -> Response:
    """Open a session and go on to where the teacher was heading."""
    here = site(request)
    form = await fields(request)
    username, next_ = form.get("username", ""), form.get("next", "/")
    if "language" in form:
        return in_language_here(form["language"], lambda: _sign_in_page(request, next_, username), LANGUAGES)
    try:
        old_token, address = request.cookies.get(here.cookie, ""), client_address(request)
        token = await use_cases.sign_in(here.review, username, form.get("password", ""), address, old_token)
    except SignInRefusedError:
        return _sign_in_page(request, next_, username, _("帳號或密碼不正確，請再試一次。"), 422)
    except NotInRosterError:
        message = _("這個帳號目前沒有對應的在職教師資料，請洽貴校資訊組長。")
        return _sign_in_page(request, next_, username, message, 403)
    except TooManyTriesError as error:
        return _ask_to_wait(request, next_, username, error.wait)
    response = see(next_ if OWN_PAGE.fullmatch(next_) else "/")
    response.set_cookie(here.cookie, token, path="/", httponly=True, samesite="lax", secure=here.secure)
    return response


async def sign_out(request: Request) -> Response:
    """End the session."""
    if request.method != "POST":
        return see("/")
    here = site(request)
    await use_cases.sign_out(here.review, request.cookies.get(here.cookie, ""), client_address(request))
    response = see("/sign-in")
    response.delete_cookie(here.cookie, path="/", httponly=True, samesite="lax", secure=here.secure)
    return response


def _ask_to_wait(request: Request, next_: str, username: str, wait: timedelta) -> Response:
    minutes = math.ceil(wait.total_seconds() / 60)
    message = _("嘗試次數過多，請在 {minutes} 分鐘後再試。").format(minutes=minutes)
    page = _sign_in_page(request, next_, username, message, 429)
    page.headers["retry-after"] = str(math.ceil(wait.total_seconds()))
    return page


def _sign_in_page(request: Request, next_: str, username: str = "", error: str = "", status: int = 200) -> Response:
    return site(request).pages.render(
        "sign_in.html", status=status, teacher=None, next=next_, username=username, error=error, step_form=True
    )
