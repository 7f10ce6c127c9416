"""Figures of one run on this machine: ``make bench``. Ratios say more than seconds; nothing here is a test.

- start to ready, and memory when idle, of each service as a process of its own;
- the hop: a submission's commit in binding → its commit in review, at 50 events a second, beside a bare publish and
  delivery through the same broker in the same run;
- applications beside ten thousand open pages and storms: see load.py, which can be run alone;
- an import of a city's roster, beside a bare COPY: see roster.py, which can be run alone.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import aio_pika
import asyncpg
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

import load
import roster

from binding_service.context import make_keys
from binding_service.settings import Settings
from shared import outbox
from shared.database import Database
from shared.events import BindingSubmitted, BindingToReview, Signature
from support.databases import fresh_databases, template_database
from support.servers import test_servers
from support.stack import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from local_stack.servers import Servers

RATE = 50
EVENTS = 1000
STROKES = [[(x, 60 + x % 40) for x in range(20, 560, 6)] for _ in range(4)]


def main() -> None:
    """Run everything and print a table; arguments are the size of the city (``--students 30000``)."""
    city = roster.city_of(sys.argv[1:])
    with test_servers() as servers:
        report_running(servers)
        load.report(servers)
        roster.report(servers, city)


def report_running(servers: Servers) -> None:
    """What the running services take, and how fast they are."""
    with (
        template_database(servers.postgres) as template,
        fresh_databases(servers.postgres, template) as databases,
        tempfile.TemporaryDirectory() as logs,
    ):
        vhost = f"bench-{uuid4().hex[:8]}"
        servers.rabbitmq.make_vhost(vhost)
        broker_url = servers.rabbitmq.of_vhost(vhost)
        try:
            with running_stack(databases, broker_url, Path(logs), []) as stack:
                report_services(stack)
                asyncio.run(report_hop(databases.binding, databases.superuser, broker_url))
        finally:
            servers.rabbitmq.drop_vhost(vhost)


def report_services(stack: Stack) -> None:
    """Seconds to ready and megabytes when idle; the aims are 3 s and 80 MB."""
    print(f"{'service':10} {'ready after':>12} {'memory (RSS)':>14} {'its own (USS)':>14}")
    for name, child in stack.children.items():
        memory = psutil.Process(child.pid).memory_full_info()
        ready = stack.ready_after[name]
        print(f"{name:10} {ready:>10.1f} s {memory.rss / 1e6:>11.0f} MB {memory.uss / 1e6:>11.0f} MB")


async def report_hop(binding_dsn: str, superuser_dsn: str, broker_url: str) -> None:
    """Latency at 50 events a second, p50 and p99, and its ratio to a bare publish and delivery."""
    hop = await measure_hop(binding_dsn, superuser_dsn)
    bare = await measure_bare(broker_url)
    print(f"\n{RATE} events a second, {EVENTS} events{'p50':>24} {'p99':>10}")
    for title, times in (("commit in binding → commit in review", hop), ("bare publish → delivery", bare)):
        cuts = statistics.quantiles(times, n=100)
        print(f"{title:40} {cuts[49] * 1000:>9.1f} ms {cuts[98] * 1000:>7.1f} ms")
    print(f"{'ratio of the medians':40} {statistics.median(hop) / statistics.median(bare):>9.1f}")


async def measure_hop(binding_dsn: str, superuser_dsn: str) -> list[float]:
    """Seconds from each commit in binding's outbox until review has committed what the event says."""
    committed: dict[str, float] = {}
    arrived: dict[str, float] = {}
    everything = asyncio.Event()
    watching = await asyncpg.connect(superuser_dsn)
    # A notification leaves at the commit, so its arrival is the commit's time as an outsider sees it.
    await watching.execute(
        "CREATE FUNCTION review.tell() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_notify('bench', NEW.id::text); RETURN NEW; END $$;"
        "CREATE TRIGGER tell AFTER INSERT ON review.bindings FOR EACH ROW EXECUTE FUNCTION review.tell()"
    )

    def note(_: object, __: int, ___: str, binding_id: object) -> None:
        arrived[str(binding_id)] = time.perf_counter()
        if len(arrived) == EVENTS:
            everything.set()

    await watching.add_listener("bench", note)
    keys = make_keys(Settings())
    database = Database(binding_dsn)
    await database.open()

    async def submit() -> None:
        event = BindingSubmitted.of(
            "binding",
            uuid4(),
            version=1,
            application_id=uuid4(),
            application_number="20261124-7K3FQ9",
            student_id="student-1",
            school_id="school-01",
            class_id="class-0101",
            relation="father",
            submitted_at=datetime.now(UTC),
            statement_version="2026-11",
        ).sealed(
            keys.to_review,
            for_review=BindingToReview(
                student_name="陳小華",
                parent_name="王曉明",
                relation_text="",
                national_id_masked="F901***66",
                email_masked="pa***@example.org",
                phone_masked="09*****678",
                signature=Signature(strokes=STROKES),
            ),
        )
        async with database.transaction() as connection:
            await outbox.record(connection, event)
        committed[event.subject] = time.perf_counter()
        async with database.connection() as connection:
            await connection.execute("SELECT pg_notify('outbox_binding', '')")

    await at_rate(submit)
    async with asyncio.timeout(60):
        await everything.wait()
    await database.close()
    await watching.close()
    return [arrived[key] - committed[key] for key in committed]


async def measure_bare(broker_url: str) -> list[float]:
    """Seconds from publish to delivery through a quorum queue, persistent and confirmed."""
    connection = await aio_pika.connect(broker_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("bench", durable=True, arguments={"x-queue-type": "quorum"})
        sent: dict[str, float] = {}
        times: list[float] = []
        everything = asyncio.Event()
        body = b"x" * 6000

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            times.append(time.perf_counter() - sent[message.message_id or ""])
            await message.ack()
            if len(times) == EVENTS:
                everything.set()

        await queue.consume(take)

        async def send() -> None:
            message_id = uuid4().hex
            sent[message_id] = time.perf_counter()
            message = aio_pika.Message(body, message_id=message_id, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, "bench")

        await at_rate(send)
        async with asyncio.timeout(60):
            await everything.wait()
    return times


async def at_rate(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Start ``work`` RATE times a second, EVENTS times, whether or not the one before is done."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(EVENTS):
            await asyncio.sleep(max(0, began + number / RATE - time.perf_counter()))
            tasks.create_task(work())


if __name__ == "__main__":
    main()
