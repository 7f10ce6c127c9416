"""What a message is when it leaves, and what takes it from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.events import Language, Model

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from notify_service.domain import Kind


class Letter(Model):
    """The sealed part of a message: to whom, and what it says. An SMS has a text only."""

    to: str
    subject: str = ""
    text: str
    html: str = ""
    language: Language = "zh-TW"


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way out. Its id is the same on every try, so that a provider can tell a repetition."""

    id: UUID
    kind: Kind
    created_at: datetime
    letter: Letter


class Provider(Protocol):
    """Takes messages of one channel. ``name`` is what the message's row says about who took it."""

    name: str

    async def send(self, message: Message) -> None:
        """Returns when the provider has accepted the message. Raises NotNowError or RefusedForGoodError."""
