"""The transactional outbox: an event is written in the transaction that makes it true, and reaches the bus from there.

Any number of relays may run, in any number of processes: each claims rows that no other holds (SKIP LOCKED), publishes
them many at a time, and moves what the broker confirmed to ``outbox_sent``, where it is kept for some days for a broker
that loses its queues (shared.resending). A row that the broker refuses waits alone; a broker that is away holds up
everything and loses nothing. Delivery is at least once; the inbox makes it once in effect.

A commit wakes the relays (shared.wakes). A slow poll stands behind it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from shared import tracing
from shared.database import DATABASE_FAULTS
from shared.events import MAX_EVENT_BYTES
from shared.metrics import EVENTS_REFUSED, EVENTS_RELAYED
from shared.wakes import happens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from shared.database import Connection, Database
    from shared.events import Event
    from shared.wakes import Wakes

BATCH = 200
PUBLISH_TIMEOUT_SECONDS = 5
POLL_SECONDS = 5
#: Short: what is refused now (a queue that is full, or was deleted) is often taken a little later.
LONGEST_BACKOFF_SECONDS = 30

log = structlog.get_logger(__name__)


class BrokerAwayError(Exception):
    """No connection to the broker: every event waits, and none of them is to blame."""


class Publish(Protocol):
    """Hands one event to the broker and returns when it is safe there.

    Raises BrokerAwayError where there is no connection, anything else where this one event is refused.
    """

    async def __call__(self, *, event_id: UUID, type_: str, body: bytes, correlation_id: str) -> None:
        """Publish and wait for the confirm."""


async def record(connection: Connection, *events: Event, traces: Sequence[str | None] | None = None) -> None:
    """Write events in the transaction of what they tell. Raises ValueError for one that is too large to travel.

    ``traces`` has a ``traceparent`` for each, where they do not belong to what runs now.
    """
    traces = [tracing.traceparent()] * len(events) if traces is None else traces
    rows = [
        (event.id, event.type, event.model_dump_json(), event.correlationid, trace)
        for event, trace in zip(events, traces, strict=True)
    ]
    if any(len(row[2].encode()) > MAX_EVENT_BYTES for row in rows):
        msg = f"an event is larger than {MAX_EVENT_BYTES} bytes"
        raise ValueError(msg)
    await connection.execute(
        "INSERT INTO outbox (id, type, body, correlation_id, traceparent)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])",
        *map(list, zip(*rows, strict=True)),
    )


async def oldest_age_seconds(connection: Connection) -> float:
    """How long the oldest event that was never tried has waited; 0 when none waits.

    One that the broker refuses is for an alert: taking this service away would not bring its consumer back.
    """
    return float(
        await connection.fetchval(
            "SELECT coalesce(extract(epoch FROM now() - min(recorded_at)), 0) FROM outbox WHERE tries = 0"
        )
    )


class Relay:
    """Moves events from the outbox to the broker until it is cancelled."""

    def __init__(self, database: Database, wakes: Wakes, publish: Publish) -> None:
        self._database = database
        self._publish = publish
        self._woken = wakes.subscribe()

    async def run(self) -> None:
        """Relay for ever; whatever fails is tried again."""
        while True:
            self._woken.clear()
            try:
                claimed = await self.relay_batch()
            except BrokerAwayError:
                await asyncio.sleep(0.5)
                continue
            except DATABASE_FAULTS as fault:
                log.warning("outbox relay waits for the database", fault=type(fault).__name__)
                await asyncio.sleep(1)
                continue
            except Exception:
                # An event that is not relayed is the worst that can happen, so nothing ends the relay.
                log.exception("outbox relay failed; it tries again")
                await asyncio.sleep(1)
                continue
            if claimed < BATCH:
                await happens(self._woken, within=POLL_SECONDS)

    async def relay_batch(self) -> int:
        """Publish what is due, a batch at most; how many rows were claimed.

        Raises BrokerAwayError when the broker is away; what it had confirmed by then leaves the outbox all the same.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            # A process that was started before its migrations lacks outbox_sent: it must find that out here, and not
            # when all is published, or it would publish the same every second.
            rows = await connection.fetch(
                "WITH there AS (SELECT FROM outbox_sent)"
                " SELECT id, type, body, correlation_id, traceparent FROM outbox WHERE due_at <= now()"
                " ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED",
                BATCH,
            )
            # A lost heartbeat cancels a pending publish from within; gather hands that over as a result, and only a
            # cancellation of the relay itself ends it.
            results = await asyncio.gather(*map(self._publish_row, rows), return_exceptions=True)
            done = [row["id"] for row, result in zip(rows, results, strict=True) if result is None]
            if done:
                await connection.execute(
                    "WITH sent AS (DELETE FROM outbox WHERE id = ANY($1) RETURNING id, type, body, correlation_id)"
                    " INSERT INTO outbox_sent (id, type, body, correlation_id)"
                    " SELECT * FROM sent ON CONFLICT DO NOTHING",
                    done,
                )
            for row, result in zip(rows, results, strict=True):
                if result is None:
                    EVENTS_RELAYED.labels(row["type"]).inc()
            away = [result for result in results if isinstance(result, BrokerAwayError | asyncio.CancelledError)]
            refused = {
                row["id"]: type(result).__name__
                for row, result in zip(rows, results, strict=True)
                if result is not None and result not in away
            }
            for row in rows:
                if row["id"] in refused:
                    EVENTS_REFUSED.labels(row["type"]).inc()
            if refused:
                await _postpone(connection, refused)
        if away:
            raise BrokerAwayError
        return len(rows)

    async def _publish_row(self, row: asyncpg.Record) -> None:
        with tracing.continued(row["traceparent"]):
            async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
                await self._publish(
                    event_id=row["id"],
                    type_=row["type"],
                    body=row["body"].encode(),
                    correlation_id=row["correlation_id"],
                )


async def _postpone(connection: Connection, refused: dict[UUID, str]) -> None:
    """Let events that the broker refused wait, longer each time; ``refused`` maps their ids to the kind of fault."""
    log.warning("events not taken by the broker", count=len(refused), faults=sorted(set(refused.values())))
    await connection.execute(
        "UPDATE outbox SET tries = tries + 1, last_error = refused.fault,"
        " due_at = now() + make_interval(secs => least($3, power(2, least(tries, 20))))"
        " FROM unnest($1::uuid[], $2::text[]) AS refused (id, fault) WHERE outbox.id = refused.id",
        list(refused),
        list(refused.values()),
        LONGEST_BACKOFF_SECONDS,
    )
