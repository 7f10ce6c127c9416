"""The binding service, put together: pages, API, consumers, outbox relay."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from binding_service import api, consumers, pages, web
from binding_service.api_document import describe
from binding_service.api_parts import problem
from binding_service.applications.watching import progress_states
from binding_service.context import Binding, Keys, make_keys
from binding_service.errors import (
    BindingError,
    InternalError,
    LimitedError,
    MalformedError,
    NotFoundError,
    OtherOriginError,
    ServiceAwayError,
    TooLargeError,
)
from binding_service.figures import FIGURES
from binding_service.front_ends import FrontEnds
from binding_service.paper.form import PaperForm
from binding_service.retention import make_purges
from binding_service.roster import api as roster_api
from binding_service.roster import tokens
from binding_service.roster.importing import Roster
from binding_service.roster.pushes import Pushes
from binding_service.tasks import make_tasks
from shared.bus import Bus
from shared.database import DATABASE_FAULTS, Database
from shared.exposition import Exposition
from shared.health import health_routes
from shared.passwords import Passwords
from shared.requests import Requester
from shared.service import ON_STOP, running
from shared.wakes import Wakes
from shared.web.fair_share import RETRY_SECONDS, FairShare
from shared.web.middleware import BodyLimit, ReadersLanguage, RequestLog, SafetyHeaders, SameOrigin, UnexpectedFaults
from shared.web.pages import static_mounts
from shared.web.routes import allowed_methods
from shared.web.watching import Watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from fastapi.telemetry import TelemetryConfig
    from starlette.requests import Request

    from binding_service.logins.domain import Session
    from binding_service.settings import Settings

API_PREFIX = "/api/"
#: FastAPI's own would tell paths, queries and clients' addresses, and go on with a stranger's trace (shared.tracing).
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}
STREAMS_RETRY_SECONDS = 60
DESCRIPTION = """Everything that the parents' pages do, for front ends. docs/api.md tells the whole path.

Errors are RFC 9457 problem details; go by `code`: each operation lists those that it can answer. Every limit answers
with `Retry-After`. Texts come in the language of `Accept-Language`: zh-TW, en, vi or id. A session travels as a bearer
token or as a cookie.

Versions: under /api/v1 there are only additions: operations, fields of answers, optional fields and parameters of
requests, codes of problems. Ignore what you don't know. What is to go is marked `deprecated` here, and tells it in the
headers `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) for at least twelve months; then there is a /api/v2 beside
this one."""


class Gateway(FastAPI):
    """FastAPI, with a document that says all that can be answered."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; made once."""
        if self.openapi_schema is None:
            describe(super().openapi(), api.routes(), api.PREFIX)
        assert self.openapi_schema is not None  # noqa: S101 - FastAPI has just kept it there
        return self.openapi_schema


def make_app(settings: Settings) -> FastAPI:
    """The ASGI app; its lifespan runs the service's consumers and outbox relay."""
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    bus = Bus(
        settings.rabbitmq_url.get_secret_value(),
        "binding",
        prefetch=settings.prefetch,
        graceful_timeout=settings.shutdown_seconds,
        declares=settings.rabbitmq_declares,
    )
    requester = Requester(bus, timeout_seconds=settings.request_seconds)
    wakes = Wakes(database)
    watching = make_watching(settings, database, wakes)
    binding = Binding(settings, database, make_keys(settings), requester, Passwords(), PaperForm(settings.font_paths))
    consumers.subscribe(bus, binding)
    pushes = make_pushes(settings, database, binding.keys)
    purges = make_purges(settings, binding.keys)
    tasks = make_tasks(settings, Roster(database, binding.keys), bus)
    workers = (watching.run, pushes.run, Exposition(settings, database, FIGURES).run)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with running(database, bus, *workers, purges=purges, wakes=wakes, operations=tasks):
            yield {ON_STOP: watching.stop}

    app = Gateway(
        title="Kinbind binding service",
        version="1.1.0",
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry=NO_TELEMETRY,
    )
    app.state.binding = binding
    app.state.watching = watching
    app.state.pushes = pushes
    app.include_router(api.router)
    health = health_routes("binding_service", database, bus)
    app.router.routes.extend([*pages.routes(), *static_mounts("binding_service"), *health])
    _add_middleware(app, settings)
    _add_error_answers(app)
    return app


def make_watching(settings: Settings, database: Database, wakes: Wakes) -> Watching[Session]:
    """Who watches a progress page."""
    return Watching(
        database,
        wakes,
        progress_states,
        group=lambda session: session.contact_hash,
        most=settings.streams_per_contact,
        refusal=partial(LimitedError, retry_after=STREAMS_RETRY_SECONDS),
    )


def make_pushes(settings: Settings, database: Database, keys: Keys) -> Pushes:
    """What takes rosters over HTTP. Raises SettingsError."""
    roster = Roster(database, keys)
    return Pushes(roster, settings.roster_choices, tokens.parse(settings.roster_tokens))


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the first to see a request."""
    app.add_middleware(UnexpectedFaults, answer=_say_unexpected)
    larger = {f"{API_PREFIX}v1{roster_api.PATH}": settings.roster_push_megabytes * 1_000_000}
    app.add_middleware(BodyLimit, refuse=_refuse_large, larger=larger)
    app.add_middleware(SameOrigin, allowed=settings.allowed_origins, refuse=_refuse_forged)
    app.add_middleware(FairShare, at_once=settings.requests_per_client, refuse=_refuse_crowd)
    if settings.allowed_origins:
        app.add_middleware(FrontEnds, prefix=API_PREFIX, origins=settings.allowed_origins)
    app.add_middleware(ReadersLanguage, by_header=API_PREFIX)
    app.add_middleware(SafetyHeaders)
    app.add_middleware(RequestLog)


def _add_error_answers(app: FastAPI) -> None:
    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, BindingError)  # noqa: S101 - registered for it
        return answer(request, error)

    async def on_database_fault(request: Request, _: Exception) -> Response:
        return answer(request, ServiceAwayError(retry_after=5))

    async def on_malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        # Its text quotes the input; only where it is wrong goes out.
        fields = {".".join(map(str, item["loc"][1:])) or "body": "bad_request" for item in error.errors()}
        return answer(request, MalformedError(fields))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        if error.status_code == HTTPStatus.NOT_FOUND:
            return answer(request, NotFoundError())
        # FastAPI's 400 is a body that is no UTF-8: as wrong as any other that can't be read.
        status = None if error.status_code == HTTPStatus.BAD_REQUEST else error.status_code
        headers = error.headers
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework's own tells of one route, and an address has one for each method.
            headers = {"allow": ", ".join(allowed_methods(request.scope))}
        return answer(request, MalformedError({}), status=status, headers=headers)

    app.add_exception_handler(BindingError, on_error)
    for fault in DATABASE_FAULTS:
        app.add_exception_handler(fault, on_database_fault)
    app.add_exception_handler(RequestValidationError, on_malformed)
    app.add_exception_handler(HTTPException, on_http)


def _say_unexpected(request: Request) -> Response:
    return answer(request, InternalError())


def _refuse_crowd(request: Request) -> Response:
    return answer(request, LimitedError(retry_after=RETRY_SECONDS))


def _refuse_large(request: Request) -> Response:
    return answer(request, TooLargeError())


def _refuse_forged(request: Request) -> Response:
    return answer(request, OtherOriginError())


def answer(
    request: Request, error: BindingError, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """An error that no page shows at its field: problem details for the API, a page for people."""
    status = status or error.status
    headers = dict(headers or {})
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if not request.url.path.startswith(API_PREFIX):
        return web.error_page(request, error, status, headers)
    return JSONResponse(problem(error, status), status, headers, media_type="application/problem+json")
