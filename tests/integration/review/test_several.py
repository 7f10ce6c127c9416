"""Several at once: only what nobody needs to look at, unless that is confirmed, and only what is this teacher's."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from review_service.applications import decisions
from review_service.applications.domain import Outcome
from review_service.applications.inbox import PAGE
from shared.events import BindingWithdrawn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from httpx import AsyncClient, Response
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review


async def approve(browser: AsyncClient, ids: Iterable[object], how: str = "ask") -> Response:
    all_ids = [str(id_) for id_ in ids]
    return await browser.post(
        "/approve", data={"id": all_ids, "how": how, "confirmed": all_ids if how == "all" else []}
    )


async def approved(query: Query) -> set[UUID]:
    rows = await query("SELECT id FROM bindings WHERE decided_outcome = 'approve'")
    return {row["id"] for row in rows}


async def submit(binding: Binding, many: int, **overrides: object) -> list[UUID]:
    return [await binding.submit(student_id=str(uuid4()), **overrides) for _ in range(many)]


async def test_what_has_no_flag_is_approved_at_once_as_one_batch(binding: Binding, visit: Visit, query: Query):
    usual = await submit(binding, 3)
    left_alone = await submit(binding, 1)
    browser = await visit("T-1")
    answer = await approve(browser, usual)
    assert answer.status_code == 303
    assert await approved(query) == set(usual)
    assert len(await query("SELECT DISTINCT batch FROM bindings WHERE batch IS NOT NULL")) == 1
    assert len(await query("SELECT 1 FROM audit WHERE action = 'application.approve'")) == 3
    page = (await browser.get(answer.headers["location"])).text
    assert "已核准 3 件申請。" in page
    assert "沒有核准" not in page
    assert str(left_alone[0]) in page


async def test_one_flag_among_them_asks_first_and_approves_nothing(binding: Binding, visit: Visit, query: Query):
    usual, (flagged,) = await submit(binding, 2), await submit(binding, 1, is_contact_shared=True)
    browser = await visit("T-1")
    answer = await approve(browser, [*usual, flagged])
    assert answer.status_code == 200
    assert "其中 1 件有需要留意的標記" in answer.text
    assert "其他家庭也用這個聯絡方式" in answer.text
    assert f'href="/applications/{flagged}"' in answer.text
    assert await approved(query) == set()
    carried = re.findall(r'<input type="hidden" name="id" value="([^"]+)">', answer.text)
    assert {UUID(id_) for id_ in carried} == {*usual, flagged}
    assert re.findall(r'name="how" value="(\w+)"', answer.text) == ["usual", "all"]
    await approve(browser, carried, "usual")
    assert await approved(query) == set(usual)
    await approve(browser, carried, "all")
    assert await approved(query) == {*usual, flagged}


async def test_what_becomes_unusual_after_the_question_is_asked_about_again(
    binding: Binding, visit: Visit, query: Query
):
    (usual,) = await submit(binding, 1)
    (flagged,) = await submit(binding, 1, is_contact_shared=True)
    browser = await visit("A-1")
    asked = await approve(browser, [usual, flagged])
    confirmed = re.findall(r'name="confirmed" value="([^"]+)"', asked.text)
    assert confirmed == [str(flagged)]
    await query("UPDATE bindings SET flags = '{third_guardian}' WHERE id = $1", usual)
    form = {"id": [str(usual), str(flagged)], "how": "all"}
    answer = await browser.post("/approve", data=form | {"confirmed": confirmed})
    assert "其中 2 件有需要留意的標記" in answer.text
    assert await approved(query) == set()
    confirmed = re.findall(r'name="confirmed" value="([^"]+)"', answer.text)
    await browser.post("/approve", data=form | {"confirmed": confirmed})
    assert await approved(query) == {usual, flagged}


async def test_where_all_have_flags_there_is_nothing_to_approve_without_them(
    binding: Binding, visit: Visit, query: Query
):
    flagged = await submit(binding, 2, is_contact_shared=True)
    answer = await approve(await visit("T-1"), flagged)
    assert re.findall(r'name="how" value="(\w+)"', answer.text) == ["all"]
    assert await approved(query) == set()


async def test_the_administrator_confirms_what_only_the_administrator_decides(
    binding: Binding, visit: Visit, query: Query
):
    (usual,) = await submit(binding, 1)
    special = await binding.submit()
    await binding.note_custody("ST-1")
    browser = await visit("A-1")
    answer = await approve(browser, [usual, special])
    assert answer.status_code == 200
    assert "由學校管理者審核" in answer.text
    assert await approved(query) == set()
    await approve(browser, [usual, special], "usual")
    assert await approved(query) == {usual}
    await approve(browser, [special], "all")
    assert await approved(query) == {usual, special}


async def test_what_is_not_this_teachers_is_ignored_and_told_of_to_nobody(binding: Binding, visit: Visit, query: Query):
    (mine,) = await submit(binding, 1)
    (other_class,) = await submit(binding, 1, class_id="C-2", is_contact_shared=True)
    (other_school,) = await submit(binding, 1, class_id="C-9", school_id="S-2")
    (own,) = await submit(binding, 1, parent_teacher_ids=["T-1"])
    custody = await binding.submit()
    await binding.note_custody("ST-1")
    ids = [mine, other_class, other_school, own, custody, uuid4(), "no id", ""]
    for how in ("ask", "all", "usual"):
        answer = await approve(await visit("T-1"), ids, how)
        assert answer.status_code == 303
        assert await approved(query) == {mine}


async def test_what_was_decided_or_withdrawn_meanwhile_is_skipped_and_that_is_said(
    binding: Binding, visit: Visit, query: Query, review: Review, as_teacher: AsTeacher
):
    decided, withdrawn, *waiting = await submit(binding, 4)
    await decisions.decide(review, as_teacher("T-2"), decided, Outcome.REFUSE, "不符")
    await binding.end(BindingWithdrawn, withdrawn)
    browser = await visit("T-1")
    answer = await approve(browser, [decided, withdrawn, *waiting])
    assert await approved(query) == set(waiting)
    page = (await browser.get(answer.headers["location"])).text
    assert "已核准 2 件申請。" in page
    assert "有 2 件在您送出前已有變動，沒有核准。" in page
    answer = await approve(browser, [decided, withdrawn])
    page = (await browser.get(answer.headers["location"])).text
    assert "已核准" not in page.partition("<main")[2]
    assert "有 2 件在您送出前已有變動，沒有核准。" in page


async def test_two_teachers_who_approve_the_same_several_share_them(
    binding: Binding, query: Query, review: Review, as_teacher: AsTeacher
):
    several = await submit(binding, 20)
    # In opposite orders, again and again: whoever takes them as they come waits for the other for ever.
    results = await asyncio.gather(
        *(
            decisions.approve_all(review, as_teacher(who), ids)
            for _ in range(3)
            for who, ids in (("T-1", several), ("T-2", several[::-1]))
        )
    )
    assert sum(count for _, count in results) == 20
    assert await approved(query) == set(several)
    assert await decisions.let_leave(review) == 20


async def test_a_page_of_them_goes_at_once_and_the_same_one_counts_once(binding: Binding, visit: Visit, query: Query):
    several = await submit(binding, PAGE)
    answer = await approve(await visit("T-1"), [*several, *several])
    assert await approved(query) == set(several)
    assert "skipped" not in answer.headers["location"]


async def test_nothing_ticked_approves_nothing(binding: Binding, visit: Visit, query: Query):
    await submit(binding, 2)
    browser = await visit("T-1")
    assert (await approve(browser, [])).status_code == 303
    assert (await browser.get("/approve")).headers["location"] == "/"
    assert await approved(query) == set()


async def test_the_filter_stays_on_the_way_back(binding: Binding, visit: Visit):
    (one,) = await submit(binding, 1)
    answer = await (await visit("T-1")).post("/approve?class=C-1&flagged=1", data={"id": str(one)})
    assert answer.headers["location"].startswith("/?class=C-1&flagged=1&done=")
