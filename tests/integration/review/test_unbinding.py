"""What is bound can be unbound: by the school's administrator, with a reason, once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from review_service.applications import cases, decisions
from review_service.applications.domain import LONGEST_REASON, Standing
from review_service.errors import NotBoundError, NotFoundError
from shared.events import BindingRefused, BindingRevoked, BindingWithdrawn, DecisionReason, UnbindingDecided

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review

REASON = "監護權已變更"


async def outbox(query: Query) -> list[UnbindingDecided]:
    return [UnbindingDecided.model_validate_json(row["body"]) for row in await query("SELECT body FROM outbox")]


async def test_the_administrator_ends_what_is_bound_and_binding_has_the_last_word(
    binding: Binding, visit: Visit, review: Review, query: Query
):
    id_ = await binding.bind()
    browser = await visit("A-1")
    assert f'href="/applications/{id_}/unbind"' in (await browser.get(f"/applications/{id_}")).text
    assert "要解除這件綁定嗎？" in (await browser.get(f"/applications/{id_}/unbind")).text
    assert await outbox(query) == []
    answer = await browser.post(f"/applications/{id_}/unbind", data={"written": REASON})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/applications/{id_}")
    page = (await browser.get(f"/applications/{id_}")).text
    for words in ("解除中", "解除綁定已送出，等待系統確認。", REASON):
        assert words in page
    (event,) = await outbox(query)
    assert (event.subject, event.data.decided_by) == (str(id_), "A-1")
    told = review.to_binding.unseal_model(DecisionReason, event.data.for_binding, event.place("for_binding"))
    assert told.reason == REASON
    assert REASON not in str(await query("SELECT bindings::text FROM bindings"))
    await binding.end(BindingRevoked, id_, version=3)
    page = (await browser.get(f"/applications/{id_}")).text
    for words in ("已解除綁定", "學校已解除這件綁定，系統會通知家長。", REASON, "老師A-1 解除綁定"):
        assert words in page
    rows = await query("SELECT teacher_id, action FROM audit WHERE action = 'application.revoked'")
    assert [tuple(row) for row in rows] == [("A-1", "application.revoked")]


async def test_a_double_tap_is_one_unbinding_and_both_get_the_same_answer(
    binding: Binding, review: Review, as_teacher: AsTeacher, query: Query
):
    id_ = await binding.bind()
    taps = [decisions.unbind(review, as_teacher("A-1"), id_, REASON) for _ in range(6)]
    assert await asyncio.gather(*taps) == [None] * 6
    assert len(await outbox(query)) == 1
    assert len(await query("SELECT 1 FROM audit WHERE action = 'application.revoked'")) == 1


@pytest.mark.parametrize("form", [{}, {"written": " \n "}, {"written": "字" * (LONGEST_REASON + 1)}])
async def test_an_unbinding_needs_a_reason_that_a_parent_can_read(
    binding: Binding, visit: Visit, query: Query, form: dict[str, str]
):
    id_ = await binding.bind()
    answer = await (await visit("A-1")).post(f"/applications/{id_}/unbind", data=form)
    assert answer.status_code == 422
    assert 'id="written-error"' in answer.text
    assert form.get("written", "").strip() in answer.text
    assert await outbox(query) == []


@pytest.mark.parametrize(("teacher", "status"), [("T-1", 403), ("T-3", 403), ("T-9", 403), ("A-9", 404)])
async def test_nobody_else_ends_it(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query, teacher: str, status: int
):
    id_ = await binding.bind()
    browser = await visit(teacher)
    for form in ({"written": REASON}, {}):
        answer = await browser.post(f"/applications/{id_}/unbind", data=form)
        assert answer.status_code == status
        assert "王大明" not in answer.text
    assert (await browser.get(f"/applications/{id_}/unbind")).status_code == status
    assert "/unbind" not in (await browser.get(f"/applications/{id_}")).text
    with pytest.raises((NotFoundError, NotBoundError)):
        await decisions.unbind(review, as_teacher(teacher), id_, REASON)
    assert await outbox(query) == []


@pytest.mark.parametrize("kind", [None, BindingRefused, BindingWithdrawn])
async def test_what_is_not_bound_is_not_unbound_and_the_page_says_so(
    binding: Binding, visit: Visit, query: Query, kind: type | None
):
    id_ = await binding.submit()
    if kind is not None:
        await binding.end(kind, id_)
    browser = await visit("A-1")
    assert (await browser.get(f"/applications/{id_}/unbind")).headers["location"] == f"/applications/{id_}"
    answer = await browser.post(f"/applications/{id_}/unbind", data={"written": REASON})
    assert answer.status_code == 409
    assert "這件綁定已經不存在，不需要解除。" in answer.text
    assert await outbox(query) == []


async def test_what_another_administrator_ended_before_is_said(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query
):
    await binding.tell(binding.teacher("A-2", role="administrator"))
    id_ = await binding.bind()
    await decisions.unbind(review, as_teacher("A-2"), id_, REASON)
    answer = await (await visit("A-1")).post(f"/applications/{id_}/unbind", data={"written": "另一個"})
    assert answer.status_code == 409
    assert len(await outbox(query)) == 1
    seen = await cases.look(review, as_teacher("A-1"), id_)
    assert (seen.standing, seen.revoked_by, seen.revoked_reason) == (Standing.UNBINDING, "老師A-2", REASON)


async def test_an_unbinding_by_binding_itself_is_shown_without_a_name(binding: Binding, visit: Visit):
    id_: UUID = await binding.bind()
    await binding.end(BindingRevoked, id_, version=3)
    page = (await (await visit("T-1")).get(f"/applications/{id_}")).text
    assert "學校解除綁定" in page
