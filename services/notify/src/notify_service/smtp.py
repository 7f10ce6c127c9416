"""E-mail through an SMTP server (RFC 5321), which signs it (DKIM) and takes it from there."""

from __future__ import annotations

import asyncio
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import TYPE_CHECKING

import aiosmtplib

from notify_service.errors import (
    DeliveryError,
    NotByThisOneError,
    PermanentError,
    TechnicalError,
    TemporaryError,
    UnknownOutcomeError,
)
from notify_service.providers import ASKING_SECONDS, Provider
from notify_service.smtp_connections import FAULTS, FIRST_REFUSAL, Connections

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from notify_service.providers import Message
    from notify_service.settings import MailServer

SENDER_NAME = "親子綁定"
COMMAND_TIMEOUT_SECONDS = 15
FIRST_PERMANENT_CODE = 500
#: The server closes the connection, or wants to be signed in to, or signed in to anew: whatever it was asked.
OURS_TO_MEND = frozenset({421, 530, 534, 535, 538})
#: Its disk is full. To a recipient the same code says that the mailbox is, or that the next one has to wait.
NO_STORAGE = 452
#: RFC 3463: what the server itself lacks (x.3.x), and what it does not let us do (x.7.x).
ENHANCED = re.compile(r"^[45]\.(\d{1,3})\.\d{1,3}\b")
SYSTEM, POLICY = "3", "7"
#: What Postfix, Exim and OpenSMTPD call the mail in their own logs.
QUEUE_ID = re.compile(r"queued as ([\w.-]+)|\bid=([\w.-]+)|\b([0-9a-f]{8,}) Message accepted", re.IGNORECASE)


class Smtp(Provider):
    """A mail server of the settings, which call it ``name``."""

    def __init__(self, server: MailServer) -> None:
        self.name = server.name
        self._server = server
        self._tls = server.tls_context()
        self._room = asyncio.Semaphore(server.connections)
        self._connections = Connections(self._client)

    def turn(self) -> AbstractAsyncContextManager[object]:
        """See :class:`notify_service.providers.Provider`."""
        return self._room

    async def send(self, message: Message) -> str:
        """See :class:`notify_service.providers.Provider`."""
        mail = self.mail(message).as_bytes(policy=SMTP_POLICY)
        handed_over = False
        try:
            async with asyncio.timeout(ASKING_SECONDS), self._connections.one() as client:
                await client.mail(self._server.sender)
                await client.rcpt(message.letter.to)
                handed_over = True
                answer = await client.data(mail)
        except FAULTS as fault:
            raise verdict(fault, handed_over=handed_over) from None
        queued = QUEUE_ID.search(answer.message)
        return next(filter(None, queued.groups())) if queued else ""

    async def close(self) -> None:
        """End the connections that nobody uses."""
        await self._connections.close()

    def mail(self, message: Message) -> EmailMessage:
        """The message in RFC 5322's form, the same on every try: Message-ID and Date are those of its row."""
        mail = EmailMessage()
        address, domain = self._server.sender.rsplit("@", 1)
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["Date"] = format_datetime(message.created_at)
        mail["From"] = Address(SENDER_NAME, address, domain)
        mail["To"] = message.letter.to
        mail["Subject"] = message.letter.subject
        # RFC 3834: no answering machine answers this.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.letter.text, cte="base64")
        mail.add_alternative(message.letter.html, subtype="html", cte="base64")
        # Last: contents that are set take such headers away.
        mail["Content-Language"] = message.letter.language
        return mail

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            tls_context=self._tls,
            timeout=COMMAND_TIMEOUT_SECONDS,
        )


def verdict(fault: Exception, *, handed_over: bool = False) -> DeliveryError:
    """What the fault means for the message.

    Only an answer to the recipient or to the contents is about the message. What is said to the greeting, the sign-in
    or the sender is ours, or the server's, to set right. ``handed_over``: the contents were on their way, so an answer
    that never came may have been a good one.

    Even where an answer to the recipient says that the server is at fault ("Relay access denied"), it need not be for
    others: some servers pass on what the recipient's own one said.
    """
    if not isinstance(fault, aiosmtplib.SMTPResponseException) or fault.code < FIRST_REFUSAL:
        return (UnknownOutcomeError if handed_over else TechnicalError)(_name_of(fault))
    reason = f"{type(fault).__name__} {fault.code}"
    about_message = isinstance(fault, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
    if not about_message or fault.code in OURS_TO_MEND:
        return TechnicalError(reason)
    if _is_about_the_server(fault):
        to_recipient = isinstance(fault, aiosmtplib.SMTPRecipientRefused)
        return (NotByThisOneError if to_recipient else TechnicalError)(reason)
    return (PermanentError if fault.code >= FIRST_PERMANENT_CODE else TemporaryError)(reason)


def _is_about_the_server(fault: aiosmtplib.SMTPResponseException) -> bool:
    """Whether an answer to recipient or contents says that this server, or our standing with it, is at fault."""
    said = ENHANCED.match(fault.message)
    subject = said[1] if said else ""
    if subject == SYSTEM:
        return True
    if isinstance(fault, aiosmtplib.SMTPDataError):
        return fault.code == NO_STORAGE
    # "Relay access denied". Of the contents it would be what the server thinks of them.
    return subject == POLICY and fault.code >= FIRST_PERMANENT_CODE


def _name_of(fault: Exception) -> str:
    """The fault's name, with what is behind a connection that failed: an unknown name, a certificate, a closed port."""
    cause = fault.__cause__ if isinstance(fault, aiosmtplib.SMTPConnectError) else None
    return f"{type(fault).__name__} {type(cause).__name__}" if cause is not None else type(fault).__name__
