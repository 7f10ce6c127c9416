from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from aio_pika.exceptions import DeliveryError

from shared.bus import RETRIES_HEADER, RETRY_DELAYS_SECONDS, Bus
from shared.events import ClassUpdated
from shared.sealing import UnsealError
from support.broker import Outsider, outsider
from support.factories import make_class_updated
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aio_pika.abc import AbstractIncomingMessage

    from local_stack.servers import Servers
    from shared.database import Database

QUEUE = "probe.binding.class-updated.v1"
DEAD = f"{QUEUE}.dead"


class Handler:
    """Takes classes; raises the ``faults`` first, one a delivery."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.subjects: list[str] = []

    async def __call__(self, event: ClassUpdated) -> None:
        """Take one."""
        self.subjects.append(event.subject)
        if self.faults:
            raise self.faults.pop(0)

    async def took(self, *subjects: str) -> None:
        """Return when it was called for exactly these, in order."""

        async def done() -> bool:
            return self.subjects == list(subjects)

        await eventually(done)


@asynccontextmanager
async def consuming(bus: Bus, handler: Handler) -> AsyncIterator[None]:
    @bus.consume(ClassUpdated)
    async def take(event: ClassUpdated) -> None:
        await handler(event)

    await bus.start()
    try:
        yield
    finally:
        await bus.stop()


@pytest.fixture
async def channel(broker_url: str) -> AsyncIterator[Outsider]:
    async with outsider(broker_url) as channel:
        yield channel


def body(**changes: object) -> bytes:
    return json.dumps(json.loads(make_class_updated().model_dump_json()) | changes).encode()


async def one_from(channel: Outsider, queue: str) -> AbstractIncomingMessage:
    found: list[AbstractIncomingMessage] = []

    async def got() -> bool:
        message = await channel.get(queue)
        if message is not None:
            found.append(message)
        return bool(found)

    await eventually(got)
    return found[0]


@pytest.mark.parametrize(
    "bad",
    [
        b"{not json",
        b"\xff\xfe",
        b"[]",
        body(type="kinbind.binding.class-updated.v9"),
        body(specversion="9.9"),
        body(data={"revision": "many"}),
    ],
    ids=["malformed", "not text", "no object", "unknown version", "unknown specification", "wrong data"],
)
async def test_what_no_later_try_can_read_is_dead_at_once_and_the_service_goes_on(
    bus: Bus, channel: Outsider, bad: bytes
) -> None:
    handler = Handler()
    async with consuming(bus, handler):
        await channel.publish(bad, ClassUpdated.TYPE)
        await channel.publish(body(subject="good"), ClassUpdated.TYPE)
        await handler.took("good")
        assert (await one_from(channel, DEAD)).body == bad


async def test_a_value_that_the_database_cannot_hold_is_dead_at_once(
    bus: Bus, channel: Outsider, database: Database
) -> None:
    with pytest.raises(asyncpg.DataError) as refused:
        await database.pool.fetchval("SELECT $1::bigint", 2**80)
    async with consuming(bus, Handler(refused.value)):
        await channel.publish(body(subject="too large"), ClassUpdated.TYPE)
        await one_from(channel, DEAD)


async def test_a_message_that_could_not_be_sent_back_is_the_brokers_again(
    bus: Bus, channel: Outsider, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Handler(ZeroDivisionError())
    failing = [ConnectionResetError()]
    publish = bus.broker.publish

    async def fails_once(*what: Any, **how: Any) -> Any:  # noqa: ANN401 - FastStream's signature
        if failing:
            raise failing.pop()
        return await publish(*what, **how)

    async with consuming(bus, handler):
        monkeypatch.setattr(bus.broker, "publish", fails_once)
        await channel.publish(body(subject="kept"), ClassUpdated.TYPE)
        await handler.took("kept", "kept")
        assert await channel.get(DEAD) is None


async def test_an_event_waits_for_a_consumer_that_was_never_started(broker_url: str, channel: Outsider) -> None:
    publisher = Bus(broker_url, "binding")
    publisher.publishes(ClassUpdated)
    await publisher.start()
    event = make_class_updated()
    sent = event.model_dump_json().encode()
    await publisher.publish_event(event_id=event.id, type_=event.type, body=sent, correlation_id="c")
    await publisher.stop()
    assert (await one_from(channel, "review.binding.class-updated.v1")).body == sent


async def test_what_does_not_unseal_is_dead_at_once(bus: Bus, channel: Outsider) -> None:
    handler = Handler(UnsealError())
    async with consuming(bus, handler):
        sent = body(subject="sealed")
        await channel.publish(sent, ClassUpdated.TYPE)
        assert (await one_from(channel, DEAD)).body == sent
        assert handler.subjects == ["sealed"]


async def test_a_handler_that_fails_is_tried_again_after_a_second(bus: Bus, channel: Outsider) -> None:
    handler = Handler(ZeroDivisionError())
    async with consuming(bus, handler):
        begin = asyncio.get_running_loop().time()
        await channel.publish(body(subject="again"), ClassUpdated.TYPE, message_id="the-id")
        await handler.took("again", "again")
        assert asyncio.get_running_loop().time() - begin >= RETRY_DELAYS_SECONDS[0]
        assert await channel.get(DEAD) is None


async def test_after_the_last_delay_it_is_dead(bus: Bus, channel: Outsider) -> None:
    handler = Handler(ZeroDivisionError())
    async with consuming(bus, handler):
        headers = {RETRIES_HEADER: len(RETRY_DELAYS_SECONDS)}
        await channel.publish(body(), ClassUpdated.TYPE, headers=headers)
        assert (await one_from(channel, DEAD)).headers[RETRIES_HEADER] == len(RETRY_DELAYS_SECONDS)


@pytest.mark.parametrize("fault", [asyncpg.CannotConnectNowError("starting"), ConnectionRefusedError()])
async def test_a_database_that_is_away_costs_no_try(bus: Bus, channel: Outsider, fault: Exception) -> None:
    handler = Handler(fault)
    async with consuming(bus, handler):
        headers = {RETRIES_HEADER: len(RETRY_DELAYS_SECONDS)}
        await channel.publish(body(), ClassUpdated.TYPE, headers=headers, message_id="the-id")
        message = await one_from(channel, "probe.retry.10s")
        assert (message.headers[RETRIES_HEADER], message.message_id) == (len(RETRY_DELAYS_SECONDS), "the-id")


async def test_a_queue_that_was_deleted_is_no_reason_to_stay_deaf(
    bus: Bus, channel: Outsider, servers: Servers, broker_url: str
) -> None:
    handler = Handler()
    async with consuming(bus, handler):
        vhost = urlsplit(broker_url).path.removeprefix("/")
        servers.rabbitmq.manage("DELETE", f"/api/queues/{vhost}/{QUEUE}")

        async def taken() -> bool:
            with suppress(DeliveryError):
                await channel.publish(body(subject="after"), ClassUpdated.TYPE)
            return bool(handler.subjects)

        await eventually(taken)
