"""Ctrl-C, for programs that do one thing and end."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

#: The exit code of what was interrupted, as shells have it.
INTERRUPTED = 128 + signal.SIGINT


def run_until_interrupted(act: Coroutine[None, None, int]) -> int:
    """Run it, and cancel it at Ctrl-C; its exit code, or INTERRUPTED where it was cancelled."""

    async def interruptible() -> int:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs in one
        # asyncio's own handler wakes no loop that falls asleep as the signal comes, or whose signal another thread got.
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
        return await act

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        return INTERRUPTED
