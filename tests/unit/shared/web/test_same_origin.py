from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shared.web.middleware import SameOrigin

SITE = "https://school.example"


async def act(**headers: str) -> int:
    """Send a form with these headers; the status."""
    middleware = [Middleware(SameOrigin, allowed=["https://front.example"])]
    route = Route("/", lambda _: PlainTextResponse("done"), methods=["POST"])
    app = Starlette(routes=[route], middleware=middleware)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as client:
        return (
            await client.post("/", headers={name.replace("_", "-"): text for name, text in headers.items()})
        ).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin", "cookie": "a=b"},
        {"sec_fetch_site": "none"},
        {"origin": SITE, "cookie": "a=b"},
        {"origin": "https://front.example", "sec_fetch_site": "cross-site"},
        {"referer": f"{SITE}/page", "cookie": "a=b"},
        {"authorization": "Bearer secret", "sec_fetch_site": "cross-site"},
        {},
    ],
)
async def test_our_own_forms_and_tokens_are_let_through(headers: dict[str, str]) -> None:
    assert await act(**headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": SITE},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"referer": "https://evil.example/page"},
        {"referer": "https://[broken", "cookie": "a=b"},
        # A browser sends these by itself, wherever the form stands.
        {"authorization": "Basic eDp5", "sec_fetch_site": "cross-site"},
        {"cookie": "a=b"},
    ],
)
async def test_a_form_of_another_site_is_refused(headers: dict[str, str]) -> None:
    assert await act(**headers) == 403
