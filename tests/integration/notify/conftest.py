"""Fixtures of notify's tests: its use cases on a fresh database, with a mail server and an SMS provider to talk to."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP

from notify_service import use_cases
from notify_service.app import make_providers
from notify_service.notices import Notices
from notify_service.settings import Settings
from notify_service.use_cases import Notify
from shared.database import Database
from shared.events import (
    AccountOpened,
    AccountToAnnounce,
    Addressee,
    AddresseeWithReason,
    ApplicationSubmitted,
    ApplicationToAcknowledge,
    BindingApproved,
    BindingRefused,
    BindingWithdrawn,
    CodeIssued,
    CodeToSend,
    Event,
    SubmittedStudent,
)
from shared.migrations import migrate
from shared.sealing import SealingKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import datetime, timedelta
    from email.message import EmailMessage

    from aiosmtpd.smtp import Envelope, Session

PARENT = "mei.wang@example.org"
MOBILE = "+886912345678"
CODE = "049497"


# --- servers; to be had from the shared fixtures ---


@dataclass(frozen=True)
class Databases:
    """The address of a fresh database for notify's role, and for one that may do everything."""

    notify: str
    superuser: str


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


async def run_sql(dsn: str, *statements: str) -> None:
    """Run statements, each in its own transaction."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
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
        yield Databases(own, str(fresh))
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


# --- whom notify talks to ---


@dataclass
class MailServer:
    """aiosmtpd, answering as it is told to; ``mails`` is what it accepted."""

    port: int = 0
    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    sender: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802, PLR0913, PLR0917 - aiosmtpd's signature
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer MAIL FROM."""
        if self.sender:
            return self.sender.pop(0)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802, PLR0913, PLR0917 - aiosmtpd's signature
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        if self.rcpt:
            return self.rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer the end of the contents."""
        if self.data:
            return self.data.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """A real SMTP server on a free port."""
    mail_server = MailServer()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mail_server, hostname="mail.example"), "127.0.0.1", 0
    )
    async with server:
        mail_server.port = server.sockets[0].getsockname()[1]
        yield mail_server


@dataclass
class SmsServer:
    """An HTTP server in the provider's place; ``posts`` are (headers, body) of every request."""

    url: str = ""
    answers: list[web.Response] = field(default_factory=list)
    posts: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Answer as told, else accept."""
        self.posts.append((dict(request.headers), await request.json()))
        return self.answers.pop(0) if self.answers else web.json_response({"accepted": True}, status=202)


@pytest.fixture
async def sms_server() -> AsyncIterator[SmsServer]:
    """The SMS provider on a free port."""
    provider = SmsServer()
    app = web.Application()
    app.router.add_post("/messages", provider.take)
    async with TestServer(app) as server:
        provider.url = str(server.make_url("/messages"))
        yield provider


# --- notify itself ---


def sample_keys(name: str) -> SealingKeys:
    """The development key of that name."""
    return SealingKeys({"sample": hashlib.sha256(f"kinbind sample key {name}".encode()).digest()})


@pytest.fixture
def settings(databases: Databases, mail_server: MailServer, sms_server: SmsServer) -> Settings:
    """Both channels set up, to the servers above."""
    return Settings.model_validate(
        {
            "database_url": databases.notify,
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
async def database(databases: Databases) -> AsyncIterator[Database]:
    """Notify's schema, open."""
    database = Database(databases.notify)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def notify(database: Database, settings: Settings) -> Notify:
    """The use cases, sending to the servers above."""
    return Notify(
        database=database,
        notices=Notices(settings.public_url),
        from_otp=sample_keys("KEY_OTP_NOTIFY"),
        from_binding=sample_keys("KEY_BINDING_NOTIFY"),
        store=sample_keys("NOTIFY_KEY_STORE"),
        providers=make_providers(settings, database),
    )


@pytest.fixture
def deliver_due(notify: Notify) -> Callable[[], Any]:
    """One round of the delivery worker."""

    async def deliver() -> int:
        claimed, _ = await use_cases.claim_due(notify, 20)
        for row in claimed:
            await use_cases.deliver(notify, row)
        return len(claimed)

    return deliver


# --- events ---


class Events:
    """Makes the events that notify is told about, each about the same parent."""

    @staticmethod
    def code(expires_at: datetime, *, channel: str = "email") -> CodeIssued:
        """A code by e-mail or SMS."""
        contact = PARENT if channel == "email" else MOBILE
        event = CodeIssued.of("otp", uuid4(), channel=channel, language="zh-TW", expires_at=expires_at)
        return event.sealed(sample_keys("KEY_OTP_NOTIFY"), for_notify=CodeToSend(contact=contact, code=CODE))

    @staticmethod
    def application() -> ApplicationSubmitted:
        """An application for one child."""
        students = [SubmittedStudent(name="吳大寶", school="市立中正國小")]
        known = ApplicationToAcknowledge(email=PARENT, parent_name="王小美", students=students)
        event = ApplicationSubmitted.of("binding", uuid4(), number="K26-000123", language="zh-TW")
        return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=known)

    @staticmethod
    def approved(*, opens_account: bool = False) -> BindingApproved:
        """An approval, for a parent with or without an account."""
        return _ended(BindingApproved, Addressee(**_addressee()), opens_account=opens_account)

    @staticmethod
    def refused() -> BindingRefused:
        """A refusal with a reason."""
        return _ended(BindingRefused, AddresseeWithReason(**_addressee(), reason="關係與簽名不符"))

    @staticmethod
    def withdrawn(*, binding: UUID | None = None, version: int = 2) -> BindingWithdrawn:
        """A withdrawal."""
        return _ended(BindingWithdrawn, Addressee(**_addressee()), binding=binding, version=version)

    @staticmethod
    def account(first_password_until: datetime) -> AccountOpened:
        """An account that was opened."""
        event = AccountOpened.of("binding", uuid4(), language="zh-TW", first_password_until=first_password_until)
        return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=AccountToAnnounce(**_addressee()))


@pytest.fixture
def events() -> Events:
    """Makes events."""
    return Events()


def _addressee() -> dict[str, str]:
    return {"email": PARENT, "parent_name": "王小美", "student_name": "吳大寶"}


def _ended(kind: type[Any], known: Addressee, *, binding: UUID | None = None, version: int = 2, **data: object) -> Any:  # noqa: ANN401 - whichever kind was asked for
    event: Event = kind.of(
        "binding", binding or uuid4(), version=version, application_id=uuid4(), language="zh-TW", **data
    )
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=known)
