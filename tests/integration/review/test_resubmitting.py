"""What binding tells again with a higher version waits again, and what was decided before does not count."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING
from uuid import uuid4

from review_service.applications import cases, decisions, inbox
from review_service.applications.domain import Outcome, Standing
from review_service.applications.inbox import Filter
from shared.events import BindingApproved, BindingRefused, BindingRevoked

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query

    from review_service.context import Review

DECIDED = """SELECT state, version, settled_at, decided_outcome, decided_by, decided_at, reason, batch, leaves_at,
    left_at, revoked_by, revoked_reason FROM bindings"""


async def test_a_decision_on_an_earlier_version_is_forgotten_and_never_leaves(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    id_ = await binding.submit()
    batch = await decisions.decide(review, as_teacher("T-1"), id_, Outcome.REFUSE, "不符")
    await binding.submit(id_, version=2, class_id="C-2")
    assert await decisions.let_leave(review) == 0
    assert await query("SELECT 1 FROM outbox") == []
    (row,) = await query(DECIDED)
    assert tuple(row) == ("waiting", 2, *[None] * 10)
    assert [entry.id for entry in (await inbox.list_applications(review, as_teacher("T-3"), Filter())).entries] == [id_]
    assert await decisions.undo(review, as_teacher("T-1"), batch) == []
    await decisions.decide(review, as_teacher("T-3"), id_, Outcome.APPROVE)
    assert await decisions.let_leave(review) == 1


async def test_a_decision_that_had_left_is_forgotten_too(review: Review, binding: Binding, as_teacher: AsTeacher):
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await decisions.let_leave(review)
    await binding.submit(id_, version=2)
    assert (await cases.look(review, as_teacher("T-1"), id_)).standing is Standing.WAITING
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    assert await decisions.let_leave(review) == 1


async def test_a_replay_of_the_version_that_was_decided_on_changes_nothing(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    id_ = await binding.submit(version=2)
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    before = await query("SELECT * FROM bindings")
    for version in (2, 1):
        await binding.submit(id_, version=version)
    assert await query("SELECT * FROM bindings") == before


async def test_the_end_of_the_earlier_version_may_come_after_the_later_one(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    ends = set()
    for order in permutations(range(2)):
        id_ = await binding.submit()
        await decisions.decide(review, as_teacher("T-1"), id_, Outcome.REFUSE, "不符")
        await decisions.let_leave(review)
        told = [binding.ended(BindingRefused, id_, version=2), binding.submission(id_, version=3)]
        for step in order:
            await binding.tell(told[step])
        (row,) = await query(f"{DECIDED} WHERE id = $1", id_)
        ends.add(tuple(row))
    assert ends == {("waiting", 3, *[None] * 10)}


async def test_what_was_unbound_and_is_bound_anew_can_be_unbound_again(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    administrator = as_teacher("A-1")
    ends = set()
    for order in permutations(range(3)):
        id_ = await binding.bind(student_id=str(uuid4()))
        await decisions.unbind(review, administrator, id_, "已轉學")
        told = [
            binding.ended(BindingRevoked, id_, version=3),
            binding.submission(id_, version=4),
            binding.ended(BindingApproved, id_, version=5),
        ]
        for step in order:
            await binding.tell(told[step])
        ends.add((await cases.look(review, administrator, id_)).standing)
        await decisions.unbind(review, administrator, id_, "再次")
    assert ends == {Standing.APPROVED}
    assert len(await query("SELECT 1 FROM outbox")) == 12
