"""The review service, put together: teachers' pages and health over HTTP, events over the bus."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from review_service import consumers, pages, web
from review_service.accounts.provider import Client, Provider
from review_service.applications.decisions import let_leave_for_ever
from review_service.applications.live import make_watching
from review_service.context import Review
from review_service.figures import FIGURES
from review_service.reminders.use_cases import remind_for_ever
from review_service.retention import make_purges
from review_service.tasks import make_tasks
from review_service.words import LANGUAGES
from shared.bus import Bus
from shared.database import Database
from shared.exposition import Exposition
from shared.health import health_routes
from shared.passwords import Passwords
from shared.service import ON_STOP, running
from shared.wakes import Wakes
from shared.web.fair_share import FairShare
from shared.web.middleware import BodyLimit, ReadersLanguage, RequestLog, SafetyHeaders, SameOrigin, UnexpectedFaults
from shared.web.pages import static_mounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from review_service.settings import Settings

#: The largest form is a refusal: 500 characters of a reason.
LARGEST_FORM_BYTES = 32 * 1024


def make_app(settings: Settings) -> Starlette:
    """The ASGI app; its lifespan runs the service's consumers and outbox relay."""
    review = make_review(settings)
    bus = Bus(
        settings.rabbitmq_url.get_secret_value(),
        "review",
        prefetch=settings.prefetch,
        graceful_timeout=settings.shutdown_seconds,
        declares=settings.rabbitmq_declares,
    )
    wakes = Wakes(review.database)
    watching = make_watching(review, wakes)
    consumers.subscribe(bus, review)

    purges, tasks = make_purges(settings), make_tasks(review)
    exposition = Exposition(settings, review.database, FIGURES)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        deciding, reminding = partial(let_leave_for_ever, review, wakes), partial(remind_for_ever, review)
        workers = (deciding, watching.run, reminding, exposition.run)
        async with running(review.database, bus, *workers, purges=purges, wakes=wakes, operations=tasks):
            yield {ON_STOP: watching.stop}

    app = Starlette(
        routes=[
            *health_routes("review_service", review.database, bus),
            *static_mounts("review_service"),
            *pages.routes(),
        ],
        middleware=[
            Middleware(RequestLog),
            Middleware(SafetyHeaders),
            Middleware(ReadersLanguage, offered=LANGUAGES),
            Middleware(FairShare, at_once=settings.requests_per_client, refuse=web.refuse_crowd),
            Middleware(SameOrigin, refuse=web.refuse_forged),
            Middleware(BodyLimit, limit=LARGEST_FORM_BYTES, refuse=web.refuse_large),
            Middleware(UnexpectedFaults, answer=web.say_unexpected),
        ],
        exception_handlers=web.problem_handlers(),
        lifespan=lifespan,
    )
    app.state.watching = watching
    app.state.site = web.Site(review, web.templates(**pages.IN_TEMPLATES), secure=settings.secure_cookies)
    return app


def make_review(settings: Settings) -> Review:
    """What the use cases work with, as the environment says."""
    return Review(
        settings=settings,
        database=Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size),
        passwords=Passwords(settings.passwords_at_once),
        from_binding=settings.sealing_keys("KEY_BINDING_REVIEW", settings.key_binding_review),
        to_binding=settings.sealing_keys("KEY_REVIEW_BINDING", settings.key_review_binding),
        to_notify=settings.sealing_keys("KEY_REVIEW_NOTIFY", settings.key_review_notify),
        store=settings.sealing_keys("KEY_REVIEW_STORE", settings.key_review_store),
        hashes=settings.hash_keys("REVIEW_KEY_SIGN_IN", settings.key_sign_in),
        audit_keys=settings.hash_keys("REVIEW_KEY_AUDIT", settings.key_audit),
        provider=_make_provider(settings),
    )


def _make_provider(settings: Settings) -> Provider | None:
    """The OpenID provider, where there is one. Raises SettingsError."""
    settings.check_ways_in()
    if not settings.oidc_issuer:
        return None
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret.get_secret_value(),
        scopes=settings.oidc_scopes,
        public_url=settings.public_url.rstrip("/"),
    )
    return Provider(client, settings.oidc_name)
