"""Who tells how far an import is ends with it, and takes nobody's stop with it."""

from __future__ import annotations

import asyncio

import pytest

from binding_service.roster.progress import told


class Slow:
    """Speaks until it is cancelled, and takes its time over ending."""

    def __init__(self) -> None:
        self.speaks, self.is_ending, self.may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def speak(self, _: object) -> None:
        """As :func:`told` is given it."""
        self.speaks.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.is_ending.set()
            await self.may_end.wait()


async def test_a_stop_that_comes_while_the_telling_ends_is_not_lost() -> None:
    slow = Slow()

    async def work() -> None:
        async with told(slow.speak, 0):
            await slow.speaks.wait()

    working = asyncio.create_task(work())
    await slow.is_ending.wait()
    working.cancel()
    slow.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_a_fault_of_who_tells_is_not_hidden() -> None:
    failed = asyncio.Event()

    async def fail(_: object) -> None:
        failed.set()
        raise ValueError

    async def work() -> None:
        async with told(fail, 0):
            await failed.wait()

    with pytest.raises(ValueError):  # noqa: PT011 - the one that is raised above
        await work()
