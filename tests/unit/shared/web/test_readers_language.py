from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shared.languages import SOURCE, current_language
from shared.web.middleware import LANGUAGE_COOKIE, ReadersLanguage

SAY = Route("/", lambda _: PlainTextResponse(current_language()))
APP = Starlette(routes=[SAY], middleware=[Middleware(ReadersLanguage)])
OF_TWO = Starlette(routes=[SAY], middleware=[Middleware(ReadersLanguage, offered=("zh-TW", "en"))])


async def answered_in(cookie: str = "", accept_language: str | None = None, app: Starlette = APP) -> str:
    """The language in which a request with this cookie and header is answered."""
    headers = {"cookie": f"{LANGUAGE_COOKIE}={cookie}"} if cookie else {}
    if accept_language is not None:
        headers["accept-language"] = accept_language
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://parents.example") as client:
        return (await client.get("/", headers=headers)).text


async def test_what_was_chosen_here_wins_over_the_browser():
    assert await answered_in(cookie="vi", accept_language="en") == "vi"


async def test_chinese_may_be_chosen_too():
    assert await answered_in(cookie="zh-TW", accept_language="en") == "zh-TW"


@pytest.mark.parametrize("cookie", ["de", "EN", "../id", "en-GB"])
async def test_a_choice_that_is_none_of_ours_is_ignored(cookie: str):
    assert await answered_in(cookie=cookie, accept_language="id-ID,en;q=0.5") == "id"


@pytest.mark.parametrize("accept_language", [None, "", "de"])
async def test_who_names_no_language_of_ours_is_answered_in_chinese(accept_language: str | None):
    assert await answered_in(accept_language=accept_language) == SOURCE


async def test_a_language_that_is_not_offered_is_as_good_as_none():
    assert await answered_in(accept_language="vi,en;q=0.5", app=OF_TWO) == "en"
    assert await answered_in(accept_language="vi", app=OF_TWO) == SOURCE
    assert await answered_in(cookie="id", accept_language="en", app=OF_TWO) == "en"
