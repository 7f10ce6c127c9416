"""What has expired is deleted once an hour, in batches, and counted in a report.

Any number of replicas may run: an advisory lock lets one of them at it. A batch and its count are committed together,
so a process that is killed half-way has told what it did, and the next run goes on with what is left.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import structlog

from shared.database import COMMAND_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS, DATABASE_FAULTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from shared.database import Connection, Database

EVERY_SECONDS = 3600
#: Rows of one transaction.
BATCH = 1000
#: Longer than any event can be under way: retries, dead letters and what is published again included.
INBOX_DAYS = 30
#: For so long a broker that has lost its queues can be told again. Bodies are sealed; backups hold them as well.
SENT_DAYS = 14
#: Any number: with the schema's, the advisory lock of the purge.
LOCK = 5_402_780

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Purge:
    """One kind of what expires: how many of it are due, and a batch that takes at most so many and says how many."""

    kind: str
    count: Callable[[Connection], Awaitable[int]]
    batch: Callable[[Connection, int], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run purged, by kind; ``ended_at`` is None for one that was killed, or is under way."""

    began_at: datetime
    ended_at: datetime | None
    counts: dict[str, int]
    failed: list[str]


def expired(
    table: str, condition: str, *values: object, kind: str = "", change: str = "", oldest_by: str = ""
) -> Purge:
    """Rows of ``table`` for which ``condition`` (SQL, with ``values`` as $1 and on) holds go.

    With ``change`` they stay and are changed so instead (SQL after SET), by which the condition must cease to hold.
    With ``oldest_by``, an indexed column, a batch is the oldest of them: PostgreSQL goes by the index then. It thinks
    the whole table the shorter way to any thousand rows, where it takes very many for expired.
    """
    order = f"ORDER BY {oldest_by}" if oldest_by else ""
    work = f"UPDATE {table} SET {change}" if change else f"DELETE FROM {table}"  # noqa: S608 - constants of ours
    return Purge(
        kind or table,
        partial(_count, f"SELECT count(*) FROM {table} WHERE {condition}", values),  # noqa: S608 - the same
        partial(
            _execute,
            # By place in the table, which needs no key; a row that somebody holds is left for the next run.
            f"{work} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {condition}"  # noqa: S608 - the same
            f" {order} LIMIT ${len(values) + 1} FOR UPDATE SKIP LOCKED))",
            values,
        ),
    )


async def purge_for_ever(database: Database, purges: Sequence[Purge]) -> None:
    """Purge now, and every hour from then on."""
    while True:
        try:
            await purge(database, purges)
        except (*DATABASE_FAULTS, asyncpg.PostgresError) as fault:
            log.warning("purge waits for the database", fault=type(fault).__name__)
        await asyncio.sleep(EVERY_SECONDS)


async def purge(database: Database, purges: Sequence[Purge], *, batch: int = BATCH) -> Report | None:
    """Purge what is due of the service's own kinds, and of those of every service; None where another process is at it.

    What the database refuses of one kind holds up no other.
    """
    # Not one of the pool's, which may have a single one: the lock ends with the connection, however that ends.
    holder = await asyncpg.connect(
        database.dsn, timeout=CONNECT_TIMEOUT_SECONDS, command_timeout=COMMAND_TIMEOUT_SECONDS
    )
    try:
        if not await holder.fetchval("SELECT pg_try_advisory_lock(hashtext(current_schema()), $1)", LOCK):
            return None
        return await _purge(database, [*purges, *COMMON], batch)
    finally:
        holder.terminate()


async def due(database: Database, purges: Sequence[Purge]) -> dict[str, int]:
    """What a run would purge now, by kind; nothing is changed."""
    async with database.connection() as connection:
        counts = {each.kind: await each.count(connection) for each in (*purges, *COMMON)}
    return {kind: count for kind, count in counts.items() if count}


async def reports(database: Database, most: int) -> list[Report]:
    """The latest runs, newest first."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT began_at, ended_at, counts, failed FROM retention_reports ORDER BY began_at DESC LIMIT $1", most
        )
    return [Report(**row) for row in rows]


async def _purge(database: Database, purges: Sequence[Purge], batch: int) -> Report:
    report_id = uuid4()
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO retention_reports (id) VALUES ($1)", report_id)
    for each in purges:
        try:
            while await _purge_batch(database, report_id, each, batch):
                pass
        except DATABASE_FAULTS:
            raise
        except (asyncpg.PostgresError, ValueError) as fault:
            log.exception("not purged", kind=each.kind, fault=type(fault).__name__)
            async with database.transaction() as connection:
                await connection.execute(
                    "UPDATE retention_reports SET failed = failed || $2::text WHERE id = $1", report_id, each.kind
                )
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            "UPDATE retention_reports SET ended_at = present() WHERE id = $1"
            " RETURNING began_at, ended_at, counts, failed",
            report_id,
        )
    assert row is not None  # noqa: S101 - inserted above
    report = Report(**row)
    if report.counts:
        log.info("expired rows purged", **{kind.replace(" ", "_"): count for kind, count in report.counts.items()})
    return report


async def _purge_batch(database: Database, report_id: UUID, purge: Purge, batch: int) -> int:
    """One batch and its count, in one transaction; how many went."""
    async with database.transaction() as connection:
        gone = await purge.batch(connection, batch)
        if gone:
            await connection.execute(
                """
                UPDATE retention_reports
                SET counts = counts || jsonb_build_object($2::text, coalesce((counts ->> $2)::int, 0) + $3::int)
                WHERE id = $1
                """,
                report_id,
                purge.kind,
                gone,
            )
    return gone


async def _count(query: str, values: Sequence[object], connection: Connection) -> int:
    count: int = await connection.fetchval(query, *values)
    return count


async def _execute(statement: str, values: Sequence[object], connection: Connection, batch: int) -> int:
    return int((await connection.execute(statement, *values, batch)).rpartition(" ")[2])


#: What every service has.
COMMON = (
    expired("inbox", f"received_at < present() - interval '{INBOX_DAYS} days'"),
    expired("outbox_sent", f"sent_at < present() - interval '{SENT_DAYS} days'"),
    # The longest window is a day: none of these hits counts any more.
    expired("rate_limits", "coalesce(hits[cardinality(hits)], '-infinity') < present() - interval '1 day'"),
    expired("retention_reports", "began_at < present() - interval '400 days'"),
    expired("operator_tasks", "asked_at < present() - interval '90 days'"),
)
