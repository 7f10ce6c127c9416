from datetime import UTC, datetime
from email import message_from_bytes, policy
from uuid import UUID

import aiosmtplib
import pytest

from notify_service import sms, smtp
from notify_service.domain import Kind
from notify_service.errors import DeliveryError, NotNowError, RefusedForGoodError
from notify_service.providers import Letter, Message
from notify_service.settings import Settings

MESSAGE = Message(
    id=UUID("5f0c1d3e-0000-4000-8000-000000000001"),
    kind=Kind.WITHDRAWN,
    created_at=datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC),
    letter=Letter(to="mei.wang@example.org", subject="已取消吳大寶的親子綁定申請", text="您好\n", html="<p>您好</p>"),
)


def test_a_mail_is_the_same_on_every_try():
    mail = smtp.Smtp(Settings(smtp_from="no-reply@bind.example")).mail(MESSAGE)
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)

    assert read["Message-ID"] == "<5f0c1d3e-0000-4000-8000-000000000001@bind.example>"
    assert read["Date"].datetime == MESSAGE.created_at
    assert read["Subject"] == MESSAGE.letter.subject
    assert read["From"].addresses[0].display_name == "親子綁定"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content().strip() for part in read.iter_parts()] == ["您好", "<p>您好</p>"]


def test_a_mail_s_lines_fit_any_server():
    long = Letter(to="mei.wang@example.org", subject="吳" * 300, text="說" * 5000, html=f"<p>{'說' * 5000}</p>")
    message = Message(id=MESSAGE.id, kind=MESSAGE.kind, created_at=MESSAGE.created_at, letter=long)
    mail = smtp.Smtp(Settings()).mail(message).as_bytes()

    assert max(map(len, mail.splitlines())) <= 998  # RFC 5322
    assert mail.isascii()


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (
            aiosmtplib.SMTPRecipientRefused(550, "no such user x", "x@example.org"),
            RefusedForGoodError,
            "SMTPRecipientRefused 550",
        ),
        (aiosmtplib.SMTPRecipientRefused(450, "greylisted", "x@example.org"), NotNowError, "SMTPRecipientRefused 450"),
        (aiosmtplib.SMTPDataError(554, "spam"), RefusedForGoodError, "SMTPDataError 554"),
        (aiosmtplib.SMTPDataError(452, "full"), NotNowError, "SMTPDataError 452"),
        (aiosmtplib.SMTPAuthenticationError(535, "bad password"), NotNowError, "SMTPAuthenticationError 535"),
        (aiosmtplib.SMTPSenderRefused(553, "not you", "no-reply@localhost"), NotNowError, "SMTPSenderRefused 553"),
        (aiosmtplib.SMTPServerDisconnected("gone"), NotNowError, "SMTPServerDisconnected"),
        (ConnectionRefusedError(), NotNowError, "ConnectionRefusedError"),
    ],
)
def test_what_an_smtp_fault_means(fault: Exception, kind: type[DeliveryError], reason: str):
    verdict = smtp.verdict(fault)

    assert type(verdict) is kind
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedForGoodError),
        (422, RefusedForGoodError),
        (401, NotNowError),
        (403, NotNowError),
        (404, NotNowError),
        (429, NotNowError),
        (302, NotNowError),
        (500, NotNowError),
        (503, NotNowError),
    ],
)
def test_what_an_http_status_means(status: int, kind: type[DeliveryError]):
    assert type(sms.verdict(status)) is kind
