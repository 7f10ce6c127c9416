"""Dead letters: listed, shown masked, sent back once in effect, and never gone without a line that says why."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import aio_pika
import pytest

from contract import samples
from kinbind_operations.queues import RENEWED_AFTER, Held, connected, dead_queues, holding, state_of
from shared.bus import RETRIES_HEADER, Bus, event_queue
from shared.database import Database
from shared.events import BindingWithdrawn, SchoolUpdated
from shared.inbox import once
from support.broker import Outsider, outsider
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    import asyncpg

    from shared.database import Connection
    from support.databases import Databases
    from support.operator import Operator

QUEUE = event_queue("review", BindingWithdrawn).name
DEAD = f"{QUEUE}.dead"
PERSONAL = ("A123456789", "林淑芬", "lin@example.org", "0912345678")


class Consumer:
    """Review, as far as a withdrawal goes: it notes each once, or cannot read any."""

    def __init__(self, broker_url: str, database: Database) -> None:
        self.bus = Bus(broker_url, "review", graceful_timeout=5)
        self.broken = True
        self.deliveries: Counter[UUID] = Counter()
        self.effects: Counter[UUID] = Counter()
        self._database = database

        @self.bus.consume(BindingWithdrawn)
        async def take(event: BindingWithdrawn) -> None:
            self.deliveries[event.id] += 1
            if self.broken:
                raise ValueError
            await once(database, "review", event, self._effect)

        @self.bus.consume(SchoolUpdated)
        async def ignore(_: SchoolUpdated) -> None:
            pass

    async def _effect(self, _: Connection, event: BindingWithdrawn) -> None:
        self.effects[event.id] += 1


@pytest.fixture
async def consumer(broker_url: str, databases: Databases) -> AsyncIterator[Consumer]:
    database = Database(databases.review)
    await database.open()
    consumer = Consumer(broker_url, database)
    await consumer.bus.start()
    yield consumer
    await consumer.bus.stop()
    await database.close()


@pytest.fixture
async def outside(broker_url: str, consumer: Consumer) -> AsyncIterator[Outsider]:
    """Somebody else on the bus, where the consumer has declared its queues."""
    assert consumer.bus.is_connected
    async with outsider(broker_url) as outside:
        yield outside


def make_event() -> BindingWithdrawn:
    """A withdrawal like no other."""
    return samples.of(BindingWithdrawn).model_copy(update={"id": uuid4()})


async def publish(outside: Outsider, event: BindingWithdrawn, body: bytes | None = None) -> None:
    await outside.publish(
        body or event.model_dump_json().encode(),
        BindingWithdrawn.TYPE,
        message_id=str(event.id),
        type=event.type,
        content_type="application/cloudevents+json",
    )


async def die(broker_url: str, outside: Outsider, *events: BindingWithdrawn) -> None:
    """Let events become dead letters."""
    for event in events:
        await publish(outside, event)
    await lie_there(broker_url, DEAD, len(events))


async def length(broker_url: str, queue: str) -> int:
    async with await aio_pika.connect(broker_url) as connection:
        return (await state_of(connection, queue)).messages or 0


async def lie_there(broker_url: str, queue: str, count: int) -> None:
    async def has() -> bool:
        return await length(broker_url, queue) == count

    await eventually(has, within=30)


@asynccontextmanager
async def paused(consumer: Consumer) -> AsyncIterator[None]:
    """The consumer reads again, and is away for the time of the block."""
    await consumer.bus.stop_consuming()
    consumer.broken = False
    yield
    for subscriber in consumer.bus.broker.subscribers:
        await subscriber.start()


async def test_the_list_says_what_lies_where_since_when_and_why_and_leaves_it_there(
    operator: Operator, broker_url: str, outside: Outsider
) -> None:
    event = make_event()
    await die(broker_url, outside, event)
    said = await operator.run("dead-letters", "list", "--json")
    (letter,) = json.loads(said.out)
    assert (said.code, letter["queue"], letter["type"], letter["event_id"]) == (
        0,
        QUEUE,
        BindingWithdrawn.TYPE,
        str(event.id),
    )
    assert "cannot read it" in letter["reason"]
    assert letter["died_at"]
    said = await operator.run("dead-letters", "list")
    assert all(part in said.out for part in (QUEUE, "1 dead letters", str(event.id), BindingWithdrawn.TYPE, " s ago"))
    assert await length(broker_url, DEAD) == 1


async def test_what_was_looked_at_is_there_for_whoever_looks_next(broker_url: str, outside: Outsider) -> None:
    await die(broker_url, outside, make_event())
    seen = []
    async with connected(broker_url) as connection:
        for _ in range(200):
            async with holding(connection, DEAD) as held:
                assert [message async for message in held.take()]
            seen.append((await state_of(connection, DEAD)).messages)
    assert set(seen) == {1}


async def test_what_failed_too_often_is_told_from_what_cannot_be_read(
    operator: Operator, broker_url: str, outside: Outsider
) -> None:
    event = make_event()
    body = event.model_dump_json().encode()
    how = {"message_id": str(event.id), "type": event.type, "headers": {RETRIES_HEADER: 4}}
    await outside.publish(body, BindingWithdrawn.TYPE, **how)
    await lie_there(broker_url, DEAD, 1)
    assert "its consumer failed on it, 5 times" in (await operator.run("dead-letters", "list")).out


async def test_however_often_it_is_looked_at_a_dead_letter_stays(broker_url: str, outside: Outsider) -> None:
    """RabbitMQ 4 drops what goes back to a quorum queue more than 20 times."""
    event = make_event()
    await die(broker_url, outside, event)
    async with connected(broker_url) as connection:
        for _ in range(3 * RENEWED_AFTER):
            await lie_there(broker_url, DEAD, 1)
            async with holding(connection, DEAD) as held:
                (message,) = [message async for message in held.take()]
                assert int(str(message.headers.get("x-delivery-count", 0))) <= RENEWED_AFTER
                assert message.message_id == str(event.id)
                assert message.headers["x-death"][0]["reason"] == "rejected"  # type: ignore[index,call-overload]
    assert await length(broker_url, DEAD) == 1


async def test_what_is_shown_is_masked_wherever_it_stands(
    operator: Operator, broker_url: str, outside: Outsider
) -> None:
    event = make_event()
    sent = json.loads(event.model_dump_json())
    sent["subject"], sent["data"]["for_notify"] = PERSONAL[:2]
    sent["data"]["version"], sent["data"]["added"], sent["data"][PERSONAL[0]] = PERSONAL[3], [PERSONAL[2]], 1
    await publish(outside, event, json.dumps(sent).encode())
    await lie_there(broker_url, DEAD, 1)
    said = await operator.run("dead-letters", "show", str(event.id))
    assert said.code == 0
    assert [person for person in PERSONAL if person in said.out] == []
    shown = json.loads(said.out)["event"]
    assert (shown["type"], shown["data"]["application_id"]) == (event.type, str(event.data.application_id))
    assert await length(broker_url, DEAD) == 1


async def test_one_that_is_sent_back_reaches_only_the_consumer_that_failed_and_begins_anew(
    operator: Operator, broker_url: str, outside: Outsider, consumer: Consumer, db: asyncpg.Connection
) -> None:
    wanted, other = make_event(), make_event()
    await die(broker_url, outside, wanted, other)
    async with paused(consumer):
        said = await operator.run("dead-letters", "replay", str(wanted.id))
        assert (said.code, said.out) == (0, "1 sent back\n")
        assert "has no consumer" in said.err
        message = await outside.get(QUEUE)
        assert message is not None
        assert (message.message_id, message.delivery_mode) == (str(wanted.id), aio_pika.DeliveryMode.PERSISTENT)
        assert {"x-death", "x-first-death-queue", RETRIES_HEADER}.isdisjoint(message.headers)
        await outside.publish(message.body, QUEUE, exchange="", message_id=message.message_id)
    await eventually(lambda: _is(consumer.effects, {wanted.id: 1}))
    assert await length(broker_url, DEAD) == 1
    noted = await db.fetch("SELECT who, act, queue, event_id FROM operations.acts")
    assert [tuple(row) for row in noted] == [("night shift", "dead-letters replay", QUEUE, str(wanted.id))]


async def _is(seen: Counter[UUID], expected: dict[UUID, int]) -> bool:
    return dict(seen) == expected


async def test_all_are_sent_back_while_the_consumer_runs(
    operator: Operator, broker_url: str, outside: Outsider, consumer: Consumer
) -> None:
    events = [make_event() for _ in range(5)]
    await die(broker_url, outside, *events)
    consumer.broken = False
    said = await operator.run("dead-letters", "replay", "--all", "--queue", QUEUE)
    assert (said.code, said.out) == (0, "5 sent back\n")
    await eventually(lambda: _is(consumer.effects, {event.id: 1 for event in events}))
    assert await length(broker_url, DEAD) == 0


async def test_one_that_dies_again_is_not_sent_back_for_ever(
    operator: Operator, broker_url: str, outside: Outsider, consumer: Consumer
) -> None:
    event = make_event()
    await die(broker_url, outside, event)
    assert (await operator.run("dead-letters", "replay", "--all")).out == "1 sent back\n"
    await lie_there(broker_url, DEAD, 1)
    assert consumer.deliveries[event.id] == 2


async def test_a_replay_that_is_killed_in_the_middle_loses_nothing_and_is_finished_by_another(
    operator: Operator, broker_url: str, outside: Outsider, consumer: Consumer
) -> None:
    events = [make_event() for _ in range(300)]
    await die(broker_url, outside, *events)
    async with paused(consumer):
        process = await operator.start("dead-letters", "replay", "--all")

        async def is_under_way() -> bool:
            return await length(broker_url, QUEUE) > 20

        await eventually(is_under_way, within=30)
        process.kill()
        await process.communicate()
        # What it held goes back once the broker sees that it is gone.
        await eventually(lambda: _has_all(broker_url, len(events)))
        assert await length(broker_url, DEAD) > 0, "it was killed too late to show anything"
        assert (await operator.run("dead-letters", "replay", "--all")).code == 0
    await eventually(lambda: _is(consumer.effects, {event.id: 1 for event in events}), within=30)
    assert await length(broker_url, DEAD) == 0


async def _has_all(broker_url: str, count: int) -> bool:
    return await length(broker_url, DEAD) + await length(broker_url, QUEUE) >= count


async def test_killed_between_the_sending_and_the_acknowledgement_it_is_there_twice_and_takes_effect_once(
    operator: Operator, broker_url: str, outside: Outsider, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = make_event()
    await die(broker_url, outside, event)

    async def killed(*_: object) -> None:
        raise SystemExit

    async with paused(consumer):
        connection = await aio_pika.connect(broker_url)
        held = Held(await connection.channel(publisher_confirms=True, on_return_raises=True), DEAD)
        message = await anext(held.take())
        with monkeypatch.context() as patch:
            patch.setattr(Held, "drop", killed)
            with pytest.raises(SystemExit):
                await held.send_back(message)
        await connection.close()
        await lie_there(broker_url, DEAD, 1)
        assert await length(broker_url, QUEUE) == 1
        assert (await operator.run("dead-letters", "replay", str(event.id))).code == 0
        assert await length(broker_url, QUEUE) == 2
    await eventually(lambda: _is(consumer.deliveries, {event.id: 3}))
    await consumer.bus.stop_consuming()
    assert consumer.effects == {event.id: 1}


async def test_one_whose_queue_is_gone_stays(
    operator: Operator, broker_url: str, outside: Outsider, consumer: Consumer
) -> None:
    event = make_event()
    await die(broker_url, outside, event)
    await consumer.bus.stop()
    async with await aio_pika.connect(broker_url) as connection:
        await (await connection.channel()).queue_delete(QUEUE)
    said = await operator.run("dead-letters", "replay", str(event.id))
    assert (said.code, said.err.startswith(f"kinbind: {QUEUE} does not take the message")) == (1, True)
    await lie_there(broker_url, DEAD, 1)


async def test_what_is_dropped_is_gone_and_who_and_why_is_kept_for_good(
    operator: Operator, broker_url: str, outside: Outsider, db: asyncpg.Connection
) -> None:
    events = [make_event() for _ in range(3)]
    await die(broker_url, outside, *events)
    said = await operator.run("dead-letters", "drop", str(events[1].id), "--reason", "sent by a test")
    assert (said.code, said.out) == (0, "1 dropped\n")
    assert await length(broker_url, DEAD) == 2
    said = await operator.run("dead-letters", "drop", "--all", "--queue", QUEUE, "--reason", "the rest")
    assert (said.code, said.out) == (0, "2 dropped\n")
    noted = await db.fetch("SELECT who, act, event_id, event_type, reason FROM operations.acts ORDER BY id")
    assert tuple(noted[0]) == (
        *("night shift", "dead-letters drop", str(events[1].id), BindingWithdrawn.TYPE),
        "sent by a test",
    )
    assert [row["reason"] for row in noted] == ["sent by a test", "the rest", "the rest"]


@pytest.mark.parametrize("words", [("--all",), ("--all", "--reason", "tidy")], ids=["no reason", "everything at once"])
async def test_nothing_is_dropped_without_a_reason_or_everywhere_at_once(
    operator: Operator, broker_url: str, outside: Outsider, words: tuple[str, ...]
) -> None:
    await die(broker_url, outside, make_event())
    assert (await operator.run("dead-letters", "drop", *words)).code in {1, 2}
    assert await length(broker_url, DEAD) == 1


async def test_nothing_is_dropped_where_it_cannot_be_written_down(
    operator: Operator, broker_url: str, outside: Outsider
) -> None:
    event = make_event()
    await die(broker_url, outside, event)
    away = operator.with_settings(database_url="postgresql://operator@127.0.0.1:1/none")
    said = await away.run("dead-letters", "drop", str(event.id), "--reason", "tidy")
    assert said.code == 3
    assert said.err == "kinbind: PostgreSQL at 127.0.0.1:1 cannot be reached (ConnectionRefusedError)\n"
    await lie_there(broker_url, DEAD, 1)


@pytest.mark.usefixtures("consumer")
async def test_an_id_and_a_queue_that_are_not_there_are_sentences(operator: Operator) -> None:
    said = await operator.run("dead-letters", "replay", str(uuid4()))
    assert (said.code, "no dead letter has the id" in said.err) == (1, True)
    said = await operator.run("dead-letters", "list", "--queue", "review.nothing")
    assert (said.code, "there is no queue review.nothing" in said.err) == (1, True)
    assert (await operator.run("dead-letters", "list")).out == "no dead letters\n"


async def test_a_broker_that_is_away_or_refuses_is_a_sentence(operator: Operator) -> None:
    away = operator.with_settings(rabbitmq_url="amqp://nobody@127.0.0.1:1/")
    said = await away.run("dead-letters", "list")
    assert (said.code, said.err) == (3, "kinbind: RabbitMQ at 127.0.0.1:1 cannot be reached (AMQPConnectionError)\n")
    stranger = operator.with_settings(
        rabbitmq_url=operator.environment["KINBIND_RABBITMQ_URL"].replace("amqp://", "amqp://x")
    )
    said = await stranger.run("dead-letters", "list")
    assert (said.code, "refuses the operator's user" in said.err) == (1, True)


async def test_two_operators_who_look_at_once_lose_nothing(
    operator: Operator, broker_url: str, outside: Outsider
) -> None:
    await die(broker_url, outside, *(make_event() for _ in range(20)))
    await asyncio.gather(*(operator.run("dead-letters", "list") for _ in range(3)))
    await lie_there(broker_url, DEAD, 20)


def test_every_consumer_s_queue_is_known() -> None:
    assert DEAD in dead_queues()
