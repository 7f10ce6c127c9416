"""Once in effect: an event's id is committed together with what the event caused."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.database import Connection, Database
    from shared.events import Event

E = TypeVar("E", bound="Event")


async def once(database: Database, consumer: str, event: E, effect: Callable[[Connection, E], Awaitable[None]]) -> bool:
    """Run ``effect`` in one transaction with the note that ``consumer`` has seen ``event``.

    Returns False, and runs nothing, where it was seen before. What ``effect`` raises undoes the note too. Of two
    deliveries at once the second waits for the first: it does nothing if that one commits, and runs if it does not.
    """
    async with database.transaction() as connection:
        fresh = await connection.fetchval(
            "INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true",
            consumer,
            event.id,
        )
        if fresh:
            await effect(connection, event)
        return bool(fresh)
