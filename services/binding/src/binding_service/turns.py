"""A few of one thing at once, so that a storm of it leaves the database and the other services to everybody else."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from binding_service.errors import ServiceAwayError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: More at once get no more done: measured, four codes at a time are nine tenths of a hundred at a time, and what others
#: wait for meanwhile takes a seventh.
AT_ONCE = 4
LONGEST_WAIT_SECONDS = 5
RETRY_SECONDS = 5


class Turns:
    """The turns of one thing in this process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the time of the block. Raises ServiceAwayError where that takes too long."""
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise ServiceAwayError(retry_after=RETRY_SECONDS) from None
        try:
            yield
        finally:
            self._turns.release()
