from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from binding_service import turns
from binding_service.errors import ServiceAwayError
from binding_service.turns import Turns
from support.serving import eventually


async def test_a_few_have_a_turn_and_the_next_follows_when_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 2)
    made, may_end = Turns(), [asyncio.Event() for _ in range(3)]
    inside: list[int] = []
    present: set[int] = set()
    most_at_once: list[int] = []

    async def take(number: int) -> None:
        async with made.one():
            inside.append(number)
            present.add(number)
            most_at_once.append(len(present))
            await may_end[number].wait()
            present.remove(number)

    async def third_is_inside() -> bool:
        return 2 in present

    tasks = [asyncio.create_task(take(number)) for number in range(3)]
    may_end[1].set()
    await tasks[1]
    assert inside[:2] == [0, 1]
    await eventually(third_is_inside)
    for event in may_end:
        event.set()
    await asyncio.gather(*tasks)
    assert most_at_once == [1, 2, 2]


async def test_who_would_wait_too_long_is_sent_away_and_takes_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 1)
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 0)
    made = Turns()
    async with made.one():
        with pytest.raises(ServiceAwayError) as sent_away:
            async with made.one():
                raise AssertionError
    assert sent_away.value.retry_after == turns.RETRY_SECONDS
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 5)
    async with made.one():
        pass


async def test_a_turn_that_ends_badly_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 1)
    made = Turns()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            async with made.one():
                raise RuntimeError


async def test_nobody_waits_for_who_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 2)
    now = [100.0]
    made = Turns(lambda: now[0])

    async def ask(*, is_away: bool) -> bool:
        """Whether it was asked."""
        asked = False
        with suppress(ServiceAwayError):
            async with made.one():
                asked = True
                if is_away:
                    raise ServiceAwayError(retry_after=1)
        return asked

    assert [await ask(is_away=True), await ask(is_away=False), await ask(is_away=True)] == [True] * 3
    assert await ask(is_away=True)
    assert not await ask(is_away=False)
    now[0] += turns.AWAY_SECONDS
    assert [await ask(is_away=True), await ask(is_away=False)] == [True, False]
    now[0] += turns.AWAY_SECONDS
    assert [await ask(is_away=False) for _ in range(3)] == [True] * 3
