"""What operators see of the messages, and sending them again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from notify_service import domain
from notify_service import storage as message_storage
from notify_service.domain import Kind
from notify_service.errors import NotKeptError
from notify_service.operators import storage
from notify_service.operators.domain import CHANNELS, STATES, Place, health
from shared.observing import use_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from notify_service.limits import Limits
    from notify_service.operators.domain import Wanted
    from shared.database import Database

#: Messages on a page.
PAGE = 50
#: Messages that one transaction sends again.
BATCH = 2000
MOST_TROUBLES = 20
MOST_ACTS = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the use cases work with; ``wake`` tells the delivery worker that something is due."""

    database: Database
    limits: Limits
    #: Of each channel, in their order.
    providers: Mapping[str, Sequence[str]]
    wake: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many messages wait, and how many came to which end in the last day; ``sent_hour`` in the last hour."""

    waiting: int = 0
    sent_hour: int = 0
    sent: int = 0
    failed: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class ChannelView:
    """How a channel is; the limit of its hour is None where it has none."""

    name: str
    tally: Tally
    row: asyncpg.Record
    is_off: bool
    limit: int | None
    providers: list[ProviderView]

    @property
    def is_full(self) -> bool:
        """Whether the hour's limit is reached."""
        return self.limit is not None and self.row["this_hour"] >= self.limit


@dataclass(frozen=True, slots=True)
class ProviderView:
    """How a provider is, as far as the tries of all processes tell."""

    name: str
    health: str
    row: asyncpg.Record


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page."""

    channels: list[ChannelView]
    kinds: dict[str, Tally]
    providers: dict[str, Tally]
    troubles: list[asyncpg.Record]
    acts: list[asyncpg.Record]


@use_case
async def overview(desk: Desk) -> Overview:
    """How it goes, in numbers of the last day and hour."""
    names = [name for of_channel in desk.providers.values() for name in of_channel]
    async with desk.database.connection() as connection:
        counted = await storage.counts(connection)
        channels = {row["channel"]: row for row in await message_storage.channels(connection)}
        providers = await storage.providers(connection, names)
        troubles = await storage.troubles(connection, MOST_TROUBLES)
        acts = await storage.latest_acts(connection, MOST_ACTS)
    views = {row["name"]: ProviderView(row["name"], health(row["latest"]), row) for row in providers}
    by_channel = tallies(counted, "channel")
    return Overview(
        channels=[
            ChannelView(
                name=name,
                tally=by_channel.get(name, Tally()),
                row=channels[name],
                is_off=name in desk.limits.off,
                limit=desk.limits.per_hour.get(name),
                providers=[views[provider] for provider in desk.providers[name]],
            )
            for name in CHANNELS
        ],
        kinds=tallies(counted, "kind"),
        providers={name: tally for name, tally in tallies(counted, "provider").items() if name not in {"", "-"}},
        troubles=troubles,
        acts=acts,
    )


def tallies(counted: Iterable[Mapping[str, str | int]], by: str) -> dict[str, Tally]:
    """What was counted, put together by one of its columns; most first."""
    sums: dict[str, Counter[str]] = {}
    for row in counted:
        each = sums.setdefault(str(row[by]), Counter())
        each[str(row["state"])] += int(row["day"])
        if row["state"] == "sent":
            each["sent_hour"] += int(row["hour"])
    ordered = sorted(sums.items(), key=lambda item: (-sum(item[1][state] for state in STATES), item[0]))
    return {name: Tally(**each) for name, each in ordered}


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of messages; ``next`` is where the one after it begins, where there is one."""

    messages: list[asyncpg.Record]
    next: Place | None


@use_case
async def list_messages(desk: Desk, wanted: Wanted, before: Place | None) -> Listed:
    """Messages that are looked for, newest first."""
    async with desk.database.connection() as connection:
        rows = await storage.messages(connection, wanted, before, PAGE + 1)
    shown = rows[:PAGE]
    more = len(rows) > PAGE
    return Listed(shown, Place(shown[-1]["created_at"], shown[-1]["id"]) if more else None)


@dataclass(frozen=True, slots=True)
class Shown:
    """One message, its tries and who sent it again."""

    message: asyncpg.Record
    tries: list[asyncpg.Record]
    acts: list[asyncpg.Record] = field(default_factory=list)


@use_case
async def show(desk: Desk, message_id: UUID) -> Shown | None:
    """One message; None where there is none by this id."""
    async with desk.database.connection() as connection:
        row = await storage.message(connection, message_id)
        if row is None:
            return None
        tries = await message_storage.tries_of(connection, message_id)
        return Shown(row, tries, await storage.acts_on(connection, message_id))


@use_case
async def count_kept(desk: Desk, wanted: Wanted) -> tuple[int, datetime]:
    """How many messages that are looked for can be sent again, and by when they had failed."""
    async with desk.database.connection() as connection:
        row = await storage.count_kept(connection, wanted)
    return row["count"], row["now"]


@use_case
async def send_one_again(desk: Desk, operator: str, message_id: UUID, failed_at: datetime) -> None:
    """Let a failed message wait to be sent again, as the same message. Raises NotKeptError.

    It is that failure which is sent again: who presses second, be it after the message has failed anew, does nothing.
    """
    async with desk.database.transaction() as connection:
        if not await storage.send_one_again(connection, message_id, lives(), failed_at):
            raise NotKeptError
        await storage.note_act(connection, operator, "sent_again", message_id=message_id, messages=1)
    log.info("failed message waits to be sent again", message=str(message_id), operator=operator)
    desk.wake()


@use_case
async def send_all_again(desk: Desk, operator: str, wanted: Wanted, failed_by: datetime) -> int:
    """Let all failed messages that are looked for, and had failed by then, wait to be sent again; how many.

    A batch each in a transaction, which notes it as well: no press holds very many rows, and one that breaks off has
    told what it did.
    """
    values, sum_ = wanted.as_values(), 0
    while True:
        async with desk.database.transaction() as connection:
            count = await storage.send_again(connection, wanted, lives(), failed_by, BATCH)
            if count:
                await storage.note_act(connection, operator, "sent_again", messages=count, wanted=values)
        if not count:
            return sum_
        log.info("failed messages wait to be sent again", messages=count, operator=operator, wanted=values)
        desk.wake()
        sum_ += count


def lives() -> list[tuple[str, timedelta]]:
    """How long each kind is worth anything; a code is never sent again."""
    return [(kind, domain.patience(kind).life) for kind in Kind if domain.is_kept_when_failed(kind)]
