from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from shared import outbox
from shared.bus import Bus
from shared.database import Database
from shared.events import MAX_EVENT_BYTES, ClassUpdated
from shared.outbox import BrokerAwayError, Relay
from shared.service import running
from shared.wakes import Wakes
from support.broker import breakable
from support.factories import make_class_updated, make_school_updated
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import asyncpg

    from shared.events import Event


@dataclass
class Probe:
    """A service with nothing but its background: its database, and the ids of the classes that it heard of."""

    database: Database
    received: list[str] = field(default_factory=list)


@asynccontextmanager
async def probing(dsn: str, bus: Bus) -> AsyncIterator[Probe]:
    probe = Probe(Database(dsn))

    @bus.consume(ClassUpdated)
    async def take(event: ClassUpdated) -> None:
        probe.received.append(event.subject)

    async with running(probe.database, bus):
        await eventually(bus.is_consuming)
        yield probe


async def record(database: Database, *events: Event) -> None:
    async with database.transaction() as connection:
        await outbox.record(connection, *events)


async def record_and_fail(database: Database, event: Event) -> None:
    async with database.transaction() as connection:
        await outbox.record(connection, event)
        raise ZeroDivisionError


async def waiting(database: Database) -> list[asyncpg.Record]:
    async with database.connection() as connection:
        return await connection.fetch("SELECT subject, tries, last_error FROM waiting")


@pytest.fixture(autouse=True)
async def waiting_view(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "CREATE VIEW waiting AS SELECT body::jsonb ->> 'subject' AS subject, tries, last_error FROM outbox"
        )


async def test_a_committed_event_arrives_and_leaves_the_outbox(database: Database, bus: Bus) -> None:
    async with probing(database.dsn, bus) as probe:
        await record(probe.database, make_class_updated(subject="class-7"))

        async def emptied() -> bool:
            return not await waiting(database)

        await eventually(emptied)
    assert probe.received == ["class-7"]


async def test_before_the_migrations_nothing_is_published(database: Database, bus: Bus) -> None:
    async with database.connection() as connection:
        await connection.execute("ALTER TABLE outbox_sent RENAME TO not_there_yet")
    async with probing(database.dsn, bus) as probe:
        await record(probe.database, make_class_updated(subject="class-7"))
        await asyncio.sleep(1.5)  # a time in which the relay has tried; it logs that it waits
        assert probe.received == []
        async with database.connection() as connection:
            await connection.execute("ALTER TABLE not_there_yet RENAME TO outbox_sent")
        await eventually(lambda: as_async(probe.received))


async def test_an_event_of_a_transaction_that_failed_never_was(database: Database, bus: Bus) -> None:
    async with probing(database.dsn, bus) as probe:
        with pytest.raises(ZeroDivisionError):
            await record_and_fail(probe.database, make_class_updated(subject="never"))
        await record(probe.database, make_class_updated(subject="after"))
        await eventually(lambda: as_async(probe.received))
    assert probe.received == ["after"]


async def test_an_unroutable_event_holds_back_no_other(database: Database, bus: Bus) -> None:
    async with probing(database.dsn, bus) as probe:
        # Nobody has a queue for schools here.
        await record(probe.database, make_school_updated(subject="lost"), make_class_updated(subject="class-1"))
        await record(probe.database, make_class_updated(subject="class-2"))

        async def others_gone() -> bool:
            return [row["subject"] for row in await waiting(database)] == ["lost"]

        await eventually(others_gone)
    (row,) = await waiting(database)
    assert (row["tries"] >= 1, row["last_error"]) == (True, "PublishError")
    assert sorted(probe.received) == ["class-1", "class-2"]


async def test_a_broker_that_is_away_loses_nothing(database: Database, broker_url: str) -> None:
    async with breakable(broker_url) as line:
        bus = Bus(line.url, "probe", graceful_timeout=5)
        async with probing(database.dsn, bus) as probe:
            await line.cut()
            await eventually(lambda: negated(bus))
            await record(probe.database, *(make_class_updated(subject=f"class-{number}") for number in range(20)))
            assert len(await waiting(database)) == 20
            await line.mend()

            async def all_there() -> bool:
                return len(set(probe.received)) == 20 and not await waiting(database)

            await eventually(all_there, within=20)


async def test_two_relays_publish_each_event_once(database: Database) -> None:
    published: Counter[UUID] = Counter()

    async def publish(*, event_id: UUID, type_: str, body: bytes, correlation_id: str) -> None:
        assert type_
        assert body
        assert correlation_id
        published[event_id] += 1
        await asyncio.sleep(0)

    await record(database, *(make_class_updated() for _ in range(500)))
    relays = [Relay(database, Wakes(database), publish) for _ in range(2)]
    while sum([await relay for relay in asyncio.as_completed([relay.relay_batch() for relay in relays])]):
        pass
    assert (len(published), set(published.values())) == (500, {1})


async def test_what_the_broker_confirmed_before_it_went_is_not_sent_again(database: Database) -> None:
    async def publish(*, body: bytes, **_: object) -> None:
        if b'"subject":"second"' in body:
            raise BrokerAwayError

    await record(database, make_class_updated(subject="first"), make_class_updated(subject="second"))
    with pytest.raises(BrokerAwayError):
        await Relay(database, Wakes(database), publish).relay_batch()
    (row,) = await waiting(database)
    assert (row["subject"], row["tries"]) == ("second", 0)


async def test_an_event_too_large_to_travel_is_refused_before_it_is_true(database: Database) -> None:
    with pytest.raises(ValueError, match="larger"):
        await record(database, make_class_updated(name="班" * (MAX_EVENT_BYTES // 3)))
    assert await waiting(database) == []


async def as_async(value: object) -> object:
    return value


async def negated(bus: Bus) -> bool:
    return not await bus.is_consuming()
