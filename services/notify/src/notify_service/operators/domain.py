"""What an operator looks for, and where a page of it begins. Standard library only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from notify_service.domain import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

STATES = ("waiting", "sent", "failed", "dropped")
CHANNELS = ("email", "sms")
#: All that there are, whatever the settings name today: rows of others stay.
PROVIDERS = ("smtp", "smtp2", "mitake", "twilio", "sms-http", "mailbox")
#: Since when a message was called for, in hours; ``all`` has no limit.
PERIODS: dict[str, int | None] = {"hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24, "all": None}
CHOICES: dict[str, Collection[str]] = {
    "state": STATES,
    "kind": tuple(Kind),
    "channel": CHANNELS,
    "provider": PROVIDERS,
    "period": tuple(PERIODS),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages are looked for: empty is any. Each value is one of CHOICES."""

    state: str = ""
    kind: str = ""
    channel: str = ""
    provider: str = ""
    period: str = "week"

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> Wanted:
        """As an address or a form says it.

        Raises ValueError for what there is not: to pass over it would find more than was meant, and send that again.
        """
        given = {name: values[name] for name in CHOICES if values.get(name)}
        if any(value not in CHOICES[name] for name, value in given.items()):
            raise ValueError
        return cls(**given)

    def as_values(self) -> dict[str, str]:
        """What :meth:`parse` takes."""
        return {name: value for name in CHOICES if (value := getattr(self, name))}


@dataclass(frozen=True, slots=True)
class Place:
    """A message's place in the list: when it was called for, and its id."""

    created_at: datetime
    id: UUID

    @classmethod
    def parse(cls, text: str) -> Place:
        """As :meth:`__str__` gave it. Raises ValueError."""
        moment, _, id_ = text.rpartition("_")
        return cls(known_moment(moment), UUID(id_))

    def __str__(self) -> str:
        """For an address."""
        return f"{self.created_at.isoformat()}_{self.id}"


def known_moment(text: str) -> datetime:
    """A moment with its time zone, as isoformat gave it. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment


def health(latest: list[str]) -> str:
    """How a provider is, by the outcomes of its last three tries, newest first.

    ``unused``, ``works``, ``shaky`` (the last one failed) or ``failing``: three in a row, so processes leave it alone
    for a while (``circuits``). What a provider refuses is no failure of its own; where it declines whatever it is
    given, it may well be.
    """
    if latest == ["declined"] * 3:
        return "shaky"
    failed = [outcome in {"technical", "unknown"} for outcome in latest]
    if not failed:
        return "unused"
    if not failed[0]:
        return "works"
    return "failing" if len(failed) >= 3 and all(failed) else "shaky"  # noqa: PLR2004 - circuits.OPENS_AFTER
