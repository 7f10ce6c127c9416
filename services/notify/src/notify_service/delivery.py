"""The delivery worker: sends the messages that are due, several at once, until it is cancelled.

Any number of processes may run one. Whoever queues a message wakes the worker of its own process; a message whose
process died before it was sent is found by another's slow poll.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from notify_service import sending
from shared.database import DATABASE_FAULTS

if TYPE_CHECKING:
    from notify_service.use_cases import Notify

POLL_SECONDS = 5.0
#: Not at once, where another process holds what is due.
SOON_SECONDS = 0.05

log = structlog.get_logger(__name__)


class Delivery:
    """Sends at most ``concurrency`` messages at once; at the end lets those finish within ``patience_seconds``."""

    def __init__(self, notify: Notify, *, concurrency: int, patience_seconds: float) -> None:
        self._notify = notify
        self._concurrency = concurrency
        self._patience = patience_seconds
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """A message was committed: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever; whatever fails is tried again."""
        try:
            while True:
                self._wake.clear()
                await self._wait(await self._start_due())
        finally:
            await self._finish()

    async def _start_due(self) -> float:
        """Start to send what is due, as far as there is room; seconds until it is worth looking again."""
        room = self._concurrency - len(self._under_way)
        if not room:
            return POLL_SECONDS
        try:
            claimed, seconds = await sending.claim_due(self._notify, room)
        except DATABASE_FAULTS as fault:
            log.warning("delivery waits for the database", fault=type(fault).__name__)
            return sending.DATABASE_AWAY_SECONDS
        for row in claimed:
            task = asyncio.create_task(sending.deliver(self._notify, row))
            self._under_way.add(task)
            task.add_done_callback(self._done)
        return POLL_SECONDS if seconds is None else min(POLL_SECONDS, max(SOON_SECONDS, seconds))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("a delivery died; its message goes again when its claim ends", exc_info=fault)
        self._wake.set()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _finish(self) -> None:
        """Let what is being sent come to its end. What does not is cancelled, and goes again when its claim ends."""
        if self._under_way:
            _, slow = await asyncio.wait(self._under_way, timeout=self._patience)
            for task in slow:
                task.cancel()
