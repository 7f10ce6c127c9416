"""The pages, as a browser meets them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from integration.review.english import assert_english, in_english
from review_service.applications import decisions, inbox
from review_service.applications.domain import LONGEST_REASON, Outcome
from review_service.applications.reasons import COMMON_REASONS
from shared.events import BindingApproved, BindingRefused, BindingWithdrawn, DecisionMade, DecisionReason
from shared.web.middleware import LANGUAGE_COOKIE

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review

MARKUP = "<script>alert(1)</script>"


async def test_an_application_shows_what_a_teacher_needs(binding: Binding, visit: Visit):
    id_ = await binding.submit(relation="other", details=binding.details(relation_text="繼母"))
    page = (await (await visit("T-1")).get(f"/applications/{id_}")).text
    for text in ("王大明", "王曉明", "班級C-1", "學校S-1", "其他：繼母", "監護人", "F2******86", "wa***@example.com"):
        assert text in page
    assert '<path d="M10 20 L30 40"/>' in page
    assert '<path d="M50 60 L50 60"/>' in page
    for text in ("09*****678", "2026-11", "20261120-7K3FQ9", "11/20 16:00", "已等待", "核准", "不通過"):
        assert text in page


async def test_who_cannot_draw_has_typed_the_name(binding: Binding, visit: Visit):
    id_ = await binding.submit(relation="mother", details=binding.details(signature={"typed": "王曉明"}))
    page = (await (await visit("T-1")).get(f"/applications/{id_}")).text
    assert "家長以打字代替手寫簽名" in page
    assert "法定代理人" in page
    assert '<svg class="signature"' not in page


async def test_approving_goes_on_to_the_next_and_says_what_was_done(binding: Binding, visit: Visit, review: Review):
    first = await binding.submit(submitted_at="2026-11-10T08:00:00Z")
    second = await binding.submit()
    browser = await visit("T-1")
    answer = await browser.post(f"/applications/{first}/approve")
    assert answer.status_code == 303
    assert re.fullmatch(rf"/applications/{second}\?done=[0-9a-f-]{{36}}", answer.headers["location"])
    page = (await browser.get(answer.headers["location"])).text
    assert re.search(r"已核准：<strong>王大明</strong>（班級C-1），家長 王曉明。", page)
    answer = await browser.post(f"/applications/{second}/approve")
    assert re.fullmatch(r"/\?done=[0-9a-f-]{36}", answer.headers["location"])
    assert "全部審核完成" in (await browser.get("/")).text
    assert "<strong>核准</strong>：即將送出。" in (await browser.get(f"/applications/{first}")).text
    await decisions.let_leave(review)
    assert "<strong>核准</strong>：決定已送出，等待系統確認。" in (await browser.get(f"/applications/{first}")).text


async def test_a_refusal_carries_the_picked_and_the_written_reason(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit("T-1")
    answer = await browser.post(
        f"/applications/{id_}/refuse", data={"picked": "簽名無法辨識，請重新簽名", "written": "請用正楷"}
    )
    assert answer.status_code == 303
    page = (await browser.get(f"/applications/{id_}?show=ended")).text
    assert "簽名無法辨識，請重新簽名。\n請用正楷" in page


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "請選擇或填寫理由"),
        ({"picked": "", "written": "   "}, "請選擇或填寫理由"),
        ({"picked": "簽名無法辨識，請重新簽名", "written": f"{MARKUP}" + "字" * LONGEST_REASON}, "理由最多 500 個字"),
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
    assert ('value="簽名無法辨識，請重新簽名" checked' in answer.text) == ("簽名" in form.get("picked", ""))
    assert await query("SELECT 1 FROM bindings WHERE decided_outcome IS NOT NULL") == []


async def test_who_comes_second_is_told_and_sees_the_end_state(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query
):
    id_ = await binding.submit()
    browser = await visit("T-2")
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    answer = await browser.post(f"/applications/{id_}/refuse", data={"picked": "重複申請"})
    assert answer.status_code == 409
    assert "這件申請在您送出前已有結果，您的決定沒有送出。目前的結果如下。 （審核者：老師T-1）" in answer.text
    assert "<strong>核准</strong>：即將送出。" in answer.text
    assert await decisions.let_leave(review) == 1
    assert len(await query("SELECT 1 FROM outbox")) == 1


async def test_a_withdrawn_application_leaves_the_inbox_and_says_so(binding: Binding, visit: Visit, query: Query):
    id_ = await binding.submit()
    browser = await visit("T-1")
    await binding.end(BindingWithdrawn, id_)
    assert "王大明" not in (await browser.get("/")).text
    page = (await browser.get(f"/applications/{id_}")).text
    assert "家長已撤回" in page
    assert "F2******86" not in page
    answer = await browser.post(f"/applications/{id_}/approve")
    assert answer.status_code == 409
    assert "家長在您送出前已撤回這件申請，您的決定沒有送出。" in answer.text
    assert await query("SELECT 1 FROM bindings WHERE decided_outcome IS NOT NULL") == []


async def test_a_name_with_markup_is_text(binding: Binding, visit: Visit):
    id_ = await binding.submit(details=binding.details(student_name=MARKUP, parent_name=MARKUP))
    browser = await visit("T-1")
    for address in ("/", f"/applications/{id_}"):
        page = (await browser.get(address)).text
        assert MARKUP not in page
        assert "&lt;script&gt;" in page


async def test_nobody_is_sent_to_sign_in_and_comes_back(visit: Visit):
    address = f"/applications/{uuid4()}"
    answer = await (await visit()).get(address)
    assert answer.headers["location"] == f"/sign-in?next=%2Fapplications%2F{address[-36:]}"


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
    assert await query("SELECT 1 FROM bindings WHERE decided_outcome IS NOT NULL") == []


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
    for address in ("/", "/?show=ended", f"/applications/{id_}", "/sign-in"):
        answer = await browser.get(address)
        assert "style=" not in answer.text
        assert not re.search(r"<script(?! type=\"module\" src=\"/static/)", answer.text)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


# --- the reader's language ---


async def test_every_page_is_english_for_who_reads_english(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher
):
    other = binding.details(relation_text="繼母", signature={"typed": "王曉明"})
    waiting, held, decided, approved, refused, withdrawn, overtaken = [
        await binding.submit(relation=relation, details=details)
        for relation, details in [("other", other), *[("maternal_grandmother", None)] * 6]
    ]
    for id_ in (decided, approved, overtaken):
        await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await decisions.decide(review, as_teacher("T-2"), refused, Outcome.REFUSE, "關係不符")
    await decisions.let_leave(review)
    batch = await decisions.decide(review, as_teacher("T-1"), held, Outcome.APPROVE)
    for kind, id_ in (
        (BindingApproved, approved),
        (BindingRefused, refused),
        (BindingWithdrawn, withdrawn),
        (BindingWithdrawn, overtaken),
    ):
        await binding.end(kind, id_)
    browser = await in_english(visit, "T-1")
    addresses = [
        "/",
        "/?show=ended",
        f"/?done={batch}",
        "/?undone=0",
        "/?undone=1",
        "/nowhere",
        f"/applications/{uuid4()}",
        "/sign-in",
    ]
    addresses += [f"/applications/{id_}" for id_ in (waiting, held, decided, approved, refused, withdrawn, overtaken)]
    for address in addresses:
        assert_english((await browser.get(address)).text)
    for address, form in (
        (f"/applications/{waiting}/refuse", {}),
        (f"/applications/{waiting}/refuse", {"written": "x" * (LONGEST_REASON + 1)}),
        (f"/applications/{waiting}/refuse", {"written": "x" * 40_000}),
        (f"/applications/{refused}/approve", {}),
        (f"/applications/{decided}/refuse", {"picked": "重複申請"}),
        (f"/applications/{withdrawn}/approve", {}),
    ):
        assert_english((await browser.post(address, data=form)).text)


async def test_what_an_english_page_says(binding: Binding, visit: Visit):
    id_ = await binding.submit(relation="other", details=binding.details(relation_text="繼母"))
    page = (await (await in_english(visit, "T-1")).get(f"/applications/{id_}")).text
    for text in (
        "Other: 繼母",
        "Guardian",
        "Waiting for ",
        "Approve",
        "Do not approve…",
        "Sign out",
        "2026-11-20 16:00",
    ):
        assert text in page


async def test_an_empty_inbox_and_a_refused_sign_in_are_english_too(binding: Binding, visit: Visit):
    assert binding
    browser = await in_english(visit, "T-1")
    for address in ("/", "/?show=ended"):
        assert_english((await browser.get(address)).text)
    await browser.post("/sign-out")
    for _ in range(4):
        page = (await browser.post("/sign-in", data={"username": "user-t-1", "password": "wrong"})).text
        assert_english(page)
    assert "Please try again in 15 min." in page


async def test_a_form_of_another_site_is_refused_on_a_page_of_ours(visit: Visit):
    answer = await (await in_english(visit)).post("/sign-in", headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert_english(answer.text)


async def test_a_fault_of_ours_is_told_on_a_page_of_ours(
    visit: Visit, binding: Binding, monkeypatch: pytest.MonkeyPatch
):
    id_ = await binding.submit()
    browser = await in_english(visit, "T-1")
    monkeypatch.delattr(inbox, "neighbours")
    answer = await browser.get(f"/applications/{id_}")
    assert answer.status_code == 500
    assert_english(answer.text)


async def test_who_reads_neither_gets_the_next_best_and_no_mixture(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit("T-1")
    for header, tag in (("vi,en;q=0.5", "en"), ("vi", "zh-Hant-TW")):
        page = (await browser.get(f"/applications/{id_}", headers={"accept-language": header})).text
        assert f'<html lang="{tag}">' in page
        assert "Tiếng Việt" not in page
        assert ("2026-11-20 16:00" in page) == (tag == "en")
        assert "20/11/2026" not in page


async def test_a_language_that_was_chosen_stays_and_wins_over_the_browsers(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit("T-1")
    for address in ("/?show=ended", f"/applications/{id_}?show=ended"):
        for tag, html_tag in (("en", "en"), ("zh-TW", "zh-Hant-TW")):
            headers = {"referer": f"http://review.test{address}"}
            answer = await browser.post("/language", data={"language": tag}, headers=headers)
            assert (answer.status_code, answer.headers["location"]) == (303, address)
            assert browser.cookies[LANGUAGE_COOKIE] == tag
            page = (await browser.get(address, headers={"accept-language": "en"})).text
            assert f'<html lang="{html_tag}">' in page


async def test_every_page_offers_the_other_language(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit("T-1")
    for address in ("/", f"/applications/{id_}", "/sign-in", "/nowhere"):
        page = (await browser.get(address)).text
        assert re.findall(r'<button name="language" value="([\w-]+)"', page) == ["zh-TW", "en"]


async def test_another_language_loses_no_half_written_refusal_and_decides_nothing(
    binding: Binding, visit: Visit, query: Query
):
    id_ = await binding.submit()
    browser = await visit("T-1")
    form = {"picked": "簽名無法辨識，請重新簽名", "written": f"請{MARKUP}用", "language": "en"}
    answer = await browser.post(f"/applications/{id_}/refuse", data=form)
    assert answer.status_code == 200
    assert_english(answer.text.replace(f"請{MARKUP}用".replace("<", "&lt;").replace(">", "&gt;"), ""))
    assert '<details class="refuse" id="refuse" open>' in answer.text
    assert 'value="簽名無法辨識，請重新簽名" checked' in answer.text
    assert "請&lt;script&gt;alert(1)&lt;/script&gt;用</textarea>" in answer.text
    assert browser.cookies[LANGUAGE_COOKIE] == "en"
    assert await query("SELECT 1 FROM bindings WHERE decided_outcome IS NOT NULL") == []
    # The switch itself belongs to the form, and so does it on the page that came back.
    assert re.search(r'value="zh-TW"[^>]* form="step" formnovalidate', answer.text)
    assert '<form id="step" method="post"' in answer.text


async def test_another_language_before_a_refusal_was_begun_leads_back_to_the_application(
    binding: Binding, visit: Visit
):
    id_ = await binding.submit()
    browser = await visit("T-1")
    answer = await browser.post(f"/applications/{id_}/refuse", data={"written": "", "language": "en"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/applications/{id_}")
    page = (await browser.get(f"/applications/{id_}")).text
    assert_english(page)
    assert '<details class="refuse" id="refuse">' in page


async def test_a_sign_in_in_another_language_keeps_the_name_and_the_way_but_no_password(visit: Visit):
    next_ = f"/applications/{uuid4()}"
    form = {"username": "user-t-1", "password": "typed it", "next": next_, "language": "en"}
    answer = await (await visit()).post("/sign-in", data=form)
    assert answer.status_code == 200
    assert_english(answer.text)
    assert 'value="user-t-1"' in answer.text
    assert f'value="{next_}"' in answer.text
    assert "typed it" not in answer.text


async def test_an_address_that_only_forms_are_sent_to_leads_somewhere_by_get(binding: Binding, visit: Visit):
    id_ = await binding.submit()
    browser = await visit("T-1")
    for action in ("approve", "refuse"):
        answer = await browser.get(f"/applications/{id_}/{action}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/applications/{id_}")
    assert (await browser.get("/sign-out")).headers["location"] == "/"
    assert (await browser.get("/")).status_code == 200


async def test_a_picked_reason_goes_to_the_parent_in_chinese_and_is_explained_to_the_teacher(
    binding: Binding, visit: Visit, review: Review, query: Query
):
    id_ = await binding.submit()
    browser = await in_english(visit, "T-1")
    page = (await browser.get(f"/applications/{id_}")).text
    assert "The signature cannot be read" in page
    assert f'lang="zh-Hant-TW">{COMMON_REASONS[3]}</span>' in page
    form = {"picked": COMMON_REASONS[3], "written": "Block letters, please."}
    await browser.post(f"/applications/{id_}/refuse", data=form)
    await decisions.let_leave(review)
    (row,) = await query("SELECT body FROM outbox")
    event = DecisionMade.model_validate_json(row["body"])
    told = review.to_binding.unseal_model(DecisionReason, event.data.for_binding, event.place("for_binding"))
    assert told.reason == f"{COMMON_REASONS[3]}。\nBlock letters, please."
