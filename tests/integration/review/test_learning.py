"""What binding tells ends in the same rows, in whatever order and however often it comes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from shared.events import (
    BindingApproved,
    BindingLapsed,
    BindingRefused,
    BindingResumed,
    BindingRevoked,
    BindingWithdrawn,
    ClassRosterUpdated,
    StudentsForReview,
)
from shared.sealing import UnsealError

if TYPE_CHECKING:
    from tests.integration.review.conftest import Binding, Query

    from shared.events import Event

APPLICATION = UUID("7f0e7f4e-0b9c-4a0e-8a51-1d3a5a0f3f11")
PROBE = (
    "SELECT state, version, settled_at, submission_version, class_id, submitted_at, details IS NOT NULL AS has_details"
    " FROM bindings WHERE id = $1"
)


def ended(kind: type[Event], binding_id: UUID, version: int) -> Event:
    """One that happened at a time that is its own, so that an order that takes another one's time is seen."""
    event = kind.of("binding", binding_id, version=version, application_id=APPLICATION, language="zh-TW")
    return event.model_copy(update={"time": datetime(2026, 11, 20 + version, 8, tzinfo=UTC)})


def stories(binding: Binding, binding_id: UUID) -> dict[str, list[Event]]:
    """What can happen to an application, each as binding tells it in order."""
    first = binding.submission(binding_id, version=1)
    moved = binding.submission(binding_id, version=2, class_id="C-2")
    return {
        "approved": [first, ended(BindingApproved, binding_id, 2)],
        "refused after a change of class": [first, moved, ended(BindingRefused, binding_id, 3)],
        "withdrawn after a refusal": [
            first,
            moved,
            ended(BindingRefused, binding_id, 3),
            ended(BindingWithdrawn, binding_id, 4),
        ],
    }


@pytest.mark.parametrize(
    ("story", "state", "class_id"),
    [
        ("approved", "approved", "C-1"),
        ("refused after a change of class", "refused", "C-2"),
        ("withdrawn after a refusal", "withdrawn", "C-2"),
    ],
)
async def test_every_order_ends_the_same(binding: Binding, query: Query, story: str, state: str, class_id: str):
    ends = set()
    for order in permutations(range(len(stories(binding, uuid4())[story]))):
        binding_id = uuid4()
        told = stories(binding, binding_id)[story]
        for step in order:
            await binding.tell(told[step])
        ends.add(tuple((await query(PROBE, binding_id))[0]))
    assert len(ends) == 1
    (end,) = ends
    assert (end[0], end[4], end[6]) == (state, class_id, True)


LAPSED_ON = date(2026, 11, 23)
WHERE = (
    "SELECT state, left_on, student_id, school_id, class_id, version, settled_at, submission_version,"
    " details IS NOT NULL AS has_details, contacts IS NOT NULL AS has_contacts FROM bindings WHERE id = $1"
)


def stands(kind: type[Event], binding_id: UUID, version: int, *where: str, **facts: object) -> Event:
    """How a binding stands, and where its child is: student, school and class."""
    data = dict(zip(("student_id", "school_id", "class_id"), where, strict=True)) | facts
    if kind not in {BindingLapsed, BindingResumed}:
        data |= {"application_id": APPLICATION, "language": "zh-TW"}
    return kind.of("binding", binding_id, version=version, settled_at=datetime(2026, 11, 22, 8, tzinfo=UTC), **data)


def class_roster(binding: Binding, class_id: str, school_id: str, revision: int, *students: str) -> Event:
    """Who is in a class."""
    told = StudentsForReview(students=[{"id": id_, "name": "王大明"} for id_ in students])
    event = ClassRosterUpdated.of("binding", class_id, school_id=school_id, revision=revision)
    return event.sealed(binding.review.from_binding, for_review=told)


def moving_stories(binding: Binding, binding_id: UUID, tag: str) -> dict[str, list[Event]]:
    """What can happen to a child, each as binding tells it in order; ``tag`` makes child and classes its own."""
    child, here, next_door, away = (f"{id_}{tag}" for id_ in ("ST-", "C-1-", "C-2-", "C-9-"))
    first = binding.submission(binding_id, student_id=child, class_id=here)
    moved = binding.submission(binding_id, version=2, student_id=child, class_id=next_door)
    approved = stands(BindingApproved, binding_id, 3, child, "S-1", next_door)
    lapsed = stands(BindingLapsed, binding_id, 4, child, "S-1", next_door, left_on=LAPSED_ON)
    bound = [first, stands(BindingApproved, binding_id, 2, child, "S-1", here)]
    has_moved = class_roster(binding, away, "S-2", 7, child)
    return {
        "moved, bound, left": [first, moved, approved, lapsed],
        "back under a new id": [
            moved,
            approved,
            lapsed,
            stands(BindingResumed, binding_id, 5, f"new-{tag}", "S-2", away),
        ],
        "moved when bound": [*bound, class_roster(binding, here, "S-1", 7), has_moved],
        "unbound at the new school": [*bound, has_moved, stands(BindingRevoked, binding_id, 3, child, "S-2", away)],
        "refused at the old school, then moved": [
            first,
            stands(BindingRefused, binding_id, 2, child, "S-1", here),
            has_moved,
        ],
        "waiting when it left": [
            first,
            moved,
            stands(BindingRefused, binding_id, 3, child, "S-1", next_door, left_on=LAPSED_ON),
        ],
    }


@pytest.mark.parametrize(
    ("story", "end"),
    [
        ("moved, bound, left", ("approved", LAPSED_ON, "ST-", "S-1", "C-2-")),
        ("back under a new id", ("approved", None, "new-", "S-2", "C-9-")),
        ("moved when bound", ("approved", None, "ST-", "S-2", "C-9-")),
        ("unbound at the new school", ("revoked", None, "ST-", "S-2", "C-9-")),
        ("refused at the old school, then moved", ("refused", None, "ST-", "S-1", "C-1-")),
        ("waiting when it left", ("refused", LAPSED_ON, "ST-", "S-1", "C-2-")),
    ],
)
async def test_every_order_of_moves_ends_the_same_however_often_each_comes(
    binding: Binding, query: Query, story: str, end: tuple[object, ...]
):
    ends = set()
    for order in permutations(range(len(moving_stories(binding, uuid4(), "")[story]))):
        binding_id, tag = uuid4(), uuid4().hex
        told = moving_stories(binding, binding_id, tag)[story]
        told_again = moving_stories(binding, binding_id, tag)[story]
        for steps in ([told[step] for step in order], [told_again[step] for step in reversed(order)]):
            for event in steps:
                await binding.tell(event)
            (row,) = await query(WHERE, binding_id)
            ends.add(tuple(value.replace(tag, "") if isinstance(value, str) else value for value in row))
    assert len(ends) == 1
    assert next(iter(ends))[: len(end)] == end


async def test_a_withdrawal_before_its_submission_leaves_nothing_to_review(binding: Binding, query: Query):
    binding_id = uuid4()
    await binding.tell(ended(BindingWithdrawn, binding_id, 2))
    assert (await query(PROBE, binding_id))[0]["has_details"] is False
    await binding.tell(binding.submission(binding_id, version=1))
    row = (await query(PROBE, binding_id))[0]
    assert (row["state"], row["version"], row["has_details"]) == ("withdrawn", 2, True)


async def test_a_replay_under_new_ids_changes_nothing(binding: Binding, query: Query):
    binding_id = uuid4()
    for event in stories(binding, binding_id)["withdrawn after a refusal"]:
        await binding.tell(event)
    before = await query("SELECT * FROM bindings WHERE id = $1", binding_id)
    for event in stories(binding, binding_id)["withdrawn after a refusal"]:
        assert await binding.tell(event)
    assert await query("SELECT * FROM bindings WHERE id = $1", binding_id) == before


async def test_a_second_delivery_does_nothing(binding: Binding, query: Query):
    event = binding.submission()
    assert await binding.tell(event)
    before = await query("SELECT * FROM bindings")
    assert not await binding.tell(event)
    assert await query("SELECT * FROM bindings") == before


async def test_the_roster_keeps_its_highest_revision(binding: Binding, query: Query):
    for revision, name in ((3, "新"), (3, "同號"), (2, "舊")):
        await binding.tell(binding.school("S-1", revision=revision, name=name))
        await binding.tell(binding.class_("C-1", revision=revision, name=name, teacher_ids=[name]))
        await binding.tell(binding.teacher("T-1", revision=revision, active=revision == 3, name=name))
    assert [tuple(row) for row in await query("SELECT name, revision FROM schools WHERE id = 'S-1'")] == [("新", 3)]
    assert [tuple(row) for row in await query("SELECT name, teacher_ids FROM classes WHERE id = 'C-1'")] == [
        ("新", ["新"])
    ]
    assert [tuple(row) for row in await query("SELECT revision, active FROM teachers WHERE id = 'T-1'")] == [(3, True)]


async def test_no_name_id_or_signature_rests_in_the_clear(binding: Binding, query: Query):
    await binding.submit(details=binding.details(signature={"typed": "王曉明"}))
    rows = await query("SELECT bindings::text AS line FROM bindings UNION ALL SELECT teachers::text FROM teachers")
    everything = "".join(row["line"] for row in rows)
    for secret in ("王大明", "王曉明", "F2******86", "wa***", "老師", "strokes"):
        assert secret not in everything


async def test_what_was_sealed_for_another_event_is_not_taken(binding: Binding, query: Query):
    foreign = binding.submission().data.for_review
    event = binding.submission()
    moved = event.model_copy(update={"data": event.data.model_copy(update={"for_review": foreign})})
    with pytest.raises(UnsealError):
        await binding.tell(moved)
    assert await query("SELECT 1 FROM bindings") == []
    assert await query("SELECT 1 FROM inbox WHERE event_id = $1", event.id) == []
