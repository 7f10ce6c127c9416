"""The reasons that a school's teachers can pick are the school's own, and its administrator's to edit."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from review_service.applications import decisions, reasons
from review_service.applications.reasons import COMMON_REASONS, LONGEST_LISTED, MOST_REASONS
from shared.events import DecisionMade, DecisionReason

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review

OWN = ["請到校補件", "請洽註冊組"]


def picks(page: str) -> list[str]:
    """The reasons that an application's page offers."""
    return [html.unescape(value) for value in re.findall(r'name="picked" value="([^"]+)"', page)]


async def test_a_school_without_a_list_offers_the_common_ones(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    assert picks((await (await visit("T-1")).get(f"/applications/{id_}")).text) == list(COMMON_REASONS)
    assert "\n".join(COMMON_REASONS) in (await (await visit("A-1")).get("/reasons")).text


async def test_the_schools_own_list_is_offered_to_its_teachers_and_to_no_other_school(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query
):
    id_ = await binding.submit()
    administrator = await visit("A-1")
    words = f"  {OWN[0]}  \r\n\r\n{OWN[1]}\r\n{OWN[0]}"
    answer = await administrator.post("/reasons", data={"words": words})
    assert (answer.status_code, answer.headers["location"]) == (303, "/reasons?saved=1")
    page = (await administrator.get("/reasons?saved=1")).text
    assert "已儲存" in page
    assert "\n".join(OWN) in page
    assert picks((await (await visit("T-1")).get(f"/applications/{id_}")).text) == OWN
    for other in ("T-9", "A-9"):
        assert await reasons.list_reasons(review, as_teacher(other)) == COMMON_REASONS
    rows = await query("SELECT teacher_id, subject FROM audit WHERE action = 'reasons.changed'")
    assert [tuple(row) for row in rows] == [("A-1", "S-1")]


async def test_an_emptied_list_brings_the_common_ones_back(review: Review, binding: Binding, as_teacher: AsTeacher):
    assert binding
    for text, expected in (("甲\n乙", ["甲", "乙"]), ("丙", ["丙"]), (" \n", COMMON_REASONS), ("", COMMON_REASONS)):
        await reasons.save_reasons(review, as_teacher("A-1"), text)
        assert await reasons.list_reasons(review, as_teacher("T-1")) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("\n".join(f"理由{number}" for number in range(MOST_REASONS + 1)), f"最多 {MOST_REASONS} 個理由"),
        ("字" * (LONGEST_LISTED + 1), f"每個理由最多 {LONGEST_LISTED} 個字"),
    ],
)
async def test_a_list_past_its_limits_is_not_saved_and_not_lost(
    binding: Binding, visit: Visit, query: Query, words: str, message: str
):
    assert binding
    answer = await (await visit("A-1")).post("/reasons", data={"words": words})
    assert answer.status_code == 422
    assert message in answer.text
    assert words in answer.text
    assert await query("SELECT 1 FROM refusal_reasons") == []


async def test_a_list_may_be_as_long_as_its_limits(review: Review, binding: Binding, as_teacher: AsTeacher):
    assert binding
    words = [f"{number:02}" + "字" * (LONGEST_LISTED - 2) for number in range(MOST_REASONS)]
    await reasons.save_reasons(review, as_teacher("A-1"), "\n".join(words))
    assert await reasons.list_reasons(review, as_teacher("T-1")) == words


async def test_what_no_database_keeps_is_left_out(
    visit: Visit, binding: Binding, review: Review, as_teacher: AsTeacher
):
    assert binding
    assert (await (await visit("A-1")).post("/reasons", data={"words": "請到\0校\u200b補件\x07"})).status_code == 303
    assert await reasons.list_reasons(review, as_teacher("T-1")) == ["請到校補件"]


@pytest.mark.parametrize("teacher", ["T-1", "T-9"])
async def test_a_teacher_edits_no_list(binding: Binding, visit: Visit, query: Query, teacher: str):
    assert binding
    browser = await visit(teacher)
    assert (await browser.get("/reasons")).status_code == 403
    assert (await browser.post("/reasons", data={"words": "x"})).status_code == 403
    assert await query("SELECT 1 FROM refusal_reasons") == []


async def test_a_reason_with_markup_is_text(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    markup = '"><script>alert(1)</script>'
    browser = await visit("A-1")
    await browser.post("/reasons", data={"words": markup})
    for address in ("/reasons", f"/applications/{id_}"):
        page = (await browser.get(address)).text
        assert "<script>" not in page
        assert "&lt;script&gt;" in page


async def test_a_picked_reason_of_the_school_goes_to_the_parent(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query
):
    await reasons.save_reasons(review, as_teacher("A-1"), "\n".join(OWN))
    id_ = await binding.submit()
    await (await visit("T-1")).post(f"/applications/{id_}/refuse", data={"picked": OWN[1], "written": "三樓"})
    await decisions.let_leave(review)
    (row,) = await query("SELECT body FROM outbox")
    event = DecisionMade.model_validate_json(row["body"])
    told = review.to_binding.unseal_model(DecisionReason, event.data.for_binding, event.place("for_binding"))
    assert told.reason == f"{OWN[1]}。\n三樓"


@pytest.mark.parametrize("picked", [COMMON_REASONS[0], "no such reason"])
async def test_a_picked_reason_that_is_gone_meanwhile_decides_nothing_and_keeps_what_was_written(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query, picked: str
):
    id_ = await binding.submit()
    await reasons.save_reasons(review, as_teacher("A-1"), "\n".join(OWN))
    form = {"picked": picked, "written": "請帶<證件>"}
    answer = await (await visit("T-1")).post(f"/applications/{id_}/refuse", data=form)
    assert answer.status_code == 422
    assert "理由清單剛剛更新過，請重新選擇；您寫的文字還在。" in answer.text
    assert "請帶&lt;證件&gt;</textarea>" in answer.text
    assert picks(answer.text) == OWN
    assert '<details class="refuse" id="refuse" open>' in answer.text
    assert await query("SELECT 1 FROM bindings WHERE decided_outcome IS NOT NULL") == []
