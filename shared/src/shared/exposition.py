"""Metrics for Prometheus to fetch, from a port of their own that the public does not reach.

The server is prometheus_client's, on a thread: an event loop that is stuck is still seen from outside. What only the
database knows is asked when somebody fetches: one statement, bounded in time, its answer good for some seconds, so
that several Prometheus servers cost what one does.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client import Metric

    from shared.database import Database
    from shared.settings import ServiceSettings

QUERY_SECONDS = 2
FRESH_SECONDS = 5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that the database knows: ``sql`` is one SELECT of one value, and a null counts as 0."""

    name: str
    help: str
    sql: str


OUTBOX = (
    Figure("kinbind_outbox_events", "Events that are not on the bus yet.", "SELECT count(*) FROM outbox"),
    Figure(
        "kinbind_outbox_events_refused_waiting",
        "Those of them that the broker has refused at least once.",
        "SELECT count(*) FROM outbox WHERE tries > 0",
    ),
    Figure(
        "kinbind_outbox_oldest_age_seconds",
        "How long the oldest event has waited for the bus.",
        "SELECT extract(epoch FROM now() - min(recorded_at)) FROM outbox",
    ),
)


class Exposition(Collector):
    """One service's metrics: what its process counted, its pool, and ``figures`` out of its database."""

    def __init__(self, settings: ServiceSettings, database: Database, figures: Sequence[Figure] = ()) -> None:
        self._host, self._port = settings.metrics_host, settings.metrics_port
        self._database = database
        self._figures = (*OUTBOX, *figures)
        self._values: Sequence[float] | None = None
        self._asked_at = -float(FRESH_SECONDS)
        self._asking = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Serve until cancelled; nothing where the port is 0. Raises OSError where the address is not to be had."""
        if not self._port:
            return
        self._loop = asyncio.get_running_loop()
        registry = CollectorRegistry(support_collectors_without_names=True)
        registry.register(REGISTRY)
        registry.register(self)
        try:
            server, thread = start_http_server(self._port, self._host, registry)
        except OSError as fault:
            log.critical("metrics cannot be served", host=self._host, port=self._port, fault=fault.strerror)
            raise
        log.info("metrics served", port=self._port)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(server.shutdown)
            thread.join()
            server.server_close()

    def collect(self) -> Iterator[Metric]:
        """What is known now. Called by the server's threads."""
        pool = self._database.pool
        yield GaugeMetricFamily("kinbind_database_pool_size", "Connections that may be open.", pool.get_max_size())
        yield GaugeMetricFamily(
            "kinbind_database_pool_in_use", "Connections in use.", pool.get_size() - pool.get_idle_size()
        )
        values = self._fresh_values()
        yield GaugeMetricFamily(
            "kinbind_database_answers", "1 where the database answered this fetch, else 0.", int(values is not None)
        )
        for figure, value in zip(self._figures, values or (), strict=False):
            yield GaugeMetricFamily(figure.name, figure.help, value)

    def _fresh_values(self) -> Sequence[float] | None:
        """The figures' values; None while the database does not give them."""
        with self._asking:
            if time.monotonic() - self._asked_at >= FRESH_SECONDS:
                assert self._loop is not None  # noqa: S101 - the server is started after it is set
                asking = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)
                try:
                    self._values = asking.result(2 * QUERY_SECONDS)
                # Whatever it was, the rest of the metrics is worth having, and the log must not quote the fault's text.
                except Exception as fault:  # noqa: BLE001
                    asking.cancel()
                    log.warning("figures not to be had from the database", fault=type(fault).__name__)
                    self._values = None
                self._asked_at = time.monotonic()
            return self._values

    async def _ask(self) -> list[float]:
        """One statement for all of them."""
        columns = ", ".join(f"coalesce(({figure.sql})::float, 0)" for figure in self._figures)
        async with asyncio.timeout(QUERY_SECONDS), self._database.connection() as connection:
            row = await connection.fetchrow(f"SELECT {columns}")
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row
        return list(row)
