"""The pages, as a browser meets them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from review_service import pages, use_cases
from review_service.domain import LONGEST_REASON, Outcome
from shared.events import BindingWithdrawn

if TYPE_CHECKING:
    from httpx import AsyncClient
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.use_cases import Review

MARKUP = "<script>alert(1)</script>"


async def test_an_application_shows_what_a_teacher_needs(binding: Binding, visit: Visit):
    id_ = await binding.submit(relation="other", details=binding.details(relation_text="繼母"))
    page = (await (await visit("T-1")).get(f"/applications/{id_}")).text
    for text in ("王大明", "王曉明", "班級C-1", "學校S-1", "其他：繼母", "監護人", "F2******86", "wa***@example.com"):
        assert text in page
    assert '<path d="M10 20 L30 40"/>' in page
    assert '<path d="M50 60 L50 60"/>' in page
    for text in ("09*****678", "2026-11", "K26-0001", "11/20 16:00", "已等待", "核准", "不通過"):
        assert text in page


async def test_who_cannot_draw_has_typed_the_name(binding: Binding, visit: Visit):
    id_ = await binding.submit(relation="mother", details=binding.details(signature={"typed": "王曉明"}))
    page = (await (await visit("T-1")).get(f"/applications/{id_}")).text
    assert "家長以打字代替手寫簽名" in page
    assert "法定代理人" in page
    assert "<svg" not in page


async def test_approving_goes_on_to_the_next_and_says_what_was_done(binding: Binding, visit: Visit):
    first = await binding.submit(submitted_at="2026-11-10T08:00:00Z")
    second = await binding.submit()
    browser = await visit("T-1")
    answer = await browser.post(f"/applications/{first}/approve")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/applications/{second}?done={first}")
    page = (await browser.get(answer.headers["location"])).text
    assert re.search(r"已核准：<strong>王大明</strong>（班級C-1）", page)
    answer = await browser.post(f"/applications/{second}/approve")
    assert answer.headers["location"] == f"/?done={second}"
    assert "全部審核完成" in (await browser.get("/")).text
    assert "決定已送出，等待系統確認" in (await browser.get(f"/applications/{first}")).text


async def test_a_refusal_carries_the_picked_and_the_written_reason(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit("T-1")
    answer = await browser.post(f"/applications/{id_}/refuse", data={"picked": "signature", "written": "請用正楷"})
    assert answer.status_code == 303
    page = (await browser.get(f"/applications/{id_}?show=decided")).text
    assert "簽名無法辨識，請重新簽名。\n請用正楷" in page


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "請選擇或填寫不通過的理由"),
        ({"picked": "", "written": "   "}, "請選擇或填寫不通過的理由"),
        ({"picked": "signature", "written": f"{MARKUP}" + "字" * LONGEST_REASON}, "理由最多 500 個字"),
    ],
)
async def test_a_bad_reason_gets_a_message_at_its_field_and_loses_nothing(
    binding: Binding, visit: Visit, query: Query, form: dict[str, str], message: str
):
    id_ = await binding.submit()
    answer = await (await visit("T-1")).post(f"/applications/{id_}/refuse", data=form)
    assert answer.status_code == 422
    at_field = re.search(r'id="written-error">.*?</p>', answer.text)
    assert at_field
    assert message in at_field[0]
    assert form.get("written", "").replace(MARKUP, "&lt;script&gt;alert(1)&lt;/script&gt;") in answer.text
    assert ('value="signature" checked' in answer.text) == (form.get("picked") == "signature")
    assert await query("SELECT 1 FROM outbox") == []


async def test_who_comes_second_is_told_and_sees_the_end_state(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query
):
    id_ = await binding.submit()
    browser = await visit("T-2")
    await use_cases.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    answer = await browser.post(f"/applications/{id_}/refuse", data={"picked": "duplicate"})
    assert answer.status_code == 409
    assert "老師T-1 已先作出決定，您的決定沒有送出。" in answer.text
    assert "決定已送出" in answer.text
    assert len(await query("SELECT 1 FROM outbox")) == 1


async def test_a_withdrawn_application_leaves_the_inbox_and_says_so(binding: Binding, visit: Visit, query: Query):
    id_ = await binding.submit()
    browser = await visit("T-1")
    withdrawn = BindingWithdrawn.of("binding", id_, version=2, application_id=uuid4(), language="zh-TW")
    await binding.tell(withdrawn)
    assert "王大明" not in (await browser.get("/")).text
    page = (await browser.get(f"/applications/{id_}")).text
    assert "家長已撤回" in page
    assert "F2******86" not in page
    answer = await browser.post(f"/applications/{id_}/approve")
    assert answer.status_code == 409
    assert "家長在您送出前已撤回這件申請，您的決定沒有送出。" in answer.text
    assert await query("SELECT 1 FROM outbox") == []


async def test_a_name_with_markup_is_text(binding: Binding, visit: Visit):
    id_ = await binding.submit(details=binding.details(student_name=MARKUP, parent_name=MARKUP))
    browser = await visit("T-1")
    for address in ("/", f"/applications/{id_}"):
        page = (await browser.get(address)).text
        assert MARKUP not in page
        assert "&lt;script&gt;" in page


async def routes_of_an_application(browser: AsyncClient, binding_id: object) -> list[int]:
    """The status of every route that has an application in its address."""
    statuses = []
    for route in pages.routes():
        if "{id:uuid}" in route.path:
            address = route.path.replace("{id:uuid}", str(binding_id))
            method = "POST" if "POST" in (route.methods or ()) else "GET"
            answer = await browser.request(method, address, data={"picked": "duplicate"} if method == "POST" else None)
            assert "王大明" not in answer.text
            statuses.append(answer.status_code)
    return statuses


@pytest.mark.parametrize("teacher", ["T-3", "T-9", "A-9"])
async def test_another_class_or_school_finds_nothing_on_any_route(
    binding: Binding, visit: Visit, query: Query, teacher: str
):
    id_ = await binding.submit()
    browser = await visit(teacher)
    assert await routes_of_an_application(browser, id_) == [404, 404, 404]
    assert await routes_of_an_application(browser, uuid4()) == [404, 404, 404]
    for address in ("/", "/?show=decided", f"/?done={id_}"):
        assert "王大明" not in (await browser.get(address)).text
    assert await query("SELECT 1 FROM outbox") == []


async def test_nobody_is_sent_to_sign_in_and_comes_back(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit()
    assert await routes_of_an_application(browser, id_) == [303, 303, 303]
    answer = await browser.get(f"/applications/{id_}")
    assert answer.headers["location"] == f"/sign-in?next=%2Fapplications%2F{id_}"


async def test_an_administrator_sees_every_class_of_the_school(binding: Binding, visit: Visit):
    id_ = await binding.submit(class_id="C-2")
    assert (await (await visit("A-1")).get(f"/applications/{id_}")).status_code == 200


async def test_a_form_of_5_mb_is_refused(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    answer = await (await visit("T-1")).post(f"/applications/{id_}/refuse", data={"written": "x" * 5_000_000})
    assert answer.status_code == 413


async def test_a_form_of_another_site_is_refused(binding: Binding, visit: Visit, query: Query):
    id_ = await binding.submit()
    browser = await visit("T-1")
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = await browser.post(f"/applications/{id_}/approve", headers=headers)
        assert answer.status_code == 403
    assert await query("SELECT 1 FROM outbox") == []


async def test_a_page_that_does_not_exist_says_so(visit: Visit):
    answer = await (await visit()).get("/nowhere")
    assert answer.status_code == 404
    assert "找不到這個頁面" in answer.text


async def test_a_database_that_is_away_is_a_clear_503(review: Review, visit: Visit):
    browser = await visit()
    await review.database.close()
    answer = await browser.get("/", headers={"cookie": "review=x"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "資料沒有遺失" in answer.text


async def test_no_page_has_inline_script_or_style(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit("T-1")
    for address in ("/", "/?show=decided", f"/applications/{id_}", "/sign-in"):
        answer = await browser.get(address)
        assert "style=" not in answer.text
        assert "<script" not in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
