from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.exceptions import ChannelPreconditionFailed
from faststream.rabbit.response import RabbitResponse  # noqa: TC002 - FastStream reads the annotation

from shared.bus import DEADLINE_HEADER, Bus, reply
from shared.events import Model
from shared.requests import NoAnswerError, Requester
from support.broker import breakable, outsider
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DOUBLE = "probe.double"


class Question(Model):
    """How much is twice this?"""

    number: int


class Answer(Model):
    """Twice that."""

    double: int


@asynccontextmanager
async def answering(bus: Bus) -> AsyncIterator[list[int]]:
    """Answer questions; yields the numbers that were asked. Number 13 fails, number 0 takes too long."""
    asked: list[int] = []

    @bus.answer(DOUBLE)
    async def double(question: Question) -> RabbitResponse:
        asked.append(question.number)
        if question.number == 13:
            raise ZeroDivisionError
        if question.number == 0:
            await asyncio.Event().wait()
        return reply(Answer(double=question.number * 2))

    await bus.start()
    try:
        yield asked
    finally:
        await bus.stop()


@asynccontextmanager
async def asking(broker_url: str, *, timeout_seconds: float = 5) -> AsyncIterator[Requester]:
    bus = Bus(broker_url, "asker", graceful_timeout=5)
    await bus.start()
    try:
        yield Requester(bus, timeout_seconds=timeout_seconds)
    finally:
        await bus.stop()


async def ask(requester: Requester, number: int) -> int:
    return (await requester.ask(DOUBLE, uuid4(), Question(number=number), Answer)).double


async def test_many_questions_at_once_each_get_their_own_answer(bus: Bus, broker_url: str) -> None:
    async with answering(bus), asking(broker_url) as requester:
        numbers = range(1, 11)
        assert await asyncio.gather(*(ask(requester, number) for number in numbers)) == [2 * n for n in numbers]


async def test_where_no_service_was_ever_there_is_no_answer_at_once(broker_url: str) -> None:
    async with asking(broker_url) as requester:
        begin = time.monotonic()
        with pytest.raises(NoAnswerError):
            await ask(requester, 1)
        assert time.monotonic() - begin < 2


async def test_a_service_that_is_stopped_gives_no_answer_within_the_time_limit(bus: Bus, broker_url: str) -> None:
    async with answering(bus):
        pass
    async with asking(broker_url, timeout_seconds=0.3) as requester:
        with pytest.raises(NoAnswerError):
            await ask(requester, 1)


@pytest.mark.parametrize("number", [13, 0], ids=["fails", "takes too long"])
async def test_a_service_that_fails_gives_no_answer_and_goes_on(bus: Bus, broker_url: str, number: int) -> None:
    bus = Bus(broker_url, "probe", graceful_timeout=0.1)
    async with answering(bus), asking(broker_url, timeout_seconds=0.5) as requester:
        with pytest.raises(NoAnswerError):
            await ask(requester, number)
        assert await ask(requester, 4) == 8


async def test_a_request_that_comes_too_late_is_dropped(bus: Bus, broker_url: str) -> None:
    async with answering(bus) as asked, asking(broker_url) as requester, outsider(broker_url) as channel:
        past = int((time.time() - 1) * 1000)
        await channel.publish(b'{"number": 99}', DOUBLE, exchange="", headers={DEADLINE_HEADER: past})
        assert await ask(requester, 4) == 8
        assert asked == [4]


async def test_the_asker_finds_its_way_back_after_the_broker_was_away(bus: Bus, broker_url: str) -> None:
    async with answering(bus), breakable(broker_url) as line, asking(line.url, timeout_seconds=1) as requester:
        assert await ask(requester, 1) == 2
        await line.cut()
        with pytest.raises(NoAnswerError):
            await ask(requester, 2)
        await line.mend()

        async def answered() -> bool:
            try:
                return await ask(requester, 3) == 6
            except NoAnswerError:
                return False

        await eventually(answered)


async def test_a_queue_that_an_earlier_version_declared_otherwise_is_used_as_it_is(broker_url: str):
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(DOUBLE, durable=True, arguments={"x-queue-type": "classic"})
    async with answering(Bus(broker_url, "probe")), asking(broker_url) as requester:
        assert (await requester.ask(DOUBLE, uuid4(), Question(number=4), Answer)).double == 8


async def test_a_request_queue_is_a_quorum_queue_so_that_it_outlives_a_node(broker_url: str):
    async with answering(Bus(broker_url, "probe")), await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelPreconditionFailed, match="'quorum'"):
            await channel.declare_queue(DOUBLE, durable=True, arguments={"x-queue-type": "classic"})
