"""What operators ask of a running service: work that needs its keys, or its own reading of its tables.

The operator's command adds a row to ``operator_tasks`` (its role may do just that) and reads in it what becomes of it.
Whichever process of the service takes the row does the work, and says so every few seconds; where it no longer does,
another one begins it anew, so a task must bear that. Nothing personal goes into a result.
"""

from __future__ import annotations

import asyncio
import json
import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import structlog

from shared.bus import BROKER_FAULTS, CONTENT_TYPE, event_queue
from shared.database import DATABASE_FAULTS
from shared.logs import start_correlation
from shared.wakes import happens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from uuid import UUID

    from shared.bus import Bus
    from shared.database import Database
    from shared.events import Event
    from shared.settings import ServiceSettings
    from shared.wakes import Wakes

POLL_SECONDS = 5
LEASE_SECONDS = 30
RENEW_SECONDS = 10
PUBLISH_TIMEOUT_SECONDS = 10
#: Events that wait for the broker's confirm at a time.
PUBLISHED_AT_ONCE = 100

#: The facts that a service can tell again: who owns them, and who may be told.
REPLAYABLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "roster": ("binding", ("review",)),
    "bindings": ("binding", ("review",)),
}

log = structlog.get_logger(__name__)


class TaskError(Exception):
    """It cannot be done; the message is one sentence for the operator, without personal data."""


@dataclass(frozen=True, slots=True)
class Task:
    """What was asked, and how to say how far it is."""

    id: UUID
    kind: str
    arguments: Mapping[str, Any]
    tell: Callable[[str], Awaitable[None]]


Result: TypeAlias = "dict[str, Any]"
#: What does each kind of task.
Handlers: TypeAlias = "Mapping[str, Callable[[Task], Awaitable[Result]]]"


async def work_for_operators(database: Database, wakes: Wakes, handlers: Handlers) -> None:
    """Do what is asked, one task after the other, until cancelled."""
    woken = wakes.subscribe()
    while True:
        woken.clear()
        try:
            if await work(database, handlers):
                continue
        except (*DATABASE_FAULTS, *BROKER_FAULTS, asyncpg.PostgresError) as fault:
            # The lease ends by itself, and the task is begun anew.
            log.warning("an operator's task waits", fault=type(fault).__name__)
        await happens(woken, within=POLL_SECONDS)


async def work(database: Database, handlers: Handlers) -> bool:
    """Take the oldest task that nobody is at, and do it; False where there is none.

    Raises what a database or a broker that is away raises; the task is then taken again when its lease is over.
    """
    # One statement, and no unit of work: its commit would wake this very loop, and every other.
    async with database.connection() as connection:
        row = await connection.fetchrow(
            """
            UPDATE operator_tasks SET lease_until = present() + make_interval(secs => $2)
            WHERE id = (SELECT id FROM operator_tasks
                        WHERE ended_at IS NULL AND kind = ANY($1)
                          AND (lease_until IS NULL OR lease_until <= present())
                        ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, arguments
            """,
            list(handlers),
            LEASE_SECONDS,
        )
    if row is None:
        return False
    start_correlation(str(row["id"]), task=row["kind"])
    task = Task(row["id"], row["kind"], row["arguments"], lambda words: _tell(database, row["id"], words))
    log.info("operator's task begun")
    renewing = asyncio.create_task(_renew(database, task.id))
    try:
        await _end(database, task.id, *await _do(handlers, task))
    finally:
        renewing.cancel()
    log.info("operator's task ended")
    return True


async def _do(handlers: Handlers, task: Task) -> tuple[Result | None, str | None]:
    """The result, or what was wrong."""
    try:
        return await handlers[task.kind](task), None
    except TaskError as error:
        return None, str(error)
    except (*DATABASE_FAULTS, *BROKER_FAULTS):
        raise
    except Exception as fault:
        log.exception("operator's task failed")
        return None, f"it failed ({type(fault).__name__}); the service's log says where, under correlation_id {task.id}"


async def _renew(database: Database, task_id: UUID) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        with suppress(*DATABASE_FAULTS):
            await _tell(database, task_id)


async def _tell(database: Database, task_id: UUID, words: str | None = None) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE operator_tasks SET lease_until = present() + make_interval(secs => $2),"
            " progress = coalesce($3, progress) WHERE id = $1",
            task_id,
            LEASE_SECONDS,
            words,
        )


async def _end(database: Database, task_id: UUID, result: Result | None, problem: str | None) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE operator_tasks SET ended_at = present(), result = $2, problem = $3 WHERE id = $1",
            task_id,
            result,
            problem,
        )


async def deliver(bus: Bus, consumer: str, events: Sequence[Event]) -> None:
    """Put events into the queues of one consumer only, and return when the broker has confirmed all of them.

    For facts that are told again: nobody else hears of them. Raises what a broker that is away raises.
    """
    for start in range(0, len(events), PUBLISHED_AT_ONCE):
        some = events[start : start + PUBLISHED_AT_ONCE]
        async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
            # A lost heartbeat cancels a pending publish from within; gather hands that over as a result.
            results = await asyncio.gather(*(_deliver(bus, consumer, event) for event in some), return_exceptions=True)
        for result in results:
            if isinstance(result, asyncio.CancelledError):
                raise ConnectionError
            if isinstance(result, BaseException):
                raise result


async def _deliver(bus: Bus, consumer: str, event: Event) -> None:
    await bus.broker.publish(
        event.model_dump_json().encode(),
        # The default exchange, which knows every queue by its name.
        routing_key=event_queue(consumer, type(event)).name,
        persist=True,
        message_id=str(event.id),
        correlation_id=event.correlationid,
        content_type=CONTENT_TYPE,
        message_type=event.type,
    )


def describing(package: str, settings: ServiceSettings) -> Handlers:
    """What every service may be asked: ``describe``, for a support bundle."""

    async def describe(_: Task) -> Result:
        """Versions, and which settings were set, without one value."""
        prefix = settings.model_config.get("env_prefix", "")
        return {
            "version": version(package.replace("_", "-")),
            "python": platform.python_version(),
            "environment": settings.environment,
            "settings": sorted(f"{prefix}{name}".upper() for name in settings.model_fields_set),
        }

    return {"describe": describe}


def as_json(result: Result) -> str:
    """A result as a command prints it."""
    return json.dumps(result, indent=2, ensure_ascii=False)
