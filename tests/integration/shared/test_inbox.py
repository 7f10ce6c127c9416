from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shared import inbox
from shared.events import ClassUpdated
from support.broker import outsider
from support.factories import make_class_updated
from support.serving import eventually

if TYPE_CHECKING:
    from shared.bus import Bus
    from shared.database import Connection, Database


@pytest.fixture(autouse=True)
async def effects(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE effects (subject text)")


async def effect(connection: Connection, event: ClassUpdated) -> None:
    await connection.execute("INSERT INTO effects VALUES ($1)", event.subject)


async def count(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM effects"))


async def test_ten_deliveries_at_once_have_one_effect(database: Database) -> None:
    event = make_class_updated()
    ran = await asyncio.gather(*(inbox.once(database, "probe", event, effect) for _ in range(10)))
    assert (sum(ran), await count(database)) == (1, 1)


async def test_each_consumer_has_its_own_effect(database: Database) -> None:
    event = make_class_updated()
    assert await inbox.once(database, "one", event, effect)
    assert await inbox.once(database, "two", event, effect)
    assert await count(database) == 2


async def test_an_effect_that_failed_is_had_by_the_next_delivery(database: Database) -> None:
    event = make_class_updated()

    async def fail(connection: Connection, event: ClassUpdated) -> None:
        await effect(connection, event)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await inbox.once(database, "probe", event, fail)
    assert await count(database) == 0
    assert await inbox.once(database, "probe", event, effect)
    assert await count(database) == 1


async def test_an_event_that_the_bus_brings_twice_has_one_effect(database: Database, bus: Bus, broker_url: str) -> None:
    outcomes: list[bool] = []

    @bus.consume(ClassUpdated)
    async def take(event: ClassUpdated) -> None:
        outcomes.append(await inbox.once(database, "probe", event, effect))

    await bus.start()
    body = make_class_updated().model_dump_json().encode()
    async with outsider(broker_url) as channel:
        for _ in range(2):
            await channel.publish(body, ClassUpdated.TYPE)

    async def both_taken() -> bool:
        return len(outcomes) == 2

    await eventually(both_taken)
    await bus.stop()
    assert (sorted(outcomes), await count(database)) == ([False, True], 1)
