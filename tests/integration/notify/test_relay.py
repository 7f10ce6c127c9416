"""Through Debian's Postfix as the relay, to a server behind it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from notify_service.domain import Kind
from notify_service.errors import DeliveryError, NotByThisOneError, PermanentError, TechnicalError, TemporaryError
from notify_service.providers import Letter, Message
from notify_service.settings import Settings
from notify_service.smtp import Smtp
from support.certificates import Certificates, make_certificates
from support.mail_servers import Mails, mail_server
from support.postfix import Relay, postfix
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Of localhost, by an authority that nobody knows."""
    return make_certificates(tmp_path, "localhost")


@pytest.fixture
async def behind() -> AsyncIterator[Mails]:
    """The server that the relay takes mails to."""
    async with mail_server(Mails()) as mails:
        yield mails


@pytest.fixture
def silence() -> int:
    """Seconds after which Postfix ends a silent connection: longer than any of ours is, even on a slow machine."""
    return 60


@pytest.fixture
async def relay(certificates: Certificates, behind: Mails, silence: int) -> AsyncIterator[Relay]:
    """Postfix."""
    starting = postfix(certificates, behind.port, timeout=silence)
    relay = await asyncio.to_thread(starting.__enter__)
    yield relay
    await asyncio.to_thread(starting.__exit__, None, None, None)


@pytest.fixture
async def provider(relay: Relay, certificates: Certificates) -> AsyncIterator[Smtp]:
    """As the service has it: STARTTLS, and the certificate is looked at."""
    sending = make_provider(relay.port, certificates, "starttls")
    yield sending
    await sending.close()


def make_provider(port: int, certificates: Certificates, tls: str) -> Smtp:
    given = {
        "smtp_host": "localhost",
        "smtp_port": port,
        "smtp_tls": tls,
        "smtp_ca_file": str(certificates.authority),
        "smtp_from": "no-reply@bind.example",
    }
    return Smtp(Settings.model_validate(given).mail_server("smtp"))


def message(to: str = "mei.wang@example.org") -> Message:
    letter = Letter(to=to, subject="吳大寶的親子綁定已通過", text=".\n您好" + "，" * 3000, html="<p>您好</p>")
    return Message(uuid4(), Kind.APPROVED, datetime.now(UTC), letter, uuid4(), 3600)


def arrived(behind: Mails, count: int) -> Callable[[], object]:
    async def have_they() -> bool:
        return len(behind.mails) >= count

    return have_they


async def test_mails_arrive_behind_the_relay_over_one_connection_each_with_its_id_there(
    provider: Smtp, relay: Relay, behind: Mails
):
    sent = [message() for _ in range(3)]
    queued = [await provider.send(each) for each in sent]
    await eventually(arrived(behind, 3))

    ids = {mail["Message-ID"] for mail in behind.mails}
    assert ids == {f"<{each.id}@bind.example>" for each in sent}
    (first, *_) = behind.mails
    text = first.get_body(("plain",))
    assert text
    assert text.get_content().replace("\r\n", "\n").rstrip("\n") == sent[0].letter.text
    assert first["Subject"] == sent[0].letter.subject
    assert all(
        f"{id_}: message-id=<{each.id}@bind.example>" in relay.log() for id_, each in zip(queued, sent, strict=True)
    )
    assert relay.connections() == 1


@pytest.mark.parametrize("silence", [3])
async def test_a_connection_that_the_relay_has_ended_is_replaced_and_no_mail_is_lost(
    provider: Smtp, relay: Relay, behind: Mails
):
    await provider.send(message())

    async def hung_up() -> bool:
        return "timeout after" in relay.log()

    await eventually(hung_up)
    await provider.send(message())
    await eventually(arrived(behind, 2))
    assert (len(behind.mails), relay.connections()) == (2, 2)


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ("nobody@example.org", PermanentError),
        ("greylisted@example.org", TemporaryError),
        ("elsewhere@example.net", NotByThisOneError),
    ],
)
async def test_its_refusals_are_told_apart_and_the_next_mail_goes(
    provider: Smtp, relay: Relay, behind: Mails, to: str, kind: type[DeliveryError]
):
    with pytest.raises(DeliveryError) as caught:
        await provider.send(message(to))
    assert type(caught.value) is kind

    await provider.send(message())
    await eventually(arrived(behind, 1))
    assert relay.connections() == 1


async def test_tls_from_the_first_byte(relay: Relay, certificates: Certificates, behind: Mails):
    sending = make_provider(relay.port_tls, certificates, "tls")
    await sending.send(message())
    await sending.close()
    await eventually(arrived(behind, 1))


async def test_a_relay_whose_certificate_nobody_vouches_for_gets_nothing(relay: Relay, behind: Mails):
    given = {"smtp_host": "localhost", "smtp_port": relay.port}
    sending = Smtp(Settings.model_validate(given).mail_server("smtp"))
    with pytest.raises(TechnicalError, match="SSLCertVerificationError"):
        await sending.send(message())
    assert behind.mails == []
