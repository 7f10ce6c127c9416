"""Reviewers are told what waits: once a day, in the morning, all that is due, and nobody in vain."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from review_service.app import make_review
from review_service.applications import decisions as applications
from review_service.applications.domain import Outcome
from review_service.objections import use_cases as objections
from review_service.reminders import use_cases
from review_service.reminders.use_cases import remind
from review_service.settings import Settings
from shared.events import BindingWithdrawn, ReviewerToRemind, ReviewReminderDue, TeacherForReview
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query

    from review_service.context import Review
    from support.databases import Clock

#: A day long ago enough that nothing happens in it by itself, and its Taipei morning.
FIRST_DAY = datetime(2027, 3, 1, tzinfo=TAIPEI)


class Days:
    """The days of a made-up calendar, as the database sees them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def turn_to(self, day: int, hour: int, minute: int = 0) -> None:
        """It is now that hour of the day, counted from 0, in Taipei."""
        await self._clock.shift(FIRST_DAY + timedelta(days=day, hours=hour, minutes=minute) - datetime.now(UTC))


@pytest.fixture
def days(clock: Clock) -> Days:
    return Days(clock)


@pytest.fixture
def settings(dsn: str) -> Settings:
    return settings_of(dsn)


def settings_of(dsn: str, **overrides: object) -> Settings:
    return Settings.model_validate({"database_url": dsn} | overrides)


def day(number: int, hour: int = 0) -> str:
    """A moment, as events say it."""
    return (FIRST_DAY + timedelta(days=number, hours=hour)).isoformat()


class Told:
    """What went to notify since it was asked the last time."""

    def __init__(self, review: Review, query: Query) -> None:
        self._review, self._query = review, query

    async def events(self) -> list[tuple[ReviewReminderDue, ReviewerToRemind]]:
        """Each event with what is sealed in it."""
        rows = await self._query("DELETE FROM outbox WHERE type = $1 RETURNING body", ReviewReminderDue.TYPE)
        events = [ReviewReminderDue.model_validate_json(row["body"]) for row in rows]
        keys = self._review.to_notify
        return [
            (event, keys.unseal_model(ReviewerToRemind, event.data.for_notify, event.place("for_notify")))
            for event in events
        ]

    async def __call__(self) -> set[tuple[str, str, tuple[tuple[str, int], ...]]]:
        """Kind, teacher, and how much waits in which class."""
        return {
            (event.data.kind, event.subject, tuple((c.class_name, c.waiting) for c in sealed.classes))
            for event, sealed in await self.events()
        }


@pytest.fixture
def told(review: Review, query: Query) -> Told:
    return Told(review, query)


ONE = (("班級C-1", 1),)
SUBSTITUTE = (
    "INSERT INTO substitutes (id, class_id, teacher_id, first_day, last_day, named_by)"
    " SELECT gen_random_uuid(), 'C-1', 'T-3',"
)


# --- the digest ---


async def test_the_digest_comes_once_a_day_to_whom_something_waits_for(
    binding: Binding, review: Review, days: Days, told: Told
):
    await binding.submit(submitted_at=day(0, 20), class_id="C-1")
    await binding.submit(submitted_at=day(0, 21), class_id="C-1")
    await days.turn_to(1, 6, 59)
    await remind(review)
    assert await told() == set()
    await days.turn_to(1, 7)
    await remind(review)
    both = (("班級C-1", 2),)
    assert await told() == {("digest", "T-1", both), ("digest", "T-2", both)}
    for hour in (7, 8, 11):
        await days.turn_to(1, hour, 30)
        await remind(review)
        assert await told() == set()
    await days.turn_to(2, 7)
    await remind(review)
    assert await told() == {("digest", "T-1", both), ("digest", "T-2", both)}


async def test_a_digest_says_how_much_and_since_when_and_names_no_child(
    binding: Binding, review: Review, days: Days, told: Told, query: Query
):
    await binding.tell(binding.class_("C-2", revision=2, teacher_ids=["T-1"]))
    await binding.submit(submitted_at=day(-1, 6), class_id="C-1")
    await binding.submit(submitted_at=day(0, 6), class_id="C-1")
    await binding.submit(submitted_at=day(0, 6), class_id="C-2")
    await days.turn_to(1, 7)
    await remind(review)
    (all_bodies,) = await query("SELECT string_agg(body, '') FROM outbox")
    assert not any(word in all_bodies[0] for word in ("老師", "example.edu.tw", "王", "班級"))
    [(event, sealed)] = [pair for pair in await told.events() if pair[0].subject == "T-1"]
    assert (event.data.waiting, event.data.oldest_days, event.data.language) == (3, 2, "zh-TW")
    assert event.data.day == FIRST_DAY.date() + timedelta(days=1)
    assert sealed.model_dump() == {
        "email": "teacher@example.edu.tw",
        "name": "老師T-1",
        "classes": [{"class_name": "班級C-1", "waiting": 2}, {"class_name": "班級C-2", "waiting": 1}],
    }


async def test_nobody_is_told_of_nothing(
    binding: Binding, review: Review, days: Days, told: Told, as_teacher: AsTeacher
):
    decided, withdrawn = await binding.submit(submitted_at=day(0)), await binding.submit(submitted_at=day(0))
    await applications.decide(review, as_teacher("T-1"), decided, Outcome.APPROVE)
    await binding.tell(BindingWithdrawn.of("binding", withdrawn, version=2, application_id=uuid4(), language="zh-TW"))
    await binding.tell(BindingWithdrawn.of("binding", uuid4(), version=2, application_id=uuid4(), language="zh-TW"))
    await days.turn_to(9, 7)
    await remind(review)
    assert await told() == set()


@pytest.mark.parametrize(
    ("hour", "minute", "kinds"), [(11, 59, {"digest"}), (12, 0, set()), (23, 0, set()), (3, 0, set())]
)
async def test_a_service_that_was_away_in_the_morning_wakes_nobody_later(
    binding: Binding, review: Review, days: Days, told: Told, hour: int, minute: int, kinds: set[str]
):
    await binding.submit(submitted_at=day(0))
    await days.turn_to(1, hour, minute)
    await remind(review)
    assert {kind for kind, *_ in await told()} == kinds


async def test_an_hour_of_the_evening_does_not_run_into_the_next_day(
    binding: Binding, dsn: str, days: Days, told: Told
):
    await binding.submit(submitted_at=day(0))
    review = make_review(settings_of(dsn, digest_hour=22))
    await review.database.open()
    await days.turn_to(1, 1)
    await remind(review)
    assert await told() == set()
    await days.turn_to(1, 22, 5)
    await remind(review)
    assert {kind for kind, *_ in await told()} == {"digest"}
    await review.database.close()


# --- objections in the digest ---


async def objections_told(told: Told) -> dict[str, tuple[int, int, datetime | None]]:
    """What each digest says: how much waits in all, how many objections, since when."""
    return {
        event.subject: (event.data.waiting, event.data.objections, event.data.objections_since)
        for event, _ in await told.events()
        if event.data.kind == "digest"
    }


async def test_an_administrators_digest_says_how_many_objections_wait_and_since_when(
    binding: Binding, review: Review, days: Days, told: Told
):
    mine, theirs = await binding.bind(class_id="C-1"), await binding.bind(class_id="C-1")
    await binding.object_to(theirs, mine, submitted_at=day(0, 9))
    await binding.object_to(mine, theirs, submitted_at=day(1, 9))
    await binding.submit(submitted_at=day(0), class_id="C-1")
    await binding.submit(submitted_at=day(1), class_id="C-without-teachers")
    await days.turn_to(4, 7)
    await remind(review)
    pairs = [pair for pair in await told.events() if pair[0].data.kind == "digest"]
    said = {event.subject: (event.data.waiting, event.data.objections) for event, _ in pairs}
    assert said == {"T-1": (1, 0), "T-2": (1, 0), "A-1": (3, 2)}
    [(event, sealed)] = [pair for pair in pairs if pair[0].subject == "A-1"]
    assert event.data.objections_since == FIRST_DAY + timedelta(hours=9)
    assert (event.data.oldest_days, [one.waiting for one in sealed.classes]) == (3, [1])


async def test_an_administrator_for_whom_only_objections_wait_is_told_of_them_every_day_until_they_are_answered(
    binding: Binding, review: Review, days: Days, told: Told, as_teacher: AsTeacher
):
    theirs = await binding.bind(class_id="C-1")
    id_ = await binding.object_to(theirs, submitted_at=day(0, 9))
    for number in (1, 2):
        await days.turn_to(number, 7)
        await remind(review)
        [(event, sealed)] = await told.events()
        assert (event.subject, event.data.kind, event.data.waiting, event.data.objections) == ("A-1", "digest", 1, 1)
        assert (event.data.oldest_days, sealed.classes) == (number - 1, [])
    await objections.answer(review, as_teacher("A-1"), id_, "已向雙方查證。")
    await days.turn_to(3, 7)
    await remind(review)
    assert await told.events() == []


async def test_who_is_a_guardian_in_the_matter_and_another_schools_administrator_are_not_told_of_it(
    binding: Binding, review: Review, days: Days, told: Told
):
    await binding.tell(binding.teacher("A-3", role="administrator"))
    await binding.tell(binding.teacher("A-9", role="administrator", school_id="S-9"))
    mine = await binding.bind(class_id="C-1", parent_teacher_ids=["A-3"])
    theirs = await binding.bind(class_id="C-1", parent_teacher_ids=["A-1"])
    await binding.object_to(mine, submitted_at=day(0))
    await days.turn_to(1, 7)
    await remind(review)
    assert await objections_told(told) == {"A-1": (1, 1, FIRST_DAY)}
    await binding.object_to(theirs, mine, submitted_at=day(0))
    await days.turn_to(2, 7)
    await remind(review)
    assert await objections_told(told) == {"A-1": (1, 1, FIRST_DAY)}


async def test_an_objection_of_which_only_the_end_is_known_is_nobodys(
    binding: Binding, review: Review, days: Days, told: Told
):
    await binding.object_to(uuid4(), submitted_at=day(0))
    await days.turn_to(1, 7)
    await remind(review)
    assert await told.events() == []


# --- reminders and escalations ---


async def test_a_reminder_comes_after_some_days_and_an_escalation_after_more_each_once(
    binding: Binding, review: Review, days: Days, told: Told
):
    await binding.submit(submitted_at=day(0, 7))
    seen = {}
    for number in range(1, 11):
        await days.turn_to(number, 7, 1)
        await remind(review)
        seen[number] = {(kind, teacher) for kind, teacher, _ in await told() if kind != "digest"}
    assert {number: acts for number, acts in seen.items() if acts} == {
        3: {("reminder", "T-1"), ("reminder", "T-2")},
        7: {("escalation", "A-1")},
    }


async def test_what_is_due_on_one_day_is_one_message_a_kind_and_reviewer(
    binding: Binding, review: Review, days: Days, told: Told
):
    await binding.submit(submitted_at=day(0, 20), class_id="C-1")
    await binding.submit(submitted_at=day(0, 21), class_id="C-1")
    await binding.submit(submitted_at=day(0, 22), class_id="C-2")
    await binding.submit(submitted_at=day(5, 22), class_id="C-2")
    await days.turn_to(8, 9)
    await remind(review)
    assert await told() == {
        ("digest", "T-1", (("班級C-1", 2),)),
        ("digest", "T-2", (("班級C-1", 2),)),
        ("digest", "T-3", (("班級C-2", 2),)),
        ("reminder", "T-1", (("班級C-1", 2),)),
        ("reminder", "T-2", (("班級C-1", 2),)),
        ("reminder", "T-3", (("班級C-2", 1),)),
        ("escalation", "A-1", (("班級C-1", 2), ("班級C-2", 1))),
    }


async def test_what_is_for_the_administrator_and_a_class_without_teachers_are_the_administrators(
    binding: Binding, review: Review, days: Days, told: Told
):
    await binding.submit(submitted_at=day(0), class_id="C-1", parent_teacher_ids=["T-2"])
    await binding.submit(submitted_at=day(0), class_id="C-2")
    await binding.tell(binding.teacher("T-3", revision=2, active=False))
    await binding.submit(submitted_at=day(0), class_id="C-unknown")
    await days.turn_to(4, 7)
    await remind(review)
    classes = (("", 1), ("班級C-1", 1), ("班級C-2", 1))
    assert await told() == {("digest", "A-1", classes), ("reminder", "A-1", classes)}


@pytest.mark.parametrize(
    ("change", "reviewers"),
    [
        ("UPDATE classes SET moved_to = 'T-3' WHERE id = 'C-1'", {"T-3"}),
        ("UPDATE classes SET moved_to = 'T-0' WHERE id = 'C-1'", {"A-1"}),
        ("UPDATE classes SET active = false WHERE id = 'C-1'", {"A-1"}),
        ("UPDATE teachers SET active = false WHERE id = 'T-2'", {"T-1"}),
        (
            f"{SUBSTITUTE} '2027-03-02', '2027-03-02', 'A-1'",
            {"T-1", "T-2", "T-3"},
        ),
        (
            f"{SUBSTITUTE} '2027-03-03', '2027-03-09', 'A-1'",
            {"T-1", "T-2"},
        ),
    ],
)
async def test_those_are_told_who_can_decide(
    binding: Binding, review: Review, days: Days, told: Told, query: Query, change: str, reviewers: set[str]
):
    await binding.submit(submitted_at=day(0))
    await query(change)
    await days.turn_to(1, 7)
    await remind(review)
    assert await told() == {("digest", reviewer, ONE) for reviewer in reviewers}


async def test_who_has_no_address_is_left_out(binding: Binding, review: Review, days: Days, told: Told):
    event = binding.teacher("T-1", revision=2)
    silent = TeacherForReview(name="老師T-1", email="")
    await binding.tell(event.sealed(review.from_binding, for_review=silent))
    await binding.submit(submitted_at=day(0))
    await days.turn_to(4, 7)
    await remind(review)
    assert await told() == {("digest", "T-2", ONE), ("reminder", "T-2", ONE)}


@pytest.mark.parametrize(
    ("overrides", "kinds"),
    [
        ({"digest_hour": ""}, {"reminder", "escalation"}),
        ({"digest_hour": "none"}, {"reminder", "escalation"}),
        ({"remind_after_days": 0}, {"digest", "escalation"}),
        ({"escalate_after_days": 0}, {"digest", "reminder"}),
        ({"digest_hour": None, "remind_after_days": 0, "escalate_after_days": 0}, set()),
    ],
)
async def test_what_is_set_to_never_never_comes(
    binding: Binding, dsn: str, days: Days, told: Told, overrides: dict[str, object], kinds: set[str]
):
    await binding.submit(submitted_at=day(0))
    review = make_review(settings_of(dsn, **overrides))
    await review.database.open()
    await days.turn_to(20, 7)
    await remind(review)
    assert {kind for kind, *_ in await told()} == kinds
    await review.database.close()


# --- workers ---


async def test_of_many_workers_at_once_one_tells(binding: Binding, dsn: str, days: Days, told: Told):
    for number in range(20):
        await binding.submit(submitted_at=day(0), class_id=("C-1", "C-2")[number % 2])
    await days.turn_to(8, 7)
    replicas = [make_review(settings_of(dsn)) for _ in range(4)]
    for replica in replicas:
        await replica.database.open()
    counts = await asyncio.gather(*(remind(replica) for replica in replicas))
    for replica in replicas:
        await replica.database.close()
    assert sorted(counts) == [0, 0, 0, 7]
    assert len(await told.events()) == 7


async def test_a_worker_that_dies_half_way_has_told_nothing_and_another_tells_all(
    binding: Binding, review: Review, days: Days, told: Told, monkeypatch: pytest.MonkeyPatch
):
    await binding.submit(submitted_at=day(0))
    await days.turn_to(8, 7)
    with monkeypatch.context() as broken:
        broken.setattr(use_cases.storage, "take_escalations", None)
        with pytest.raises(TypeError):
            await remind(review)
    assert await told() == set()
    await remind(review)
    assert {kind for kind, *_ in await told()} == {"digest", "reminder", "escalation"}


async def test_an_application_under_a_decision_is_left_for_the_next_morning(
    binding: Binding, review: Review, days: Days, told: Told
):
    id_ = await binding.submit(submitted_at=day(0))
    await days.turn_to(4, 7)
    async with asyncio.timeout(5), review.database.transaction() as connection:
        await connection.execute("SELECT 1 FROM bindings WHERE id = $1 FOR UPDATE", id_)
        await remind(review)
    assert {kind for kind, *_ in await told()} == {"digest"}
    await days.turn_to(5, 7)
    await remind(review)
    assert {kind for kind, *_ in await told()} == {"digest", "reminder"}


async def test_the_worker_goes_on_when_the_database_was_away(
    binding: Binding, review: Review, days: Days, told: Told, monkeypatch: pytest.MonkeyPatch
):
    await binding.submit(submitted_at=day(0))
    await days.turn_to(1, 7)
    looked = asyncio.Event()
    faults = [ConnectionError()]

    async def shaky(review: Review) -> int:
        if faults:
            raise faults.pop()
        count = await remind(review)
        looked.set()
        return count

    monkeypatch.setattr(use_cases, "remind", shaky)
    monkeypatch.setattr(use_cases, "EVERY_SECONDS", 0.01)
    worker = asyncio.create_task(use_cases.remind_for_ever(review))
    await asyncio.wait_for(looked.wait(), 5)
    worker.cancel()
    assert await told() == {("digest", "T-1", ONE), ("digest", "T-2", ONE)}
