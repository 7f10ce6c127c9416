from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from local_stack.processes import free_port
from otp_service.settings import Settings
from shared.bus import Bus
from shared.events import ClassUpdated
from shared.exposition import Exposition, Figure
from shared.metrics import REGISTRY
from support.broker import Outsider, breakable, outsider
from support.factories import make_class_updated
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shared.database import Database

QUEUE = "probe.binding.class-updated.v1"
#: Each SELECT of it is another number.
ASKED = Figure("kinbind_probe_asked", "How often it was asked.", "SELECT nextval('probe_asked')")
SLOW = Figure("kinbind_probe_slow", "Takes too long.", "SELECT 1 FROM pg_sleep(30)")


def counted(name: str, **labels: str) -> float:
    """What this process has counted so far."""
    return REGISTRY.get_sample_value(name, {"queue": QUEUE, **labels}) or 0


@asynccontextmanager
async def failing(bus: Bus, fault: Exception) -> AsyncIterator[list[str]]:
    """A consumer that fails once; yields what it took."""
    taken: list[str] = []

    @bus.consume(ClassUpdated)
    async def take(event: ClassUpdated) -> None:
        taken.append(event.subject)
        if len(taken) == 1:
            raise fault

    await bus.start()
    try:
        yield taken
    finally:
        await bus.stop()


@pytest.fixture
async def channel(broker_url: str) -> AsyncIterator[Outsider]:
    async with outsider(broker_url) as channel:
        yield channel


@pytest.mark.parametrize(
    ("fault", "name", "why"),
    [
        (ValueError(), "kinbind_messages_dead_lettered_total", "unreadable"),
        (KeyError(), "kinbind_messages_retried_total", "fault"),
        (ConnectionError(), "kinbind_messages_retried_total", "database"),
    ],
    ids=["unreadable", "fault", "database"],
)
async def test_what_becomes_of_a_message_is_counted_where_it_is_decided(
    bus: Bus, channel: Outsider, fault: Exception, name: str, why: str
) -> None:
    async with failing(bus, fault):
        before = counted(name, why=why)
        await channel.publish(make_class_updated().model_dump_json().encode(), ClassUpdated.TYPE)

        async def is_counted() -> bool:
            return counted(name, why=why) == before + 1

        await eventually(is_counted)


async def test_a_message_that_comes_again_after_its_line_was_cut_is_counted(broker_url: str, channel: Outsider) -> None:
    async with breakable(broker_url) as line:
        bus = Bus(line.url, "probe", graceful_timeout=5)
        began, go_on = asyncio.Event(), asyncio.Event()

        @bus.consume(ClassUpdated)
        async def take(_: ClassUpdated) -> None:
            began.set()
            await go_on.wait()

        await bus.start()
        before = counted("kinbind_messages_redelivered_total")
        await channel.publish(make_class_updated().model_dump_json().encode(), ClassUpdated.TYPE)
        await began.wait()
        await line.cut()
        await line.mend()
        go_on.set()

        async def is_counted() -> bool:
            return counted("kinbind_messages_redelivered_total") > before

        await eventually(is_counted, within=20)
        await bus.stop()


def test_a_queue_is_counted_from_zero_on(broker_url: str) -> None:
    bus = Bus(broker_url, "newcomer")
    bus.consume(ClassUpdated)
    zero = {"queue": "newcomer.binding.class-updated.v1", "why": "failed"}
    assert REGISTRY.get_sample_value("kinbind_messages_dead_lettered_total", zero) == 0


# --- the endpoint ---


@asynccontextmanager
async def exposed(database: Database, figures: Sequence[Figure] = ()) -> AsyncIterator[str]:
    """The address of a service's metrics."""
    port = free_port()
    settings = Settings(metrics_port=port)
    running = asyncio.create_task(Exposition(settings, database, figures).run())
    url = f"http://127.0.0.1:{port}/metrics"

    async def is_up() -> bool:
        with suppress(httpx.TransportError):
            return (await asyncio.to_thread(httpx.get, url)).is_success
        return False

    try:
        await eventually(is_up)
        yield url
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def fetch(url: str) -> dict[str, float]:
    """The samples without labels that a Prometheus would get."""
    answer = await asyncio.to_thread(httpx.get, url, timeout=10)
    families = text_string_to_metric_families(answer.raise_for_status().text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


async def test_several_fetches_at_once_ask_the_database_once(database: Database) -> None:
    await database.pool.execute("CREATE SEQUENCE probe_asked")
    async with exposed(database, [ASKED]) as url:
        fetched = await asyncio.gather(*(fetch(url) for _ in range(5)))
    assert {each["kinbind_probe_asked"] for each in fetched} == {1}


async def test_a_database_that_takes_too_long_costs_its_figures_alone(database: Database) -> None:
    async with exposed(database, [SLOW]) as url:
        got = await fetch(url)
    assert got["kinbind_database_answers"] == 0
    assert "kinbind_probe_slow" not in got
    assert "kinbind_outbox_events" not in got
    assert got["kinbind_database_pool_size"] == 8
    assert got["process_resident_memory_bytes"] > 0


async def test_how_long_the_outbox_has_waited_is_told(database: Database) -> None:
    await database.pool.execute(
        "INSERT INTO outbox (id, type, body, correlation_id, recorded_at, tries)"
        " VALUES (gen_random_uuid(), 't', '{}', 'c', now() - interval '90 s', 0),"
        " (gen_random_uuid(), 't', '{}', 'c', now() - interval '20 s', 3)"
    )
    async with exposed(database) as url:
        got = await fetch(url)
    assert got["kinbind_outbox_events"] == 2
    assert got["kinbind_outbox_events_refused_waiting"] == 1
    assert 90 <= got["kinbind_outbox_oldest_age_seconds"] < 120


async def test_connections_in_use_are_told(database: Database) -> None:
    async with database.connection(), database.connection(), exposed(database) as url:
        assert (await fetch(url))["kinbind_database_pool_in_use"] == 2


async def test_without_a_port_nothing_is_served(database: Database) -> None:
    await asyncio.wait_for(Exposition(Settings(), database).run(), 1)


async def test_a_port_that_is_taken_is_a_fault_at_the_start(database: Database) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await Exposition(Settings(metrics_port=port), database).run()
