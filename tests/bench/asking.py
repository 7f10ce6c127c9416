"""What a question costs: one after the other, and many at once, on a quorum queue and on a classic one, in turn.

    python tests/bench/asking.py

Quorum is how a service runs: such a queue outlives the loss of a node. The asker and who answers are on one event loop.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from faststream.rabbit import QueueType, RabbitQueue

from shared import bus as bus_module
from shared.bus import Bus, reply, request_queue
from shared.events import Model
from shared.logs import configure_logs
from shared.requests import Requester
from support.servers import test_servers

ROUNDS, ONE_BY_ONE, AT_ONCE = 7, 200, 32


def classic(name: str) -> RabbitQueue:
    """As request queues were before."""
    return RabbitQueue(name, queue_type=QueueType.CLASSIC, durable=True)


QUEUES = {"classic": classic, "quorum": request_queue}


class Word(Model):
    """A question and its answer."""

    word: str


async def asked(broker_url: str, name: str) -> tuple[float, float]:
    """Seconds of one question, median of those asked one after the other, and questions a second, 32 at once."""
    answering, asking = Bus(broker_url, "answering"), Bus(broker_url, "asking")

    @answering.answer(name)
    async def answer(body: Word) -> object:
        return reply(body)

    asking.asks(name)
    await answering.start()
    await asking.start()
    requester = Requester(asking)
    singles = []
    for _ in range(ONE_BY_ONE):
        began = time.perf_counter()
        await requester.ask(name, uuid4(), Word(word="?"), Word)
        singles.append(time.perf_counter() - began)

    async def some() -> None:
        for _ in range(ONE_BY_ONE // 4):
            await requester.ask(name, uuid4(), Word(word="?"), Word)

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    rate = AT_ONCE * (ONE_BY_ONE // 4) / (time.perf_counter() - began)
    await asking.stop()
    await answering.stop()
    return statistics.median(singles), rate


async def measure(broker_url: str) -> None:
    """A line for each kind of queue."""
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in QUEUES}
    for round_ in range(ROUNDS):
        for kind, make in QUEUES.items():
            with patch.object(bus_module, "request_queue", make):
                found[kind].append(await asked(broker_url, f"{kind}-{round_}"))
    for kind, results in found.items():
        single, rate = (statistics.median(part) for part in zip(*results, strict=True))
        print(f"{kind:10}{single * 1e3:8.2f} ms each, one after the other{rate:10.0f} a second, {AT_ONCE} at once")


def main() -> None:
    """Measure and print."""
    configure_logs("bench", "ERROR")
    with test_servers() as servers:
        vhost = f"bench-{uuid4().hex[:8]}"
        servers.rabbitmq.make_vhost(vhost)
        try:
            uvloop.run(measure(servers.rabbitmq.of_vhost(vhost)))
        finally:
            servers.rabbitmq.drop_vhost(vhost)


if __name__ == "__main__":
    main()
