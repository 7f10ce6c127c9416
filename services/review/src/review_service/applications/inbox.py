"""The lists of applications: what waits and what has ended, page by page, and that something in them changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import UUID

from review_service.applications import storage
from review_service.applications.cases import Names, names_of, standing_of
from review_service.applications.domain import Flag, Standing, State
from review_service.applications.storage import Place
from review_service.audit.use_cases import note
from review_service.errors import NotFoundError
from shared.observing import use_case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    import asyncpg

    from review_service.context import Review, Teacher
    from shared.database import Connection

PAGE = 50


@dataclass(frozen=True, slots=True)
class Filter:
    """Which list: ``show`` is waiting or ended; ``state`` one of binding's states, empty for all that ended.

    ``after`` is the place in the list (time and id) behind which the page begins.
    """

    show: str = "waiting"
    state: str = ""
    class_id: str = ""
    flagged: bool = False
    after: tuple[datetime, UUID] | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Filter:
        """From an address; what is not understood is as good as absent."""
        show = "ended" if query.get("show") == "ended" else "waiting"
        state = query.get("state", "")
        return cls(
            show=show,
            state=state if show == "ended" and state in set(State) - {State.WAITING} else "",
            class_id=query.get("class", ""),
            flagged=show == "waiting" and query.get("flagged") == "1",
            after=_place(query.get("after", "")),
        )

    def query(self, *, done: UUID | None = None, undone: str = "", skipped: int = 0, **changes: object) -> str:
        """The query string of this list with ``changes``, with its question mark; empty for the plain inbox.

        The others are told on the page that it leads to: a batch of decisions, how many were undone, and how many of
        several were not decided on.
        """
        it = replace(self, **changes)  # type: ignore[arg-type]
        pairs = {
            "show": "ended" if it.show == "ended" else "",
            "state": it.state,
            "class": it.class_id,
            "flagged": "1" if it.flagged else "",
            "after": f"{it.after[0].isoformat()}~{it.after[1]}" if it.after else "",
            "done": str(done or ""),
            "undone": undone,
            "skipped": str(skipped or ""),
        }
        given = {name: value for name, value in pairs.items() if value}
        return f"?{urlencode(given)}" if given else ""


def _place(text: str) -> tuple[datetime, UUID] | None:
    moment, _, id_ = text.partition("~")
    try:
        at, binding_id = datetime.fromisoformat(moment), UUID(id_)
        return (at.astimezone(UTC), binding_id) if at.tzinfo else None
    except (ValueError, OverflowError):  # the first or the last day that there is, in another time zone
        return None


@dataclass(frozen=True, slots=True)
class Entry:
    """An application in a list."""

    id: UUID
    names: Names
    class_name: str
    relation: str
    standing: Standing
    flags: Sequence[Flag]
    for_administrator: bool
    on_paper: bool
    is_known_guardian: bool
    submitted_at: datetime
    ended_at: datetime | None
    waited: timedelta

    @property
    def is_unusual(self) -> bool:
        """Whether somebody must look at it by itself before deciding."""
        return bool(self.flags) or self.for_administrator


@dataclass(frozen=True, slots=True)
class Inbox:
    """A page of a list. ``classes`` are those to choose from, ``waiting`` how many wait (MOST_COUNTED at most)."""

    filter: Filter
    entries: Sequence[Entry]
    following: str
    classes: Sequence[tuple[str, str]]
    waiting: int
    version: str

    @property
    def is_narrowed(self) -> bool:
        """Whether the list leaves out what a filter does not let through."""
        return bool(self.filter.class_id or self.filter.flagged or self.filter.state)


@use_case
async def list_applications(review: Review, teacher: Teacher, wanted: Filter) -> Inbox:
    """One page of what this teacher sees."""
    async with review.database.connection() as connection:
        # First, so that what changes meanwhile counts as news.
        version = (await versions(connection, [teacher.id]))[teacher.id]
        classes = await storage.classes_of(connection, teacher.id)
        where = _where(teacher, wanted, [row["id"] for row in classes])
        rows = await _page(connection, teacher, wanted, where)
        waiting = await storage.count_waiting(connection, teacher.id, where, flagged=wanted.flagged)
    return Inbox(
        filter=wanted,
        entries=[_entry(review, row) for row in rows[:PAGE]],
        following=_following(wanted, rows),
        classes=[(row["id"], row["name"]) for row in classes],
        waiting=waiting,
        version=version,
    )


async def note_look(review: Review, teacher: Teacher, inbox: Inbox) -> None:
    """A list shows names: whose, by class or school, goes to the audit log."""
    of = next((id_ for id_, _name in inbox.classes if id_ == inbox.filter.class_id), teacher.school_id)
    async with review.database.transaction() as connection:
        await note(review, connection, teacher, "applications.listed", of)


async def neighbours(
    review: Review, teacher: Teacher, wanted: Filter, here: tuple[datetime, UUID]
) -> tuple[UUID | None, UUID | None]:
    """The waiting applications before and after a place (submission, id) in the list.

    Behind the last one comes the first again, as long as any other waits.
    """
    async with review.database.connection() as connection:
        classes = [row["id"] for row in await storage.classes_of(connection, teacher.id)]
        where = _where(teacher, wanted, classes)

        async def one(after: tuple[datetime, UUID] | None, *, backwards: bool = False) -> UUID | None:
            rows = await storage.waiting_page(
                connection, teacher.id, where, flagged=wanted.flagged, after=after, limit=1, backwards=backwards
            )
            return rows[0]["id"] if rows and rows[0]["id"] != here[1] else None

        return await one(here, backwards=True), await one(here) or await one(None)


async def place_of(review: Review, teacher: Teacher, binding_id: UUID) -> tuple[datetime, UUID]:
    """Where an application stands in the list of what waits. Raises NotFoundError."""
    async with review.database.connection() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
    if row is None:
        raise NotFoundError
    return row["submitted_at"], binding_id


async def pick(review: Review, teacher: Teacher, binding_ids: Sequence[UUID]) -> Sequence[Entry]:
    """Those of the applications that wait for this teacher's decision."""
    async with review.database.connection() as connection:
        rows = await storage.waiting_for(connection, teacher.id, binding_ids)
    return [_entry(review, row) for row in rows]


async def versions(connection: Connection, teacher_ids: Sequence[str]) -> dict[str, str]:
    """For each of these teachers, what changes with every change in their list."""
    changes = await storage.changes(connection, teacher_ids)
    return {teacher_id: ".".join(map(str, numbers)) for teacher_id, numbers in changes.items()}


def _where(teacher: Teacher, wanted: Filter, classes: Sequence[str]) -> Place:
    """The part of the school that a list is of: all of it for its administrator, else classes of this teacher's."""
    if teacher.is_administrator and not wanted.class_id:
        return Place(school_id=teacher.school_id, is_administrators=True)
    chosen = [id_ for id_ in classes if wanted.class_id in {"", id_}]
    return Place(class_ids=chosen, is_administrators=teacher.is_administrator)


async def _page(connection: Connection, teacher: Teacher, wanted: Filter, where: Place) -> list[asyncpg.Record]:
    if wanted.show == "ended":
        return await storage.ended_page(
            connection, teacher.id, where, state=wanted.state, after=wanted.after, limit=PAGE + 1
        )
    return await storage.waiting_page(
        connection, teacher.id, where, flagged=wanted.flagged, after=wanted.after, limit=PAGE + 1
    )


def _following(wanted: Filter, rows: list[asyncpg.Record]) -> str:
    """The query string of the next page; empty when this is the last one."""
    if len(rows) <= PAGE:
        return ""
    last = rows[PAGE - 1]
    moment = last["ended_at"] if wanted.show == "ended" else last["submitted_at"]
    return wanted.query(after=(moment, last["id"]))


def _entry(review: Review, row: asyncpg.Record) -> Entry:
    return Entry(
        id=row["id"],
        names=names_of(review, row["id"], row["names"]),
        class_name=row["class_name"] or "",
        relation=row["relation"],
        standing=standing_of(row),
        flags=[Flag(flag) for flag in row["flags"]],
        for_administrator=row["for_administrator"],
        on_paper=row["on_paper"],
        is_known_guardian=row["is_known_guardian"],
        submitted_at=row["submitted_at"],
        ended_at=row["ended_at"],
        waited=row["waited"],
    )
