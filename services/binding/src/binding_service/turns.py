"""A few of one thing at once, so that a storm of it leaves the database and the other services to everybody else."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from binding_service.errors import ServiceAwayError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

#: More at once get no more done: measured, four codes at a time are nine tenths of a hundred at a time, and what others
#: wait for meanwhile takes a seventh.
AT_ONCE = 4
LONGEST_WAIT_SECONDS = 5
RETRY_SECONDS = 5
#: So long nobody waits for who has just left as many without an answer as have a turn.
AWAY_SECONDS = 2


class Turns:
    """The turns of one thing in this process, which another service answers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._clock = clock
        self._unanswered = 0
        self._away_until = 0.0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the time of the block; a ServiceAwayError of it is noted.

        Raises ServiceAwayError where that takes too long, and at once while the other service is away.
        """
        if self._clock() < self._away_until:
            raise ServiceAwayError(retry_after=RETRY_SECONDS)
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise ServiceAwayError(retry_after=RETRY_SECONDS) from None
        try:
            yield
        except ServiceAwayError:
            self._unanswered += 1
            if self._unanswered >= AT_ONCE:
                self._away_until = self._clock() + AWAY_SECONDS
            raise
        else:
            self._unanswered = 0
        finally:
            self._turns.release()
