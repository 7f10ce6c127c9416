"""Hearing that a notice was disowned, showing it to whom it concerns, and putting it to rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from review_service.applications import storage as applications
from review_service.applications.cases import names_of
from review_service.audit.use_cases import note
from review_service.context import Teacher
from review_service.disowning import storage
from review_service.errors import NotFoundError, TooManyTriesError
from review_service.objections.storage import touch
from review_service.roster.use_cases import teacher_name
from shared import rate_limits
from shared.not_mine import LIFE, read_token
from shared.observing import use_case
from shared.rate_limits import Limit, client_subject
from shared.sealing import UnsealError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from review_service.context import Review
    from shared.database import Connection
    from shared.events import NoticeDisowned
    from shared.not_mine import NotMine

MOST_LISTED = 100

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Disowned:
    """A disowned notice: about a binding (the child, its class, the parent), or sent to one of the staff."""

    id: UUID
    kind: str
    binding_id: UUID | None
    student: str
    class_name: str
    parent: str
    teacher: str
    disowned_at: datetime
    handled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """That a notice about an application was disowned, for who sees that."""

    id: UUID
    kind: str
    disowned_at: datetime
    handled_at: datetime | None


# --- what readers of notices say ---


async def take(review: Review, connection: Connection, event: NoticeDisowned) -> None:
    """A notice about a binding was disowned. Raises ValueError for a subject that is no UUID."""
    binding_id = UUID(event.subject)
    if not await storage.add(connection, binding_id, event.data, event.time):
        return
    known = await storage.binding(connection, binding_id)
    if known is not None:
        await _tell_pages(connection, binding_id, known["student_id"])
    school_id = (known["school_id"] if known else None) or event.data.school_id
    await note(review, connection, _somebody(school_id), "application.disowned", binding_id)


async def read(review: Review, token: str) -> NotMine:
    """What a link in a notice to the staff is about; nothing is done yet. Raises NotFoundError for one that is over."""
    try:
        link = read_token(review.to_notify, token)
    except UnsealError:
        raise NotFoundError from None
    async with review.database.connection() as connection:
        if not await storage.is_in_time(connection, link.at, LIFE):
            raise NotFoundError
    return link


@use_case
async def disown(review: Review, token: str, address: str) -> None:
    """The reader of a notice to the staff says that it is not theirs: the school's administrator hears of it.

    Again is no different. Raises NotFoundError, TooManyTriesError.
    """
    link = await read(review, token)
    await _count(review, address)
    async with review.database.transaction() as connection:
        school_id = await storage.add_of_staff(connection, link.subject, link.kind, link.at)
        if school_id is not None:
            await note(review, connection, _somebody(school_id, address), "notice.disowned", link.subject)
    log.warning("a notice to the staff was disowned", notice=link.kind)


def _somebody(school_id: str, address: str = "") -> Teacher:
    """Who holds a link: nobody knows who that is."""
    return Teacher(id="", name="", role="", school_id=school_id, school="", address=address)


async def _count(review: Review, address: str) -> None:
    limit = Limit("not-mine-address", review.settings.not_mine_per_address_hour, timedelta(hours=1))
    subject = review.hashes.digest("address", client_subject(address))
    async with review.database.transaction() as connection:
        wait = await rate_limits.hit(connection, [(limit, subject)])
    if wait is not None:
        raise TooManyTriesError(wait)


# --- what the school sees and does ---


async def list_disowned(review: Review, administrator: Teacher) -> Sequence[Disowned]:
    """The school's, those that wait first; a list of names, which goes to the audit log."""
    async with review.database.transaction() as connection:
        rows = await storage.disowned(connection, administrator.id, MOST_LISTED)
        if rows:
            await note(review, connection, administrator, "disowned.listed", administrator.school_id)
    return [_disowned(review, row) for row in rows]


async def count_open(review: Review, administrator: Teacher) -> int:
    """How many wait for this administrator."""
    async with review.database.connection() as connection:
        return await storage.count_open(connection, administrator.id)


async def about(review: Review, teacher: Teacher, binding_id: UUID) -> Sequence[Told]:
    """What was disowned of an application, for who may see that application."""
    async with review.database.connection() as connection:
        rows = await storage.about(connection, teacher.id, binding_id)
    return [Told(row["id"], row["kind"], row["disowned_at"], row["handled_at"]) for row in rows]


async def handle(review: Review, administrator: Teacher, id_: UUID) -> None:
    """The administrator has looked into it; one that somebody has handled, or that is another school's, stays."""
    async with review.database.transaction() as connection:
        row = await storage.handle(connection, administrator.id, id_)
        if row is None:
            return
        if row["binding_id"] is None:
            await note(review, connection, administrator, "notice.disowned-handled", row["teacher_id"])
            return
        known = await storage.binding(connection, row["binding_id"])
        assert known is not None  # noqa: S101 - it was the administrator's by it
        await _tell_pages(connection, row["binding_id"], known["student_id"])
        await note(review, connection, administrator, "application.disowned-handled", row["binding_id"])


async def _tell_pages(connection: Connection, binding_id: UUID, student_id: str | None) -> None:
    """Lists mark it, or do no longer; open pages see that something has changed."""
    if student_id is not None:
        await applications.refresh(connection, [student_id])
    await touch(connection, binding_id)


def _disowned(review: Review, row: asyncpg.Record) -> Disowned:
    names = names_of(review, row["binding_id"], row["names"]) if row["names"] else None
    return Disowned(
        id=row["id"],
        kind=row["kind"],
        binding_id=row["binding_id"],
        student=names.student if names else "",
        class_name=row["class_name"] or "",
        parent=names.parent if names else "",
        teacher=teacher_name(review, row["teacher_id"], row["details"]),
        disowned_at=row["disowned_at"],
        handled_at=row["handled_at"],
    )
