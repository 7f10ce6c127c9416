"""What metrics and traces cost: each thing with and without them, in turn, in one run.

    python tests/bench/observing.py

- a page of binding's that asks nobody (the start page), the app called directly;
- a use case that does nothing;
- a message through RabbitMQ to a consumer that does nothing, a thousand at a time.

*before* is without both, *metrics* is how a service runs, *traces* is with metrics and every span handed to a collector
that throws it away. Ratios say more than microseconds.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop

from binding_service.app import make_app
from binding_service.settings import Settings
from shared import bus as bus_module
from shared import observing, tracing
from shared.bus import Bus
from shared.events import ClassUpdated
from shared.logs import configure_logs
from support.broker import outsider
from support.collector import collecting
from support.factories import make_class_updated
from support.servers import test_servers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.types import Message, Scope

ROUNDS, CALLS, MESSAGES = 15, 200, 1000
WAYS = ("before", "metrics", "traces")


@contextmanager
def observed(way: str, provider: object) -> Iterator[None]:
    """Run the block as a service was before metrics, is with them, or with traces too."""
    with patch.object(tracing, "_provider", provider if way == "traces" else None):
        if way != "before":
            yield
            return
        with (
            patch("shared.web.middleware.count_request", lambda *_, **__: None),
            patch("shared.web.middleware.route_template", lambda scope: getattr(scope.get("route"), "path", "-")),
            patch.object(tracing, "request_span", lambda *_: nullcontext(lambda _: None)),
            patch.object(bus_module, "_observers", list),
        ):
            yield


def page() -> Callable[[], Awaitable[object]]:
    """Asks binding's app for its start page."""
    app = make_app(Settings())
    headers = [(b"host", b"localhost"), (b"accept-language", b"zh-TW")]
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "state": {},
    }
    answers: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answers.append(message)

    async def ask() -> None:
        answers.clear()
        await app(dict(scope), receive, send)
        assert answers[0]["status"] == 200, answers

    return ask


async def nothing() -> None:
    """A use case."""


def main() -> None:
    """Measure and print a table."""
    configure_logs("bench", "ERROR")
    with test_servers() as servers, collecting() as collector:
        collector.take = lambda _: None  # type: ignore[method-assign] # what is measured is handing over, not reading
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        tracing.start("bench")
        vhost = f"bench-{uuid4().hex[:8]}"
        servers.rabbitmq.make_vhost(vhost)
        try:
            uvloop.run(measure(servers.rabbitmq.of_vhost(vhost), tracing._provider))
        finally:
            tracing.stop()
            servers.rabbitmq.drop_vhost(vhost)


async def measure(broker_url: str, provider: object) -> None:
    """A line for each thing."""
    print(f"{'':24}{''.join(f'{way:>20}' for way in WAYS)}")
    report("a page", await in_turn(page(), provider))
    bare = await in_turn(nothing, provider, WAYS[:1])
    report("a use case", bare | await in_turn(observing.use_case(nothing), provider, WAYS[1:]))
    report("a message", await messages(broker_url, provider))


def report(what: str, times: dict[str, float]) -> None:
    """Microseconds each way, and the ratio to before."""
    before = times["before"]
    cells = (f"{times[way] * 1e6:>8.1f} µs, × {times[way] / before:>5.2f}" for way in WAYS)
    print(f"{what:24}{''.join(f'{cell:>20}' for cell in cells)}")


async def in_turn(
    action: Callable[[], Awaitable[object]], provider: object, ways: tuple[str, ...] = WAYS
) -> dict[str, float]:
    """The median of a call each way."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way in ways:
            times[way].append(await one(way, provider, action, CALLS))
    return {way: statistics.median(taken) for way, taken in times.items()}


async def one(way: str, provider: object, action: Callable[[], Awaitable[object]], calls: int) -> float:
    """Seconds of one call, out of many."""
    with observed(way, provider):
        began = time.perf_counter()
        for _ in range(calls):
            await action()
        return (time.perf_counter() - began) / calls


async def messages(broker_url: str, provider: object) -> dict[str, float]:
    """The median of a message each way, from the first that is taken to the last of a thousand that lay there."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for round_ in range(5):
        for way in WAYS:
            with observed(way, provider):
                times[way].append(await drained(broker_url, f"{way}{round_}"))
    return {way: statistics.median(taken) for way, taken in times.items()}


async def drained(broker_url: str, consumer: str) -> float:
    """Seconds a message of a thousand, by a consumer of this name."""
    taken: list[float] = []
    done = asyncio.Event()
    bus = Bus(broker_url, consumer)

    @bus.consume(ClassUpdated)
    async def take(_: ClassUpdated) -> None:
        taken.append(time.perf_counter())
        if len(taken) == MESSAGES:
            done.set()

    queue = bus_module.event_queue(consumer, ClassUpdated)
    await bus.broker.connect()
    await bus._declare()
    await bus.broker.declare_queue(queue)
    async with outsider(broker_url) as channel:
        body: Any = make_class_updated().model_dump_json().encode()
        await asyncio.gather(*(channel.publish(body, queue.name, exchange="") for _ in range(MESSAGES)))
        await bus.start()
        await done.wait()
    await bus.stop()
    return (taken[-1] - taken[0]) / MESSAGES


if __name__ == "__main__":
    main()
