"""The notify service, put together: events in, e-mail and SMS out, and in development a mailbox page to read them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from notify_service import consumers, metrics
from notify_service.delivery import Delivery
from notify_service.figures import FIGURES
from notify_service.mailbox import Mailbox
from notify_service.notices import Notices
from notify_service.pages import mailbox_routes
from notify_service.retention import make_purges
from notify_service.smtp import Smtp
from notify_service.tasks import make_tasks
from notify_service.use_cases import Notify
from shared.bus import Bus
from shared.database import Database
from shared.exposition import Exposition
from shared.health import health_routes
from shared.service import running
from shared.web.middleware import RequestLog, SafetyHeaders

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import BaseRoute

    from notify_service.providers import Provider
    from notify_service.settings import Settings


def make_app(settings: Settings) -> Starlette:
    """The ASGI app; its lifespan runs the service's consumers and delivery worker."""
    settings.check_channels()
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    bus = Bus(
        settings.rabbitmq_url.get_secret_value(),
        "notify",
        prefetch=settings.prefetch,
        graceful_timeout=settings.shutdown_seconds,
        declares=settings.rabbitmq_declares,
    )
    providers = make_providers(settings, database)
    metrics.expect(providers)
    notify = Notify(
        database=database,
        notices=Notices(settings.public_url, settings.review_url),
        from_otp=settings.sealing_keys("KEY_OTP_NOTIFY", settings.key_otp_notify),
        from_binding=settings.sealing_keys("KEY_BINDING_NOTIFY", settings.key_binding_notify),
        from_review=settings.sealing_keys("KEY_REVIEW_NOTIFY", settings.key_review_notify),
        store=settings.sealing_keys("NOTIFY_KEY_STORE", settings.key_store),
        providers=providers,
    )
    delivery = Delivery(notify, concurrency=settings.concurrency, patience_seconds=settings.shutdown_seconds)
    consumers.subscribe(bus, notify, delivery.wake)
    exposition = Exposition(settings, database, FIGURES)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        purges, tasks = make_purges(settings), make_tasks(settings, database)
        async with running(database, bus, delivery.run, exposition.run, purges=purges, operations=tasks):
            yield

    routes: list[BaseRoute] = [*health_routes("notify_service", database, bus)]
    if any(isinstance(provider, Mailbox) for provider in providers.values()):
        routes += mailbox_routes(database)
    return Starlette(routes=routes, middleware=[Middleware(RequestLog), Middleware(SafetyHeaders)], lifespan=lifespan)


def make_providers(settings: Settings, database: Database) -> dict[str, Provider]:
    """Who takes the messages of each channel: what the settings name, else the development mailbox."""
    return {
        "email": Smtp(settings) if settings.smtp_host else Mailbox(database, "email"),
        "sms": _sms(settings) if settings.sms_url else Mailbox(database, "sms"),
    }


def _sms(settings: Settings) -> Provider:
    from notify_service.sms import Sms  # noqa: PLC0415 - an HTTP client is 8 MB that only this channel needs

    return Sms(settings)
