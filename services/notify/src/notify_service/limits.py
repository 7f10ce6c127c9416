"""What sending may cost: how much an hour by each channel, and to which countries SMS go at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notify_service import storage
from notify_service.domain import share_of_the_hour
from shared.contacts import country_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notify_service.domain import Kind
    from shared.database import Connection
    from shared.events import Channel

#: Which limit it was that a message met, where it was not its country's (whose ISO 3166 code is said then).
WHOLE_CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Limits:
    """Messages an hour of the clock by channel, where there is a limit; countries that SMS go to, each with its own.

    No countries at all: to all that ask (otp asks for none but those of its own setting). ``off`` are the channels that
    are paused by the settings.
    """

    per_hour: Mapping[str, int] = field(default_factory=dict)
    countries: Mapping[str, int | None] = field(default_factory=dict)
    off: frozenset[Channel] = frozenset()

    def admits(self, country: str) -> bool:
        """Whether an SMS may go to this country; an e-mail has none, and may."""
        return not country or not self.countries or country in self.countries

    async def count(self, connection: Connection, kind: Kind, channel: Channel, country: str) -> str | None:
        """Count a message that is about to be handed over; which limit it would break instead, where it does."""
        most = self.per_hour.get(channel)
        most = share_of_the_hour(kind, most) if most else None
        most_of_country = self.countries.get(country)
        if await storage.count_sent(connection, channel, country, most, most_of_country):
            return None
        is_full = most is not None and await storage.sent_this_hour(connection, channel) >= most
        return WHOLE_CHANNEL if is_full else country


def country_of_message(channel: Channel, to: str) -> str:
    """ISO 3166 code of the country whose number it is; nothing for an e-mail."""
    return country_of(to) if channel == "sms" else ""
