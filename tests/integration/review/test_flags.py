"""What is unusual about an application, and who decides on it then, is true whatever happened in whatever order."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from review_service.applications import cases, decisions
from review_service.applications.domain import Outcome, Standing
from review_service.errors import ForAdministratorError
from shared.events import BindingApproved, BindingRefused, BindingRevoked, BindingWithdrawn

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review
    from shared.events import Event

THIRD, SAME, CONTACT = "third_guardian", "same_relation", "shared_contact"


async def flags(query: Query, binding_id: UUID) -> list[str]:
    (row,) = await query("SELECT flags FROM bindings WHERE id = $1", binding_id)
    return list(row["flags"])


async def is_for_administrator(query: Query, binding_id: UUID) -> bool:
    (row,) = await query("SELECT for_administrator FROM bindings WHERE id = $1", binding_id)
    return bool(row["for_administrator"])


# --- flags ---


async def test_a_third_guardian_is_flagged_and_a_second_is_not(binding: Binding, query: Query):
    first, second = await binding.bind(relation="father"), await binding.submit(relation="mother")
    assert await flags(query, second) == []
    third = await binding.submit(relation="paternal_grandfather")
    assert await flags(query, third) == [THIRD]
    # The second waits beside two others now, and is a third guardian as well; what is settled is nobody's to look at.
    assert (await flags(query, second), await flags(query, first)) == ([THIRD], [])
    assert await flags(query, await binding.submit(student_id="ST-2")) == []


async def test_the_same_relation_twice_is_flagged_but_not_other(binding: Binding, query: Query):
    await binding.bind(relation="mother")
    assert await flags(query, await binding.submit(relation="mother")) == [SAME]
    await binding.bind(relation="other", student_id="ST-2")
    assert await flags(query, await binding.submit(relation="other", student_id="ST-2")) == []


async def test_a_contact_of_another_family_is_flagged(binding: Binding, query: Query):
    assert await flags(query, await binding.submit(is_contact_shared=True)) == [CONTACT]


async def test_all_flags_at_once_are_in_one_order(binding: Binding, query: Query):
    await binding.bind(relation="father")
    await binding.bind(relation="mother")
    assert await flags(query, await binding.submit(is_contact_shared=True)) == [THIRD, SAME, CONTACT]


@pytest.mark.parametrize("kind", [BindingWithdrawn, BindingRefused, BindingRevoked])
async def test_what_ended_counts_no_longer(binding: Binding, query: Query, kind: type[Event]):
    other = await (binding.bind() if kind is BindingRevoked else binding.submit())
    id_ = await binding.submit()
    assert await flags(query, id_) == [SAME]
    await binding.end(kind, other, version=3)
    assert await flags(query, id_) == []


async def test_an_approval_of_another_one_still_counts(binding: Binding, query: Query):
    other, id_ = await binding.submit(), await binding.submit()
    await binding.end(BindingApproved, other)
    assert await flags(query, id_) == [SAME]


async def test_what_comes_back_counts_again(binding: Binding, query: Query):
    other, id_ = await binding.submit(), await binding.submit()
    await binding.end(BindingRefused, other)
    assert await flags(query, id_) == []
    await binding.submit(other, version=3)
    assert (await flags(query, id_), await flags(query, other)) == ([SAME], [SAME])


async def test_every_order_of_events_ends_in_the_same_flags(binding: Binding, query: Query):
    ends = set()
    for number, order in enumerate(permutations(range(5))):
        student = f"ST-{number}"
        mother, gone, waits = uuid4(), uuid4(), uuid4()
        told = [
            binding.submission(mother, relation="mother", student_id=student),
            binding.ended(BindingApproved, mother),
            binding.submission(gone, relation="father", student_id=student),
            binding.ended(BindingWithdrawn, gone),
            binding.submission(waits, relation="mother", student_id=student),
        ]
        for step in order:
            await binding.tell(told[step])
        ends.add((*await flags(query, waits), await is_for_administrator(query, waits)))
    assert ends == {(SAME, False)}


async def test_what_comes_at_once_is_flagged_like_what_comes_one_by_one(binding: Binding, query: Query):
    for number in range(6):
        told = [binding.submission(student_id=f"ST-{number}", relation="father") for _ in range(4)]
        await asyncio.gather(*(binding.tell(event) for event in told))
    rows = await query("SELECT flags FROM bindings")
    assert [list(row["flags"]) for row in rows] == [[THIRD, SAME]] * 24


async def test_what_ends_at_once_leaves_no_flag_behind(binding: Binding, query: Query):
    for number in range(6):
        first, second, third = [await binding.submit(student_id=f"ST-{number}") for _ in range(3)]
        await asyncio.gather(
            binding.end(BindingWithdrawn, first),
            binding.end(BindingRefused, second),
            binding.submit(third, version=2, student_id=f"ST-{number}"),
        )
        assert await flags(query, third) == []


async def test_a_replay_touches_no_row(binding: Binding, query: Query):
    told = [binding.submission(relation=relation) for relation in ("mother", "mother", "father")]
    for event in told:
        await binding.tell(event)
    before = await query("SELECT id, change, flags FROM bindings ORDER BY id")
    for event in told:
        await binding.tell(event.model_copy(update={"id": event.id}))  # the same id: seen before
    for event in told:
        await binding.tell(
            binding.submission(UUID(event.subject), relation=event.data.relation)  # replayed under a new id
        )
    assert await query("SELECT id, change, flags FROM bindings ORDER BY id") == before


# --- who decides ---


async def test_a_custody_note_sends_the_students_applications_to_the_administrator(binding: Binding, query: Query):
    before = await binding.submit()
    await binding.note_custody("ST-1")
    after, other = await binding.submit(), await binding.submit(student_id="ST-2")
    assert [await is_for_administrator(query, id_) for id_ in (before, after, other)] == [True, True, False]


async def test_a_teacher_of_the_class_who_is_the_parent_sends_it_to_the_administrator(binding: Binding, query: Query):
    id_ = await binding.submit(parent_teacher_ids=["T-2", "T-7"])
    elsewhere = await binding.submit(student_id="ST-2", parent_teacher_ids=["T-3"])
    assert (await is_for_administrator(query, id_), await is_for_administrator(query, elsewhere)) == (True, False)
    await binding.tell(binding.class_("C-1", revision=2, teacher_ids=["T-1", "T-3"]))
    assert (await is_for_administrator(query, id_), await is_for_administrator(query, elsewhere)) == (False, True)
    await binding.move_class("C-1", "T-2")
    assert (await is_for_administrator(query, id_), await is_for_administrator(query, elsewhere)) == (True, False)


async def test_who_decides_is_the_same_when_the_class_is_told_of_last(review: Review, binding: Binding, query: Query):
    assert review
    id_ = await binding.submit(class_id="C-5", parent_teacher_ids=["T-2"])
    assert not await is_for_administrator(query, id_)
    await binding.tell(binding.class_("C-5", teacher_ids=["T-2"]))
    assert await is_for_administrator(query, id_)


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_teachers_decision_on_the_administrators_case_is_refused_and_the_administrators_is_taken(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, outcome: Outcome
):
    custody, colleague = await binding.submit(), await binding.submit(student_id="ST-2", parent_teacher_ids=["T-2"])
    await binding.note_custody("ST-1")
    for id_ in (custody, colleague):
        with pytest.raises(ForAdministratorError):
            await decisions.decide(review, as_teacher("T-1"), id_, outcome, "不符")
    assert (await decisions.approve_all(review, as_teacher("T-1"), [custody, colleague]))[1] == 0
    assert await query("SELECT 1 FROM audit") == []
    for id_ in (custody, colleague):
        await decisions.decide(review, as_teacher("A-1"), id_, outcome, "不符")
        assert (await cases.look(review, as_teacher("T-1"), id_)).standing is Standing.HELD


async def test_the_page_says_whose_case_it_is_and_offers_no_button(binding: Binding, visit: Visit, query: Query):
    id_ = await binding.submit()
    await binding.note_custody("ST-1")
    teacher, administrator = await visit("T-1"), await visit("A-1")
    page = (await teacher.get(f"/applications/{id_}")).text
    assert "這件申請由學校管理者審核，您不需要處理。" in page
    assert 'id="approve"' not in page
    assert "custody" not in page
    answer = await teacher.post(f"/applications/{id_}/approve")
    assert answer.status_code == 409
    assert "這件申請由學校管理者審核，您的決定沒有送出。" in answer.text
    assert await query("SELECT 1 FROM bindings WHERE decided_outcome IS NOT NULL") == []
    assert 'id="approve"' in (await administrator.get(f"/applications/{id_}")).text
    assert (await administrator.post(f"/applications/{id_}/approve")).status_code == 303


async def test_a_flag_is_told_in_words_on_the_list_and_on_the_page(binding: Binding, visit: Visit):
    await binding.bind(relation="father")
    await binding.bind(relation="mother")
    id_ = await binding.submit(relation="father", is_contact_shared=True)
    browser = await visit("T-1")
    for address in ("/", f"/applications/{id_}"):
        page = (await browser.get(address)).text
        for words in ("三位以上家長申請", "同一關係已有人申請", "其他家庭也用這個聯絡方式"):
            assert words in page
