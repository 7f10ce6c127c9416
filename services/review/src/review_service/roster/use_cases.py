"""Learning the roster from what binding tells, in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.applications.storage import follow_students, hold, refresh, waiting_students
from review_service.roster import storage
from shared.contacts import ContactError, parse_email
from shared.events import StudentsForReview, TeacherForReview

if TYPE_CHECKING:
    from review_service.context import Review
    from shared.database import Connection
    from shared.events import ClassRosterUpdated, ClassUpdated, SchoolUpdated, TeacherUpdated


async def learn_school(connection: Connection, event: SchoolUpdated) -> None:
    """A school is new or changed."""
    await storage.save_school(connection, event.subject, event.data)


async def learn_class(connection: Connection, event: ClassUpdated) -> None:
    """A class is new or changed: from now on its applications are its present teachers'."""
    await storage.save_class(connection, event.subject, event.data)
    await refresh(connection, await waiting_students(connection, event.subject))


async def learn_teacher(review: Review, connection: Connection, event: TeacherUpdated) -> None:
    """A teacher is new or changed. Raises UnsealError."""
    teacher = review.from_binding.unseal_model(TeacherForReview, event.data.for_review, event.place("for_review"))
    sealed = review.store.seal_model(teacher, teacher_place(event.subject))
    await storage.save_teacher(connection, event.subject, event.data, sealed)
    # After it and by itself: a teacher told again in the same revision gets the hash of a key that is new since.
    email_hash = _email_hash(review, teacher.email)
    await storage.save_email_hash(connection, event.subject, event.data.revision, email_hash)


async def learn_class_roster(review: Review, connection: Connection, event: ClassRosterUpdated) -> None:
    """Who is in a class now; what is bound comes along with its student. Raises UnsealError."""
    data = event.data
    told = review.from_binding.unseal_model(StudentsForReview, data.for_review, event.place("for_review")).students
    students = [(student.id, review.store.seal(student.name, student_place(student.id))) for student in told]
    ids = [id_ for id_, _ in students]
    await hold(connection, ids)
    if await storage.save_class_roster(connection, event.subject, data.school_id, data.revision, students):
        await follow_students(connection, ids)


def student_name(review: Review, student_id: str, sealed: str) -> str:
    """How a student is called."""
    return review.store.unseal(sealed, student_place(student_id))


def _email_hash(review: Review, email: str) -> str | None:
    """How single sign-on finds a teacher by e-mail; None for what is no address."""
    try:
        return review.hashes.digest("teacher-email", parse_email(email))
    except ContactError:
        return None


def student_place(student_id: str) -> str:
    """Where a student's sealed name belongs."""
    return f"students:{student_id}:name"


def teacher_name(review: Review, teacher_id: str | None, details: str | None) -> str:
    """How a teacher is called; empty for nobody, and for one whom the roster has not told of."""
    if teacher_id is None or details is None:
        return ""
    return review.store.unseal_model(TeacherForReview, details, teacher_place(teacher_id)).name


def teacher_place(teacher_id: str) -> str:
    """Where a teacher's sealed details belong."""
    return f"teachers:{teacher_id}:details"
