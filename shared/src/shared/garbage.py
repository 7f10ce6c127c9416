"""Python's search for cyclic garbage, kept short: nobody is served while it goes through everything that there is.

Ten thousand open pages are millions of objects, and a full search through them took 1.4 s. What they hold goes by its
reference counts when they end; cycles among them are next to none.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SECONDS = 0.1


def keep_searches_short() -> Callable[[str, dict[str, int]], None]:
    """After a full search that took long, look no more at what it left (gc.freeze); the callback that does so."""
    began = 0.0

    def note(phase: str, about: dict[str, int]) -> None:
        nonlocal began
        if about["generation"] != 2:  # noqa: PLR2004 - the oldest
            return
        if phase == "start":
            began = time.perf_counter()
        elif time.perf_counter() - began > LONGEST_SECONDS:
            gc.freeze()

    gc.callbacks.append(note)
    return note
