"""Events and questions in a steady flow, for the test of the cluster: run in a service's image, so by its own code.

``send`` writes events to the outbox, relays them, and asks a question ten times a second. ``receive`` handles each
event once, as consumers do, and answers the questions. What happened is noted in tables of test_rabbitmq_cluster.py.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from uuid import uuid4

from shared.bus import Bus, reply
from shared.database import Connection, Database
from shared.events import CodeIssued, Model
from shared.inbox import once
from shared.logs import configure_logs
from shared.outbox import Relay, record
from shared.requests import NoAnswerError, Requester
from shared.wakes import Wakes

QUESTION = "otp.question"
BATCH = 5
BATCHES_A_SECOND = 20


class Word(Model):
    """A question and its answer."""

    word: str


async def receive(database: Database, bus: Bus) -> None:
    """Handle events and answer questions until the end."""

    async def handle(connection: Connection, event: CodeIssued) -> None:
        await connection.execute("INSERT INTO handled (event_id) VALUES ($1)", event.id)

    @bus.consume(CodeIssued)
    async def on_code_issued(event: CodeIssued) -> None:
        await once(database, "flow", event, handle)

    @bus.answer(QUESTION)
    async def on_question(body: Word) -> object:
        return reply(body)

    await bus.start()
    await asyncio.Event().wait()


async def send(database: Database, bus: Bus) -> None:
    """Send and ask until there is enough, and go on relaying until the end."""
    bus.publishes(CodeIssued)
    bus.asks(QUESTION)
    wakes = Wakes(database)
    relay = Relay(database, wakes, bus.publish_event)
    await asyncio.gather(bus.start(), wakes.run(), relay.run(), _write(database), _ask(database, bus))


async def _write(database: Database) -> None:
    while True:
        async with database.transaction() as connection:
            if await connection.fetchval("SELECT true FROM enough"):
                return
            events = [_event() for _ in range(BATCH)]
            await record(connection, *events)
            ids = [event.id for event in events]
            await connection.execute("INSERT INTO sent (event_id) SELECT unnest($1::uuid[])", ids)
        await asyncio.sleep(1 / BATCHES_A_SECOND)


async def _ask(database: Database, bus: Bus) -> None:
    requester = Requester(bus, timeout_seconds=2)
    async with database.connection() as connection:
        while not await connection.fetchval("SELECT true FROM enough"):
            try:
                answered = (await requester.ask(QUESTION, uuid4(), Word(word="well?"), Word)).word == "well?"
            except NoAnswerError:
                answered = False
            await connection.execute("INSERT INTO asked (answered) VALUES ($1)", answered)
            await asyncio.sleep(0.1)


def _event() -> CodeIssued:
    data = {"channel": "email", "language": "en", "expires_at": datetime.now(UTC), "for_notify": "sealed"}
    return CodeIssued.of("otp", uuid4(), **data)


async def main(part: str) -> None:
    """Run one part, ``send`` or ``receive``, until it is killed."""
    configure_logs("flow", "INFO")
    database = Database(os.environ["OTP_DATABASE_URL"], pool_size=8)
    await database.open()
    # The queue that HEARD_BY gives to the event is notify's, and its publisher is otp.
    bus = Bus(os.environ["OTP_RABBITMQ_URL"], "notify" if part == "receive" else "otp")
    await (receive if part == "receive" else send)(database, bus)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
