"""A database of its own for each test, from a migrated template; the app on it; and a stand-in for binding."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from review_service.accounts import staff
from review_service.accounts.staff import NewAccount
from review_service.app import make_app
from review_service.applications import cases as applications
from review_service.applications import forgetting
from review_service.applications.storage import refresh, waiting_students
from review_service.context import OPERATOR, Review, Teacher
from review_service.disowning import use_cases as disowning
from review_service.objections import use_cases as objections
from review_service.roster import use_cases as roster
from review_service.settings import Settings
from shared import events
from shared.inbox import once

if TYPE_CHECKING:
    from datetime import date

    from starlette.applications import Starlette

    from shared.events import Event
    from support.databases import Databases

Query = Callable[..., Awaitable[list[asyncpg.Record]]]
Visit = Callable[..., Awaitable[httpx.AsyncClient]]
AsTeacher = Callable[[str], Teacher]

PASSWORD = "a long enough one"
ORIGIN = "http://review.test"


@pytest.fixture
def dsn(databases: Databases) -> str:
    """A fresh database with every migration applied."""
    return databases.review


@pytest.fixture
def vhost(broker_url: str) -> str:
    """The URL of a fresh RabbitMQ virtual host."""
    return broker_url


@pytest.fixture
def settings(dsn: str) -> Settings:
    """Few tries, so that limits are soon reached; decisions leave at once."""
    return Settings(
        database_url=SecretStr(dsn),
        sign_in_tries=3,
        sign_in_account_tries=8,
        sign_in_address_tries=20,
        undo_seconds=0,
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Starlette]:
    """The app with its database, and without a broker: what it publishes stays in the outbox."""
    app = make_app(settings)
    database = app.state.site.review.database
    await database.open()
    yield app
    await database.close()


@pytest.fixture
def review(app: Starlette) -> Review:
    """What the use cases work with."""
    review: Review = app.state.site.review
    return review


def make_school(school_id: str, **overrides: object) -> events.SchoolUpdated:
    """A school's roster event."""
    data = {"revision": 1, "code": school_id, "name": f"學校{school_id}", "level": "elementary", "active": True}
    return events.SchoolUpdated.of("binding", school_id, **(data | overrides))


def make_class(class_id: str, **overrides: object) -> events.ClassUpdated:
    """A class's roster event."""
    data = {"revision": 1, "school_id": "S-1", "name": f"班級{class_id}", "teacher_ids": ["T-1"], "active": True}
    return events.ClassUpdated.of("binding", class_id, **(data | overrides))


def make_details(**overrides: object) -> events.BindingToReview:
    """What a teacher is to see of an application."""
    data = {
        "student_name": "王大明",
        "parent_name": "王曉明",
        "relation_text": "",
        "national_id_masked": "F2******86",
        "email_masked": "wa***@example.com",
        "phone_masked": "09*****678",
        "signature": {"strokes": [[(10, 20), (30, 40)], [(50, 60)]]},
    }
    return events.BindingToReview.model_validate(data | overrides)


class Binding:
    """Tells review what binding would, and applies it as review's consumers do."""

    school = staticmethod(make_school)
    class_ = staticmethod(make_class)
    details = staticmethod(make_details)

    def __init__(self, review: Review) -> None:
        self.review = review

    async def tell(self, event: Event) -> bool:
        """Deliver an event; whether it was new."""
        effects: dict[str, Callable[..., Awaitable[None]]] = {
            events.SchoolUpdated.TYPE: roster.learn_school,
            events.ClassUpdated.TYPE: roster.learn_class,
            events.ClassRosterUpdated.TYPE: partial(roster.learn_class_roster, self.review),
            events.TeacherUpdated.TYPE: partial(roster.learn_teacher, self.review),
            events.ClassRosterUpdated.TYPE: partial(roster.learn_class_roster, self.review),
            events.BindingSubmitted.TYPE: partial(applications.take_submission, self.review),
            events.GuardianObjected.TYPE: partial(objections.take_objection, self.review),
            events.ObjectionClosed.TYPE: objections.take_closing,
            events.NoticeDisowned.TYPE: partial(disowning.take, self.review),
            events.PersonForgotten.TYPE: partial(forgetting.forget_person, self.review.store),
        }
        return await once(self.review.database, "review", event, effects.get(event.type, applications.take_settlement))

    async def tell_roster(self) -> None:
        """Two schools: one with two classes and an administrator, another with one class and an administrator."""
        for school in ("S-1", "S-2"):
            await self.tell(make_school(school))
        for class_, school, teachers in (
            ("C-1", "S-1", ["T-1", "T-2"]),
            ("C-2", "S-1", ["T-3"]),
            ("C-9", "S-2", ["T-9"]),
        ):
            await self.tell(make_class(class_, school_id=school, teacher_ids=teachers))
        for teacher, school, role in (
            ("T-1", "S-1", "teacher"),
            ("T-2", "S-1", "teacher"),
            ("T-3", "S-1", "teacher"),
            ("A-1", "S-1", "administrator"),
            ("T-9", "S-2", "teacher"),
            ("A-9", "S-2", "administrator"),
        ):
            await self.tell(self.teacher(teacher, school_id=school, role=role))

    async def class_roster(self, class_id: str, students: dict[str, str], **overrides: object) -> None:
        """Who is in a class: names by id."""
        data = {"revision": 1, "school_id": "S-1"} | overrides
        told = events.StudentsForReview(students=[{"id": id_, "name": name} for id_, name in students.items()])
        event = events.ClassRosterUpdated.of("binding", class_id, **data)
        await self.tell(event.sealed(self.review.from_binding, for_review=told))

    async def settled(self, kind: type[Event], **overrides: object) -> UUID:
        """An application that was submitted and ended by an event of this kind; its binding's id."""
        id_ = await self.submit(**overrides)
        await self.tell(kind.of("binding", id_, version=2, application_id=uuid4(), language="zh-TW"))
        return id_

    def teacher(
        self, teacher_id: str, *, name: str = "", email: str = "teacher@example.edu.tw", **overrides: object
    ) -> events.TeacherUpdated:
        """A teacher's roster event."""
        data = {"revision": 1, "school_id": "S-1", "role": "teacher", "active": True} | overrides
        details = events.TeacherForReview(name=name or f"老師{teacher_id}", email=email)
        return events.TeacherUpdated.of("binding", teacher_id, **data).sealed(
            self.review.from_binding, for_review=details
        )

    def submission(
        self, binding_id: UUID | None = None, *, details: events.BindingToReview | None = None, **overrides: object
    ) -> events.BindingSubmitted:
        """An application's event."""
        data = {
            "version": 1,
            "application_id": uuid4(),
            "application_number": "20261120-7K3FQ9",
            "student_id": "ST-1",
            "school_id": "S-1",
            "class_id": "C-1",
            "relation": "father",
            "submitted_at": "2026-11-20T08:00:00Z",
            "statement_version": "2026-11",
        } | overrides
        return events.BindingSubmitted.of("binding", binding_id or uuid4(), **data).sealed(
            self.review.from_binding, for_review=details or make_details()
        )

    async def submit(self, binding_id: UUID | None = None, **overrides: object) -> UUID:
        """An application that waits; its binding's id."""
        event = self.submission(binding_id, **overrides)
        await self.tell(event)
        return UUID(event.subject)

    def ended(self, kind: type[Event], binding_id: UUID, *, version: int = 2) -> Event:
        """How an application ended: ``kind`` is BindingApproved and the like."""
        return kind.of("binding", binding_id, version=version, application_id=uuid4(), language="zh-TW")

    async def end(self, kind: type[Event], binding_id: UUID, *, version: int = 2) -> None:
        """Binding applied that end."""
        await self.tell(self.ended(kind, binding_id, version=version))

    async def bind(self, **overrides: object) -> UUID:
        """An application that was approved."""
        binding_id = await self.submit(**overrides)
        await self.end(events.BindingApproved, binding_id)
        return binding_id

    def objection(
        self,
        binding_id: UUID,
        by: UUID | None = None,
        reason: str = "我不認識這個人",
        submitted_at: str = "2026-11-22T08:00:00Z",
    ) -> Event:
        """A guardian objects to another one."""
        event = events.GuardianObjected.of(
            "binding",
            uuid4(),
            binding_id=binding_id,
            objector_binding_id=by or uuid4(),
            submitted_at=submitted_at,
        )
        return event.sealed(self.review.from_binding, for_review=events.ObjectionToReview(reason=reason))

    async def object_to(
        self, binding_id: UUID, by: UUID | None = None, reason: str = "我不認識這個人", **when: str
    ) -> UUID:
        """The same, heard; the objection's id."""
        event = self.objection(binding_id, by, reason, **when)
        await self.tell(event)
        return UUID(event.subject)

    async def tell_students(self, class_id: str, students: dict[str, str], **overrides: object) -> None:
        """Who is in a class by the roster: name by id."""
        data = {"revision": 1, "school_id": "S-1"} | overrides
        told = [events.StudentOfClass(id=id_, name=name) for id_, name in students.items()]
        event = events.ClassRosterUpdated.of("binding", class_id, **data)
        await self.tell(event.sealed(self.review.from_binding, for_review=events.StudentsForReview(students=told)))

    async def name_substitute(self, class_id: str, teacher_id: str, first_day: date, last_day: date) -> None:
        """A substitute for a class, as the administrator names one."""
        async with self.review.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO substitutes (id, class_id, teacher_id, first_day, last_day, named_by)"
                " VALUES ($1, $2, $3, $4, $5, 'A-1')",
                uuid4(),
                class_id,
                teacher_id,
                first_day,
                last_day,
            )

    async def move_class(self, class_id: str, teacher_id: str) -> None:
        """A class goes to another teacher, by the administrator's word."""
        async with self.review.database.transaction() as connection:
            await connection.execute("UPDATE classes SET moved_to = $2 WHERE id = $1", class_id, teacher_id)
            await refresh(connection, await waiting_students(connection, class_id))

    async def note_custody(self, student_id: str) -> None:
        """The administrator's note about who has custody of a student."""
        async with self.review.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO custody_notes (student_id, school_id, note, set_by) VALUES ($1, 'S-1', 'sealed', 'A-1')",
                student_id,
            )
            await refresh(connection, [student_id])


@pytest.fixture
async def binding(review: Review) -> Binding:
    """Binding, having told the roster."""
    binding = Binding(review)
    await binding.tell_roster()
    return binding


@pytest.fixture
def as_teacher() -> AsTeacher:
    """The signed-in teacher of that id: of school S-1, T-9 and A-9 of S-2; A-… are administrators."""

    def as_teacher(teacher_id: str) -> Teacher:
        school = "S-2" if teacher_id.endswith("-9") else "S-1"
        role = "administrator" if teacher_id.startswith("A-") else "teacher"
        return Teacher(teacher_id, f"老師{teacher_id}", role, school, f"學校{school}", "203.0.113.7")

    return as_teacher


@pytest.fixture
async def visit(app: Starlette, review: Review) -> AsyncIterator[Visit]:
    """A browser at the app, signed in as the teacher of that id; of nobody without one."""
    clients = []

    async def visit(teacher_id: str = "") -> httpx.AsyncClient:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN, headers={"origin": ORIGIN})
        clients.append(client)
        if teacher_id:
            account = NewAccount(teacher_id, f"user-{teacher_id}", PASSWORD, must_change=False)
            await staff.open_accounts(review, OPERATOR, [account])
            answer = await client.post("/sign-in", data={"username": account.username, "password": PASSWORD})
            assert answer.status_code == 303
        return client

    yield visit
    for client in clients:
        await client.aclose()


@pytest.fixture
def query(review: Review) -> Query:
    """Rows of the service's own database."""

    async def query(sql: str, *values: object) -> list[asyncpg.Record]:
        async with review.database.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows

    return query
