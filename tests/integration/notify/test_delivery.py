"""From an event to what a mail server or an SMS provider gets."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import web

from notify_service import use_cases
from notify_service.delivery import Delivery
from notify_service.domain import FOR_A_NOTICE
from notify_service.smtp import Smtp
from shared import inbox
from shared.logs import correlation_id
from shared.sealing import SealingKeys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from notify_service.providers import Message, Provider
    from notify_service.use_cases import Notify
    from shared.events import Event

PARENT = "mei.wang@example.org"
MOBILE = "+886912345678"
CODE = "049497"
NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)

EFFECTS: dict[str, Callable[[Notify, Any, Any], Awaitable[None]]] = {
    "kinbind.otp.code-issued.v1": use_cases.send_code,
    "kinbind.binding.application-submitted.v1": use_cases.acknowledge_application,
    "kinbind.binding.approved.v1": use_cases.tell_approval,
    "kinbind.binding.refused.v1": use_cases.tell_refusal,
    "kinbind.binding.withdrawn.v1": use_cases.tell_withdrawal,
    "kinbind.binding.account-opened.v1": use_cases.announce_account,
}


async def hear(notify: Notify, event: Event) -> bool:
    """What the consumer does with an event."""
    return await inbox.once(notify.database, "notify", event, partial(EFFECTS[event.type], notify))


async def rows(notify: Notify) -> list[asyncpg.Record]:
    async with notify.database.connection() as connection:
        return await connection.fetch("SELECT * FROM messages ORDER BY created_at")


async def row(notify: Notify) -> asyncpg.Record:
    (only,) = await rows(notify)
    return only


def replaced(notify: Notify, **providers: Provider) -> Notify:
    """The same with other providers."""
    return dataclasses.replace(notify, providers={**notify.providers, **providers})


class Slow:
    """A provider that takes three messages at once, but none before it is told to go on."""

    name = "slow"

    def __init__(self) -> None:
        self.now = self.most = self.sent = 0
        self.full, self.go_on, self.all_sent = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def send(self, _message: Message) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == 3:
            self.full.set()
        await self.go_on.wait()
        self.now -= 1
        self.sent += 1
        if self.sent == 7:
            self.all_sent.set()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda events: events.code(LATER), CODE),
        (lambda events: events.application(), "K26-000123"),
        (lambda events: events.approved(), "通過了"),
        (lambda events: events.refused(), "關係與簽名不符"),
        (lambda events: events.withdrawn(), "取消"),
        (lambda events: events.account(LATER), "最後六碼"),
    ],
    ids=["code", "application", "approved", "refused", "withdrawn", "account"],
)
async def test_each_notice_goes_out_once_though_its_event_comes_twice(
    notify, mail_server, deliver_due, events, make, says
):
    event = make(events)

    await asyncio.gather(hear(notify, event), hear(notify, event))
    await deliver_due()
    await deliver_due()

    (mail,) = mail_server.mails
    assert mail["To"] == PARENT
    assert says in mail.get_body(("plain",)).get_content()
    assert says in mail.get_body(("html",)).get_content()


async def test_a_state_that_is_told_again_under_a_new_event_id_sends_nothing(notify, mail_server, deliver_due, events):
    binding = uuid4()
    await hear(notify, events.withdrawn(binding=binding))
    await hear(notify, events.withdrawn(binding=binding))
    await deliver_due()
    assert len(mail_server.mails) == 1

    await hear(notify, events.withdrawn(binding=binding, version=4))
    await deliver_due()
    assert len(mail_server.mails) == 2


async def test_an_approval_that_opens_an_account_leaves_the_word_to_the_account(notify, deliver_due, events):
    assert await hear(notify, events.approved(opens_account=True))

    assert await deliver_due() == 0
    assert await rows(notify) == []


async def test_a_temporary_failure_is_tried_again_later_as_the_same_mail(
    notify, mail_server, deliver_due, events, clock
):
    mail_server.rcpt = ["450 greylisted, come back"]
    await hear(notify, events.withdrawn())

    await deliver_due()
    waiting = await row(notify)
    assert (waiting["state"], waiting["tries"], waiting["last_error"]) == ("waiting", 1, "SMTPRecipientRefused 450")
    assert await deliver_due() == 0

    await clock.shift(timedelta(minutes=2))
    await deliver_due()

    (mail,) = mail_server.mails
    sent = await row(notify)
    assert (sent["state"], sent["tries"], sent["provider"]) == ("sent", 2, "smtp")
    assert mail["Message-ID"] == f"<{sent['id']}@bind.example>"
    assert mail["Date"].datetime == sent["created_at"].replace(microsecond=0)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [({"rcpt": ["550 no such user"]}, "SMTPRecipientRefused 550"), ({"data": ["554 refused"]}, "SMTPDataError 554")],
)
async def test_a_permanent_failure_is_the_end(notify, mail_server, deliver_due, events, clock, answers, reason):
    for command, given in answers.items():
        setattr(mail_server, command, given)
    await hear(notify, events.withdrawn())

    await deliver_due()
    await clock.shift(timedelta(days=1))
    await deliver_due()

    failed = await row(notify)
    assert (failed["state"], failed["tries"], failed["last_error"]) == ("failed", 1, reason)
    assert failed["letter"] is None
    assert mail_server.mails == []


async def test_a_refused_sender_is_ours_to_mend_and_fails_no_mail(notify, mail_server, deliver_due, events):
    mail_server.sender = ["550 relaying denied"]
    await hear(notify, events.withdrawn())

    await deliver_due()

    waiting = await row(notify)
    assert (waiting["state"], waiting["last_error"]) == ("waiting", "SMTPSenderRefused 550")


async def test_a_server_without_starttls_gets_nothing_in_the_clear(notify, settings, mail_server, events):
    strict = replaced(notify, email=Smtp(settings.model_copy(update={"smtp_tls": "starttls"})))
    await hear(notify, events.withdrawn())
    claimed, _ = await use_cases.claim_due(strict, 1)

    await use_cases.deliver(strict, claimed[0])

    assert (await row(notify))["state"] == "waiting"
    assert mail_server.mails == []


async def test_the_last_try_is_the_end(notify, mail_server, deliver_due, events):
    mail_server.rcpt = ["450 later"]
    await hear(notify, events.withdrawn())
    async with notify.database.connection() as connection:
        await connection.execute("UPDATE messages SET tries = $1", FOR_A_NOTICE.tries - 1)

    await deliver_due()

    failed = await row(notify)
    assert (failed["state"], failed["letter"]) == ("failed", None)


async def test_an_expired_code_is_dropped(notify, mail_server, deliver_due, events, clock):
    await hear(notify, events.code(LATER))
    await clock.shift(timedelta(hours=1, minutes=1))

    assert await deliver_due() == 0

    dropped = await row(notify)
    assert (dropped["state"], dropped["tries"], dropped["letter"]) == ("dropped", 0, None)
    assert mail_server.mails == []


async def test_a_notice_is_dropped_after_some_days(notify, mail_server, deliver_due, events, clock):
    await hear(notify, events.withdrawn())
    await clock.shift(FOR_A_NOTICE.life)

    await deliver_due()

    assert (await row(notify))["state"] == "dropped"
    assert mail_server.mails == []


async def test_what_waits_is_sealed_and_gone_when_sent(notify, deliver_due, events):
    await hear(notify, events.code(LATER))
    await hear(notify, events.code(LATER, channel="sms"))
    await hear(notify, events.refused())

    async with notify.database.connection() as connection:
        for table in ("messages", "inbox", "outbox", "mailbox"):
            stored = str(await connection.fetch(f"SELECT t::text FROM {table} AS t"))
            for secret in (PARENT, MOBILE, CODE, "吳大寶", "王小美", "關係與簽名不符"):
                assert secret not in stored
    assert all(message["letter"] for message in await rows(notify))

    await deliver_due()

    assert {(message["state"], message["letter"]) for message in await rows(notify)} == {("sent", None)}


async def test_no_two_workers_claim_the_same_message(notify, events):
    for _ in range(20):
        await hear(notify, events.withdrawn())

    claims = await asyncio.gather(*(use_cases.claim_due(notify, 8) for _ in range(4)))

    claimed = [message["id"] for rows_of_one, _ in claims for message in rows_of_one]
    assert len(claimed) == len(set(claimed)) == 20


async def test_a_claim_that_was_never_released_ends_and_is_counted(notify, mail_server, deliver_due, events, clock):
    await hear(notify, events.withdrawn())
    await use_cases.claim_due(notify, 1)
    assert await deliver_due() == 0

    await clock.shift(use_cases.LEASE)
    assert await deliver_due() == 1

    sent = await row(notify)
    assert (sent["state"], sent["tries"], sent["unsure"]) == ("sent", 2, 1)
    assert len(mail_server.mails) == 1


async def test_a_code_goes_before_the_notices_that_wait(notify, events):
    for _ in range(3):
        await hear(notify, events.withdrawn())
    await hear(notify, events.code(LATER))

    (first,), _ = await use_cases.claim_due(notify, 1)

    assert first["kind"] == "code"


async def test_a_worker_sends_several_at_once_and_no_more_than_it_may(notify, events):
    for _ in range(7):
        await hear(notify, events.withdrawn())
    slow = Slow()
    worker = asyncio.create_task(Delivery(replaced(notify, email=slow), concurrency=3, patience_seconds=5).run())

    await asyncio.wait_for(slow.full.wait(), 10)
    slow.go_on.set()
    await asyncio.wait_for(slow.all_sent.wait(), 10)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)

    assert slow.most == 3
    assert {message["state"] for message in await rows(notify)} == {"sent"}


async def test_an_outcome_waits_for_a_database_that_is_away(notify, mail_server, events, monkeypatch):
    await hear(notify, events.withdrawn())
    (claimed,), _ = await use_cases.claim_due(notify, 1)
    faults = [ConnectionRefusedError(), asyncpg.ConnectionDoesNotExistError()]
    connection = notify.database.connection

    def away() -> Any:
        if faults:
            raise faults.pop()
        return connection()

    monkeypatch.setattr(notify.database, "connection", away)
    monkeypatch.setattr(use_cases, "DATABASE_AWAY_SECONDS", 0)
    await use_cases.deliver(notify, claimed)

    assert len(mail_server.mails) == 1
    assert (await row(notify))["state"] == "sent"


async def test_a_letter_that_does_not_open_waits_and_holds_up_no_other(notify, mail_server, deliver_due, events):
    await hear(notify, events.withdrawn())
    async with notify.database.connection() as connection:
        other = SealingKeys({"sample": bytes(32)}).seal("{}", "messages:elsewhere")
        await connection.execute("UPDATE messages SET letter = $1", other)
    await hear(notify, events.refused())

    await deliver_due()

    first, second = await rows(notify)
    assert (first["state"], first["last_error"]) == ("waiting", "UnsealError")
    assert second["state"] == "sent"
    assert len(mail_server.mails) == 1


async def test_a_message_is_sent_under_the_correlation_id_of_its_event(notify, deliver_due, events):
    seen = []

    class Noting:
        name = "noting"

        async def send(self, _message: Message) -> None:
            seen.append(correlation_id())

    event = events.withdrawn()
    await hear(notify, event)
    claimed, _ = await use_cases.claim_due(notify, 1)
    await asyncio.create_task(use_cases.deliver(replaced(notify, email=Noting()), claimed[0]))

    assert seen == [event.correlationid]


async def test_an_sms_is_posted_with_token_and_idempotency_key(notify, sms_server, deliver_due, events):
    await hear(notify, events.code(LATER, channel="sms"))
    await deliver_due()

    ((headers, body),) = sms_server.posts
    sent = await row(notify)
    assert (sent["state"], sent["provider"]) == ("sent", "sms-http")
    assert headers["Authorization"] == "Bearer a token"
    assert headers["Idempotency-Key"] == str(sent["id"])
    assert body["to"] == MOBILE
    assert body["sender"] == "Kinbind"
    assert body["text"].startswith(f"{CODE} ")


async def test_an_sms_provider_that_is_busy_is_asked_again_with_the_same_key(
    notify, sms_server, deliver_due, events, clock
):
    sms_server.answers = [web.Response(status=503)]
    await hear(notify, events.code(LATER, channel="sms"))
    await deliver_due()
    assert (await row(notify))["last_error"] == "HTTP 503"

    await clock.shift(timedelta(seconds=10))
    await deliver_due()

    first, second = (headers["Idempotency-Key"] for headers, _ in sms_server.posts)
    assert first == second
    assert (await row(notify))["state"] == "sent"


async def test_an_sms_that_the_provider_refuses_has_failed(notify, sms_server, deliver_due, events):
    sms_server.answers = [web.Response(status=422)]
    await hear(notify, events.code(LATER, channel="sms"))
    await deliver_due()

    failed = await row(notify)
    assert (failed["state"], failed["last_error"], failed["letter"]) == ("failed", "HTTP 422", None)


async def test_a_redirect_takes_the_code_nowhere(notify, sms_server, deliver_due, events):
    sms_server.answers = [web.Response(status=307, headers={"Location": sms_server.url})]
    await hear(notify, events.code(LATER, channel="sms"))
    await deliver_due()

    assert len(sms_server.posts) == 1
    assert (await row(notify))["last_error"] == "HTTP 307"
