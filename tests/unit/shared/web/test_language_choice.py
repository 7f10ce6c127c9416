from __future__ import annotations

from functools import partial

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from shared.web.language_choice import choose_language
from shared.web.middleware import LANGUAGE_COOKIE

APP = Starlette(
    routes=[
        Route("/language", choose_language, methods=["POST"]),
        Route("/of-two", partial(choose_language, offered=("zh-TW", "en")), methods=["POST"]),
    ]
)
SITE = "http://school.example"


async def choose(tag: str | None, referer: str = "", at: str = "/language") -> httpx.Response:
    """Choose a language on the page of this address."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url=SITE) as client:
        headers = {"referer": referer} if referer else {}
        return await client.post(at, data={} if tag is None else {"language": tag}, headers=headers)


@pytest.mark.parametrize(
    ("referer", "location"),
    [
        (f"{SITE}/progress", "/progress"),
        (f"{SITE}/sign-in?next=%2Fapplications%2F1", "/sign-in?next=%2Fapplications%2F1"),
        (SITE, "/"),
        ("", "/"),
        # That very address has no page.
        (f"{SITE}/language", "/"),
    ],
)
async def test_the_reader_goes_on_where_the_language_was_chosen(referer: str, location: str):
    answer = await choose("en", referer)
    assert (answer.status_code, answer.headers["location"]) == (303, location)


@pytest.mark.parametrize("path", ["//evil.example", "///evil.example/x", "/\\evil.example"])
async def test_no_address_leads_to_another_site(path: str):
    location = httpx.URL(SITE).join((await choose("en", SITE + path)).headers["location"])
    assert location.host == "school.example"


async def test_the_choice_stays_for_a_year_and_is_no_scripts_business():
    cookie = (await choose("en")).headers["set-cookie"]
    assert cookie.startswith(f"{LANGUAGE_COOKIE}=en; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax")


@pytest.mark.parametrize(("tag", "at"), [("de", "/language"), (None, "/language"), ("vi", "/of-two")])
async def test_what_is_not_offered_changes_nothing(tag: str | None, at: str):
    answer = await choose(tag, f"{SITE}/progress", at)
    assert answer.headers["location"] == "/progress"
    assert answer.headers["set-cookie"].startswith(f"{LANGUAGE_COOKIE}=zh-TW;")
