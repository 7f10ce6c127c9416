"""Old and new processes on one bus: what a consumer does not know yet is kept for later, and holds up nothing."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import uuid4

import pytest
from aio_pika.exceptions import DeliveryError

from contract import samples
from kinbind_operations.queues import connected, state_of
from shared.bus import CONTENT_TYPE, Bus, dead_letter_name, event_queue
from shared.events import ClassUpdated, CodeIssued, CodeIssuedData, Event, SchoolUpdated
from support.broker import Outsider, outsider
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.operator import Operator

E = TypeVar("E", bound=Event)

QUEUE = event_queue("notify", CodeIssued).name


class OlderData(CodeIssuedData):
    """As a version had it that knew one language, and no time that a code ends at."""

    language: Literal["zh-TW"]


class Older(CodeIssued):
    """The event of that version."""

    data: OlderData


@pytest.fixture
async def outside(broker_url: str) -> AsyncIterator[Outsider]:
    async with outsider(broker_url) as outside:
        yield outside


@asynccontextmanager
async def hearing(broker_url: str, service: str, event: type[E]) -> AsyncIterator[list[E]]:
    """A process of the service; yields what it has taken."""
    bus = Bus(broker_url, service)
    taken: list[E] = []

    async def take(message: Event) -> None:
        taken.append(message)

    take.__annotations__["message"] = event
    bus.consume(event)(take)
    await bus.start()
    try:
        yield taken
    finally:
        await bus.stop()


async def has(broker_url: str, queue: str, count: int) -> None:
    """Wait until so many messages lie in a queue."""

    async def lie_there() -> bool:
        async with connected(broker_url) as connection:
            return (await state_of(connection, queue)).messages == count

    await eventually(lie_there, within=30)


def told(event: type[Event], subject: str, *without: str, **data: Any) -> bytes:  # noqa: ANN401 - JSON
    """An event as bytes on the bus, with other facts than ours."""
    body = json.loads(samples.of(event).model_dump_json())
    body |= {"id": str(uuid4()), "subject": subject, "data": body["data"] | data}
    return json.dumps({name: value for name, value in body.items() if name not in without}).encode()


async def publish(outside: Outsider, event: type[Event], body: bytes) -> None:
    how = {"message_id": json.loads(body)["id"], "content_type": CONTENT_TYPE, "type": event.TYPE}
    await outside.publish(body, event.TYPE, **how)


async def test_fields_that_a_newer_version_added_are_passed_over_and_those_that_an_older_one_lacks_have_defaults(
    broker_url: str, outside: Outsider
) -> None:
    async with hearing(broker_url, "notify", CodeIssued) as taken:
        newer = {"spoken": {"voice": 1}, "language": "en"}
        await publish(outside, CodeIssued, told(CodeIssued, "newer", **newer))
        older = ("time", "correlationid", "datacontenttype", "specversion")
        await publish(outside, CodeIssued, told(CodeIssued, "older", *older, language="en"))
        await eventually(lambda: _are(taken, "newer", "older"))
    assert {event.data.language for event in taken} == {"en"}


async def _are(taken: list[E], *subjects: str) -> bool:
    return sorted(event.subject for event in taken) == sorted(subjects)


async def test_a_language_that_a_consumer_does_not_know_waits_for_the_upgrade_and_holds_up_nothing(
    broker_url: str, outside: Outsider, operator: Operator
) -> None:
    async with hearing(broker_url, "notify", Older) as taken:
        await publish(outside, CodeIssued, told(CodeIssued, "unknown", language="id"))
        await publish(outside, CodeIssued, told(CodeIssued, "known", language="zh-TW"))
        await eventually(lambda: _are(taken, "known"))
        await has(broker_url, dead_letter_name(QUEUE), 1)
    async with hearing(broker_url, "notify", CodeIssued) as taken_then:
        said = await operator.run("dead-letters", "replay", "--queue", QUEUE, "--all")
        assert said.code == 0, said
        await eventually(lambda: _are(taken_then, "unknown"))
    await has(broker_url, dead_letter_name(QUEUE), 0)


async def test_an_event_of_a_type_that_a_consumer_does_not_know_waits_in_its_queue_for_the_upgrade(
    broker_url: str, outside: Outsider
) -> None:
    newer = Bus(broker_url, "binding")
    newer.publishes(SchoolUpdated, ClassUpdated)
    async with hearing(broker_url, "review", SchoolUpdated) as taken:
        # Whom nobody has told of the type: it stays in the outbox.
        with pytest.raises(DeliveryError):
            await publish(outside, ClassUpdated, told(ClassUpdated, "new type"))
        await newer.start()
        await publish(outside, ClassUpdated, told(ClassUpdated, "new type"))
        await publish(outside, SchoolUpdated, told(SchoolUpdated, "old type"))
        await eventually(lambda: _are(taken, "old type"))
        await has(broker_url, event_queue("review", ClassUpdated).name, 1)
    async with hearing(broker_url, "review", ClassUpdated) as taken_then:
        await eventually(lambda: _are(taken_then, "new type"))
    await newer.stop()
