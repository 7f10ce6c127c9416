from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from uuid import UUID

import aiosmtplib
import pytest

from notify_service import mitake, sms, smtp, twilio
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

MESSAGE = Message(
    id=UUID("5f0c1d3e-0000-4000-8000-000000000001"),
    kind=Kind.WITHDRAWN,
    created_at=datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC),
    letter=Letter(to="mei.wang@example.org", subject="已取消吳大寶的親子綁定申請", text="您好\n", html="<p>您好</p>"),
    try_id=UUID("5f0c1d3e-0000-4000-8000-000000000002"),
    seconds_left=3600,
)
SERVER = Settings(smtp_from="no-reply@bind.example").mail_server("smtp")


def test_a_mail_is_the_same_on_every_try():
    mail = smtp.Smtp(SERVER).mail(MESSAGE)
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)

    assert read["Message-ID"] == "<5f0c1d3e-0000-4000-8000-000000000001@bind.example>"
    assert read["Date"].datetime == MESSAGE.created_at
    assert read["Subject"] == MESSAGE.letter.subject
    assert read["From"].addresses[0].display_name == "親子綁定"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content().strip() for part in read.iter_parts()] == ["您好", "<p>您好</p>"]


def test_a_mail_says_in_which_language_it_is():
    letter = MESSAGE.letter.model_copy(update={"language": "vi"})
    assert smtp.Smtp(SERVER).mail(replace(MESSAGE, letter=letter))["Content-Language"] == "vi"


def test_a_mail_s_lines_fit_any_server():
    long = Letter(to="mei.wang@example.org", subject="吳" * 300, text="說" * 5000, html=f"<p>{'說' * 5000}</p>")
    mail = smtp.Smtp(SERVER).mail(replace(MESSAGE, letter=long)).as_bytes()

    assert max(map(len, mail.splitlines())) <= 998  # RFC 5322
    assert mail.isascii()


REFUSED, DATA = aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError
TO = "x@example.org"


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (REFUSED(550, "no such user x", TO), PermanentError, "SMTPRecipientRefused 550"),
        (REFUSED(550, "5.1.1 no such user x", TO), PermanentError, "SMTPRecipientRefused 550"),
        (REFUSED(554, "5.7.1 <x@example.org>: Relay access denied", TO), NotByThisOneError, "SMTPRecipientRefused 554"),
        (REFUSED(530, "5.7.0 Authentication required", TO), TechnicalError, "SMTPRecipientRefused 530"),
        (REFUSED(450, "greylisted", TO), TemporaryError, "SMTPRecipientRefused 450"),
        (REFUSED(451, "4.7.1 greylisted, try again later", TO), TemporaryError, "SMTPRecipientRefused 451"),
        (REFUSED(452, "4.2.2 mailbox full", TO), TemporaryError, "SMTPRecipientRefused 452"),
        (REFUSED(452, "4.3.1 insufficient system storage", TO), NotByThisOneError, "SMTPRecipientRefused 452"),
        (REFUSED(421, "closing", TO), TechnicalError, "SMTPRecipientRefused 421"),
        (DATA(554, "spam"), PermanentError, "SMTPDataError 554"),
        (DATA(550, "5.7.1 spam"), PermanentError, "SMTPDataError 550"),
        (DATA(451, "4.7.1 try again later"), TemporaryError, "SMTPDataError 451"),
        (DATA(452, "full"), TechnicalError, "SMTPDataError 452"),
        (aiosmtplib.SMTPAuthenticationError(535, "bad password"), TechnicalError, "SMTPAuthenticationError 535"),
        (aiosmtplib.SMTPSenderRefused(553, "not you", "a@localhost"), TechnicalError, "SMTPSenderRefused 553"),
        (aiosmtplib.SMTPServerDisconnected("gone"), TechnicalError, "SMTPServerDisconnected"),
        (ConnectionRefusedError(), TechnicalError, "ConnectionRefusedError"),
        (TimeoutError(), TechnicalError, "TimeoutError"),
    ],
)
def test_what_an_smtp_fault_means(fault: Exception, kind: type[DeliveryError], reason: str):
    verdict = smtp.verdict(fault)

    assert type(verdict) is kind
    assert verdict.reason == reason


@pytest.mark.parametrize(
    "fault", [aiosmtplib.SMTPServerDisconnected("gone"), TimeoutError(), aiosmtplib.SMTPResponseException(-1, "?")]
)
def test_an_answer_that_is_lost_after_the_contents_leaves_it_open(fault: Exception):
    assert type(smtp.verdict(fault, handed_over=True)) is UnknownOutcomeError


def test_an_answer_to_the_contents_is_an_answer():
    assert type(smtp.verdict(DATA(554, "spam"), handed_over=True)) is PermanentError


@pytest.mark.parametrize(
    ("said", "id_"),
    [
        ("2.0.0 Ok: queued as 4XyZ2k1vB4z", "4XyZ2k1vB4z"),
        ("OK id=1rNqWk-0004Xy-2B", "1rNqWk-0004Xy-2B"),
        ("2.0.0 8f1c2a3b Message accepted for delivery", "8f1c2a3b"),
    ],
)
def test_a_servers_own_id_of_a_mail_is_found(said: str, id_: str):
    found = smtp.QUEUE_ID.search(said)
    assert found
    assert id_ in found.groups()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentError),
        (422, PermanentError),
        (401, TechnicalError),
        (403, TechnicalError),
        (404, TechnicalError),
        (409, UnknownOutcomeError),
        (429, TechnicalError),
        (302, TechnicalError),
        (500, TechnicalError),
        (503, TechnicalError),
        (502, UnknownOutcomeError),
        (504, UnknownOutcomeError),
    ],
)
def test_what_an_http_status_means(status: int, kind: type[DeliveryError]):
    assert type(sms.verdict(status)) is kind


@pytest.mark.parametrize(
    ("codes", "kind"),
    [("abcdefhklmnprsy", TechnicalError), ("tuv56789", PermanentError), ("*", UnknownOutcomeError)],
)
def test_what_mitakes_statuscodes_mean(codes: str, kind: type[DeliveryError]):
    assert {type(mitake.verdict(code)) for code in codes} == {kind}
    assert mitake.verdict(codes[0]).reason == f"Mitake {codes[0]}"


@pytest.mark.parametrize("code", ["", "0912345678", "e" * 5000, "吳", "\n", "E", "**"])
def test_an_answer_of_mitakes_without_a_statuscode_is_one_that_was_lost_and_none_of_its_text_is_kept(code: str):
    verdict = mitake.verdict(code)

    assert type(verdict) is UnknownOutcomeError
    assert verdict.reason == "Mitake without statuscode"


@pytest.mark.parametrize(
    "body",
    [
        b"[1]\r\nmsgid=#000000013\r\nstatuscode=1\r\nAccountPoint=126\r\n",
        b"msgid=000000013\nstatuscode=1",
        "[x]\r\nError=帳號\r\nmsgid=#000000013\r\nstatuscode=1\r\n".encode("big5"),
    ],
)
def test_mitakes_answer_is_read_in_whatever_it_is_written(body: bytes):
    read = mitake.parse(body)
    assert (read["msgid"].lstrip("#"), read["statuscode"]) == ("000000013", "1")


@pytest.mark.parametrize(
    ("flag", "said"),
    [("0", None), ("1", None), ("2", None), ("4", "delivered"), ("6", "undelivered"), ("8", "undelivered"), ("", None)],
)
def test_what_mitakes_receipts_say(flag: str, said: str | None):
    assert mitake.receipt(flag) == said


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (400, 21211, PermanentError, "Twilio 21211"),
        (400, 21610, PermanentError, "Twilio 21610"),
        (400, 21408, NotByThisOneError, "Twilio 21408"),
        (400, 21606, NotByThisOneError, "Twilio 21606"),
        (400, 99999, NotByThisOneError, "Twilio 99999"),
        (400, None, NotByThisOneError, "HTTP 400"),
        (401, 20003, TechnicalError, "Twilio 20003"),
        (429, 20429, TechnicalError, "Twilio 20429"),
        (404, None, TechnicalError, "HTTP 404"),
        (500, 20500, UnknownOutcomeError, "Twilio 20500"),
        (503, None, UnknownOutcomeError, "HTTP 503"),
    ],
)
def test_what_twilios_refusals_mean(status: int, code: int | None, kind: type[DeliveryError], reason: str):
    verdict = twilio.verdict(status, code)

    assert type(verdict) is kind
    assert verdict.reason == reason


def test_twilios_signature_is_that_of_its_document():
    """The example of https://www.twilio.com/docs/usage/security."""
    form = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675310"),
        ("Digits", "1234"),
        ("From", "+14158675310"),
        ("To", "+18005551212"),
    ]
    url = "https://example.com/myapp.php?foo=1&bar=2"
    right = "L/OH5YylLD5NRKLltdqwSvS0BnU="

    assert twilio.signature("12345", url, form) == right
    assert twilio.is_signed("12345", url, form[::-1], right)
    assert twilio.is_signed("12345", url.replace(".com", ".com:443"), form, right)
    assert not twilio.is_signed("12346", url, form, right)
    assert not twilio.is_signed("12345", url, form[1:], right)
    assert not twilio.is_signed("12345", url, form, "")
