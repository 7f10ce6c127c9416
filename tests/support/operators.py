"""The operators' page of notify, over a database of its own: what its tests work with."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware

from notify_service.operators.pages import operator_middleware, operator_routes
from notify_service.operators.sessions import Sessions
from notify_service.operators.tokens import new_token
from notify_service.operators.use_cases import Desk
from shared.named_tokens import hash_of
from shared.web.middleware import SafetyHeaders

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from notify_service.use_cases import Notify

TOKENS = {"chen": new_token(), "lin": new_token()}


def known() -> list[tuple[str, str]]:
    """The operators of the settings."""
    return [(name, hash_of(token)) for name, token in TOKENS.items()]


def make_desk(notify: Notify) -> Desk:
    """What the page's use cases work with."""
    names = {channel: [route.provider.name for route in routes] for channel, routes in notify.routes.items()}
    return Desk(notify.database, notify.limits, names, lambda: None)


def make_page(notify: Notify, *, secure: bool = False, operators: list[tuple[str, str]] | None = None) -> Starlette:
    """The page alone."""
    sessions = Sessions(notify.database, known() if operators is None else operators)
    routes = operator_routes(make_desk(notify), sessions, secure=secure)
    return Starlette(routes=routes, middleware=[Middleware(SafetyHeaders), *operator_middleware()])


@asynccontextmanager
async def visiting(app: Starlette, operator: str = "", **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, signed in as an operator where one is named."""
    transport = httpx.ASGITransport(app)
    headers = {"origin": "https://notify.example", **headers}
    async with httpx.AsyncClient(transport=transport, base_url="https://notify.example", headers=headers) as browser:
        if operator:
            answer = await browser.post("/sign-in", data={"token": TOKENS[operator]})
            assert answer.status_code == 303, answer.text
        yield browser
