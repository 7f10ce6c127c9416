"""When a provider is not asked for a while: it has failed, or answered late, several times in a row.

A circuit is one process's own knowledge of a provider, in its memory: each process learns for itself, within some
messages, and nothing has to be agreed on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

#: Failures, or late answers, in a row.
OPENS_AFTER = 3
#: An answer that takes longer is a late one, though it be a good one.
SLOW_SECONDS = 10.0
#: For so long nobody is let through at first; then one is, as a probe, and each that fails doubles the time.
OPEN_SECONDS = 15.0
LONGEST_OPEN_SECONDS = 60.0


class Circuit:
    """Open: the provider is left alone, but for one probe each time that its period is over. A good probe closes it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_a_row = 0
        self._is_late = self._is_probing = False
        #: How long it stays open; 0 while it is closed.
        self._period = 0.0
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it is open, be its period over or not."""
        return self._period > 0

    @property
    def is_slow(self) -> bool:
        """Open only because answers come late: better than nobody."""
        return self.is_open and self._is_late

    @property
    def opens_in(self) -> float:
        """Seconds until somebody is let through; 0 for now."""
        return max(0.0, self._until - self._clock()) if self.is_open else 0.0

    def admits(self) -> bool:
        """Whether the provider may be asked now; where the period is over, by this one asker, whose answer decides."""
        if not self.is_open:
            return True
        if self.opens_in > 0:
            return False
        # A probe that nobody hears of again holds up the next one for no longer than this.
        self._until = self._clock() + self._period
        self._is_probing = True
        return True

    def note(self, *, failed: bool, seconds: float) -> Literal["opened", "closed"] | None:
        """What came of asking, after so many seconds; whether that opened or closed the circuit."""
        if not failed and seconds < SLOW_SECONDS:
            was_open = self.is_open
            self._in_a_row, self._period = 0, 0.0
            return "closed" if was_open else None
        self._in_a_row += 1
        self._is_late = not failed
        if self.is_open:
            # Those that were under way when it opened say nothing new.
            if self._is_probing:
                self._open(min(2 * self._period, LONGEST_OPEN_SECONDS))
            return None
        if self._in_a_row < OPENS_AFTER:
            return None
        self._open(OPEN_SECONDS)
        return "opened"

    def _open(self, period: float) -> None:
        self._period, self._is_probing = period, False
        self._until = self._clock() + period
