"""The otp service, put together. Over HTTP it shows its health only: codes are issued and redeemed over the bus."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from otp_service import consumers
from otp_service.storage import EXPIRED
from otp_service.tasks import make_tasks
from otp_service.use_cases import Otp
from shared.bus import Bus
from shared.database import Database
from shared.exposition import Exposition
from shared.health import health_routes
from shared.service import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from otp_service.settings import Settings


def make_app(settings: Settings) -> Starlette:
    """The ASGI app; its lifespan runs the service's consumers and outbox relay."""
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
    bus = Bus(
        settings.rabbitmq_url.get_secret_value(),
        "otp",
        prefetch=settings.prefetch,
        graceful_timeout=settings.shutdown_seconds,
        declares=settings.rabbitmq_declares,
    )
    otp = Otp(
        database=database,
        policy=settings.policy(),
        sms_countries=frozenset(settings.sms_countries),
        codes=settings.hash_keys("OTP_KEY_CODES", settings.key_codes),
        from_binding=settings.sealing_keys("KEY_BINDING_OTP", settings.key_binding_otp),
        to_notify=settings.sealing_keys("KEY_OTP_NOTIFY", settings.key_otp_notify),
    )
    consumers.subscribe(bus, otp)
    exposition = Exposition(settings, database)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with running(database, bus, exposition.run, purges=EXPIRED, operations=make_tasks(settings, database)):
            yield

    return Starlette(routes=health_routes("otp_service", database, bus), lifespan=lifespan)
