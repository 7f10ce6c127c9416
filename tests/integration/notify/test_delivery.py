"""From an event to what a mail server or an SMS provider gets."""

from __future__ import annotations

import asyncio
import time
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import web

from integration.notify.world import (
    CODE,
    MOBILE,
    PARENT,
    REASON,
    TEACHER,
    Scripted,
    World,
    in_language,
    make_account,
    make_application,
    make_approval,
    make_code,
    make_refusal,
    make_reminder,
    make_revocation,
    make_withdrawal,
)
from notify_service import sending, storage
from notify_service.delivery import Delivery
from notify_service.domain import FOR_A_NOTICE
from notify_service.errors import TechnicalError
from notify_service.providers import Provider, Route
from notify_service.smtp import Smtp
from shared.events import ReviewReminderDue
from shared.logs import correlation_id
from shared.sealing import SealingKeys
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from collections.abc import Callable

    from notify_service.providers import Message
    from notify_service.settings import Settings
    from shared.events import Event, Language
    from support.databases import Clock


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_code, CODE),
        (make_application, "K26-000123"),
        (make_approval, "通過了"),
        (make_refusal, REASON),
        (make_withdrawal, "取消"),
        (make_account, "最後六碼"),
        (make_revocation, REASON),
        (partial(make_reminder, "digest"), "五年一班：2 件"),
        (
            partial(make_reminder, "digest", waiting=5, objections=2, objections_since="2025-11-20T01:05:00Z"),
            "目前有 3 件",
        ),
        (partial(make_reminder, "reminder"), "請儘快審核"),
        (partial(make_reminder, "escalation"), "指定代理人"),
    ],
)
async def test_each_notice_goes_out_once_though_its_event_comes_twice(
    world: World, make: Callable[[], Event], says: str
):
    event = make()

    await asyncio.gather(world.hear(event), world.hear(event))
    await world.deliver_due()
    await world.deliver_due()

    (mail,) = world.mail_server.mails
    assert mail["To"] == (TEACHER if isinstance(event, ReviewReminderDue) else PARENT)
    for form in ("plain", "html"):
        body = mail.get_body((form,))
        assert body
        assert says in body.get_content()


@pytest.mark.parametrize(
    ("make", "language", "subject"),
    [
        (make_code, "en", "Your Parent–Child Link verification code"),
        (make_application, "vi", "Đã nhận được đơn liên kết phụ huynh – học sinh của Quý vị (K26-000123)"),
        (make_approval, "id", "Penautan orang tua–anak Anda disetujui"),
        (make_refusal, "vi", "Liên kết phụ huynh – học sinh của Quý vị lần này chưa được duyệt, xin xem lý do"),
        (make_withdrawal, "en", "Your parent–child link application has been cancelled"),
        (make_account, "id", "Penautan orang tua–anak disetujui, akun Anda sudah siap"),
    ],
)
async def test_a_notice_is_in_the_language_that_its_event_names(
    world: World, make: Callable[[], Event], language: Language, subject: str
):
    await world.hear(in_language(make(), language))
    await world.deliver_due()

    (mail,) = world.mail_server.mails
    assert mail["Subject"] == subject
    page = mail.get_body(("html",))
    assert page
    assert f'<html lang="{language}" dir="ltr">' in page.get_content()


async def test_an_sms_is_in_the_language_that_its_event_names(world: World):
    await world.hear(in_language(make_code("sms"), "id"))
    await world.deliver_due()

    ((_, body),) = world.sms_server.posts
    assert "kode verifikasi" in body["text"]


async def test_a_state_that_is_told_again_under_a_new_event_id_sends_nothing(world: World):
    binding = uuid4()
    await world.hear(make_withdrawal(binding))
    await world.hear(make_withdrawal(binding))
    await world.deliver_due()
    assert len(world.mail_server.mails) == 1

    await world.hear(make_withdrawal(binding, version=4))
    await world.deliver_due()
    assert len(world.mail_server.mails) == 2


async def test_what_is_told_again_to_a_service_that_is_new_sends_nothing(world: World):
    for event in (make_approval(), make_refusal(), make_withdrawal(), make_revocation()):
        data = event.data.model_copy(update={"is_replay": True, "for_notify": ""})
        assert await world.hear(event.model_copy(update={"data": data}))
    assert await world.messages() == []


async def test_a_refusal_of_a_child_that_left_is_not_put_into_the_teachers_mouth(world: World):
    refusal = make_refusal()
    data = refusal.data.model_copy(update={"left_on": date(2026, 6, 30)})
    await world.hear(refusal.model_copy(update={"data": data}))
    await world.deliver_due()
    (mail,) = world.mail_server.mails
    text = str(mail.get_body(("plain",)))
    assert "導師" not in text


async def test_a_reviewer_gets_one_of_each_kind_a_day(world: World):
    tomorrow = datetime.now(TAIPEI).date() + timedelta(days=1)
    for kind in ("digest", "reminder", "escalation"):
        await world.hear(make_reminder(kind))
        await world.hear(make_reminder(kind))
    await world.hear(make_reminder("digest", "teacher-2"))
    await world.hear(make_reminder("digest", day=tomorrow))

    kinds = [message["kind"] for message in await world.messages()]
    assert sorted(kinds) == ["digest", "digest", "digest", "escalation", "reminder"]


@pytest.mark.parametrize(("kind", "days"), [("digest", 1), ("reminder", 2), ("escalation", 2)])
async def test_a_notice_to_staff_is_worth_nothing_when_its_days_are_over(
    world: World, clock: Clock, kind: str, days: int
):
    today = datetime.now(TAIPEI).date()
    worth = make_reminder(kind, day=today - timedelta(days=days - 1))
    late = make_reminder(kind, "teacher-2", day=today - timedelta(days=days))
    await world.hear(worth)
    await world.hear(late)

    await world.deliver_due()
    assert sorted(message["state"] for message in await world.messages()) == ["dropped", "sent"]

    await world.hear(make_reminder(kind, "teacher-3"))
    await clock.shift(timedelta(days=days))
    await world.deliver_due()
    assert sorted(message["state"] for message in await world.messages()) == ["dropped", "dropped", "sent"]
    assert len(world.mail_server.mails) == 1


async def test_an_approval_that_opens_an_account_leaves_the_word_to_the_account(world: World):
    assert await world.hear(make_approval(opens_account=True))

    assert await world.messages() == []


async def test_a_temporary_failure_is_tried_again_later_as_the_same_mail(world: World, clock: Clock):
    world.mail_server.answers["RCPT"] = ["450 greylisted, come back"]
    await world.hear(make_withdrawal())

    await world.deliver_due()
    waiting = await world.message()
    assert (waiting["state"], waiting["tries"], waiting["last_error"]) == ("waiting", 1, "SMTPRecipientRefused 450")
    assert await world.deliver_due() == 0

    await clock.shift(timedelta(minutes=2))
    await world.deliver_due()

    (mail,) = world.mail_server.mails
    sent = await world.message()
    assert (sent["state"], sent["tries"], sent["provider"]) == ("sent", 2, "smtp")
    assert mail["Message-ID"] == f"<{sent['id']}@bind.example>"
    assert mail["Date"].datetime == sent["created_at"].replace(microsecond=0)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"RCPT": ["550 no such user"]}, "SMTPRecipientRefused 550"),
        ({"DATA": ["554 refused"]}, "SMTPDataError 554"),
    ],
)
async def test_a_permanent_failure_is_the_end(world: World, clock: Clock, answers: dict[str, list[str]], reason: str):
    world.mail_server.answers |= answers
    await world.hear(make_withdrawal())

    await world.deliver_due()
    await clock.shift(timedelta(days=1))
    await world.deliver_due()

    failed = await world.message()
    assert (failed["state"], failed["tries"], failed["last_error"]) == ("failed", 1, reason)
    assert failed["fault"] == "permanent"
    assert world.mail_server.mails == []


async def test_a_refused_sender_is_ours_to_mend_and_fails_no_mail(world: World):
    world.mail_server.answers["MAIL"] = ["550 relaying denied"]
    await world.hear(make_withdrawal())

    await world.deliver_due()

    waiting = await world.message()
    assert (waiting["state"], waiting["fault"]) == ("waiting", "technical")
    assert waiting["last_error"] == "SMTPSenderRefused 550"


async def test_a_server_without_starttls_gets_nothing_in_the_clear(world: World, settings: Settings):
    await world.hear(make_withdrawal())

    await world.deliver_due(email=Smtp(settings.model_copy(update={"smtp_tls": "starttls"}).mail_server("smtp")))

    assert (await world.message())["state"] == "waiting"
    assert world.mail_server.mails == []


async def test_the_last_try_is_the_end(world: World):
    world.mail_server.answers["RCPT"] = ["450 later"]
    await world.hear(make_withdrawal())
    await world.execute("UPDATE messages SET tries = $1", FOR_A_NOTICE.tries - 1)

    await world.deliver_due()

    assert (await world.message())["state"] == "failed"


async def test_an_expired_code_is_dropped(world: World, clock: Clock):
    await world.hear(make_code())
    await clock.shift(timedelta(hours=1, minutes=1))

    assert await world.deliver_due() == 0

    dropped = await world.message()
    assert (dropped["state"], dropped["tries"], dropped["letter"]) == ("dropped", 0, None)
    assert world.mail_server.mails == []


async def test_a_notice_is_dropped_after_some_days(world: World, clock: Clock):
    await world.hear(make_withdrawal())
    await clock.shift(FOR_A_NOTICE.life)

    await world.deliver_due()

    assert (await world.message())["state"] == "dropped"
    assert world.mail_server.mails == []


async def test_what_waits_is_sealed_and_gone_when_sent(world: World):
    await world.hear(make_code())
    await world.hear(make_code("sms"))
    await world.hear(make_refusal())
    await world.hear(make_reminder())

    async with world.notify.database.connection() as connection:
        for table in ("messages", "inbox", "outbox", "mailbox"):
            stored = str(await connection.fetch(f"SELECT t::text FROM {table} AS t"))  # noqa: S608 - four names from above
            for secret in (PARENT, MOBILE, CODE, "吳大寶", "王小美", REASON, TEACHER, "陳老師"):
                assert secret not in stored
    assert all(message["letter"] for message in await world.messages())

    await world.deliver_due()

    assert {(message["state"], message["letter"]) for message in await world.messages()} == {("sent", None)}


async def test_a_letter_opens_in_its_own_row_only(world: World):
    await world.hear(make_withdrawal())
    await world.hear(make_refusal())
    await world.execute("UPDATE messages SET letter = (SELECT letter FROM messages WHERE kind = 'refused')")

    await world.deliver_due()

    assert len(world.mail_server.mails) == 1


async def test_no_two_workers_claim_the_same_message(world: World):
    for _ in range(20):
        await world.hear(make_withdrawal())

    claims = await asyncio.gather(*(world.claim(8) for _ in range(4)))

    claimed = [message["id"] for claim in claims for message in claim]
    assert len(claimed) == len(set(claimed)) == 20


async def test_a_claim_that_was_never_released_ends(world: World, clock: Clock):
    await world.hear(make_withdrawal())
    await world.claim()
    assert await world.deliver_due() == 0

    await clock.shift(sending.LEASE)
    assert await world.deliver_due() == 1

    sent = await world.message()
    # Nobody had been asked: there is nothing to be unsure of.
    assert (sent["state"], sent["tries"], sent["unsure"]) == ("sent", 2, 0)
    assert len(world.mail_server.mails) == 1


async def test_a_claim_that_the_worker_never_heard_of_is_none(world: World, monkeypatch: pytest.MonkeyPatch):
    async def go_away(*_: object) -> float:
        raise asyncpg.ConnectionDoesNotExistError

    await world.hear(make_code())
    with monkeypatch.context() as patch:
        patch.setattr(storage, "seconds_until_due", go_away)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await world.claim()
    waiting = await world.message()
    assert (waiting["claimed"], waiting["tries"]) == (False, 0)


async def test_a_code_goes_before_the_notices_that_wait(world: World):
    for _ in range(3):
        await world.hear(make_withdrawal())
    await world.hear(make_code())

    (first,) = await world.claim(1)

    assert first["kind"] == "code"


class Slow(Provider):
    """A provider that lets three messages in, and none out before it is told to go on."""

    name = "slow"

    def __init__(self) -> None:
        self.inside = self.most = self.sent = 0
        self.full, self.go_on, self.all_sent = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def send(self, message: Message) -> str:
        """Take a message, slowly."""
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside == 3:
            self.full.set()
        await self.go_on.wait()
        self.inside -= 1
        self.sent += 1
        if self.sent == 7:
            self.all_sent.set()
        return str(message.id)


async def test_a_worker_sends_several_at_once_and_no_more_than_it_may(world: World):
    for _ in range(7):
        await world.hear(make_withdrawal())
    slow = Slow()
    delivery = Delivery(world.with_providers(email=slow), concurrency=3, patience_seconds=5)
    worker = asyncio.create_task(delivery.run())

    await asyncio.wait_for(slow.full.wait(), 10)
    await delivery._start_due()
    await asyncio.sleep(0)
    slow.go_on.set()
    await asyncio.wait_for(slow.all_sent.wait(), 10)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)

    assert slow.most == 3
    assert {message["state"] for message in await world.messages()} == {"sent"}


async def test_an_outcome_waits_for_a_database_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.hear(make_withdrawal())
    (claimed,) = await world.claim()
    faults: list[Exception] = []
    connection = world.notify.database.connection

    def away() -> Any:  # noqa: ANN401 - whatever the database gives
        if faults:
            raise faults.pop()
        return connection()

    class Leaving(Scripted):
        async def send(self, message: Message) -> str:
            faults.extend([ConnectionRefusedError(), asyncpg.ConnectionDoesNotExistError()])
            return await super().send(message)

    monkeypatch.setattr(world.notify.database, "connection", away)
    monkeypatch.setattr(sending, "DATABASE_AWAY_SECONDS", 0)
    provider = Leaving("leaving")
    await sending.deliver(world.with_providers(email=provider), claimed)

    assert (len(provider.asked), faults) == (1, [])
    assert (await world.message())["state"] == "sent"


class Blink:
    """The database goes away when it is told to, for longer than the beginning of a try may take, and comes back."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._connection = world.notify.database.connection
        self._monkeypatch = monkeypatch
        self._until: float | None = 0.0
        monkeypatch.setattr(world.notify.database, "connection", self._connect)
        monkeypatch.setattr(sending, "DATABASE_AWAY_SECONDS", 0.01)

    def go(self) -> None:
        """Go away, from the next time that it is asked for."""
        self._until = None
        self._monkeypatch.setattr(sending, "BEGINNING", timedelta(seconds=0.2))

    def _connect(self) -> Any:  # noqa: ANN401 - whatever the database gives
        if self._until is None:
            self._until = time.monotonic() + 0.6
        if time.monotonic() < self._until:
            raise ConnectionRefusedError
        self._monkeypatch.setattr(sending, "BEGINNING", timedelta(minutes=1))
        return self._connection()


async def test_a_database_that_blinks_before_a_provider_is_asked_costs_a_code_no_more_than_the_blink(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    await world.hear(make_code())
    (claimed,) = await world.claim()
    provider = Scripted("email")
    world.use(email=[Route(provider)])
    Blink(world, monkeypatch).go()
    await sending.deliver(world.notify, claimed)

    waiting = await world.message()
    assert (waiting["state"], waiting["claimed"], waiting["tries"]) == ("waiting", False, 0)
    assert provider.asked == []
    await world.deliver_due()
    sent = await world.message()
    assert (sent["state"], sent["tries"], sent["unsure"]) == ("sent", 1, 0)


async def test_a_try_that_was_written_down_for_nothing_is_none_to_be_unsure_of(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The database goes away with the answer to the commit by which a provider was about to be asked."""
    ask_leave, begin_try = sending._begin_try, storage.begin_try
    await world.hear(make_code())
    (claimed,) = await world.claim()
    provider = Scripted("email")
    world.use(email=[Route(provider)])
    blink = Blink(world, monkeypatch)

    async def begin_and_go(*asked: Any) -> bool:  # noqa: ANN401 - as begin_try has it
        await begin_try(*asked)
        blink.go()
        raise asyncpg.ConnectionDoesNotExistError

    async def ask_leave_for_a_second(*asked: Any) -> None:  # noqa: ANN401 - as _begin_try has it
        monkeypatch.setattr(sending, "BEGINNING", timedelta(seconds=1))
        await ask_leave(*asked)

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_begin_try", ask_leave_for_a_second)
        patch.setattr(storage, "begin_try", begin_and_go)
        await sending.deliver(world.notify, claimed)
    assert (provider.asked, await world.tries()) == ([], [])
    await world.deliver_due()
    sent = await world.message()
    assert (sent["state"], sent["unsure"]) == ("sent", 0)


async def test_a_database_that_blinks_between_two_providers_loses_nothing_of_the_first_ones_answer(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    await world.hear(make_code())
    (claimed,) = await world.claim()
    blink = Blink(world, monkeypatch)

    class Leaving(Scripted):
        async def send(self, message: Message) -> str:
            blink.go()
            return await super().send(message)

    first, second = Leaving("first", TechnicalError("HTTP 500")), Scripted("second")
    world.use(email=[Route(first), Route(second)])
    await sending.deliver(world.notify, claimed)

    waiting = await world.message()
    assert (waiting["state"], waiting["claimed"], waiting["tries"]) == ("waiting", False, 1)
    assert (waiting["fault"], waiting["last_error"], second.asked) == ("technical", "HTTP 500", [])
    assert [(row["provider"], row["outcome"]) for row in await world.tries()] == [("first", "technical")]
    await clock.shift(timedelta(seconds=10))
    await world.deliver_due()
    sent = await world.message()
    assert (sent["state"], sent["tries"], sent["unsure"]) == ("sent", 2, 0)


async def test_a_provider_is_asked_once_though_the_answer_to_its_try_being_written_down_was_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    begin_try, lost = storage.begin_try, [asyncpg.ConnectionDoesNotExistError()]

    async def begin_and_lose(*asked: Any) -> bool:  # noqa: ANN401 - as begin_try has it
        begun = await begin_try(*asked)
        if lost:
            raise lost.pop()
        return begun

    monkeypatch.setattr(storage, "begin_try", begin_and_lose)
    monkeypatch.setattr(sending, "DATABASE_AWAY_SECONDS", 0)
    await world.hear(make_code())
    provider = Scripted("email")
    await world.deliver_due(email=provider)

    sent = await world.message()
    assert (sent["state"], sent["unsure"], len(provider.asked)) == ("sent", 0, 1)
    assert [row["outcome"] for row in await world.tries()] == ["accepted"]


async def test_a_letter_that_does_not_open_waits_and_holds_up_no_other(world: World):
    await world.hear(make_withdrawal())
    await world.execute("UPDATE messages SET letter = $1", SealingKeys({"sample": bytes(32)}).seal("{}", "messages:"))
    await world.hear(make_refusal())

    await world.deliver_due()

    first, second = await world.messages()
    assert (first["state"], first["last_error"]) == ("waiting", "UnsealError")
    assert second["state"] == "sent"
    assert len(world.mail_server.mails) == 1


async def test_a_message_is_sent_under_the_correlation_id_of_its_event(world: World):
    seen = []

    class Noting(Scripted):
        async def send(self, message: Message) -> str:
            seen.append(correlation_id())
            return await super().send(message)

    event = make_withdrawal().model_copy(update={"correlationid": "a-chain-of-causes"})
    await world.hear(event)
    await asyncio.create_task(world.deliver_due(email=Noting("noting")))

    assert seen == ["a-chain-of-causes"]


async def test_an_sms_is_posted_with_token_and_idempotency_key(world: World):
    await world.hear(make_code("sms"))
    await world.deliver_due()

    ((headers, body),) = world.sms_server.posts
    sent = await world.message()
    assert (sent["state"], sent["provider"]) == ("sent", "sms-http")
    assert headers["Authorization"] == "Bearer a token"
    assert headers["Idempotency-Key"] == str(sent["id"])
    assert body["to"] == MOBILE
    assert body["sender"] == "Kinbind"
    assert body["text"].startswith(f"{CODE} ")


async def test_an_sms_provider_that_is_busy_is_asked_again_with_the_same_key(world: World, clock: Clock):
    world.sms_server.answers = [web.Response(status=503)]
    await world.hear(make_code("sms"))
    await world.deliver_due()
    assert (await world.message())["last_error"] == "HTTP 503"

    await clock.shift(timedelta(seconds=10))
    await world.deliver_due()

    first, second = (headers["Idempotency-Key"] for headers, _ in world.sms_server.posts)
    assert first == second
    assert (await world.message())["state"] == "sent"


async def test_an_sms_that_the_provider_refuses_has_failed(world: World):
    world.sms_server.answers = [web.Response(status=422)]
    await world.hear(make_code("sms"))
    await world.deliver_due()

    failed = await world.message()
    assert (failed["state"], failed["last_error"], failed["letter"]) == ("failed", "HTTP 422", None)


async def test_a_redirect_takes_the_code_nowhere(world: World):
    world.sms_server.answers = [web.Response(status=307, headers={"Location": world.sms_server.url})]
    await world.hear(make_code("sms"))
    await world.deliver_due()

    assert len(world.sms_server.posts) == 1
    assert (await world.message())["last_error"] == "HTTP 307"
