"""What sending may cost: limits an hour, countries, and the switch of each channel."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from integration.notify.world import Scripted, World, make_approval, make_code, make_withdrawal
from notify_service import sending, storage
from notify_service.limits import Limits
from notify_service.providers import Route
from notify_service.tasks import channel_tasks
from shared.events import CodeIssued, CodeToSend
from shared.metrics import REGISTRY
from shared.operations import Task, TaskError

if TYPE_CHECKING:
    from typing import Any

    from notify_service.settings import Settings
    from shared.sealing import SealingKeys
    from support.databases import Clock

TOKYO = "+819012345678"


@pytest.fixture
async def provider(world: World) -> Scripted:
    """Takes all of both channels."""
    taking = Scripted("taking")
    world.use(email=[Route(taking)], sms=[Route(taking)])
    return taking


@pytest.fixture
async def early(clock: Clock) -> timedelta:
    """How far the clock is from ours, so that an hour has just begun."""
    now = datetime.now(UTC)
    # Backwards: a code that is made by our clock must not have died by the other.
    by = timedelta(minutes=1) - timedelta(minutes=now.minute, seconds=now.second)
    await clock.shift(by)
    return by


def code_to(keys: SealingKeys, contact: str) -> CodeIssued:
    """A code by SMS to this number, that lives for days, wherever the clock is."""
    later = datetime.now(UTC) + timedelta(days=3)
    event = CodeIssued.of("otp", uuid4(), channel="sms", language="zh-TW", expires_at=later)
    return event.sealed(keys, for_notify=CodeToSend(contact=contact, code="049497"))


async def states(world: World) -> list[str]:
    """Of all messages, oldest first."""
    return [row["state"] for row in await world.messages()]


def over_limit(channel: str, outcome: str) -> float:
    """What the process has counted so far: messages over the channel's own limit that came to this."""
    labels = {"channel": channel, "limit": "channel", "outcome": outcome}
    return REGISTRY.get_sample_value("kinbind_messages_over_limit_total", labels) or 0.0


async def test_codes_over_the_hours_limit_are_dropped_and_counted(
    world: World, provider: Scripted, clock: Clock, early: timedelta
):
    before = over_limit("sms", "dropped")
    world.limit(Limits(per_hour={"sms": 2}))
    for _ in range(3):
        await world.hear(code_to(world.notify.from_otp, "+886912345678"))
        await world.deliver_due()

    assert await states(world) == ["sent", "sent", "dropped"]
    dropped = (await world.messages())[-1]
    assert (dropped["letter"], dropped["fault"], dropped["last_error"]) == (None, "limit", "LimitReached")
    assert over_limit("sms", "dropped") == before + 1

    await clock.shift(early + timedelta(hours=1))
    await world.hear(code_to(world.notify.from_otp, "+886912345678"))
    await world.deliver_due()
    assert (await states(world))[-1] == "sent"
    assert len(provider.asked) == 3


async def test_notices_over_it_wait_for_the_next_hour_and_leave_a_tenth_to_codes(
    world: World, provider: Scripted, clock: Clock, early: timedelta
):
    dropped, waiting = over_limit("email", "dropped"), over_limit("email", "waiting")
    world.limit(Limits(per_hour={"email": 10}))
    for _ in range(11):
        await world.hear(make_withdrawal())
    await world.deliver_due()
    assert sorted(await states(world)) == ["sent"] * 9 + ["waiting"] * 2
    await world.hear(make_code())
    await world.deliver_due()

    assert sorted(await states(world)) == ["sent"] * 10 + ["waiting"] * 2
    assert (over_limit("email", "dropped"), over_limit("email", "waiting") > waiting) == (dropped, True)
    assert len([message for message in provider.asked if message.kind == "code"]) == 1
    assert [row["tries"] for row in await world.messages() if row["state"] == "waiting"] == [0, 0]

    await clock.shift(early + timedelta(hours=1))
    await world.deliver_due()
    assert set(await states(world)) == {"sent"}


async def test_what_is_over_the_hours_limit_is_not_claimed_one_by_one(
    world: World, provider: Scripted, clock: Clock, early: timedelta, monkeypatch: pytest.MonkeyPatch
):
    before = over_limit("email", "waiting")
    monkeypatch.setattr(sending, "HELD_AT_ONCE", 20)
    world.limit(Limits(per_hour={"email": 10}))
    for _ in range(60):
        await world.hear(make_withdrawal())
    for hour in range(3):
        await clock.shift(early + timedelta(hours=hour))
        claims = 0
        while claimed := await world.claim(8):
            claims += len(claimed)
            for row in claimed:
                await sending.deliver(world.notify, row)
        assert claims <= 9 + 8
        if not hour:
            await world.hear(make_code())
            await world.deliver_due()

    rows = await world.messages()
    waiting = [row for row in rows if row["state"] == "waiting"]
    assert (len(waiting), len(provider.asked)) == (60 - 3 * 9, 3 * 9 + 1)
    assert {(row["tries"], row["fault"], row["last_error"]) for row in waiting} == {(0, "limit", "LimitReached")}
    assert len({row["due_at"] for row in waiting}) == 1
    assert over_limit("email", "waiting") == before + sum(60 - 9 * hours for hours in (1, 2, 3))


@pytest.mark.usefixtures("early")
async def test_a_country_has_its_own_limit_and_others_get_nothing(world: World, provider: Scripted):
    world.limit(Limits(countries={"TW": None, "JP": 1}, per_hour={"sms": 100}))
    for contact in (TOKYO, TOKYO, "+886912345678", "+886912345678", "+14155550123"):
        await world.hear(code_to(world.notify.from_otp, contact))
    await world.deliver_due()

    rows = await world.messages()
    assert sorted(row["state"] for row in rows) == ["dropped", "failed", "sent", "sent", "sent"]
    assert {row["last_error"] for row in rows} == {None, "LimitReached", "CountryNotAllowed"}
    assert sorted(message.letter.to for message in provider.asked) == [TOKYO, "+886912345678", "+886912345678"]


async def test_an_email_goes_wherever_it_goes(world: World, provider: Scripted):
    world.limit(Limits(countries={"TW": None}))
    await world.hear(make_code())
    await world.deliver_due()
    assert len(provider.asked) == 1


@pytest.mark.usefixtures("early")
async def test_any_number_of_processes_together_keep_to_a_limit(world: World):
    async def count(number: int) -> bool:
        async with world.notify.database.connection() as connection:
            return await storage.count_sent(connection, "sms", "TW" if number % 2 else "JP", 10, 7)

    counted = await asyncio.gather(*(count(number) for number in range(40)))
    assert sum(counted) == 10


# --- the switch ---


def task(kind: str, **arguments: Any) -> Task:  # noqa: ANN401 - what an operator gives
    """As it comes from an operator."""

    async def tell(_: str) -> None: ...

    return Task(uuid4(), kind, arguments, tell)


async def test_a_paused_channel_sends_nothing_and_the_other_goes_on(
    world: World, settings: Settings, provider: Scripted, clock: Clock
):
    asked = channel_tasks(settings, world.notify.database)
    await asked["notices-pause"](task("notices-pause", channel="sms", reason="somebody spends our money"))
    await world.hear(make_code("sms"))
    await world.hear(make_code())
    claimed, seconds = await sending.claim_due(world.notify, 20)
    # What waits behind the switch wakes nobody.
    assert ([row["channel"] for row in claimed], seconds and seconds > 60) == (["email"], True)
    await sending.deliver(world.notify, claimed[0])
    assert await sending.claim_due(world.notify, 20) == ([], None)

    how = (await asked["notices-status"](task("notices-status")))["channels"]
    assert (how["sms"]["reason"], how["sms"]["waiting"]) == ("somebody spends our money", 1)
    assert how["sms"]["paused_since"]
    assert (how["email"]["paused_since"], how["email"]["this_hour"]) == (None, 1)

    result = await asked["notices-resume"](task("notices-resume", channel="sms"))
    assert result == {"was_paused": True, "paused_by_settings": False}
    await clock.shift(timedelta(minutes=30))
    await world.deliver_due()
    assert [message.letter.to[:3] for message in provider.asked] == ["mei", "+88"]


async def test_codes_die_behind_the_switch_and_notices_do_not(world: World, provider: Scripted, clock: Clock):
    async with world.notify.database.connection() as connection:
        await storage.pause(connection, "email", "a test")
    await world.hear(make_code())
    await world.hear(make_approval())
    await clock.shift(timedelta(hours=2))
    await world.deliver_due()
    assert await states(world) == ["dropped", "waiting"]
    async with world.notify.database.connection() as connection:
        assert await storage.resume(connection, "email")
        assert not await storage.resume(connection, "email")
    await world.deliver_due()
    assert len(provider.asked) == 1


async def test_a_channel_that_the_settings_pause_sends_nothing(world: World, provider: Scripted):
    world.limit(Limits(off=frozenset({"email"})))
    await world.hear(make_approval())
    assert await sending.claim_due(world.notify, 20) == ([], None)
    assert provider.asked == []


async def test_an_unknown_channel_is_told_to_the_operator(world: World, settings: Settings):
    asked = channel_tasks(settings, world.notify.database)
    with pytest.raises(TaskError):
        await asked["notices-pause"](task("notices-pause", channel="fax", reason="x"))
