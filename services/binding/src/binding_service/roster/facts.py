"""The events that tell of the roster's schools, classes, teachers and students, each made of a row."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from shared.events import (
    ClassRosterUpdated,
    ClassUpdated,
    SchoolUpdated,
    StudentOfClass,
    StudentsForReview,
    TeacherForReview,
    TeacherUpdated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from shared.events import Event
    from shared.sealing import SealingKeys


def makers(to_review: SealingKeys) -> dict[str, Callable[[asyncpg.Record], Event]]:
    """By table, what makes the event of one of its rows; ``to_review`` seals names and e-mails."""
    return {"schools": school, "classes": class_, "teachers": partial(teacher, to_review)}


def school(row: asyncpg.Record) -> Event:
    """What a school is by now."""
    return SchoolUpdated.of("binding", row["id"], **_facts(row, "revision", "code", "name", "level", "active"))


def class_(row: asyncpg.Record) -> Event:
    """What a class is by now, and whose."""
    return ClassUpdated.of(
        "binding", row["id"], **_facts(row, "revision", "school_id", "name", "teacher_ids", "active")
    )


def teacher(to_review: SealingKeys, row: asyncpg.Record) -> Event:
    """Who a teacher is by now."""
    event = TeacherUpdated.of("binding", row["id"], **_facts(row, "revision", "school_id", "role", "active"))
    return event.sealed(to_review, for_review=TeacherForReview(name=row["name"], email=row["email"]))


def class_roster(to_review: SealingKeys, row: asyncpg.Record) -> Event:
    """Which students a class has by now; the row is one of storage.class_rosters."""
    students = [StudentOfClass(id=id_, name=name) for id_, name in zip(row["ids"], row["names"], strict=True)]
    event = ClassRosterUpdated.of("binding", row["id"], **_facts(row, "revision", "school_id"))
    return event.sealed(to_review, for_review=StudentsForReview(students=students))


def _facts(row: asyncpg.Record, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
