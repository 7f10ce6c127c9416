"""Writing the audit log, in the transaction of what it tells; reading it, verifying it, and taking it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import TYPE_CHECKING
from uuid import UUID

from review_service.audit import storage
from review_service.audit.actions import action_words, role_words
from review_service.audit.domain import Line, Walk
from review_service.audit.sheets import BOM, sheet
from review_service.context import OPERATOR
from review_service.errors import NotFoundError
from review_service.roster.use_cases import teacher_name
from review_service.words import _
from shared.observing import use_case
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import date, datetime

    import asyncpg

    from review_service.audit.domain import Head, Report
    from review_service.context import Review, Teacher
    from shared.database import Connection

PAGE = 50
#: Lines that an export holds in memory at a time.
BATCH = 200
#: More lines than any chain has: before it are all of them.
THE_END = 2**62


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines somebody wants to see. ``who`` and ``action`` may be empty; days are Taipei's, both included."""

    who: str = ""
    action: str = ""
    first_day: date | None = None
    last_day: date | None = None

    @property
    def values(self) -> tuple[str, str, date | None, date | None]:
        """As the queries take them."""
        return self.who, self.action, self.first_day, self.last_day


@dataclass(frozen=True, slots=True)
class Shown:
    """A line as somebody reads it. ``application`` is the number, where it is about one that the school still has."""

    line: Line
    who: str
    subject: str
    application: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, newest first; ``older`` is the position before which it goes on, 0 at the end."""

    lines: Sequence[Shown]
    older: int


# --- writing ---


async def note(review: Review, connection: Connection, teacher: Teacher, action: str, subject: object) -> None:
    """``teacher`` did ``action`` (such as ``application.approve``) to the thing whose id is ``subject``.

    The line is written when the rest of the transaction is done, whenever this was called in it: so the school's
    chain, for which all its transactions queue, is held for the commit only, and nobody waits for a row meanwhile.
    """
    review.database.do_last(connection, partial(_append, review, teacher, action, str(subject)))


async def _append(review: Review, teacher: Teacher, action: str, subject: str, connection: Connection) -> None:
    head = await storage.head(connection, teacher.school_id)
    old = await storage.lines_before_the_chain(connection, teacher.school_id) if head["head_position"] == 0 else []
    line = Line(
        id=head["line_id"],
        school_id=teacher.school_id,
        position=head["head_position"] + len(old) + 1,
        happened_at=head["moment"],
        teacher_id=teacher.id,
        role=teacher.role,
        action=action,
        subject=subject,
        address=teacher.address,
    )
    previous = head["head_hash"]
    for next_ in (*old, line):
        previous = review.audit_keys.digest(*next_.parts(previous))
        await storage.add(connection, replace(next_, hash=previous))


# --- verifying ---


async def verify(review: Review, earlier: Mapping[str, Head]) -> list[Report]:
    """A report on each school's chain, all as of one moment; a chain of ``earlier`` that is gone has one too."""
    digests = review.audit_keys.digests
    walks = {school_id: Walk(school_id, digests, head) for school_id, head in earlier.items()}
    async with review.database.transaction() as connection:
        async for line in storage.every_line(connection):
            if line.school_id not in walks:
                walks[line.school_id] = Walk(line.school_id, digests)
            walks[line.school_id].take(line)
    return [walks[school_id].end() for school_id in sorted(walks)]


# --- reading ---


@use_case
async def look(review: Review, teacher: Teacher, wanted: Filter, before: int = 0) -> Page:
    """A page of the administrator's own school; that it was looked at is a line itself, seen the next time."""
    async with review.database.transaction() as connection:
        rows = await storage.newest_lines(
            connection, teacher.school_id, *wanted.values, before=before or THE_END, limit=PAGE + 1
        )
        numbers = await storage.application_numbers(connection, teacher.school_id, _ids(rows))
        await note(review, connection, teacher, "audit.looked-at", teacher.school_id)
    name_of = cache(partial(teacher_name, review))
    lines = [_shown(name_of, row, numbers) for row in rows[:PAGE]]
    return Page(lines, lines[-1].line.position if len(rows) > PAGE else 0)


async def staff(review: Review, teacher: Teacher) -> list[tuple[str, str]]:
    """Id and name of everyone whose acts the administrator's log can hold, by name."""
    async with review.database.connection() as connection:
        rows = await storage.staff(connection, teacher.school_id)
    people = [(row["id"], teacher_name(review, row["id"], row["details"])) for row in rows]
    return [*sorted(people, key=lambda person: (person[1], person[0])), (OPERATOR.id, role_words(OPERATOR.role))]


def _ids(rows: Sequence[asyncpg.Record]) -> list[UUID]:
    """The subjects that may be applications."""
    return [UUID(row["subject"]) for row in rows if row["action"].startswith("application.") and _is_id(row["subject"])]


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _shown(name_of: Callable[[str, str | None], str], row: asyncpg.Record, numbers: Mapping[str, str]) -> Shown:
    """``name_of`` unseals a teacher's name, each once however many lines name them."""
    line = Line(*row[: len(fields(Line))])
    who = role_words(OPERATOR.role) if line.teacher_id == OPERATOR.id else name_of(line.teacher_id, row["doer_details"])
    subject = name_of(line.subject, row["subject_details"])
    return Shown(line, who, subject or line.subject, numbers.get(line.subject, ""))


# --- taking it elsewhere ---


async def export(review: Review, by: Teacher, school_id: str, wanted: Filter) -> AsyncIterator[str]:
    """The school's lines as CSV, oldest first and piece by piece; the export is the last of them.

    Everything that can be wrong is found before the first piece is asked for. Raises NotFoundError.
    """
    async with review.database.connection() as connection:
        if not await storage.is_known_school(connection, school_id):
            raise NotFoundError
    async with review.database.transaction() as connection:
        await note(review, connection, replace(by, school_id=school_id), "audit.exported", school_id)
    async with review.database.connection() as connection:
        until = await storage.head_position(connection, school_id)
    return _sheets(review, school_id, wanted, until)


async def _sheets(review: Review, school_id: str, wanted: Filter, until: int) -> AsyncIterator[str]:
    """A connection is held for each batch only: whoever reads slowly keeps none from the others."""
    yield BOM + sheet([_titles()])
    name_of = cache(partial(teacher_name, review))
    after = 0
    while True:
        async with review.database.connection() as connection:
            rows = await storage.lines_after(
                connection, school_id, *wanted.values, after=after, until=until, limit=BATCH
            )
        if not rows:
            return
        yield sheet(_cells(_shown(name_of, row, {})) for row in rows)
        after = rows[-1]["position"]


def _titles() -> list[str]:
    return [
        _("序號"),
        _("時間"),
        _("人員"),
        _("人員代碼"),
        _("身分"),
        _("動作"),
        _("動作代碼"),
        _("對象"),
        _("對象代碼"),
        _("來源位址"),
        _("檢核碼"),
    ]


def _cells(shown: Shown) -> list[str]:
    line = shown.line
    return [
        str(line.position),
        in_taipei(line.happened_at),
        shown.who,
        line.teacher_id,
        role_words(line.role),
        action_words(line.action),
        line.action,
        shown.subject,
        line.subject,
        line.address,
        line.hash,
    ]


def in_taipei(moment: datetime) -> str:
    """``2026-11-24 09:05:03``, as spreadsheets sort it."""
    return moment.astimezone(TAIPEI).strftime("%Y-%m-%d %H:%M:%S")
