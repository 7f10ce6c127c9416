"""What a message is when it leaves, and what takes it from here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notify_service.circuits import Circuit
from shared.events import Language, Model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from uuid import UUID

    from notify_service.domain import Kind


#: A provider has this long to take a message, greeting and farewell included; whoever waits for a code is not to wait
#: for a slow one. Each adapter keeps to it itself: it knows whether the message was handed over by then.
ASKING_SECONDS = 20.0


class Letter(Model):
    """The sealed part of a message: to whom, and what it says in which language. An SMS has a text only."""

    to: str
    subject: str = ""
    text: str
    html: str = ""
    language: Language = "zh-TW"


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way out.

    Its id is the same on every try, so that a provider can tell a repetition; ``try_id`` is this try's own, by which a
    receipt says what it is about. It is worth something for ``seconds_left`` more.
    """

    id: UUID
    kind: Kind
    created_at: datetime
    letter: Letter
    try_id: UUID
    seconds_left: int


class Provider(ABC):
    """Takes messages of one channel. ``name`` is what settings, rows and metrics call it."""

    name: str

    def serves(self, _to: str) -> bool:
        """Whether it takes messages to this address or number at all."""
        return True

    def turn(self) -> AbstractAsyncContextManager[object]:
        """Where no more than so many messages can be handed over at once: waits until there is room for one more."""
        return nullcontext()

    @abstractmethod
    async def send(self, message: Message) -> str:
        """Returns when the provider has taken the message: its own id of it, or nothing. Raises DeliveryError."""

    async def close(self) -> None:  # noqa: B027 - most keep nothing open
        """Let go of what is kept open."""


@dataclass(frozen=True, slots=True)
class Route:
    """A provider, and what this process knows of how it is."""

    provider: Provider
    circuit: Circuit = field(default_factory=Circuit)


def able(routes: Sequence[Route], to: str, only: str) -> list[Route]:
    """Those that serve the recipient; of them ``only`` this one, where it is one of them."""
    serving = [route for route in routes if route.provider.serves(to)]
    return [route for route in serving if route.provider.name == only] or serving


def seconds_to_probe(routes: Sequence[Route]) -> float | None:
    """Seconds until one of a channel's providers may be asked by one message, as a probe; 0 for now.

    None where there is one to be asked by all: a slow one is better than nobody.
    """
    if any(route.circuit.is_slow or not route.circuit.is_open for route in routes):
        return None
    return min(route.circuit.opens_in for route in routes)


def choices(routes: Sequence[Route], first: str) -> Iterator[Route]:
    """Whom to ask, one after the other, in the order of the settings; asking is what follows each step of it.

    ``first`` is a provider whose answer was lost: it may know the message by its id, so it comes before the others.
    Those that are left alone because they are slow come last, and those that fail not at all.
    """
    slow = []
    for route in sorted(routes, key=lambda it: it.provider.name != first):
        if route.circuit.admits():
            yield route
        elif route.circuit.is_slow:
            slow.append(route)
    yield from slow
