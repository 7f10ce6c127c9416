"""A custody note that comes while a decision can still be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from review_service.applications import cases, decisions
from review_service.applications.domain import Outcome, Standing
from review_service.classes import use_cases as classes

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query

    from review_service.context import Review
    from review_service.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A window that does not end by itself."""
    return settings.model_copy(update={"undo_seconds": 600})


@pytest.mark.parametrize(
    ("decider", "standing"), [("T-1", Standing.WAITING), ("A-1", Standing.HELD)], ids=["teacher", "administrator"]
)
async def test_a_note_takes_back_what_a_teacher_decided_and_has_not_left_and_leaves_the_administrators_own(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, decider: str, standing: Standing
):
    await binding.class_roster("C-1", {"ST-1": "王大明", "ST-2": "李小美"})
    noted, other = await binding.submit(student_id="ST-1"), await binding.submit(student_id="ST-2")
    for id_ in (noted, other):
        await decisions.decide(review, as_teacher(decider), id_, Outcome.APPROVE)
    await classes.set_custody_note(review, as_teacher("A-1"), "ST-1", "由母親單獨監護")
    seen = await cases.look(review, as_teacher("A-1"), noted)
    assert (seen.standing, seen.for_administrator, seen.is_mine) == (standing, True, True)
    assert (await cases.look(review, as_teacher("A-1"), other)).standing is Standing.HELD
    undone = await query("SELECT subject FROM audit WHERE action = 'application.undone' AND teacher_id = 'A-1'")
    assert [row["subject"] for row in undone] == ([str(noted)] if decider == "T-1" else [])


async def test_a_decision_that_has_left_is_bindings_whatever_note_comes_then(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    await binding.class_roster("C-1", {"ST-1": "王大明"})
    id_ = await binding.submit(student_id="ST-1")
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await query("UPDATE bindings SET leaves_at = present()")
    assert await decisions.let_leave(review) == 1
    await classes.set_custody_note(review, as_teacher("A-1"), "ST-1", "由母親單獨監護")
    assert (await cases.look(review, as_teacher("A-1"), id_)).standing is Standing.DECIDED
