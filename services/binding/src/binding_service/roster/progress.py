"""Telling how far an import is, without slowing it: whoever listens is told the newest state now and then."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TextIO

import structlog

from binding_service.roster.domain import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Tell = Callable[[Progress], None]

ON_TERMINAL_SECONDS = 0.2
IN_LOG_SECONDS = 5.0
BEGINNING = Progress("reading")

log = structlog.get_logger(__name__)


def ignore(_: Progress) -> None:
    """For whom it does not matter how far an import is."""


@asynccontextmanager
async def told(speak: Callable[[Progress], Awaitable[None]], every: float) -> AsyncIterator[Tell]:
    """While the block runs, ``speak`` the newest state every so many seconds; yields what is to be told of each."""
    newest = BEGINNING

    def hear(progress: Progress) -> None:
        nonlocal newest
        newest = progress

    async def speak_on() -> None:
        while True:
            await asyncio.sleep(every)
            await speak(newest)

    speaking = asyncio.create_task(speak_on())
    try:
        yield hear
    finally:
        speaking.cancel()
        # Not awaited itself: whoever suppresses its cancellation may suppress our own, and a stop would be lost.
        await asyncio.wait([speaking])
        if not speaking.cancelled():
            speaking.result()


@asynccontextmanager
async def shown(output: TextIO) -> AsyncIterator[Tell]:
    """One line that is renewed, on a terminal; elsewhere a line in the log every few seconds."""
    if not output.isatty():
        async with told(_log, IN_LOG_SECONDS) as tell:
            yield tell
        return

    async def renew(progress: Progress) -> None:
        # Back to the line's beginning, and clear to its end (ECMA-48).
        output.write(f"\r{progress}\x1b[K")
        output.flush()

    async with told(renew, ON_TERMINAL_SECONDS) as tell:
        try:
            yield tell
        finally:
            output.write("\r\x1b[K")
            output.flush()


async def _log(progress: Progress) -> None:
    log.info("roster import", phase=progress.phase, file=progress.file, lines=progress.lines)
