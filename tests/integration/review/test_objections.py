"""A guardian objects to another one: the administrator of the child's school sees it and answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from review_service.objections import use_cases
from review_service.objections.use_cases import LONGEST_NOTE
from shared.events import BindingRevoked, ObjectionAnswer, ObjectionAnswered, ObjectionClosed

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review

REASON = "法院裁定由我監護 <b>"
NOTE = "已向雙方查證。"


async def answers(query: Query) -> list[ObjectionAnswered]:
    return [ObjectionAnswered.model_validate_json(row["body"]) for row in await query("SELECT body FROM outbox")]


def closing(objection_id: UUID, binding_id: UUID, outcome: str) -> ObjectionClosed:
    return ObjectionClosed.of("binding", objection_id, binding_id=binding_id, outcome=outcome, language="zh-TW")


async def states(query: Query) -> list[str]:
    return [row["state"] for row in await query("SELECT state FROM objections")]


async def test_the_administrator_finds_reads_and_answers_it(
    binding: Binding, visit: Visit, review: Review, query: Query
):
    mine = await binding.bind(details=binding.details(parent_name="林淑芬"), relation="mother")
    theirs = await binding.bind()
    id_ = await binding.object_to(theirs, mine, REASON)
    browser = await visit("A-1")
    assert 'href="/objections"' in (await browser.get("/")).text
    assert "有 1 件監護人的異議等您處理" in (await browser.get("/")).text
    page = (await browser.get("/objections")).text
    assert f'href="/objections/{id_}"' in page
    assert "林淑芬 對 王曉明" in page
    assert "法院裁定" not in page
    page = (await browser.get(f"/objections/{id_}")).text
    for words in ("王大明", "法院裁定由我監護 &lt;b&gt;", f'href="/applications/{theirs}/unbind"', "林淑芬"):
        assert words in page
    assert "監護" not in str(await query("SELECT objections::text FROM objections"))
    assert await answers(query) == []
    answer = await browser.post(f"/objections/{id_}", data={"note": NOTE})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/objections/{id_}")
    (event,) = await answers(query)
    told = review.to_binding.unseal_model(ObjectionAnswer, event.data.for_binding, event.place("for_binding"))
    assert (event.subject, event.data.decided_by, told.note) == (str(id_), "A-1", NOTE)
    page = (await browser.get(f"/objections/{id_}")).text
    assert "已回覆" in page
    assert NOTE in page
    assert "<textarea" not in page
    assert "監護人的異議等您處理" not in (await browser.get("/")).text
    rows = await query("SELECT action FROM audit WHERE action LIKE 'objection%' ORDER BY id")
    assert [row["action"] for row in rows] == [
        "objections.listed",
        "objection.looked-at",
        "objection.answered",
        "objection.looked-at",
    ]


@pytest.mark.parametrize("form", [{}, {"note": " \n "}, {"note": "字" * (LONGEST_NOTE + 1)}])
async def test_an_answer_needs_a_note_and_what_was_written_stays(
    binding: Binding, visit: Visit, query: Query, form: dict[str, str]
):
    id_ = await binding.object_to(await binding.bind())
    answer = await (await visit("A-1")).post(f"/objections/{id_}", data=form)
    assert answer.status_code == 422
    assert 'id="note-error"' in answer.text
    assert form.get("note", "").strip() in answer.text
    assert await answers(query) == []


async def test_a_double_tap_is_one_answer(binding: Binding, review: Review, as_teacher: AsTeacher, query: Query):
    id_ = await binding.object_to(await binding.bind())
    await asyncio.gather(*(use_cases.answer(review, as_teacher("A-1"), id_, NOTE) for _ in range(5)))
    assert len(await answers(query)) == 1
    assert len(await query("SELECT 1 FROM audit WHERE action = 'objection.answered'")) == 1


async def test_the_teacher_sees_that_there_is_one_and_not_what_it_says(binding: Binding, visit: Visit):
    theirs = await binding.bind()
    id_ = await binding.object_to(theirs, reason=REASON)
    browser = await visit("T-1")
    page = (await browser.get(f"/applications/{theirs}")).text
    assert "對這件綁定提出異議，等學校管理者處理" in page
    assert f"/objections/{id_}" not in page
    assert "法院裁定" not in page
    assert "監護人的異議等您處理" not in (await browser.get("/")).text
    assert f"/objections/{id_}" in (await (await visit("A-1")).get(f"/applications/{theirs}")).text


async def test_another_school_sees_nothing_of_it(binding: Binding, visit: Visit):
    id_ = await binding.object_to(await binding.bind())
    browser = await visit("A-9")
    assert "目前沒有監護人提出異議" in (await browser.get("/objections")).text
    assert "監護人的異議等您處理" not in (await browser.get("/")).text
    assert (await browser.get(f"/objections/{id_}")).status_code == 404
    assert (await browser.post(f"/objections/{id_}", data={"note": NOTE})).status_code == 404


@pytest.mark.parametrize("part", ["about", "by"])
async def test_an_administrator_who_is_one_of_the_two_guardians_does_not_deal_with_it(
    binding: Binding, visit: Visit, part: str
):
    own, other = await binding.bind(parent_teacher_ids=["A-1"]), await binding.bind()
    about, by = (own, other) if part == "about" else (other, own)
    id_ = await binding.object_to(about, by)
    browser = await visit("A-1")
    assert (await browser.get(f"/objections/{id_}")).status_code == 404
    assert "目前沒有監護人提出異議" in (await browser.get("/objections")).text


@pytest.mark.parametrize("outcome", ["unbound", "answered", "withdrawn"])
async def test_bindings_word_closes_it_in_any_order_and_however_often_it_comes(
    binding: Binding, visit: Visit, query: Query, outcome: str
):
    theirs = uuid4()
    event = binding.objection(theirs)
    told = closing(event.id, theirs, outcome).model_copy(update={"subject": event.subject})
    await binding.tell(told)
    await binding.tell(event)
    await binding.tell(event)
    assert await states(query) == [outcome]
    browser = await visit("A-1")
    assert "目前沒有監護人提出異議" in (await browser.get("/objections")).text
    await binding.submit(theirs)
    assert "目前沒有監護人提出異議" not in (await browser.get("/objections")).text
    page = (await browser.get(f"/objections/{event.subject}")).text
    assert "<textarea" not in page
    assert ("我不認識這個人" in page) == (outcome != "withdrawn")


async def test_an_answer_that_crosses_an_unbinding_ends_as_binding_says(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query
):
    theirs = await binding.bind()
    id_ = await binding.object_to(theirs)
    await use_cases.answer(review, as_teacher("A-1"), id_, NOTE)
    await binding.end(BindingRevoked, theirs, version=3)
    await binding.tell(closing(id_, theirs, "unbound"))
    assert await states(query) == ["unbound"]
    page = (await (await visit("A-1")).get(f"/objections/{id_}")).text
    assert "已解除綁定" in page


async def test_open_pages_learn_of_an_objection(binding: Binding, query: Query):
    theirs = await binding.bind()
    (before,) = await query("SELECT change FROM bindings WHERE id = $1", theirs)
    await binding.object_to(theirs)
    (after,) = await query("SELECT change FROM bindings WHERE id = $1", theirs)
    assert after["change"] > before["change"]
