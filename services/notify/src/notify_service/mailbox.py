"""The development mailbox: takes the messages of a channel that no real provider is set up for.

Its pages show everything to everyone, so it exists in development only (see Settings.check_channels).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notify_service import storage
from notify_service.providers import Provider

if TYPE_CHECKING:
    from notify_service.providers import Message
    from shared.database import Database
    from shared.events import Channel


class Mailbox(Provider):
    """The mailbox as the provider of ``channel``."""

    name = "mailbox"

    def __init__(self, database: Database, channel: Channel) -> None:
        self._database = database
        self._channel = channel

    async def send(self, message: Message) -> str:
        """See :class:`notify_service.providers.Provider`. Twice the same message is one."""
        async with self._database.connection() as connection:
            await storage.put_in_mailbox(connection, message, self._channel)
        return ""
