"""Review on a real RabbitMQ: what it hears, what it says, and what it cannot read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from faststream.rabbit import QueueType, RabbitQueue
from pydantic import SecretStr

from review_service.app import make_app
from review_service.applications import decisions
from review_service.applications.domain import Outcome
from shared.bus import Bus, dead_letter_name, event_queue
from shared.events import BindingSubmitted, DecisionMade
from shared.inbox import once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import httpx
    from starlette.applications import Starlette
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review
    from review_service.settings import Settings

SUBMITTED = event_queue("review", BindingSubmitted).name


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - whatever the condition waits for
    """What ``condition`` gives, as soon as it gives anything."""
    async with asyncio.timeout(20):
        while not (found := await condition()):  # noqa: ASYNC110 - the condition lies outside this process
            await asyncio.sleep(0.05)
        return found


@pytest.fixture
def settings(settings: Settings, vhost: str) -> Settings:
    return settings.model_copy(update={"rabbitmq_url": SecretStr(vhost)})


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Starlette]:
    """The whole service, running."""
    app = make_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def bus(vhost: str, visit: Visit) -> AsyncIterator[Bus]:
    """Another service's connection, once review is ready; it keeps what review decides in a queue."""
    browser: httpx.AsyncClient = await visit()

    async def is_ready() -> bool:
        return (await browser.get("/health/ready")).status_code == 200

    bus = Bus(vhost, "binding")
    bus.decided = []  # type: ignore[attr-defined]

    @bus.consume(DecisionMade)
    async def decision_made(event: DecisionMade) -> None:
        bus.decided.append(event)  # type: ignore[attr-defined]

    await bus.start()
    await until(is_ready)
    yield bus
    await bus.stop()


async def say(bus: Bus, body: bytes, type_: str = BindingSubmitted.TYPE) -> None:
    await bus.publish_event(event_id=uuid4(), type_=type_, body=body, correlation_id="c-1")


async def dead(bus: Bus) -> Any:  # noqa: ANN401 - aio-pika's message
    """The next message among the dead, taken."""
    queue = await bus.broker.declare_queue(
        RabbitQueue(dead_letter_name(SUBMITTED), queue_type=QueueType.QUORUM, durable=True)
    )
    message = await queue.get(fail=False)
    if message is not None:
        await message.ack()
    return message


async def test_a_submission_is_decided_and_binding_hears_of_it_once(
    bus: Bus, binding: Binding, review: Review, as_teacher: AsTeacher, query: Query
):
    event = binding.submission()
    for _ in range(2):  # delivered twice
        await say(bus, event.model_dump_json().encode())
    await until(lambda: query("SELECT 1 FROM bindings"))
    await decisions.decide(review, as_teacher("T-1"), UUID(event.subject), Outcome.APPROVE)

    async def heard() -> list[DecisionMade]:
        return bus.decided  # type: ignore[attr-defined, no-any-return]

    (decision,) = await until(heard)
    assert (decision.subject, decision.data.outcome) == (event.subject, "approve")
    assert await until(lambda: query("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)"))


@pytest.mark.parametrize("bad", ["malformed", "unknown version", "sealed for another", "subject is no id"])
async def test_what_cannot_be_read_is_dead_lettered_and_review_goes_on(
    bus: Bus, binding: Binding, query: Query, bad: str
):
    good = binding.submission()
    bodies = {
        "malformed": b'{"type": ',
        "unknown version": good.model_dump_json().replace("submitted.v1", "submitted.v2").encode(),
        "sealed for another": good.model_copy(update={"id": uuid4()}).model_dump_json().encode(),
        "subject is no id": good.model_copy(update={"subject": "no id"}).model_dump_json().encode(),
    }
    await say(bus, bodies[bad])
    message = await until(lambda: dead(bus))
    assert message.body == bodies[bad]
    await say(bus, good.model_dump_json().encode())
    (row,) = await until(lambda: query("SELECT id FROM bindings"))
    assert str(row["id"]) == good.subject


async def test_a_message_seen_before_has_no_effect(binding: Binding, review: Review):
    event = binding.submission()

    async def fail(*_: object) -> None:
        pytest.fail("the effect ran twice")

    await binding.tell(event)
    assert not await once(review.database, "review", event, fail)
