"""What a one-time code is. Standard library only, no I/O."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DIGITS = 6


@dataclass(frozen=True, slots=True)
class Policy:
    """How long codes live and how often they may be asked for and tried."""

    life_minutes: Mapping[str, int]
    tries_per_code: int
    resend_seconds: int
    contact_per_hour: int
    contact_per_day: int
    address_per_hour: int
    address_per_day: int

    def life(self, channel: str) -> timedelta:
        """How long a code sent by this channel may be redeemed."""
        return timedelta(minutes=self.life_minutes[channel])


def new_code() -> str:
    """Six digits from the system's cryptographic source, each equally likely."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
