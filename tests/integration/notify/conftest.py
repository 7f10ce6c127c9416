"""Fixtures of notify's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from integration.notify.world import SmsServer, World, sample_keys
from notify_service.app import close, make_routes
from notify_service.notices import Notices
from notify_service.settings import Settings
from notify_service.use_cases import Notify
from shared.database import Database
from support import mail_servers
from support.mail_servers import Mails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.databases import Databases


@pytest.fixture
async def mail_server() -> AsyncIterator[Mails]:
    """A real SMTP server on a free port."""
    async with mail_servers.mail_server(Mails()) as mails:
        yield mails


@pytest.fixture
async def sms_server() -> AsyncIterator[SmsServer]:
    """An HTTP server in the SMS provider's place, on a free port."""
    provider = SmsServer()
    app = web.Application()
    app.router.add_post("/messages", provider.take)
    async with TestServer(app) as server:
        provider.url = str(server.make_url("/messages"))
        yield provider


@pytest.fixture
def settings(databases: Databases, broker_url: str, mail_server: Mails, sms_server: SmsServer) -> Settings:
    """Both channels set up, to the servers above."""
    return Settings.model_validate(
        {
            "database_url": databases.notify,
            "rabbitmq_url": broker_url,
            "public_url": "https://parents.example",
            "review_url": "https://teachers.example",
            "smtp_host": "127.0.0.1",
            "smtp_port": mail_server.port,
            "smtp_tls": "none",
            "smtp_from": "no-reply@bind.example",
            "sms_url": sms_server.url,
            "sms_token": "a token",
            "sms_sender": "Kinbind",
        }
    )


@pytest.fixture
async def world(settings: Settings, mail_server: Mails, sms_server: SmsServer) -> AsyncIterator[World]:
    """Notify's use cases on a fresh database, between the two servers."""
    database = Database(settings.database_url.get_secret_value())
    await database.open()
    notify = Notify(
        database=database,
        notices=Notices(settings.public_url, settings.review_url),
        from_otp=sample_keys("KEY_OTP_NOTIFY"),
        from_binding=sample_keys("KEY_BINDING_NOTIFY"),
        from_review=sample_keys("KEY_REVIEW_NOTIFY"),
        store=sample_keys("NOTIFY_KEY_STORE"),
        routes=make_routes(settings, database),
        limits=settings.limits(),
        keeps_failed=True,
    )
    yield World(notify, mail_server, sms_server)
    await close(notify.routes)
    await database.close()
