"""Fixtures of notify's tests."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP

from integration.notify.world import MailServer, SmsServer, World, sample_keys
from notify_service.app import make_providers
from notify_service.notices import Notices
from notify_service.settings import Settings
from notify_service.use_cases import Notify
from shared.database import Database
from shared.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import timedelta

# --- databases, broker_url and clock are those of tests/conftest.py, for as long as it has none ---


@dataclass(frozen=True)
class Databases:
    """The address of a fresh database for notify's role."""

    notify: str


class Clock:
    """Moves the time that decides."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def shift(self, by: timedelta) -> None:
        """Let ``present()`` be ``by`` away from now."""
        await run_sql(
            self._databases.notify,
            "CREATE OR REPLACE FUNCTION present() RETURNS timestamptz LANGUAGE sql STABLE"
            f" AS 'SELECT now() + make_interval(secs => {by.total_seconds()})'",
        )


async def run_sql(dsn: str, statement: str) -> None:
    """Run one statement."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def databases() -> AsyncIterator[Databases]:
    """A fresh database with notify's schema."""
    superuser, name = os.environ["KINBIND_POSTGRES_URL"], f"kinbind_notify_{uuid4().hex[:12]}"
    fresh = httpx.URL(superuser).copy_with(path=f"/{name}")
    await run_sql(superuser, f"CREATE DATABASE {name}")
    try:
        await run_sql(str(fresh), "CREATE SCHEMA notify AUTHORIZATION notify")
        own = str(fresh.copy_with(username="notify", password="notify"))
        await migrate(own, "notify_service")
        yield Databases(own)
    finally:
        await run_sql(superuser, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def clock(databases: Databases) -> Clock:
    """Moves the time that decides: ``await clock.shift(timedelta(hours=1))``."""
    return Clock(databases)


@pytest.fixture
def broker_url() -> Iterator[str]:
    """The AMQP address of a fresh vhost."""
    broker, vhost = httpx.URL(os.environ["KINBIND_RABBITMQ_URL"]), f"notify-{uuid4().hex[:12]}"
    with httpx.Client(base_url=os.environ["KINBIND_RABBITMQ_MANAGEMENT_URL"]) as management:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        management.put(f"/api/vhosts/{vhost}").raise_for_status()
        management.put(f"/api/permissions/{vhost}/{broker.username}", json=everything).raise_for_status()
        yield str(broker.copy_with(path=f"/{vhost}"))
        management.delete(f"/api/vhosts/{vhost}").raise_for_status()


# --- notify and whom it talks to ---


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """A real SMTP server on a free port."""
    handler = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname="mail.example"), "127.0.0.1", 0)
    async with server:
        handler.port = server.sockets[0].getsockname()[1]
        yield handler


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
def settings(databases: Databases, broker_url: str, mail_server: MailServer, sms_server: SmsServer) -> Settings:
    """Both channels set up, to the servers above."""
    return Settings.model_validate(
        {
            "database_url": databases.notify,
            "rabbitmq_url": broker_url,
            "public_url": "https://parents.example",
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
async def world(settings: Settings, mail_server: MailServer, sms_server: SmsServer) -> AsyncIterator[World]:
    """Notify's use cases on a fresh database, between the two servers."""
    database = Database(settings.database_url.get_secret_value())
    await database.open()
    notify = Notify(
        database=database,
        notices=Notices(settings.public_url),
        from_otp=sample_keys("KEY_OTP_NOTIFY"),
        from_binding=sample_keys("KEY_BINDING_NOTIFY"),
        store=sample_keys("NOTIFY_KEY_STORE"),
        providers=make_providers(settings, database),
    )
    yield World(notify, mail_server, sms_server)
    await database.close()
