"""Classes and their students, who takes a class over, a school's figures, and custody notes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from review_service.applications.cases import names_of
from review_service.applications.storage import refresh, take_back_from_teachers, waiting_students
from review_service.audit.use_cases import note
from review_service.classes import domain, storage
from review_service.classes.domain import Count, Part, Sort, Standing
from review_service.errors import AlreadyTheirsError, NotFoundError, UnknownTeacherError
from review_service.roster.use_cases import student_name, teacher_name
from shared.observing import use_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime, timedelta
    from uuid import UUID

    import asyncpg

    from review_service.classes.domain import Period
    from review_service.context import Review, Teacher
    from shared.database import Connection


@dataclass(frozen=True, slots=True)
class TeacherOfClass:
    """A teacher of a class by one ``part``; the days are a substitute's. ``is_active``: the roster still has them."""

    id: str
    name: str
    part: Part
    is_today: bool
    is_active: bool
    has_account: bool
    substitute_id: UUID | None
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """A class in a list. ``undecided`` counts applications, the oldest of which has ``waited`` so long."""

    id: str
    name: str
    count: Count
    undecided: int
    waited: timedelta | None
    teachers: Sequence[TeacherOfClass]

    @property
    def today(self) -> Sequence[TeacherOfClass]:
        """Who may decide today."""
        return [teacher for teacher in self.teachers if teacher.is_today and teacher.is_active]

    @property
    def has_account(self) -> bool:
        """Whether anybody who may decide today can sign in."""
        return any(teacher.has_account for teacher in self.today)


@dataclass(frozen=True, slots=True)
class School:
    """The classes of a school, and all of them together."""

    classes: Sequence[ClassFigures]
    total: Count
    undecided: int
    waited: timedelta | None

    @property
    def without_account(self) -> int:
        """In how many classes nobody can decide."""
        return sum(not each.has_account for each in self.classes)


@dataclass(frozen=True, slots=True)
class Guardian:
    """An application for a student. ``state`` is binding's, or ``decided`` while its confirmation is on the way."""

    binding_id: UUID
    parent: str
    relation: str
    state: str
    waited: timedelta
    can_be_opened: bool


@dataclass(frozen=True, slots=True)
class Student:
    """A student of a class. ``guardians`` are those bound and waiting; else what was last of those in vain."""

    id: str
    name: str
    standing: Standing
    guardians: Sequence[Guardian]


@dataclass(frozen=True, slots=True)
class Class:
    """A class by itself."""

    id: str
    name: str
    school: str
    is_moved: bool


@dataclass(frozen=True, slots=True)
class ClassInFull:
    """A class with its people. ``noted`` are the students with a custody note, for their school's administrator."""

    it: Class
    students: Sequence[Student]
    teachers: Sequence[TeacherOfClass]
    noted: set[str]

    @property
    def count(self) -> Count:
        """How many students stand where."""
        return domain.count(student.standing for student in self.students)

    @property
    def missing(self) -> Sequence[Student]:
        """The students who have no guardian, and none who waits."""
        return [student for student in self.students if student.standing is Standing.MISSING]


@dataclass(frozen=True, slots=True)
class Handover:
    """A class that is about to be taken over: its teachers, who could, and the day that it is."""

    it: Class
    teachers: Sequence[TeacherOfClass]
    colleagues: dict[str, str]
    today: date


@dataclass(frozen=True, slots=True)
class Custody:
    """A student for the administrator, with the custody note; it is empty where there is none."""

    student_id: str
    student: str
    class_id: str | None
    class_name: str
    note: str
    set_by: str
    set_at: datetime | None


# --- lists ---


async def own_classes(review: Review, teacher: Teacher) -> Sequence[ClassFigures]:
    """The teacher's classes of today."""
    async with review.database.connection() as connection:
        classes = await _with_teachers(review, connection, await storage.own_classes(connection, teacher.id))
    return sorted(classes, key=lambda each: domain.class_order(each.name))


@use_case
async def school(review: Review, administrator: Teacher, sort: Sort) -> School:
    """The administrator's school."""
    async with review.database.connection() as connection:
        rows = await storage.classes_of_school(connection, administrator.id)
        classes = await _with_teachers(review, connection, rows)
    return School(
        classes=sorted(classes, key=_by_trouble if sort is Sort.TROUBLE else _by_name),
        total=sum((each.count for each in classes), Count(0, 0, 0)),
        undecided=sum(each.undecided for each in classes),
        waited=max((each.waited for each in classes if each.waited is not None), default=None),
    )


def _by_trouble(each: ClassFigures) -> tuple[object, ...]:
    return domain.trouble_order(
        has_teacher=bool(each.today),
        has_account=each.has_account,
        oldest=each.waited,
        percent=each.count.percent,
        name=each.name,
    )


def _by_name(each: ClassFigures) -> tuple[object, ...]:
    return (domain.class_order(each.name),)


async def _with_teachers(review: Review, connection: Connection, rows: list[asyncpg.Record]) -> list[ClassFigures]:
    teachers = await _teachers(review, connection, [row["id"] for row in rows])
    return [
        ClassFigures(
            id=row["id"],
            name=row["name"],
            count=Count(row["students"], row["bound"], row["waiting"]),
            undecided=row["undecided"],
            waited=row["waited"],
            teachers=teachers.get(row["id"], []),
        )
        for row in rows
    ]


async def _teachers(review: Review, connection: Connection, class_ids: list[str]) -> dict[str, list[TeacherOfClass]]:
    rows = await storage.teachers_of(connection, class_ids, has_single_sign_on=review.provider is not None)
    return {
        class_id: [_teacher(review, row) for row in of_class]
        for class_id, of_class in groupby(rows, key=lambda row: str(row["class_id"]))
    }


def _teacher(review: Review, row: asyncpg.Record) -> TeacherOfClass:
    return TeacherOfClass(
        id=row["teacher_id"],
        name=teacher_name(review, row["teacher_id"], row["details"]),
        part=Part(row["part"]),
        is_today=row["is_today"],
        is_active=row["active"],
        has_account=row["has_account"],
        substitute_id=row["substitute_id"],
        first_day=row["first_day"],
        last_day=row["last_day"],
    )


# --- one class ---


@use_case
async def look_at_class(
    review: Review, teacher: Teacher, class_id: str, *, action: str = "students.looked-at"
) -> ClassInFull:
    """A class with every student; that it was looked at goes to the audit log as ``action``. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        found = _class(await storage.class_(connection, teacher.id, class_id))
        await note(review, connection, teacher, action, class_id)
        rows = await storage.students_of_class(connection, class_id)
        noted = await storage.students_with_note(connection, teacher.id, class_id)
        teachers = (await _teachers(review, connection, [class_id])).get(class_id, [])
    students = [_student(review, list(of_student)) for _, of_student in groupby(rows, key=lambda row: row["id"])]
    return ClassInFull(found, students, teachers, noted)


def _class(row: asyncpg.Record | None) -> Class:
    if row is None:
        raise NotFoundError
    return Class(row["id"], row["name"], row["school_name"] or "", row["moved_to"] is not None)


def _student(review: Review, rows: list[asyncpg.Record]) -> Student:
    guardians = [_guardian(review, row) for row in rows if row["binding_id"]]
    living = [each for each in guardians if each.state in {"approved", "waiting", "decided"}]
    return Student(
        id=rows[0]["id"],
        name=student_name(review, rows[0]["id"], rows[0]["name"]),
        standing=domain.standing(row["state"] for row in rows),
        guardians=sorted(living, key=lambda each: each.state != "approved") or guardians[-1:],
    )


def _guardian(review: Review, row: asyncpg.Record) -> Guardian:
    is_decided = row["state"] == "waiting" and row["decided_outcome"] is not None
    return Guardian(
        binding_id=row["binding_id"],
        parent=names_of(review, row["binding_id"], row["names"]).parent,
        relation=row["relation"],
        state="decided" if is_decided else "deleted" if row["ended_by_deletion"] else row["state"],
        waited=row["waited"],
        can_be_opened=row["is_here"],
    )


# --- who takes a class over ---


async def prepare_handover(review: Review, administrator: Teacher, class_id: str) -> Handover:
    """What the administrator chooses from. Raises NotFoundError."""
    async with review.database.connection() as connection:
        found = _class(await storage.administered_class(connection, administrator.id, class_id))
        teachers = (await _teachers(review, connection, [class_id])).get(class_id, [])
        rows = await storage.colleagues(connection, administrator.id)
        today = await storage.today(connection)
    colleagues = {row["id"]: teacher_name(review, row["id"], row["details"]) for row in rows}
    return Handover(found, teachers, colleagues, today)


def check_substitute(handover: Handover, teacher_id: str) -> None:
    """Raises UnknownTeacherError; AlreadyTheirsError for who teaches the class anyway."""
    _check_colleague(handover, teacher_id, {Part.HOMEROOM, Part.MOVED})


def check_mover(handover: Handover, teacher_id: str) -> None:
    """Raises UnknownTeacherError; AlreadyTheirsError for who has the class alone already."""
    homeroom = [teacher for teacher in handover.teachers if teacher.part in {Part.HOMEROOM, Part.MOVED}]
    _check_colleague(handover, teacher_id, {Part.HOMEROOM, Part.MOVED} if len(homeroom) == 1 else set())


def _check_colleague(handover: Handover, teacher_id: str, parts: Iterable[Part]) -> None:
    if teacher_id not in handover.colleagues:
        raise UnknownTeacherError
    if any(teacher.id == teacher_id and teacher.part in parts for teacher in handover.teachers):
        raise AlreadyTheirsError


async def name_substitute(
    review: Review, administrator: Teacher, class_id: str, teacher_id: str, period: Period, substitute_id: UUID
) -> None:
    """Let a teacher stand in; asked again under the same id it does nothing. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        _class(await storage.administered_class(connection, administrator.id, class_id))
        if await storage.add_substitute(connection, administrator.id, class_id, teacher_id, substitute_id, period):
            days = f"{period.first}/{period.last}"
            await note(review, connection, administrator, "substitute.named", f"{class_id}/{teacher_id}/{days}")
            await refresh(connection, await waiting_students(connection, class_id))


async def end_substitute(review: Review, administrator: Teacher, class_id: str, substitute_id: UUID) -> None:
    """End a substitution at once; one that is over already stays so. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        _class(await storage.administered_class(connection, administrator.id, class_id))
        teacher_id = await storage.end_substitute(connection, administrator.id, class_id, substitute_id)
        if teacher_id is not None:
            await note(review, connection, administrator, "substitute.ended", f"{class_id}/{teacher_id}")
            await refresh(connection, await waiting_students(connection, class_id))


async def move_class(review: Review, administrator: Teacher, class_id: str, teacher_id: str) -> None:
    """Give a class to a teacher: what waits there is theirs from now on. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        if not await storage.move_class(connection, administrator.id, class_id, teacher_id):
            raise NotFoundError
        await note(review, connection, administrator, "class.moved", f"{class_id}/{teacher_id}")
        await refresh(connection, await waiting_students(connection, class_id))


async def return_class(review: Review, administrator: Teacher, class_id: str) -> None:
    """Give a class back to whom the roster names; one that was not moved stays theirs. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        _class(await storage.administered_class(connection, administrator.id, class_id))
        if await storage.return_class(connection, administrator.id, class_id):
            await note(review, connection, administrator, "class.returned", class_id)
            await refresh(connection, await waiting_students(connection, class_id))


# --- custody notes ---


async def look_at_custody(review: Review, administrator: Teacher, student_id: str) -> Custody:
    """A student's custody note, which goes to the audit log where there is one. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        row = await storage.student(connection, administrator.id, student_id)
        if row is None:
            raise NotFoundError
        if row["note"] is not None:
            await note(review, connection, administrator, "custody.looked-at", student_id)
    return Custody(
        student_id=student_id,
        student=student_name(review, student_id, row["name"]),
        class_id=row["class_id"] if row["class_name"] is not None else None,
        class_name=row["class_name"] or "",
        note=review.store.unseal(row["note"], _note_place(student_id)) if row["note"] is not None else "",
        set_by=teacher_name(review, row["set_by"], row["setter_details"]),
        set_at=row["set_at"],
    )


async def set_custody_note(review: Review, administrator: Teacher, student_id: str, text: str) -> None:
    """Set or change the note: from now on no teacher decides for this student. Raises NotFoundError.

    A teacher's decision that could still be undone is taken back, and the administrator decides.
    """
    sealed = review.store.seal(text, _note_place(student_id))
    async with review.database.transaction() as connection:
        if not await storage.set_note(connection, administrator.id, student_id, sealed):
            raise NotFoundError
        await note(review, connection, administrator, "custody.set", student_id)
        await refresh(connection, [student_id])
        for binding_id in await take_back_from_teachers(connection, student_id):
            await note(review, connection, administrator, "application.undone", binding_id)


async def clear_custody_note(review: Review, administrator: Teacher, student_id: str) -> None:
    """Forget the note; where there is none that stays so. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        if await storage.student(connection, administrator.id, student_id) is None:
            raise NotFoundError
        if await storage.clear_note(connection, administrator.id, student_id):
            await note(review, connection, administrator, "custody.cleared", student_id)
            await refresh(connection, [student_id])


def _note_place(student_id: str) -> str:
    return f"custody_notes:{student_id}:note"
