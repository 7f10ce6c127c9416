"""A mail server as others wrote it (aiosmtpd), and all that may go wrong with one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from notify_service import smtp, smtp_connections
from notify_service.domain import Kind
from notify_service.errors import (
    DeliveryError,
    NotByThisOneError,
    PermanentError,
    TechnicalError,
    TemporaryError,
    UnknownOutcomeError,
)
from notify_service.providers import Letter, Message
from notify_service.settings import Settings
from notify_service.smtp import Smtp
from support.certificates import Certificates, make_certificates
from support.mail_servers import PASSWORD, USER, Mails, mail_server
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiosmtpd.smtp import SMTP, Envelope, Session

pytestmark = pytest.mark.filterwarnings(
    # aiosmtpd's transports of connections that a test cuts.
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Of localhost, by an authority that nobody knows."""
    return make_certificates(tmp_path, "localhost")


@pytest.fixture
async def provider() -> AsyncIterator[Callable[..., Smtp]]:
    """Makes providers of a server on this machine; they are closed in the end."""
    made: list[Smtp] = []

    def make(mails: Mails, **settings: object) -> Smtp:
        given = {"smtp_host": "localhost", "smtp_port": mails.port, "smtp_tls": "none"} | settings
        made.append(Smtp(Settings.model_validate(given).mail_server("smtp")))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def message(**letter: str) -> Message:
    """A made-up parent's."""
    written = Letter(
        **({"to": "mei.wang@example.org", "subject": "已核准", "text": "您好\n", "html": "<p>您好</p>"} | letter)
    )
    return Message(uuid4(), Kind.APPROVED, datetime.now(UTC), written, uuid4(), 3600)


async def refused(sending: object) -> DeliveryError:
    """What a send was refused with."""
    with pytest.raises(DeliveryError) as caught:
        await sending  # type: ignore[misc] # a coroutine
    return caught.value


# --- connections ---


async def test_mails_go_over_one_connection_which_ends_by_itself_after_a_while(
    provider: Callable[..., Smtp], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(smtp_connections, "KEPT_SECONDS", 0.3)
    async with mail_server(Mails()) as mails:
        sending = provider(mails)
        for _ in range(3):
            assert await sending.send(message()) == "4XyZ2k"
        assert (len(mails.mails), len(mails.sessions)) == (3, 1)
        (session,) = mails.sessions

        async def is_over() -> bool:
            return session.transport is None or session.transport.is_closing()

        await eventually(is_over)
        await sending.send(message())
        assert (len(mails.mails), len(mails.sessions)) == (4, 2)


async def in_turn(sending: Smtp) -> None:
    """As the delivery worker sends."""
    async with sending.turn():
        await sending.send(message())


async def test_as_many_connections_as_the_settings_allow(provider: Callable[..., Smtp]):
    async with mail_server(Mails()) as mails:
        sending = provider(mails, smtp_connections=2)
        await asyncio.gather(*(in_turn(sending) for _ in range(9)))
        assert (len({mail["Message-ID"] for mail in mails.mails}), len(mails.sessions)) == (9, 2)


async def test_waiting_for_a_connection_of_ours_is_not_the_servers_slowness(
    provider: Callable[..., Smtp], monkeypatch: pytest.MonkeyPatch
):
    class Leisurely(Mails):
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
            await asyncio.sleep(0.3)
            return await super().handle_DATA(server, session, envelope)

    monkeypatch.setattr(smtp, "ASKING_SECONDS", 2)
    async with mail_server(Leisurely()) as mails:
        sending = provider(mails, smtp_connections=1)
        await asyncio.gather(*(in_turn(sending) for _ in range(10)))
        assert (len(mails.mails), len(mails.sessions)) == (10, 1)


async def test_a_connection_that_died_unnoticed_is_replaced_and_no_mail_is_lost_or_doubled(
    provider: Callable[..., Smtp],
):
    mails = Mails()
    async with mail_server(mails) as mails:
        sending = provider(mails)
        await sending.send(message())
        port = mails.port
    async with mail_server(mails, port=port):
        await sending.send(message())
    assert len({mail["Message-ID"] for mail in mails.mails}) == len(mails.mails) == 2


@pytest.mark.parametrize(
    "trouble", [{"drops_at": "RSET"}, {"hangs_at": "RSET"}, {"answers": {"RSET": ["421 too long idle"]}}]
)
async def test_a_connection_that_is_not_well_any_more_is_replaced(
    provider: Callable[..., Smtp], monkeypatch: pytest.MonkeyPatch, trouble: dict[str, object]
):
    monkeypatch.setattr(smtp_connections, "ALIVE_SECONDS", 0.3)
    async with mail_server(Mails()) as mails:
        sending = provider(mails)
        await sending.send(message())
        vars(mails).update(trouble)
        await sending.send(message())
        assert (len(mails.mails), len(mails.sessions)) == (2, 2)


async def test_a_refused_mail_leaves_the_connection_as_good_as_before(provider: Callable[..., Smtp]):
    async with mail_server(Mails(answers={"RCPT": ["550 5.1.1 no such user"], "DATA": ["554 spam"]})) as mails:
        sending = provider(mails)
        for _ in range(2):
            assert isinstance(await refused(sending.send(message())), PermanentError)
        await sending.send(message())
        assert (len(mails.mails), len(mails.sessions)) == (1, 1)


# --- refusals ---


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"MAIL": ["451 4.3.0 busy"]}, TechnicalError),
        ({"MAIL": ["550 5.7.1 not you"]}, TechnicalError),
        ({"RCPT": ["450 4.2.0 greylisted"]}, TemporaryError),
        ({"RCPT": ["550 5.1.1 no such user"]}, PermanentError),
        ({"RCPT": ["554 5.7.1 Relay access denied"]}, NotByThisOneError),
        ({"RCPT": ["421 4.3.2 shutting down"]}, TechnicalError),
        ({"DATA": ["451 4.7.1 try again later"]}, TemporaryError),
        ({"DATA": ["452 4.3.1 no space"]}, TechnicalError),
        ({"DATA": ["554 5.6.0 contents refused"]}, PermanentError),
    ],
)
async def test_refusals_are_told_apart(
    provider: Callable[..., Smtp], answers: dict[str, list[str]], kind: type[DeliveryError]
):
    async with mail_server(Mails(answers=answers)) as mails:
        assert type(await refused(provider(mails).send(message()))) is kind
        assert mails.mails == []


@pytest.mark.parametrize("trouble", ["hangs_at", "drops_at"])
@pytest.mark.parametrize(
    ("command", "kind"), [("MAIL", TechnicalError), ("RCPT", TechnicalError), ("DATA", UnknownOutcomeError)]
)
async def test_a_server_that_falls_silent_or_goes_away_may_have_the_mail_only_after_its_contents(
    provider: Callable[..., Smtp],
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    command: str,
    kind: type[DeliveryError],
):
    async with mail_server(Mails()) as mails:
        sending = provider(mails)
        # So the limit below is for the commands alone: who was not connected by then would have handed over nothing.
        await sending.send(message())
        vars(mails)[trouble] = command
        monkeypatch.setattr(smtp, "ASKING_SECONDS", 2)
        assert type(await refused(sending.send(message()))) is kind


async def test_a_mail_that_was_taken_before_the_server_went_away_is_not_known_to_be(provider: Callable[..., Smtp]):
    async with mail_server(Mails(drops_at="DATA", after_taking=True)) as mails:
        assert type(await refused(provider(mails).send(message()))) is UnknownOutcomeError
        assert len(mails.mails) == 1


async def test_a_server_that_is_not_there(provider: Callable[..., Smtp]):
    fault = await refused(provider(Mails(port=1)).send(message()))
    assert (type(fault), fault.reason) == (TechnicalError, "SMTPConnectError ConnectionRefusedError")


# --- TLS and sign-in ---


async def test_starttls_by_an_authority_that_is_named(provider: Callable[..., Smtp], certificates: Certificates):
    async with mail_server(Mails(), starttls=certificates.server_context(), require_starttls=True) as mails:
        sending = provider(mails, smtp_tls="starttls", smtp_ca_file=str(certificates.authority))
        for _ in range(2):
            await sending.send(message())
        assert (len(mails.mails), len(mails.sessions)) == (2, 1)


async def test_tls_by_an_authority_that_is_named(provider: Callable[..., Smtp], certificates: Certificates):
    async with mail_server(Mails(), tls=certificates.server_context()) as mails:
        await provider(mails, smtp_tls="tls", smtp_ca_file=str(certificates.authority)).send(message())
        assert len(mails.mails) == 1


async def test_the_authorities_of_ssl_cert_file_are_believed(
    provider: Callable[..., Smtp], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    async with mail_server(Mails(), starttls=certificates.server_context()) as mails:
        await provider(mails, smtp_tls="starttls").send(message())
        assert len(mails.mails) == 1


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_of_nobodys_gets_no_mail(
    provider: Callable[..., Smtp], certificates: Certificates, tls: str
):
    context = certificates.server_context()
    async with mail_server(Mails(), **{tls: context}) as mails:  # type: ignore[arg-type] # one of its two
        fault = await refused(provider(mails, smtp_tls=tls).send(message()))
        assert type(fault) is TechnicalError
        assert "SSLCertVerificationError" in fault.reason
        assert mails.mails == []


async def test_a_certificate_of_another_name_gets_no_mail(provider: Callable[..., Smtp], tmp_path: Path):
    other = make_certificates(tmp_path, "mail.example")
    async with mail_server(Mails(), starttls=other.server_context()) as mails:
        sending = provider(mails, smtp_tls="starttls", smtp_ca_file=str(other.authority))
        assert "SSLCertVerificationError" in (await refused(sending.send(message()))).reason
        assert mails.mails == []


@pytest.mark.parametrize(("password", "is_right"), [(PASSWORD, True), ("wrong", False)])
async def test_signing_in(
    provider: Callable[..., Smtp],
    certificates: Certificates,
    password: str,
    is_right: bool,  # noqa: FBT001 - a parameter of the test
):
    mails = Mails()
    options = {"auth_required": True, "authenticator": mails.authenticate}
    async with mail_server(mails, starttls=certificates.server_context(), **options):
        sending = provider(
            mails,
            smtp_tls="starttls",
            smtp_ca_file=str(certificates.authority),
            smtp_user=USER,
            smtp_password=password,
        )
        if is_right:
            await sending.send(message())
        else:
            fault = await refused(sending.send(message()))
            assert (type(fault), fault.reason) == (TechnicalError, "SMTPAuthenticationError 535")
        assert len(mails.mails) == int(is_right)


async def test_a_server_that_wants_a_sign_in_that_we_lack_is_a_matter_of_settings(
    provider: Callable[..., Smtp], certificates: Certificates
):
    mails = Mails()
    options = {"auth_required": True, "authenticator": mails.authenticate}
    async with mail_server(mails, starttls=certificates.server_context(), **options):
        sending = provider(mails, smtp_tls="starttls", smtp_ca_file=str(certificates.authority))
        assert type(await refused(sending.send(message()))) is TechnicalError
        assert mails.mails == []


async def test_a_hundred_mails_cost_one_handshake(provider: Callable[..., Smtp], certificates: Certificates):
    async with mail_server(Mails(), starttls=certificates.server_context()) as mails:
        sending = provider(mails, smtp_tls="starttls", smtp_ca_file=str(certificates.authority), smtp_connections=1)
        for _ in range(100):
            await sending.send(message())
        assert (len(mails.mails), len(mails.sessions)) == (100, 1)
