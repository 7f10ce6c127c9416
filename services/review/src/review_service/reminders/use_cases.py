"""Telling reviewers what waits: once a day, all that there is to tell, by events to notify."""

from __future__ import annotations

import asyncio
from itertools import groupby, islice
from typing import TYPE_CHECKING, Literal, TypeAlias

import structlog

from review_service.objections.storage import open_of_administrators
from review_service.reminders import storage
from review_service.reminders.domain import HOURS_LATE_AT_MOST
from review_service.roster.use_cases import teacher_place
from shared import outbox
from shared.database import DATABASE_FAULTS
from shared.events import ReviewerToRemind, ReviewReminderDue, TeacherForReview, WaitingClass
from shared.languages import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    import asyncpg

    from review_service.context import Review
    from shared.database import Connection

    Kind: TypeAlias = Literal["digest", "reminder", "escalation"]

EVERY_SECONDS = 60
#: Events sealed and recorded at a time: others get their turn in between.
BATCH = 100

log = structlog.get_logger(__name__)


async def remind_for_ever(review: Review) -> None:
    """Look every minute whether somebody is to be told something; any number of replicas may."""
    while True:
        try:
            await remind(review)
        except DATABASE_FAULTS as fault:
            log.warning("reminders wait for the database", fault=type(fault).__name__)
        await asyncio.sleep(EVERY_SECONDS)


async def remind(review: Review) -> int:
    """Tell everybody what is due today, if it is time and nobody has; how many events that were.

    The claim of the day, the marks on applications and the events are one transaction: all of it happened, or none.
    """
    policy = review.settings.reminder_policy()
    if policy.is_silent:
        return 0
    told = 0
    async with review.database.transaction() as connection:
        day = await storage.claim_day(connection, policy.hour, HOURS_LATE_AT_MOST)
        if day is None:
            return 0
        if policy.digest_hour is not None:
            waiting = await storage.all_that_waits(connection)
            objections = await open_of_administrators(connection)
            told += await _tell(review, connection, "digest", day, waiting, objections)
        if policy.remind_after_days:
            due = await storage.take_reminders(connection, policy.remind_after)
            told += await _tell(review, connection, "reminder", day, due)
        if policy.escalate_after_days:
            due = await storage.take_escalations(connection, policy.escalate_after)
            told += await _tell(review, connection, "escalation", day, due)
    log.info("reviewers told what waits", count=told)
    return told


async def _tell(
    review: Review,
    connection: Connection,
    kind: Kind,
    day: date,
    rows: Sequence[asyncpg.Record],
    objections: Sequence[asyncpg.Record] = (),
) -> int:
    """One event a reviewer, for the rows by reviewer and class, and for the objections by reviewer; how many."""
    told = 0
    events = _events(review, kind, day, rows, {row["teacher_id"]: row for row in objections})
    while batch := list(islice(events, BATCH)):
        await outbox.record(connection, *batch)
        told += len(batch)
    return told


def _events(
    review: Review,
    kind: Kind,
    day: date,
    rows: Sequence[asyncpg.Record],
    objections: dict[str, asyncpg.Record],
) -> Iterator[ReviewReminderDue]:
    """A reviewer of whom the school knows no e-mail address is left out."""
    by_reviewer = {
        reviewer: list(classes) for reviewer, classes in groupby(rows, lambda row: (row["teacher_id"], row["details"]))
    }
    only_objections: dict[tuple[str, str], list[asyncpg.Record]] = {
        (row["teacher_id"], row["details"]): [] for row in objections.values()
    }
    for (teacher_id, details), classes in (only_objections | by_reviewer).items():
        teacher = review.store.unseal_model(TeacherForReview, details, teacher_place(teacher_id))
        if teacher.email:
            yield _event(review, kind, day, teacher_id, teacher, classes, objections.get(teacher_id))


def _event(
    review: Review,
    kind: Kind,
    day: date,
    teacher_id: str,
    teacher: TeacherForReview,
    rows: list[asyncpg.Record],
    objections: asyncpg.Record | None,
) -> ReviewReminderDue:
    classes = [WaitingClass(class_name=row["class_name"], waiting=row["waiting"]) for row in rows]
    open_objections = objections["open"] if objections else 0
    return ReviewReminderDue.of(
        "review",
        teacher_id,
        kind=kind,
        day=day,
        language=SOURCE,
        waiting=sum(row["waiting"] for row in rows) + open_objections,
        oldest_days=max(row["oldest_days"] for row in rows or [objections]),
        objections=open_objections,
        objections_since=objections["since"] if objections else None,
    ).sealed(review.to_notify, for_notify=ReviewerToRemind(email=teacher.email, name=teacher.name, classes=classes))
