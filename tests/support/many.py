"""A school with any number of applications, put there at once, to see what a page costs then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from review_service.applications import storage
from review_service.applications.cases import Names, place
from review_service.applications.inbox import PAGE, Filter
from review_service.context import Teacher

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from review_service.context import Review

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES = 50
#: Far more than any class has, for as many to watch.
TEACHERS_OF_A_CLASS = 10
TEACHER = Teacher("T-1", "", "teacher", "S-1", "")
ADMINISTRATOR = Teacher("A-1", "", "administrator", "S-1", "")
COLUMNS = (
    *(
        "id",
        "version",
        "state",
        "submission_version",
        "application_id",
        "application_number",
        "student_id",
        "school_id",
    ),
    *("class_id", "relation", "submitted_at", "statement_version", "names", "details", "flags", "settled_at"),
)


async def fill(review: Review, rows: int) -> None:
    """So many applications of school S-1: three of five wait, a tenth is flagged, and a fiftieth is of T-1's class."""
    async with review.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO classes (id, school_id, name, teacher_ids, revision, active)"
            " SELECT 'C-' || number, 'S-1', 'C-' || number,"
            " ARRAY(SELECT 'T-' || number + $1 * colleague FROM generate_series(0, $2 - 1) AS colleague), 1, true"
            " FROM generate_series(1, $1) AS number",
            CLASSES,
            TEACHERS_OF_A_CLASS,
        )
        await connection.execute(
            "INSERT INTO teachers (id, school_id, role, details, revision, active)"
            " VALUES ('A-1', 'S-1', 'administrator', '', 1, true)"
        )
        await connection.copy_records_to_table("bindings", records=_rows(review, rows), columns=COLUMNS, timeout=600)
    async with review.database.connection() as connection:
        await connection.execute("VACUUM ANALYZE bindings", timeout=600)


def _rows(review: Review, rows: int) -> Iterator[tuple[object, ...]]:
    for number in range(rows):
        id_, moment = uuid4(), FIRST + timedelta(seconds=number)
        waits = number % 5 < 3
        names = review.store.seal_model(Names(student="王大明", parent="王曉明"), place(id_, "names"))
        # Where there are few all are of one class, for pages of the same length.
        class_id = "C-1" if rows <= 10 * PAGE else f"C-{1 + number // 20 % CLASSES}"
        flags = ["shared_contact"] if number % 20 in {0, 1} else []
        yield (
            *(id_, 1, "waiting" if waits else "approved", 1, uuid4(), f"{number:08}-222222", f"ST-{number // 2}"),
            *("S-1", class_id, "father", moment, "2026-11", names, "sealed", flags, None if waits else moment),
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that is looked at, and by whom."""

    title: str
    teacher: Teacher
    wanted: Filter


async def lists(review: Review) -> Sequence[Listed]:
    """The first page and a late one of each list, of a teacher and of an administrator."""
    found = []
    for teacher in (TEACHER, ADMINISTRATOR):
        for title, wanted in (
            ("waiting", Filter()),
            ("waiting, flagged", Filter(flagged=True)),
            ("ended", Filter(show="ended")),
            ("ended, approved", Filter(show="ended", state="approved")),
        ):
            found.append(Listed(f"{teacher.role}: {title}, first page", teacher, wanted))
            late = await _late(review, teacher, wanted)
            found.append(Listed(f"{teacher.role}: {title}, late page", teacher, late))
    return found


async def _late(review: Review, teacher: Teacher, wanted: Filter) -> Filter:
    """The page 999 pages on, or where the last full one begins."""
    column = "ended_at" if wanted.show == "ended" else "submitted_at"
    order = "DESC" if wanted.show == "ended" else "ASC"
    is_listed = storage.ENDED if wanted.show == "ended" else storage.WAITING
    scope = "school_id = 'S-1'" if teacher.is_administrator else "class_id = 'C-1'"
    async with review.database.connection() as connection:
        listed: Sequence[tuple[datetime, UUID]] = await connection.fetch(
            f"SELECT {column}, id FROM bindings WHERE {scope} AND {is_listed}"  # noqa: S608 - constants of ours
            f" {storage.FLAGGED if wanted.flagged else ''} ORDER BY {column} {order}, id {order} LIMIT $2",
            teacher.id,
            1000 * PAGE + 1,
        )
    moment, id_ = listed[max(len(listed) - PAGE - 2, 0)]
    return Filter(show=wanted.show, state=wanted.state, flagged=wanted.flagged, after=(moment, id_))
