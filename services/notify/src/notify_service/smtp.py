"""E-mail through an SMTP server (RFC 5321), one connection a message."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

import aiosmtplib

from notify_service.errors import DeliveryError, NotNowError, RefusedForGoodError

if TYPE_CHECKING:
    from notify_service.providers import Message
    from notify_service.settings import Settings

SENDER_NAME = "親子綁定"
COMMAND_TIMEOUT_SECONDS = 15
QUIT_TIMEOUT_SECONDS = 2
FIRST_PERMANENT_CODE = 500


class Smtp:
    """The mail server of the settings."""

    name = "smtp"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, message: Message) -> None:
        """See :class:`notify_service.providers.Provider`."""
        client = self._client()
        try:
            await client.connect()
            await client.send_message(self.mail(message))
        except aiosmtplib.SMTPRecipientsRefused as fault:
            raise verdict(fault.recipients[0]) from None
        except (aiosmtplib.SMTPException, OSError) as fault:
            raise verdict(fault) from None
        else:
            # The message is accepted: whatever goes wrong with the farewell does not make it unsent.
            with suppress(aiosmtplib.SMTPException, OSError):
                async with asyncio.timeout(QUIT_TIMEOUT_SECONDS):
                    await client.quit()
        finally:
            client.close()

    def mail(self, message: Message) -> EmailMessage:
        """The message in RFC 5322's form, the same on every try: Message-ID and Date are those of its row."""
        mail = EmailMessage()
        address, domain = self._settings.smtp_from.rsplit("@", 1)
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["Date"] = format_datetime(message.created_at)
        mail["From"] = Address(SENDER_NAME, address, domain)
        mail["To"] = message.letter.to
        mail["Subject"] = message.letter.subject
        mail["Content-Language"] = message.letter.language
        # RFC 3834: no answering machine answers this.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.letter.text, cte="base64")
        mail.add_alternative(message.letter.html, subtype="html", cte="base64")
        return mail

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user or None,
            password=settings.smtp_password.get_secret_value() or None,
            use_tls=settings.smtp_tls == "tls",
            start_tls=settings.smtp_tls == "starttls",
            timeout=COMMAND_TIMEOUT_SECONDS,
        )


def verdict(fault: Exception) -> DeliveryError:
    """What the fault means for the message.

    Only a 5xx answer to the recipient or to the contents is the message's own fault. A 5xx answer to the sign-in, to
    the sender or to the greeting is ours to set right, and the message waits for that.
    """
    if not isinstance(fault, aiosmtplib.SMTPResponseException):
        return NotNowError(type(fault).__name__)
    reason = f"{type(fault).__name__} {fault.code}"
    about_message = isinstance(fault, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
    if about_message and fault.code >= FIRST_PERMANENT_CODE:
        return RefusedForGoodError(reason)
    return NotNowError(reason)
