"""A decision is taken once, by who may take it, and binding has the last word."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from review_service.applications import cases, inbox
from review_service.applications import decisions as deciding
from review_service.applications.domain import Outcome, Standing
from review_service.applications.inbox import Filter
from review_service.errors import AlreadyDecidedError, NotFoundError, WithdrawnError
from shared.events import BindingApproved, BindingWithdrawn, DecisionMade, DecisionReason

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query

    from review_service.context import Review


async def decisions(review: Review, query: Query) -> list[DecisionMade]:
    """What binding hears once nothing can be undone any more."""
    await deciding.let_leave(review)
    return [DecisionMade.model_validate_json(row["body"]) for row in await query("SELECT body FROM outbox")]


async def test_a_refusal_tells_binding_who_and_why(
    review: Review, binding: Binding, query: Query, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    await deciding.decide(review, as_teacher("T-1"), id_, Outcome.REFUSE, "請帶證件到校")
    (event,) = await decisions(review, query)
    assert (event.subject, event.data.outcome, event.data.decided_by) == (str(id_), "refuse", "T-1")
    reason = review.to_binding.unseal_model(DecisionReason, event.data.for_binding, event.place("for_binding"))
    assert reason.reason == "請帶證件到校"
    stored = json.dumps([dict(row) for row in await query("SELECT * FROM bindings")], default=str, ensure_ascii=False)
    assert "請帶證件到校" not in stored


async def test_of_two_teachers_at_once_exactly_one_decides(
    review: Review, binding: Binding, query: Query, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    tries = [
        deciding.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE),
        deciding.decide(review, as_teacher("T-2"), id_, Outcome.REFUSE, "不符"),
        deciding.decide(review, as_teacher("A-1"), id_, Outcome.APPROVE),
        deciding.decide(review, as_teacher("T-2"), id_, Outcome.APPROVE),
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, UUID) for result in results) == 1
    assert sum(isinstance(result, AlreadyDecidedError) for result in results) == 3
    (event,) = await decisions(review, query)
    (row,) = await query("SELECT decided_by, decided_outcome FROM bindings")
    assert (event.data.decided_by, event.data.outcome) == (row["decided_by"], row["decided_outcome"])


async def test_a_double_tap_is_one_decision(review: Review, binding: Binding, query: Query, as_teacher: AsTeacher):
    id_ = await binding.submit()
    await asyncio.gather(*(deciding.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE) for _ in range(4)))
    assert len(await decisions(review, query)) == 1
    assert len(await query("SELECT 1 FROM audit WHERE action = 'application.approve'")) == 1


async def test_a_decision_on_a_withdrawn_one_is_not_taken(
    review: Review, binding: Binding, query: Query, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    await binding.end(BindingWithdrawn, id_)
    with pytest.raises(WithdrawnError):
        await deciding.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    assert await decisions(review, query) == []


@pytest.mark.parametrize("teacher", ["T-3", "T-9", "A-9", "nobody"])
async def test_nobody_decides_for_another_class_or_school(
    review: Review, binding: Binding, query: Query, as_teacher: AsTeacher, teacher: str
):
    id_ = await binding.submit()
    with pytest.raises(NotFoundError):
        await deciding.decide(review, as_teacher(teacher), id_, Outcome.APPROVE)
    assert await decisions(review, query) == []
    assert await query("SELECT 1 FROM audit") == []


async def test_a_class_that_changed_hands_is_the_new_teachers(review: Review, binding: Binding, as_teacher: AsTeacher):
    id_ = await binding.submit()
    await binding.tell(binding.class_("C-1", revision=2, teacher_ids=["T-3"]))
    with pytest.raises(NotFoundError):
        await cases.look(review, as_teacher("T-1"), id_)
    assert (await inbox.list_applications(review, as_teacher("T-3"), Filter())).waiting == 1


async def test_what_binding_confirmed_is_what_is_shown(review: Review, binding: Binding, as_teacher: AsTeacher):
    teacher = as_teacher("T-1")
    applied, overtaken = await binding.submit(), await binding.submit()
    for id_ in (applied, overtaken):
        await deciding.decide(review, teacher, id_, Outcome.APPROVE)
        assert (await cases.look(review, teacher, id_)).standing is Standing.HELD
    await deciding.let_leave(review)
    for id_ in (applied, overtaken):
        assert (await cases.look(review, teacher, id_)).standing is Standing.DECIDED
    await binding.end(BindingApproved, applied)
    await binding.end(BindingWithdrawn, overtaken)
    assert (await cases.look(review, teacher, applied)).standing is Standing.APPROVED
    seen = await cases.look(review, teacher, overtaken)
    assert (seen.standing, seen.details) == (Standing.WITHDRAWN, None)


async def test_the_inbox_is_oldest_first_and_goes_round(review: Review, binding: Binding, as_teacher: AsTeacher):
    teacher = as_teacher("T-1")
    third, first, second = [await binding.submit(submitted_at=f"2026-11-{day}T08:00:00Z") for day in ("20", "10", "15")]
    other_class = await binding.submit(class_id="C-2")
    listed = await inbox.list_applications(review, teacher, Filter())
    assert [entry.id for entry in listed.entries] == [first, second, third]
    for here, around in ((first, (None, second)), (second, (first, third)), (third, (second, first))):
        place = await inbox.place_of(review, teacher, here)
        assert await inbox.neighbours(review, teacher, Filter(), place) == around
    whole_school = await inbox.list_applications(review, as_teacher("A-1"), Filter())
    assert {entry.id for entry in whole_school.entries} == {first, second, third, other_class}
    await deciding.decide(review, teacher, first, Outcome.APPROVE)
    assert (await inbox.list_applications(review, teacher, Filter())).waiting == 2
    assert [entry.id for entry in (await inbox.list_applications(review, teacher, Filter(show="ended"))).entries] == [
        first
    ]


async def test_every_look_is_noted(review: Review, binding: Binding, query: Query, as_teacher: AsTeacher):
    id_ = await binding.submit()
    await cases.look(review, as_teacher("A-1"), id_)
    assert [tuple(row) for row in await query("SELECT teacher_id, action, subject FROM audit")] == [
        ("A-1", "application.looked-at", str(id_))
    ]
