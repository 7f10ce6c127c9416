"""Whose a child is that changes class or school, or leaves: what waits, what is bound, and what has ended."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from review_service.applications import cases, decisions, inbox
from review_service.applications.domain import Outcome, Standing
from review_service.applications.inbox import Filter
from review_service.classes import use_cases as classes
from review_service.errors import AlreadyDecidedError, NotFoundError
from shared.events import BindingApproved, BindingLapsed, BindingRefused, BindingResumed, DecisionMade

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review, Teacher

LEFT_ON = date(2026, 6, 30)
HERE = {"student_id": "ST-1", "school_id": "S-1", "class_id": "C-1"}
AWAY = {"student_id": "ST-1", "school_id": "S-2", "class_id": "C-9"}


async def moves_away(binding: Binding) -> None:
    """The roster has the only child at the other school from now on."""
    await binding.class_roster("C-9", {"ST-1": "王大明"}, school_id="S-2", revision=2)
    await binding.class_roster("C-1", {}, revision=2)


async def bound(binding: Binding) -> UUID:
    """An application that was approved while the child was in class C-1."""
    await binding.class_roster("C-1", {"ST-1": "王大明"})
    return await binding.bind()


async def stands(binding: Binding, kind: type, id_: UUID, version: int, **facts: object) -> None:
    """Binding says how an application stands."""
    ended = {} if kind in {BindingLapsed, BindingResumed} else {"application_id": uuid4(), "language": "zh-TW"}
    await binding.tell(kind.of("binding", id_, version=version, **ended, **facts))


async def seen(review: Review, teacher: Teacher, id_: UUID) -> bool:
    """Whether this teacher can look at an application."""
    try:
        await cases.look(review, teacher, id_)
    except NotFoundError:
        return False
    return True


async def guardians(review: Review, teacher: Teacher, class_id: str) -> list[tuple[str, str, bool]]:
    """Each guardian on a class's page: parent, state, and whether there is a link to the application."""
    found = await classes.look_at_class(review, teacher, class_id)
    each = [guardian for student in found.students for guardian in student.guardians]
    return [(guardian.parent, guardian.state, guardian.can_be_opened) for guardian in each]


# --- what is bound ---


async def test_what_is_bound_comes_along_to_the_new_school_and_leaves_the_old_one(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    id_ = await bound(binding)
    await moves_away(binding)
    assert [await seen(review, as_teacher(who), id_) for who in ("T-1", "A-1", "T-9", "A-9")] == [
        False,
        False,
        True,
        True,
    ]
    assert await guardians(review, as_teacher("T-9"), "C-9") == [("王曉明", "approved", True)]
    ended = Filter(show="ended")
    lists = [(await inbox.list_applications(review, as_teacher(who), ended)).entries for who in ("A-1", "A-9")]
    assert [[entry.id for entry in entries] for entries in lists] == [[], [id_]]


async def test_the_new_school_can_end_it_and_the_old_one_cannot(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    id_ = await bound(binding)
    await moves_away(binding)
    with pytest.raises(NotFoundError):
        await decisions.unbind(review, as_teacher("A-1"), id_, "監護權已變更")
    assert await query("SELECT 1 FROM outbox") == []
    await decisions.unbind(review, as_teacher("A-9"), id_, "監護權已變更")
    assert (await cases.look(review, as_teacher("A-9"), id_)).standing is Standing.UNBINDING
    assert len(await query("SELECT 1 FROM outbox")) == 1


async def test_what_the_old_school_did_stays_in_its_own_audit_log(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    await binding.class_roster("C-1", {"ST-1": "王大明"})
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await decisions.let_leave(review)
    await stands(binding, BindingApproved, id_, 2, **HERE)
    before = await query("SELECT * FROM audit ORDER BY id")
    await moves_away(binding)
    assert await query("SELECT * FROM audit ORDER BY id") == before
    application = await cases.look(review, as_teacher("A-9"), id_)
    assert (application.outcome, application.decider_id) == (Outcome.APPROVE, "T-1")


async def test_what_has_ended_stays_with_the_school_where_it_did(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    await binding.class_roster("C-1", {"ST-1": "王大明"})
    id_ = await binding.submit()
    await stands(binding, BindingRefused, id_, 2, **HERE)
    await moves_away(binding)
    assert [await seen(review, as_teacher(who), id_) for who in ("A-1", "A-9")] == [True, False]


async def test_a_class_that_is_renamed_by_the_summer_takes_all_of_its_bindings_at_once(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    names = {f"ST-{number}": "王大明" for number in range(30)}
    await binding.class_roster("C-1", names)
    for student in names:
        await binding.bind(student_id=student)
    await binding.class_roster("C-2", names, revision=2)
    assert len(await guardians(review, as_teacher("T-3"), "C-2")) == 30
    await binding.class_roster("C-1", {}, revision=2)
    assert await guardians(review, as_teacher("T-1"), "C-1") == []


# --- what waits ---


async def test_a_decision_that_can_still_be_undone_is_forgotten_and_the_new_teacher_decides(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await binding.submit(id_, version=2, school_id="S-2", class_id="C-9")
    assert await decisions.let_leave(review) == 0
    assert [await seen(review, as_teacher(who), id_) for who in ("T-1", "A-1", "T-9")] == [False, False, True]
    await decisions.decide(review, as_teacher("T-9"), id_, Outcome.REFUSE, "不認識")
    assert await decisions.let_leave(review) == 1
    (row,) = await query("SELECT body FROM outbox")
    event = DecisionMade.model_validate_json(row["body"])
    assert (event.data.decided_by, event.data.version) == ("T-9", 2)


async def test_what_waited_for_a_child_that_left_ends_without_anybodys_decision(
    review: Review, binding: Binding, visit: Visit, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await stands(binding, BindingRefused, id_, 2, left_on=LEFT_ON, **HERE)
    assert await decisions.let_leave(review) == 0
    application = await cases.look(review, as_teacher("T-1"), id_)
    assert (application.standing, application.outcome, application.left_on) == (Standing.REFUSED, None, LEFT_ON)
    page = (await (await visit("T-1")).get(f"/applications/{id_}")).text
    assert "學籍資料顯示學生已不在學" in page
    assert "學生已不在學，系統結束申請" in page
    assert "老師T-1 核准" not in page
    with pytest.raises(AlreadyDecidedError):
        await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)


async def test_what_waits_in_a_class_that_is_closed_is_the_administrators_to_see(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    await binding.tell(binding.class_("C-1", revision=2, teacher_ids=["T-1"], active=False))
    lists = [(await inbox.list_applications(review, as_teacher(who), Filter())).entries for who in ("T-1", "A-1")]
    assert [[entry.id for entry in entries] for entries in lists] == [[], [id_]]
    await decisions.decide(review, as_teacher("A-1"), id_, Outcome.APPROVE)


async def test_a_new_homeroom_teacher_finds_the_inbox_of_the_one_before(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    await binding.tell(binding.class_("C-1", revision=2, teacher_ids=["T-3"]))
    lists = [(await inbox.list_applications(review, as_teacher(who), Filter())).entries for who in ("T-1", "T-3")]
    assert [[entry.id for entry in entries] for entries in lists] == [[], [id_]]
    with pytest.raises(NotFoundError):
        await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await decisions.decide(review, as_teacher("T-3"), id_, Outcome.APPROVE)


async def test_an_administrator_who_leaves_sees_nothing_more(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit("A-1")
    assert (await browser.get(f"/applications/{id_}")).status_code == 200
    await binding.tell(binding.teacher("A-1", revision=2, role="administrator", active=False))
    for path in ("/", f"/applications/{id_}", "/school"):
        answer = await browser.get(path)
        assert answer.is_redirect, path
        assert "/sign-in" in answer.headers["location"], path


# --- a child that leaves, and comes back ---


async def test_what_is_bound_to_a_child_that_left_is_kept_by_its_last_school_and_can_be_ended_there(
    review: Review, binding: Binding, visit: Visit, as_teacher: AsTeacher, query: Query
):
    id_ = await bound(binding)
    await moves_away(binding)
    await binding.class_roster("C-9", {}, school_id="S-2", revision=3)
    await stands(binding, BindingLapsed, id_, 3, left_on=LEFT_ON, **AWAY)
    assert [await seen(review, as_teacher(who), id_) for who in ("A-1", "A-9")] == [False, True]
    browser = await visit("A-9")
    page = (await browser.get(f"/applications/{id_}")).text
    assert "學籍資料顯示學生已畢業或離校" in page
    assert f"/applications/{id_}/unbind" in page
    assert await guardians(review, as_teacher("T-9"), "C-9") == []
    await decisions.unbind(review, as_teacher("A-9"), id_, "監護權已變更")
    assert len(await query("SELECT 1 FROM outbox")) == 1


async def test_a_child_that_is_back_under_a_new_id_has_its_guardian_on_the_class_page(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    id_ = await bound(binding)
    await binding.class_roster("C-1", {}, revision=2)
    await stands(binding, BindingLapsed, id_, 3, left_on=LEFT_ON, **HERE)
    await binding.class_roster("C-9", {"NEW-1": "王大明"}, school_id="S-2", revision=3)
    assert await guardians(review, as_teacher("T-9"), "C-9") == []
    await stands(binding, BindingResumed, id_, 4, **(AWAY | {"student_id": "NEW-1"}))
    assert await guardians(review, as_teacher("T-9"), "C-9") == [("王曉明", "approved", True)]
    assert (await cases.look(review, as_teacher("A-9"), id_)).left_on is None
