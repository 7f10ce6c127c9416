from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from shared import passwords
from shared.passwords import Passwords
from support.serving import eventually

if TYPE_CHECKING:
    import pytest

PASSWORD = "a long walk to school"


async def test_the_right_password_is_told_from_another() -> None:
    made = Passwords()
    encoded = await made.hash(PASSWORD)
    assert [await made.verify(encoded, each) for each in (PASSWORD, "another")] == [True, False]


async def test_where_there_is_no_account_nothing_is_right() -> None:
    assert not await Passwords().verify(None, PASSWORD)


async def test_full_width_letters_are_the_same_password() -> None:
    made = Passwords()
    assert await made.verify(await made.hash("pass word 12345"), "\uff50ass word 12345")


async def test_as_many_are_compared_at_once_as_was_said_and_behind_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, niceness = [0], set()
    busy, most = threading.Lock(), [0]

    def slow(_: str) -> str:
        with busy:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        # A third would come in this time.
        with suppress(threading.BrokenBarrierError):
            three.wait(0.5)
        with busy:
            at_once[0] -= 1
        return ""

    three = threading.Barrier(3)
    made = Passwords(at_once=2)
    monkeypatch.setattr(passwords, "HASHER", type("Slow", (), {"hash": staticmethod(slow)}))
    await asyncio.gather(*(made.hash(PASSWORD) for _ in range(6)))
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert (most, niceness) == ([2], {max(own, passwords.NICENESS)})


async def test_a_line_has_an_end_and_moves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()

    def slow(_encoded: str, _password: str) -> bool:
        return may_end.wait(30)

    monkeypatch.setattr(passwords, "LONGEST_LINE", 2)
    monkeypatch.setattr(passwords, "_verify", slow)
    made = Passwords(at_once=1)
    assert not made.is_line_full
    waiting = [asyncio.create_task(made.verify("encoded", PASSWORD)) for _ in range(2)]

    async def is_full() -> bool:
        return made.is_line_full

    await eventually(is_full)
    may_end.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert not made.is_line_full
