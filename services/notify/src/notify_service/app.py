"""The notify service, put together: events in, e-mail and SMS out, pages for operators and developers."""

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
from notify_service.operators import tokens
from notify_service.operators.pages import operator_middleware, operator_routes
from notify_service.operators.sessions import Sessions
from notify_service.operators.use_cases import Desk
from notify_service.pages import mailbox_routes
from notify_service.providers import Route
from notify_service.receipts import receipt_routes
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
    from collections.abc import AsyncIterator, Mapping, Sequence

    from starlette.routing import BaseRoute

    from notify_service.providers import Provider
    from notify_service.settings import Settings
    from shared.events import Channel


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
    routes, limits = make_routes(settings, database), settings.limits()
    metrics.expect(routes, limits)
    notify = Notify(
        database=database,
        notices=Notices(settings.public_url, settings.review_url),
        from_otp=settings.sealing_keys("KEY_OTP_NOTIFY", settings.key_otp_notify),
        from_binding=settings.sealing_keys("KEY_BINDING_NOTIFY", settings.key_binding_notify),
        from_review=settings.sealing_keys("KEY_REVIEW_NOTIFY", settings.key_review_notify),
        store=settings.sealing_keys("NOTIFY_KEY_STORE", settings.key_store),
        routes=routes,
        limits=limits,
        keeps_failed=settings.retain_failed_days > 0,
    )
    delivery = Delivery(notify, concurrency=settings.concurrency, patience_seconds=settings.shutdown_seconds)
    consumers.subscribe(bus, notify, delivery.wake)
    exposition = Exposition(settings, database, FIGURES)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        purges, tasks = make_purges(settings), make_tasks(settings, database)
        async with running(database, bus, delivery.run, exposition.run, purges=purges, operations=tasks):
            yield
        await close(routes)

    addresses: list[BaseRoute] = [*health_routes("notify_service", database, bus), *receipt_routes(settings, database)]
    middleware = [Middleware(RequestLog), Middleware(SafetyHeaders)]
    if operators := tokens.parse(settings.operator_tokens):
        desk = Desk(database, limits, _names_of(routes), delivery.wake)
        is_secure = settings.environment == "production"
        addresses += operator_routes(desk, Sessions(database, operators), secure=is_secure)
        middleware += operator_middleware()
    if any(isinstance(route.provider, Mailbox) for of_channel in routes.values() for route in of_channel):
        addresses += mailbox_routes(database)
    return Starlette(routes=addresses, middleware=middleware, lifespan=lifespan)


def make_routes(settings: Settings, database: Database) -> dict[Channel, tuple[Route, ...]]:
    """Who takes the messages of each channel, in order: whom the settings name, else the development mailbox.

    Raises SettingsError.
    """
    return {
        channel: tuple(Route(_provider(settings, name)) for name in names) or (Route(Mailbox(database, channel)),)
        for channel, names in settings.providers().items()
    }


def _names_of(routes: Mapping[Channel, Sequence[Route]]) -> dict[str, list[str]]:
    """The providers of each channel by their names."""
    return {channel: [route.provider.name for route in of_channel] for channel, of_channel in routes.items()}


async def close(routes: Mapping[Channel, Sequence[Route]]) -> None:
    """Let go of what providers keep open."""
    for of_channel in routes.values():
        for route in of_channel:
            await route.provider.close()


def _provider(settings: Settings, name: str) -> Provider:
    """An HTTP client is 8 MB that only those who need it get."""
    if name == "mitake":
        from notify_service.mitake import Mitake  # noqa: PLC0415 - see above

        return Mitake(settings)
    if name == "twilio":
        from notify_service.twilio import Twilio  # noqa: PLC0415 - the same

        return Twilio(settings)
    if name == "sms-http":
        from notify_service.sms import Sms  # noqa: PLC0415 - the same

        return Sms(settings)
    return Smtp(settings.mail_server(name))
