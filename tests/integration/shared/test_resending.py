"""What the bus had, and lost, is published again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from shared import outbox
from shared.bus import Bus
from shared.events import ClassUpdated, SchoolUpdated
from shared.operations import Task, TaskError
from shared.purging import INBOX_DAYS, SENT_DAYS, purge
from shared.resending import resending
from shared.service import running
from support.factories import make_class_updated, make_school_updated
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.database import Database
    from shared.operations import Result
    from support.databases import Clock

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def telling(database: Database, broker_url: str) -> AsyncIterator[tuple[Bus, list[str]]]:
    """A service that tells review of a class and a school, and hears it as review does; what was heard."""
    bus, heard = Bus(broker_url, "review", graceful_timeout=5), []

    @bus.consume(ClassUpdated)
    async def take_class(event: ClassUpdated) -> None:
        heard.append(event.subject)

    @bus.consume(SchoolUpdated)
    async def take_school(event: SchoolUpdated) -> None:
        heard.append(event.subject)

    async with running(database, bus):
        await eventually(bus.is_consuming)
        async with database.transaction() as connection:
            await outbox.record(connection, make_class_updated(subject="class"), make_school_updated(subject="school"))
        await eventually(lambda: kept(database, 2))
        yield bus, heard


async def kept(database: Database, count: int) -> bool:
    """Whether so many were sent, and none waits."""
    async with database.connection() as connection:
        return await connection.fetchval(
            "SELECT (SELECT count(*) FROM outbox_sent) = $1 AND NOT EXISTS (SELECT FROM outbox)", count
        )


async def resend(database: Database, bus: Bus, **arguments: Any) -> Result:  # noqa: ANN401 - a task's
    async def tell(_: str) -> None:
        """Nobody listens."""

    return await resending(database, bus)["outbox-resend"](Task(uuid4(), "outbox-resend", arguments, tell))


async def has_heard(heard: list[str], *subjects: str) -> bool:
    return sorted(heard) == sorted(subjects)


@pytest.mark.parametrize("to", [None, "review"])
async def test_what_was_published_since_is_published_again(database: Database, broker_url: str, to: str | None) -> None:
    async with telling(database, broker_url) as (bus, heard):
        assert await resend(database, bus, since=datetime.now(UTC).isoformat(), to=to) == {"events": 0}
        assert await resend(database, bus, since=LONG_AGO.isoformat(), to=to) == {"events": 2}
        await eventually(lambda: has_heard(heard, "class", "class", "school", "school"))
        # And it can be published once more.
        await eventually(lambda: kept(database, 2))
        assert await resend(database, bus, since=LONG_AGO.isoformat(), to=to) == {"events": 2}
        await eventually(lambda: has_heard(heard, *["class", "school"] * 3))


async def test_to_a_consumer_that_hears_none_of_it_nothing_is_sent(database: Database, broker_url: str) -> None:
    async with telling(database, broker_url) as (bus, _):
        assert await resend(database, bus, since=LONG_AGO.isoformat(), to="notify") == {"events": 0}
        with pytest.raises(TaskError):
            await resend(database, bus, since=LONG_AGO.isoformat(), to="nobody")


async def test_it_is_kept_for_some_days_and_known_to_consumers_for_longer(
    database: Database, broker_url: str, clock: Clock
) -> None:
    assert INBOX_DAYS > SENT_DAYS + 1
    async with telling(database, broker_url):
        await clock.shift(timedelta(days=SENT_DAYS, hours=-1))
        await purge(database, [])
        assert await kept(database, 2)
        await clock.shift(timedelta(days=SENT_DAYS, hours=1))
        await purge(database, [])
        assert await kept(database, 0)
