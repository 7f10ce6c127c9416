"""Several providers a channel: who is asked when, what is written down, and what may go out twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from integration.notify.world import (
    MOBILE,
    PARENT,
    Scripted,
    World,
    make_approval,
    make_code,
    make_forgotten,
    make_withdrawal,
)
from notify_service import circuits, sending, storage
from notify_service.circuits import LONGEST_OPEN_SECONDS, OPEN_SECONDS, OPENS_AFTER, Circuit
from notify_service.domain import FOR_A_NOTICE, Kind
from notify_service.errors import NotByThisOneError, PermanentError, TechnicalError, TemporaryError, UnknownOutcomeError
from notify_service.operators import storage as operators
from notify_service.operators.use_cases import lives
from notify_service.providers import Route
from notify_service.retention import make_purges
from shared.metrics import REGISTRY
from shared.purging import purge
from support.clocks import Time
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from notify_service.errors import DeliveryError
    from notify_service.providers import Message
    from notify_service.settings import Settings
    from shared.events import Event
    from support.databases import Clock


class Asleep(Scripted):
    """Answers as it was told, but only once it is woken."""

    def __init__(self, *answers: DeliveryError | None) -> None:
        super().__init__("asleep", *answers)
        self.is_asked, self.is_awake = asyncio.Event(), asyncio.Event()

    async def send(self, message: Message) -> str:
        """Sleep first."""
        self.is_asked.set()
        await self.is_awake.wait()
        return await super().send(message)


def use(world: World, *providers: Scripted, time: Time | None = None) -> None:
    """Let both channels go by these."""
    routes = [Route(provider, Circuit(time or Time())) for provider in providers]
    world.use(email=routes, sms=routes)


def counted(name: str, **labels: str) -> float:
    """What the process has counted so far."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def outcomes(world: World) -> list[tuple[str, str | None]]:
    """Whom was asked, and what came of it, oldest first."""
    return [(row["provider"], row["outcome"]) for row in await world.tries()]


# --- along the providers ---


@pytest.mark.parametrize("make", [make_code, make_approval])
async def test_what_is_the_providers_own_fault_goes_to_the_next_at_once(world: World, make: Callable[[], Event]):
    first, second = Scripted("first", TechnicalError("HTTP 500")), Scripted("second")
    use(world, first, second)
    kind = "code" if make is make_code else "approved"
    passed_on = {"kind": kind, "channel": "email", "provider": "first", "outcome": "passed_on"}
    before = counted("kinbind_messages_total", **passed_on)
    await world.hear(make())
    await world.deliver_due()

    sent = await world.message()
    assert (sent["state"], sent["provider"], sent["tries"], sent["unsure"]) == ("sent", "second", 1, 0)
    assert await outcomes(world) == [("first", "technical"), ("second", "accepted")]
    assert [row["reason"] for row in await world.tries()] == ["HTTP 500", None]
    assert (await world.tries())[1]["provider_id"] == "second-1"
    assert counted("kinbind_messages_total", **passed_on) == before + 1
    assert first.asked[0].id == second.asked[0].id
    assert first.asked[0].try_id != second.asked[0].try_id


async def test_what_the_recipients_side_asks_to_wait_for_goes_to_nobody_else(world: World, clock: Clock):
    first, second = Scripted("first", TemporaryError("450")), Scripted("second")
    use(world, first, second)
    await world.hear(make_code())
    await world.deliver_due()

    waiting = await world.message()
    assert (waiting["state"], waiting["fault"], waiting["last_error"]) == ("waiting", "temporary", "450")
    assert second.asked == []
    await clock.shift(timedelta(seconds=10))
    await world.deliver_due()
    assert len(first.asked) == 2
    assert (await world.message())["state"] == "sent"


async def test_what_is_refused_for_good_goes_to_nobody_else(world: World):
    first, second = Scripted("first", PermanentError("550")), Scripted("second")
    use(world, first, second)
    await world.hear(make_approval())
    await world.deliver_due()

    failed = await world.message()
    assert (failed["state"], failed["fault"], failed["provider"]) == ("failed", "permanent", "first")
    assert second.asked == []


async def test_where_each_fails_the_message_waits_and_every_try_is_written_down(world: World):
    use(world, *(Scripted(name, TechnicalError(name)) for name in "abc"))
    await world.hear(make_code())
    await world.deliver_due()

    waiting = await world.message()
    assert (waiting["state"], waiting["tries"], waiting["last_error"]) == ("waiting", 1, "c")
    assert await outcomes(world) == [(name, "technical") for name in "abc"]


async def test_a_fault_of_an_adapters_own_is_the_next_providers_chance(world: World):
    class Broken(Scripted):
        async def send(self, message: Message) -> str:
            raise KeyError(message.letter.to)

    use(world, Broken("broken"), Scripted("second"))
    await world.hear(make_code())
    await world.deliver_due()

    assert (await world.message())["provider"] == "second"
    assert [row["reason"] for row in await world.tries()] == ["KeyError", None]


async def test_a_number_that_no_provider_serves_has_failed(world: World):
    use(world, Scripted("home", only="+81"))
    await world.hear(make_code("sms"))
    await world.deliver_due()

    failed = await world.message()
    assert (failed["state"], failed["last_error"]) == ("failed", "NoProviderForCountry")


# --- circuits ---


async def test_a_provider_that_failed_several_times_is_left_alone_until_a_probe_finds_it_well(world: World):
    time = Time()
    first = Scripted("first", *[TechnicalError("away")] * OPENS_AFTER)
    second = Scripted("second")
    use(world, first, second, time=time)
    for _ in range(OPENS_AFTER + 2):
        await world.hear(make_withdrawal())
        await world.deliver_due()
    assert (len(first.asked), len(second.asked)) == (OPENS_AFTER, OPENS_AFTER + 2)

    time.now += OPEN_SECONDS
    await world.hear(make_withdrawal())
    await world.deliver_due()
    await world.hear(make_withdrawal())
    await world.deliver_due()
    assert (len(first.asked), len(second.asked)) == (OPENS_AFTER + 2, OPENS_AFTER + 2)


async def test_while_every_circuit_of_a_channel_is_open_only_probes_are_claimed_from_its_heap(
    world: World, clock: Clock
):
    time = Time()
    only, others = Scripted("only", *[TechnicalError("away")] * 20), Scripted("sms")
    world.use(email=[Route(only, Circuit(time))], sms=[Route(others)])
    for _ in range(30):
        await world.hear(make_withdrawal())
    for row in await world.claim(OPENS_AFTER):
        await sending.deliver(world.notify, row)
    circuit = world.notify.routes["email"][0].circuit
    await world.hear(make_code("sms"))
    claimed, seconds = await sending.claim_due(world.notify, 20)
    assert ([row["channel"] for row in claimed], seconds and 0 < seconds <= OPEN_SECONDS) == (["sms"], True)
    await sending.deliver(world.notify, claimed[0])

    for period in range(1, 5):
        time.now += circuit.opens_in
        await clock.shift(timedelta(minutes=period))
        (probe,) = await world.claim()
        await sending.deliver(world.notify, probe)
        assert await world.claim() == []
    assert len(only.asked) == OPENS_AFTER + 4
    only.answers.clear()
    time.now += circuit.opens_in
    assert await world.deliver_due() == 1
    await clock.shift(timedelta(hours=1))
    while await world.deliver_due():
        pass
    assert {row["state"] for row in await world.messages()} == {"sent"}


async def test_what_the_second_did_not_take_goes_as_soon_as_the_first_is_well_again(world: World, clock: Clock):
    time = Time()
    first = Scripted("first", *[TechnicalError("away")] * OPENS_AFTER)
    use(world, first, Scripted("second", *[NotByThisOneError("554")] * OPENS_AFTER), time=time)
    for _ in range(OPENS_AFTER):
        await world.hear(make_withdrawal())
        await world.deliver_due()
    assert {(row["state"], row["fault"]) for row in await world.messages()} == {("waiting", "declined")}
    # As after many tries.
    await world.execute("UPDATE messages SET due_at = present() + interval '4 hours'")
    time.now += OPEN_SECONDS
    await world.hear(make_code())
    await world.deliver_due()

    await clock.shift(timedelta(minutes=1))
    while await world.deliver_due():
        pass
    assert {(row["state"], row["provider"], row["tries"]) for row in await world.messages()} == {("sent", "first", 1)}


async def test_a_probe_of_each_channel_and_no_more_than_there_is_room_for(world: World):
    time = Time()
    routes = {channel: [Route(Scripted(channel), Circuit(time))] for channel in ("email", "sms")}
    world.use(**routes)
    for channel in ("email", "sms"):
        for _ in range(OPENS_AFTER):
            routes[channel][0].circuit.note(failed=True, seconds=0)
            await world.hear(make_code(channel))
    assert await world.claim() == []
    time.now += OPEN_SECONDS
    assert len(await world.claim(1)) == 1
    assert len(await world.claim(20)) == 2


async def test_a_provider_that_is_only_slow_is_no_reason_to_wait(world: World):
    routes = [Route(Scripted("slow"), Circuit(Time()))]
    for _ in range(OPENS_AFTER):
        routes[0].circuit.note(failed=False, seconds=60)
    world.use(email=routes)
    await world.hear(make_code())
    await world.hear(make_code())
    assert await world.deliver_due() == 2


async def test_a_provider_that_is_away_and_back_time_and_again_costs_a_message_no_tries(world: World, clock: Clock):
    """This one fails whenever it is tried, while others go in between."""

    class Flapping(Scripted):
        async def send(self, message: Message) -> str:
            self.answers = [TechnicalError("away")] if message.kind is Kind.APPROVED else []
            return await super().send(message)

    time, minutes = Time(), FOR_A_NOTICE.tries + 10
    provider = Flapping("flapping")
    use(world, provider, time=time)
    await world.hear(make_approval())
    circuit = world.notify.routes["email"][0].circuit
    for minute in range(1, minutes):
        await world.deliver_due()
        for _ in range(OPENS_AFTER):
            circuit.note(failed=True, seconds=0)
        await clock.shift(timedelta(minutes=minute))
        await world.hear(make_withdrawal())
        while circuit.is_open:
            time.now += LONGEST_OPEN_SECONDS
            await world.deliver_due()

    (waiting, *others) = await world.messages()
    assert (waiting["state"], {row["state"] for row in others}) == ("waiting", {"sent"})
    # As many as anybody's who waits ever longer in between; but it was asked for whenever the provider seemed well.
    assert waiting["tries"] < 10
    assert len([message for message in provider.asked if message.kind is Kind.APPROVED]) > minutes / 3


async def test_what_a_provider_refuses_for_one_recipient_stops_nobody_elses_messages(world: World):
    """Made-up addresses at which the relay is not to deliver, as any stranger can type them."""
    world.mail_server.answers["RCPT"] = ["554 5.7.1 Relay access denied"] * OPENS_AFTER
    for _ in range(OPENS_AFTER):
        await world.hear(make_code())
        await world.deliver_due()
    await world.hear(make_code())
    await world.deliver_due()

    rows = await world.messages()
    assert [row["state"] for row in rows] == ["waiting"] * OPENS_AFTER + ["sent"]
    assert {row["fault"] for row in rows[:OPENS_AFTER]} == {"declined"}


async def test_an_adapters_fault_with_one_letter_stops_no_other(world: World):
    class Particular(Scripted):
        async def send(self, message: Message) -> str:
            if message.kind is Kind.APPROVED:
                raise KeyError(message.letter.to)
            return await super().send(message)

    use(world, Particular("particular"))
    for _ in range(OPENS_AFTER):
        await world.hear(make_approval())
        await world.deliver_due()
    await world.hear(make_code())
    await world.deliver_due()

    assert (await world.messages())[-1]["state"] == "sent"


async def test_a_message_that_only_this_provider_refuses_is_no_failed_probe(world: World):
    time = Time()
    only = Scripted("only", *[TechnicalError("away")] * OPENS_AFTER, NotByThisOneError("554"))
    use(world, only, time=time)
    for _ in range(OPENS_AFTER):
        await world.hear(make_code())
        await world.deliver_due()
    time.now += OPEN_SECONDS
    for _ in range(2):
        await world.hear(make_code())
        await world.deliver_due()

    assert (await world.messages())[-1]["state"] == "sent"


async def test_a_provider_that_answers_late_is_left_to_be_the_last_one(world: World):
    time = Time()

    late, second = Scripted("late"), Scripted("second")
    routes = [Route(late, Circuit(time)), Route(second, Circuit(time))]
    for _ in range(OPENS_AFTER):
        routes[0].circuit.note(failed=False, seconds=60)
    world.use(email=routes)
    await world.hear(make_code())
    await world.deliver_due()
    assert (len(late.asked), len(second.asked)) == (0, 1)

    second.answers = [TechnicalError("away")]
    await world.hear(make_code())
    await world.deliver_due()
    assert [row["state"] for row in await world.messages()] == ["sent", "sent"]
    assert len(late.asked) == 1


async def test_while_every_circuit_is_open_messages_wait_without_losing_tries_and_go_when_one_closes(
    world: World, clock: Clock
):
    time = Time()
    only = Scripted("only", *[TechnicalError("away")] * OPENS_AFTER)
    use(world, only, time=time)
    for _ in range(OPENS_AFTER):
        await world.hear(make_withdrawal())
    await world.deliver_due()
    await world.hear(make_code())
    await world.deliver_due()
    rows = await world.messages()
    assert [row["tries"] for row in rows] == [1] * OPENS_AFTER + [0]
    assert (rows[-1]["claimed"], len(only.asked)) == (False, OPENS_AFTER)

    time.now += OPEN_SECONDS
    await clock.shift(timedelta(seconds=OPEN_SECONDS + 2))
    await world.deliver_due()
    assert (await world.messages())[-1]["state"] == "sent"
    # The others would have waited for half a minute, or four hours after some more tries.
    await world.execute("UPDATE messages SET due_at = present() + interval '3 hours' WHERE state = 'waiting'")
    for _ in range(OPENS_AFTER):
        world.notify.routes["email"][0].circuit.note(failed=True, seconds=0)
    time.now += OPEN_SECONDS
    await world.hear(make_code())
    await world.deliver_due()
    await clock.shift(timedelta(seconds=OPEN_SECONDS + 2, minutes=1))
    await world.deliver_due()
    assert {row["state"] for row in await world.messages()} == {"sent"}


class OneByOne(Scripted):
    """Asked by one after the other, as soon as it has room."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.room = asyncio.Semaphore(1)

    def turn(self) -> AbstractAsyncContextManager[object]:
        """One at a time."""
        return self.room


async def test_a_try_begins_when_it_is_its_messages_turn(world: World, monkeypatch: pytest.MonkeyPatch):
    """While others are sent, nobody is asked; and the time is none that the provider took."""
    clock = Time()
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=clock))
    provider, second = OneByOne("first"), Scripted("second")
    use(world, provider, second)
    await provider.room.acquire()
    for _ in range(OPENS_AFTER):
        await world.hear(make_code())
    claimed = await world.claim()
    deliveries = [asyncio.create_task(sending.deliver(world.notify, row)) for row in claimed]

    async def all_wait() -> bool:
        return len(provider.room._waiters or ()) == OPENS_AFTER

    await eventually(all_wait)
    clock.now += circuits.SLOW_SECONDS + 1
    assert await world.tries() == []
    provider.room.release()
    await asyncio.gather(*deliveries)

    assert (len(provider.asked), second.asked) == (OPENS_AFTER, [])
    assert not world.notify.routes["email"][0].circuit.is_open


async def test_where_its_turn_does_not_come_a_message_goes_by_the_next_provider(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sending, "TURN", timedelta(seconds=0.1))
    provider, second = OneByOne("first"), Scripted("second")
    use(world, provider, second)
    await provider.room.acquire()
    for _ in range(OPENS_AFTER):
        await world.hear(make_code())
    await world.deliver_due()

    assert {row["state"] for row in await world.messages()} == {"sent"}
    assert (provider.asked, len(second.asked)) == ([], OPENS_AFTER)
    assert {row["provider"] for row in await world.tries()} == {"second"}
    assert not world.notify.routes["email"][0].circuit.is_open

    use(world, provider)
    await world.hear(make_code())
    await world.deliver_due()
    waiting = (await world.messages())[-1]
    assert (waiting["state"], waiting["claimed"], waiting["tries"], waiting["last_error"]) == (
        "waiting",
        False,
        0,
        None,
    )


# --- what may go out twice ---


async def test_a_code_whose_answer_was_lost_goes_by_the_next_provider_too_and_is_counted(world: World):
    lost = {"channel": "email", "why": "answer lost"}
    before = counted("kinbind_messages_unsure_total", **lost)
    first, second = Scripted("first", UnknownOutcomeError("TimeoutError")), Scripted("second")
    use(world, first, second)
    await world.hear(make_code())
    await world.deliver_due()

    sent = await world.message()
    assert (sent["state"], sent["provider"], sent["unsure"]) == ("sent", "second", 1)
    assert await outcomes(world) == [("first", "unknown"), ("second", "accepted")]
    assert first.asked[0].id == second.asked[0].id
    assert counted("kinbind_messages_unsure_total", **lost) == before + 1


async def test_an_approval_whose_answer_was_lost_waits_and_the_same_provider_is_asked_first(world: World, clock: Clock):
    first, second = Scripted("first", TechnicalError("away")), Scripted("second", UnknownOutcomeError("TimeoutError"))
    use(world, first, second)
    await world.hear(make_approval())
    await world.deliver_due()

    waiting = await world.message()
    assert (waiting["state"], waiting["unsure"], waiting["asked"]) == ("waiting", 1, "second")
    await clock.shift(timedelta(minutes=1))
    await world.deliver_due()
    sent = await world.message()
    assert (sent["state"], sent["provider"], sent["unsure"]) == ("sent", "second", 1)
    assert [len(provider.asked) for provider in (first, second)] == [1, 2]
    assert second.asked[0].id == second.asked[1].id


async def test_an_approval_whose_answer_was_lost_goes_to_nobody_else_at_once(world: World):
    first, second = Scripted("first", UnknownOutcomeError("TimeoutError")), Scripted("second")
    use(world, first, second)
    await world.hear(make_approval())
    await world.deliver_due()

    assert (await world.message())["state"] == "waiting"
    assert second.asked == []


@pytest.mark.parametrize("then", [UnknownOutcomeError("TimeoutError"), TechnicalError("away"), None])
async def test_for_two_hours_nobody_else_is_asked_for_a_second_copy_of_a_notice(
    world: World, clock: Clock, then: DeliveryError | None
):
    """Three answers are lost, which opens the circuit; then the provider loses another one, or is away, or is well."""
    time = Time()
    lost = [UnknownOutcomeError("TimeoutError")] * OPENS_AFTER
    first, second = Scripted("first", *lost, then), Scripted("second")
    use(world, first, second, time=time)
    for _ in range(OPENS_AFTER):
        await world.hear(make_approval())
    await world.deliver_due()
    await clock.shift(timedelta(seconds=31))
    await world.deliver_due()
    assert (len(first.asked), second.asked) == (OPENS_AFTER, [])

    time.now += OPEN_SECONDS
    await clock.shift(FOR_A_NOTICE.keeps_to - timedelta(minutes=1))
    await world.deliver_due()
    assert (len(first.asked) > OPENS_AFTER, second.asked) == (True, [])

    await clock.shift(FOR_A_NOTICE.keeps_to + timedelta(minutes=5))
    await world.deliver_due()
    rows = await world.messages()
    assert {row["state"] for row in rows} == {"sent"}
    assert {message.id for message in second.asked} == ({row["id"] for row in rows} if then else set())


async def test_nobody_else_is_asked_where_the_process_died_that_had_asked_either(world: World, clock: Clock):
    asleep, second = Asleep(), Scripted("second")
    use(world, asleep, second)
    await world.hear(make_approval())
    sleeper = asyncio.create_task(world.deliver_due())
    await asleep.is_asked.wait()
    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)

    await clock.shift(sending.LEASE)
    again = Scripted("asleep", TechnicalError("away"))
    use(world, again, second)
    await world.deliver_due()
    assert ((await world.message())["state"], len(again.asked), second.asked) == ("waiting", 1, [])


async def test_a_provider_that_is_no_longer_in_the_settings_is_not_kept_to(world: World, clock: Clock):
    first, second = Scripted("first", UnknownOutcomeError("TimeoutError")), Scripted("second")
    use(world, first, second)
    await world.hear(make_approval())
    await world.deliver_due()
    await clock.shift(timedelta(minutes=1))
    use(world, second)
    await world.deliver_due()
    assert (await world.message())["provider"] == "second"


async def test_a_code_waits_for_no_provider_that_may_have_it(world: World, clock: Clock):
    first = Scripted("first", *[UnknownOutcomeError("TimeoutError")] * OPENS_AFTER)
    second = Scripted("second", TechnicalError("busy"))
    use(world, first, second)
    for _ in range(OPENS_AFTER):
        await world.hear(make_code())
        await world.deliver_due()
    assert [row["state"] for row in await world.messages()] == ["waiting", "sent", "sent"]

    await clock.shift(timedelta(seconds=10))
    await world.deliver_due()
    assert [row["state"] for row in await world.messages()] == ["sent"] * OPENS_AFTER


async def test_where_that_provider_stays_away_another_one_sends_it_after_all(world: World, clock: Clock):
    first = Scripted("first", *[UnknownOutcomeError("TimeoutError")] * OPENS_AFTER)
    second = Scripted("second")
    use(world, first, second)
    await world.hear(make_approval())
    for hours in range(OPENS_AFTER + 1):
        await clock.shift(timedelta(hours=hours))
        await world.deliver_due()

    sent = await world.message()
    assert (sent["state"], sent["provider"], sent["unsure"]) == ("sent", "second", OPENS_AFTER)


async def test_a_process_that_dies_between_taken_and_written_down_is_the_one_case_of_a_second_copy(
    world: World, clock: Clock
):
    """What is killed here is the task, in the moment after the provider's answer; nothing is written after that."""
    taken = asyncio.Event()

    class Last(Scripted):
        async def send(self, message: Message) -> str:
            await super().send(message)
            taken.set()
            await asyncio.Event().wait()
            return ""

    last = Last("last")
    use(world, last)
    why = {"channel": "email", "why": "claim ended"}
    before = counted("kinbind_messages_unsure_total", **why)
    await world.hear(make_approval())
    delivery = asyncio.create_task(world.deliver_due())
    await taken.wait()
    delivery.cancel()
    await asyncio.gather(delivery, return_exceptions=True)
    assert await outcomes(world) == [("last", None)]
    assert await world.deliver_due() == 0

    await clock.shift(sending.LEASE)
    second = Scripted("last")
    use(world, second)
    await world.deliver_due()

    sent = await world.message()
    assert (sent["state"], sent["unsure"], sent["tries"]) == ("sent", 1, 2)
    assert await outcomes(world) == [("last", "unknown"), ("last", "accepted")]
    assert second.asked[0].id == last.asked[0].id
    assert counted("kinbind_messages_unsure_total", **why) == before + 1


async def test_a_message_whose_claim_has_ended_is_no_longer_sent_by_the_former_holder(world: World, clock: Clock):
    provider = Scripted("only")
    use(world, provider)
    await world.hear(make_approval())
    (late,) = await world.claim()
    await clock.shift(sending.LEASE)
    (now,) = await world.claim()
    await sending.deliver(world.notify, late)
    assert provider.asked == []

    await clock.shift(2 * sending.LEASE)
    await sending.deliver(world.notify, now)
    assert provider.asked == [], "nobody had claimed it anew, but somebody might have at any moment"
    await world.deliver_due()
    assert len(provider.asked) == 1


@pytest.mark.parametrize("fault", [PermanentError("550"), TechnicalError("away"), TemporaryError("450")])
@pytest.mark.parametrize("tries", [1, FOR_A_NOTICE.tries])
async def test_who_has_slept_past_its_claim_ends_nothing_that_another_one_has_begun(
    world: World, clock: Clock, fault: DeliveryError, tries: int
):
    asleep = Asleep(fault)
    await world.hear(make_approval())
    await world.execute("UPDATE messages SET tries = $1", tries - 1)
    (late,) = await world.claim()
    sleeper = asyncio.create_task(sending.deliver(world.with_providers(email=asleep), late))
    await asleep.is_asked.wait()
    await clock.shift(sending.LEASE)
    # Another one had it in between and gave it back, so that a try has the same number twice.
    await world.execute("UPDATE messages SET tries = $1", tries - 1)
    (now,) = await world.claim()
    asleep.is_awake.set()
    await sleeper

    row = await world.message()
    assert (row["state"], row["claimed"], row["due_at"]) == ("waiting", True, now["due_at"])
    await sending.deliver(world.with_providers(email=Scripted("awake")), now)
    assert (await world.message())["state"] == "sent"


async def test_what_was_sent_is_sent_though_another_one_had_given_it_up(world: World, clock: Clock):
    asleep = Asleep()
    await world.hear(make_approval())
    (late,) = await world.claim()
    sleeper = asyncio.create_task(sending.deliver(world.with_providers(email=asleep), late))
    await asleep.is_asked.wait()
    await clock.shift(sending.LEASE)
    await world.deliver_due(email=Scripted("only", PermanentError("550")))
    assert (await world.message())["state"] == "failed"
    asleep.is_awake.set()
    await sleeper

    row = await world.message()
    assert (row["state"], row["letter"], row["provider"]) == ("sent", None, "asleep")


# --- what stays in the row ---


@pytest.mark.parametrize(("channel", "masked"), [("email", "me***@example.org"), ("sms", "09*****678")])
async def test_a_row_shows_the_recipient_masked_for_some_weeks(
    world: World, settings: Settings, clock: Clock, channel: str, masked: str
):
    await world.hear(make_code(channel))
    assert (await world.message())["contact"] == masked
    await world.deliver_due()
    assert (await world.message())["contact"] == masked

    await clock.shift(timedelta(days=settings.retain_contacts_days, hours=1))
    await purge(world.notify.database, make_purges(settings))
    assert (await world.message())["contact"] == ""


async def send_again(world: World, failed: Mapping[str, Any]) -> bool:
    async with world.notify.database.transaction() as connection:
        return await operators.send_one_again(connection, failed["id"], lives(), failed["settled_at"])


@pytest.mark.parametrize("fault", [PermanentError("550"), TechnicalError("away")])
async def test_what_has_failed_can_be_sent_again_as_the_same_message(world: World, clock: Clock, fault: DeliveryError):
    provider = Scripted("only", fault)
    use(world, provider)
    await world.hear(make_approval())
    await world.execute("UPDATE messages SET tries = 39")
    await world.deliver_due()
    failed = await world.message()
    assert failed["state"] == "failed"
    await clock.shift(timedelta(days=6))
    assert await send_again(world, failed)
    await world.deliver_due()

    sent = await world.message()
    assert (sent["state"], sent["letter"], sent["tries"], sent["id"]) == ("sent", None, 1, failed["id"])
    assert provider.asked[0].letter == provider.asked[1].letter
    assert not await send_again(world, failed)
    assert not await send_again(world, {**failed, "id": uuid4()})


async def test_a_failed_code_keeps_nothing(world: World):
    use(world, Scripted("only", PermanentError("550")))
    await world.hear(make_code())
    await world.deliver_due()

    failed = await world.message()
    assert (failed["state"], failed["letter"]) == ("failed", None)
    assert not await send_again(world, failed)


async def test_what_was_kept_of_a_failed_message_goes_after_some_days(world: World, settings: Settings, clock: Clock):
    use(world, Scripted("only", PermanentError("550")))
    await world.hear(make_approval())
    await world.deliver_due()
    assert (await world.message())["letter"]

    await clock.shift(timedelta(days=settings.retain_failed_days, hours=-1))
    await purge(world.notify.database, make_purges(settings))
    assert (await world.message())["letter"]
    await clock.shift(timedelta(days=settings.retain_failed_days, hours=1))
    await purge(world.notify.database, make_purges(settings))
    assert (await world.message())["letter"] is None


async def test_what_was_kept_of_somebody_who_is_forgotten_goes_at_once(world: World):
    use(world, Scripted("only", PermanentError("550")))
    failed = make_approval()
    await world.hear(failed)
    await world.deliver_due()
    await world.hear(make_forgotten(failed.subject))

    (row, _) = await world.messages()
    assert (row["kind"], row["state"], row["letter"], row["contact"]) == (Kind.APPROVED, "failed", None, "")


async def test_who_was_asked_when_and_what_came_of_it_can_be_read_and_holds_nobodys_address(world: World):
    use(world, Scripted("first", TechnicalError("HTTP 500")), Scripted("second"))
    await world.hear(make_code("sms"))
    await world.deliver_due()
    async with world.notify.database.connection() as connection:
        tries = await storage.tries_of(connection, (await world.message())["id"])
        stored = str(await connection.fetch("SELECT t::text FROM message_tries AS t"))

    assert [(row["provider"], row["outcome"], row["reason"]) for row in tries] == [
        ("first", "technical", "HTTP 500"),
        ("second", "accepted", None),
    ]
    assert all(row["began_at"] <= row["ended_at"] for row in tries)
    assert MOBILE not in stored
    assert PARENT not in stored
