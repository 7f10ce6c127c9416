"""A clock for what measures time by itself; the database's is moved by the fixture ``clock``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Time:
    """Stands still until a test moves it; seconds, as of time.monotonic."""

    now: float = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now
