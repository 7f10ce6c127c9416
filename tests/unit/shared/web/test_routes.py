from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import binding_service.app
import binding_service.settings
import notify_service.app
import notify_service.settings
import otp_service.app
import otp_service.settings
import review_service.app
import review_service.settings
from shared.web.middleware import RequestLog
from shared.web.routes import route_template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.routing import BaseRoute

#: What a path holds and no log may.
SECRET = "A800000014"
MAKE = {
    "otp": lambda: otp_service.app.make_app(otp_service.settings.Settings()),
    "binding": lambda: binding_service.app.make_app(binding_service.settings.Settings()),
    "review": lambda: review_service.app.make_app(review_service.settings.Settings()),
    "notify": lambda: notify_service.app.make_app(notify_service.settings.Settings()),
}


@pytest.fixture(scope="module")
def apps() -> dict[str, Starlette]:
    """The real apps, of which nothing runs: a request ends in a fault, and its line is written all the same."""
    return {service: make() for service, make in MAKE.items()}


def filled(template: str) -> str:
    """An address of this route with something in it that is to stay out of the log."""
    with_ids = re.sub(r"\{\w+:uuid\}", str(uuid4()), template)
    return re.sub(r"\{[^}]+\}", SECRET, with_ids)


def written_as(template: str) -> str:
    """The pattern without what its parts are made of: ``/children/{id}``."""
    return re.sub(r":\w+\}", "}", template)


def in_the_app(routes: Iterable[BaseRoute], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Every page: its method and its pattern, with what it is mounted under."""
    for route in routes:
        if isinstance(route, Mount):
            inner = route.routes or [Route("/{path}", PlainTextResponse(""), methods=["GET"])]
            yield from in_the_app(inner, prefix + route.path)
        elif isinstance(route, Route):
            yield from ((method, prefix + route.path) for method in sorted(route.methods or {"GET"}))


def in_the_document(app: Starlette) -> Iterable[tuple[str, str]]:
    """Every operation of the API, as OpenAPI has it."""
    document = app.openapi() if isinstance(app, FastAPI) else {"paths": {}}
    return ((method.upper(), path) for path, operations in document["paths"].items() for method in operations)


def addresses(app: Starlette) -> list[tuple[str, str]]:
    """Every method and pattern that the app answers."""
    return list(dict.fromkeys([*in_the_app(app.routes), *in_the_document(app)]))


async def ask(app: Starlette, method: str, path: str, **headers: str) -> list[str]:
    """The paths that the request's lines in the log have."""
    with structlog.testing.capture_logs() as lines:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://school.example") as client:
            await client.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
    assert SECRET not in str([line for line in lines if line["event"] == "request"])
    return [line["path"] for line in lines if line["event"] == "request"]


def test_pages_api_and_files_are_walked(apps: dict[str, Starlette]) -> None:
    found = {service: addresses(app) for service, app in apps.items()}
    assert (len(found["binding"]) > 120, len(found["review"]) > 60, len(found["notify"]) > 2) == (True, True, True)
    assert {("GET", "/static/own/{path}"), ("POST", "/api/v1/codes")} < set(found["binding"])


@pytest.mark.parametrize("service", MAKE)
async def test_the_log_has_the_pattern_of_every_route(apps: dict[str, Starlette], service: str) -> None:
    for method, template in addresses(apps[service]):
        # Nobody wants a line for each look at the health.
        expected = [] if template.startswith("/health/") else [written_as(template)]
        assert await ask(apps[service], method, filled(template)) == expected


@pytest.mark.parametrize("service", MAKE)
def test_a_pattern_is_known_before_the_request_is_routed(apps: dict[str, Starlette], service: str) -> None:
    for method, template in addresses(apps[service]):
        scope = {"type": "http", "app": apps[service], "method": method, "path": filled(template)}
        assert route_template(scope) == written_as(template)


@pytest.mark.parametrize("service", ["binding", "review"])
async def test_an_address_that_nobody_has_stays_out_of_the_log(apps: dict[str, Starlette], service: str) -> None:
    assert await ask(apps[service], "GET", f"/no/such/{SECRET}") == ["-"]
    assert await ask(apps[service], "GET", f"/{SECRET}/") == ["-"]


@pytest.mark.parametrize("service", ["binding", "review"])
async def test_a_request_that_is_turned_away_before_its_route_has_the_pattern_too(
    apps: dict[str, Starlette], service: str
) -> None:
    assert await ask(apps[service], "POST", "/language", sec_fetch_site="cross-site") == ["/language"]


async def test_another_method_of_a_known_address_has_its_pattern(apps: dict[str, Starlette]) -> None:
    assert await ask(apps["binding"], "DELETE", f"/students/{SECRET}/relation") == ["/students/{student_id}/relation"]


async def test_mounted_apps_and_mounts_in_them_are_in_the_pattern() -> None:
    inner = Starlette(routes=[Route("/child/{name}", lambda _: PlainTextResponse("here"))])
    routes = [Mount("/{school}", routes=[Mount("/in", inner), Route("/", lambda _: PlainTextResponse("here"))])]
    app = Starlette(routes=routes, middleware=[Middleware(RequestLog)])
    assert await ask(app, "GET", f"/{SECRET}/in/child/{SECRET}") == ["/{school}/in/child/{name}"]
    assert await ask(app, "GET", f"/{SECRET}/") == ["/{school}/"]
    assert await ask(app, "GET", f"/{SECRET}/in/other/{SECRET}") == ["-"]


def test_behind_a_proxy_that_takes_a_prefix_the_pattern_is_the_apps_own(apps: dict[str, Starlette]) -> None:
    scope = {"type": "http", "app": apps["binding"], "method": "GET", "root_path": "/city", "path": "/city/progress"}
    assert route_template(scope) == "/progress"
