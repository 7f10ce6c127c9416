"""What the broker has lost is published again: after a restore, RabbitMQ begins empty, and no backup holds its queues.

The outbox keeps for some days what it has published. Consumers know by an event's id what they have had, for longer
than that, so any of it may be published again. Where notify's database is older than the letters that it has sent, they
would be sent again: then the others are told alone.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from shared.events import EVENTS, HEARD_BY
from shared.operations import TaskError, deliver

if TYPE_CHECKING:
    from shared.bus import Bus
    from shared.database import Database
    from shared.events import Event
    from shared.operations import Handlers, Result, Task

BATCH = 1000
BY_TYPE = {event.TYPE: event for event in EVENTS}
CONSUMERS = sorted({consumer for heard_by in HEARD_BY.values() for consumer in heard_by})
FIRST = UUID(int=0)


def resending(database: Database, bus: Bus) -> Handlers:
    """What every service may be asked: ``outbox-resend``."""
    return {"outbox-resend": partial(_resend, database, bus)}


async def _resend(database: Database, bus: Bus, task: Task) -> Result:
    """Publish again what was published ``since``; with ``to``, into the queues of that consumer alone."""
    since, consumer = datetime.fromisoformat(task.arguments["since"]), task.arguments.get("to")
    if consumer is None:
        return {"events": await _to_all(database, since)}
    if consumer not in CONSUMERS:
        msg = f"{consumer} hears no events"
        raise TaskError(msg)
    return {"events": await _to_one(database, bus, task, since, consumer)}


async def _to_all(database: Database, since: datetime) -> int:
    """By the outbox, whose relay bears a broker that is away and queues that are full."""
    async with database.transaction() as connection:
        status = await connection.execute(
            "INSERT INTO outbox (id, type, body, correlation_id) SELECT id, type, body, correlation_id"
            " FROM outbox_sent WHERE sent_at >= $1 ON CONFLICT DO NOTHING",
            since,
            timeout=600,
        )
    return int(status.rpartition(" ")[2])


async def _to_one(database: Database, bus: Bus, task: Task, since: datetime, consumer: str) -> int:
    heard = [event.TYPE for event, heard_by in HEARD_BY.items() if consumer in heard_by]
    last, count = FIRST, 0
    while True:
        async with database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id, type, body FROM outbox_sent WHERE id > $1 AND sent_at >= $2 AND type = ANY($3)"
                " ORDER BY id LIMIT $4",
                last,
                since,
                heard,
                BATCH,
            )
        if not rows:
            return count
        await deliver(bus, consumer, [_event(row["type"], row["body"]) for row in rows])
        last, count = rows[-1]["id"], count + len(rows)
        await task.tell(f"{count} events")


def _event(type_: str, body: str) -> Event:
    return BY_TYPE[type_].model_validate_json(body)
