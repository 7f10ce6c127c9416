"""The pages of an application: one question each, nothing lost on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from binding_service.logins.storage import EXPIRED
from binding_service.statements import statement
from support.town import (
    CHEN,
    LI,
    OTHER_PARENT_ID,
    PARENT_ID,
    SIGNATURE,
    WANG,
    make_answers,
    make_parent_form,
    make_student_form,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from support.databases import Clock
    from support.town import Child, Town

CONTACT = "lin@example.org"


def where(answer: httpx.Response) -> str:
    """Where a form leads."""
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_each_question_leads_to_the_next(town: Town) -> None:
    async with town.browser(await town.sign_in(CONTACT)) as browser:
        assert where(await browser.get("/students")) == "/students/new"
        for question, answer, following in (
            ("relation", {"relation": "mother"}, "/students/new/level"),
            ("level", {"level": LI.level}, "/students/new/id"),
            ("id", {"national_id": LI.national_id}, "/students/new/school"),
            ("school", {"school_id": LI.school_id}, "/students"),
        ):
            assert where(await browser.get("/students/new")) == f"/students/new/{question}"
            assert where(await browser.post(f"/students/new/{question}", data=answer)) == following
        assert LI.name in (await browser.get("/students")).text
        assert where(await browser.get("/students/new")) == "/students/new/relation"


async def test_an_answer_stands_there_again_on_the_way_back_and_on_another_device(town: Town) -> None:
    async with town.browser(await town.sign_in(CONTACT)) as browser:
        await browser.post("/students/new/relation", data={"relation": "other", "relation_text": "叔叔"})
        await browser.post("/students/new/level", data={"level": "junior_high"})
    async with town.browser(await town.sign_in(CONTACT)) as other_device:
        relation = (await other_device.get("/students/new/relation")).text
        assert 'value="other" required checked' in relation
        assert 'value="叔叔"' in relation
        assert 'value="junior_high" required checked' in (await other_device.get("/students/new/level")).text


@pytest.mark.parametrize("button", [{"action": "back"}, {"language": "en"}])
async def test_what_is_left_half_filled_is_kept_until_it_is_complete(town: Town, button: dict[str, str]) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    half = {"name": "林", "email": "lin@", "phone": "0912"}
    async with town.browser(token) as browser:
        where(await browser.post("/parent", data=half | button))
        page = (await browser.get("/parent")).text
        for value in half.values():
            assert f'value="{value}"' in page
        await browser.post("/parent", data=make_parent_form())
        assert 'value="林淑芬"' in (await browser.get("/parent")).text


async def test_a_signature_survives_the_way_back(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token, parent=make_parent_form())
    strokes = '{"width": 600, "height": 300, "strokes": [[[1, 2], [3, 4]]]}'
    async with town.browser(token) as browser:
        assert where(await browser.post("/check", data={"strokes": strokes, "action": "back"})) == "/parent"
        assert "[[[1, 2], [3, 4]]]" in (await browser.get("/check")).text


async def test_no_code_is_kept_in_a_draft(town: Town) -> None:
    token = await town.sign_in("+886912345678")
    await town.fill(token, parent=make_parent_form(email="typed@example.org"))
    await town.do("POST", "/draft/email-code", token)
    async with town.browser(token) as browser:
        assert where(await browser.post("/parent/email-code", data={"code": "123456", "action": "back"})) == "/parent"
        assert "123456" not in (await browser.get("/parent/email-code")).text


async def test_an_expired_login_leads_back_with_what_was_typed(town: Town, clock: Clock) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    async with town.browser(token) as browser:
        await clock.shift(timedelta(hours=13))
        half = {"name": "林淑芬", "email": CONTACT, "phone": "0912345678"}
        assert where(await browser.post("/parent", data=half)) == "/?expired=1"
        assert "登入已逾時" in (await browser.get("/?expired=1")).text
        await browser.post("/", data={"channel": "email", "email": CONTACT})
        assert where(await browser.post("/code", data={"code": await town.code_for(CONTACT)})) == "/parent"
        page = (await browser.get("/parent")).text
        for value in half.values():
            assert f'value="{value}"' in page


@pytest.mark.parametrize(("hours", "is_kept"), [(13, True), (37, False)])
async def test_an_expired_login_keeps_what_was_typed_for_a_day(
    town: Town, clock: Clock, hours: int, *, is_kept: bool
) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    await clock.shift(timedelta(hours=hours))
    async with town.db.acquire() as connection:
        await connection.execute("SET search_path = binding")
        for purge in EXPIRED:
            await purge.batch(connection, 1000)
    async with town.browser(token) as browser:
        await browser.post("/parent", data={"name": "林淑芬"})
    async with town.browser(await town.sign_in(CONTACT)) as browser:
        assert ("林淑芬" in (await browser.get("/parent")).text) is is_kept


async def test_an_expired_login_shows_and_changes_nothing_else(town: Town, clock: Clock) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    await clock.shift(timedelta(hours=13))
    async with town.browser(token) as browser:
        assert LI.name not in (await browser.get("/students", follow_redirects=True)).text
        await browser.post("/students/P-1/remove")
        await browser.post("/leave")
    assert (await town.do("GET", "/draft", await town.sign_in(CONTACT)))["students"][0]["name"] == LI.name


async def test_after_signing_out_nothing_more_is_kept(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    async with town.browser(token) as browser:
        await browser.post("/sign-out")
        browser.cookies.set("kinbind-session", token)
        await browser.post("/parent", data={"name": "陌生人"})
    async with town.browser(await town.sign_in(CONTACT)) as browser:
        assert "陌生人" not in (await browser.get("/parent")).text


@pytest.mark.parametrize("path", ["//evil.example/", "/students/../account", "https://evil.example"])
async def test_a_login_leads_nowhere_but_to_our_own_pages(town: Town, path: str) -> None:
    async with town.browser() as browser:
        browser.cookies.set("kinbind-return", path)
        await browser.post("/", data={"channel": "email", "email": CONTACT})
        assert where(await browser.post("/code", data={"code": await town.code_for(CONTACT)})) == "/students"


async def test_enter_in_the_search_field_searches(town: Town) -> None:
    async with town.browser(await town.sign_in(CONTACT)) as browser:
        await browser.post("/students/new/relation", data={"relation": "mother"})
        await browser.post("/students/new/level", data={"level": "elementary"})
        await browser.post("/students/new/id", data={"national_id": LI.national_id})
        found = await browser.post("/students/new/school", data={"wanted": "大同", "school_id": ""})
    assert found.status_code == 200
    assert "大同國小" in found.text
    assert "中正國小" not in found.text


async def test_the_tries_that_are_left_are_told_before_they_are_used_up(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"match_per_login_hour": 3})
    async with town.browser(await town.sign_in(CONTACT)) as browser:
        await browser.post("/students/new/relation", data={"relation": "mother"})
        await browser.post("/students/new/level", data={"level": "elementary"})
        await browser.post("/students/new/id", data={"national_id": LI.national_id})
        for left in (3, 2, 1, 0):
            assert f"還可以查 {left} 次" in (await browser.get("/students/new/school")).text
            answer = await browser.post("/students/new/school", data={"school_id": "S-3"})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 3601
    assert "分鐘後再試" in answer.text


async def test_the_tries_of_another_login_of_the_contact_count(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"match_per_contact_day": 3, "match_per_student_day": 2})
    former = await town.sign_in(CONTACT)
    for _ in range(2):
        await town.call("POST", "/draft/students", former, **make_student_form(school_id="S-3"))
    async with town.browser(await town.sign_in(CONTACT)) as browser:
        for question, answer in zip(("relation", "level", "id"), make_answers(), strict=False):
            await browser.post(f"/students/new/{question}", data=answer)
        # Of the student's own limit, which others use up too, nothing is told.
        assert "還可以查 1 次" in (await browser.get("/students/new/school")).text


async def test_the_relation_to_a_child_on_the_list_can_be_changed(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    async with town.browser(token) as browser:
        page = (await browser.get("/students/P-1/relation")).text
        assert 'value="mother" required checked' in page
        answer = await browser.post("/students/P-1/relation", data={"relation": "other", "relation_text": "阿姨"})
        assert where(answer) == "/students"
        assert "阿姨" in (await browser.get("/students")).text
        assert (await browser.get("/students/P-9/relation")).status_code == 404


async def test_who_does_not_agree_is_asked_once_and_leaves_nothing(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    async with town.browser(token) as browser:
        assert "刪除" in (await browser.get("/leave")).text
        goodbye = await browser.post("/leave")
        assert "已刪除" in goodbye.text
    taken_back = [each for each in goodbye.headers.get_list("set-cookie") if "Max-Age=0" in each]
    assert {each.partition("=")[0] for each in taken_back} == {"kinbind-session", "kinbind-attempt", "kinbind-return"}
    assert await town.value("SELECT count(*) FROM binding.drafts") == 0


async def test_a_new_version_of_the_statement_asks_anew(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token, parent=make_parent_form())
    monkeypatch.setattr("binding_service.statements.statement.__wrapped__.__defaults__", ("2026-11", "zh-TW"))
    from binding_service import statements  # noqa: PLC0415 - its defaults were changed just now

    statements.statement.cache_clear()
    try:
        async with town.browser(token) as browser:
            assert where(await browser.get("/check")) == "/consent"
            page = (await browser.get("/consent")).text
            assert "聲明內容已更新" in page
            assert 'value="2026-11"' in page
            assert "checked" not in page
    finally:
        statements.statement.cache_clear()


@pytest.mark.parametrize("kept", [True, False])
async def test_a_tick_under_an_older_version_of_the_statement_is_none(town: Town, kept: bool) -> None:  # noqa: FBT001
    token = await town.sign_in(CONTACT)
    await town.fill_students(token, LI)
    form = {"agree": "yes", "version": "2025-01"}
    async with town.browser(token) as browser:
        if kept:
            where(await browser.post("/consent", data=form | {"language": "en"}))
            page = await browser.get("/consent")
        else:
            page = await browser.post("/consent", data=form)
            assert page.status_code == 409
    assert 'id="agree"' in page.text
    assert "checked" not in page.text


async def test_what_was_typed_about_one_child_does_not_stand_at_another(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill_students(token, LI, WANG)
    half = {"relation": "other", "relation_text": "阿姨", "action": "back"}
    async with town.browser(token) as browser:
        assert where(await browser.post(f"/students/{LI.id}/relation", data=half)) == "/students"
        assert "阿姨" in (await browser.get(f"/students/{LI.id}/relation")).text
        other = (await browser.get(f"/students/{WANG.id}/relation")).text
    assert "阿姨" not in other
    assert 'value="mother" required checked' in other


async def test_a_draft_keeps_no_more_than_anybody_types(town: Town, clock: Clock) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token, parent=make_parent_form())
    strokes = f"[{'1' * 60_000}]"
    async with town.browser(token) as browser:
        await browser.post("/check", data={"strokes": strokes, "action": "back"})
        await browser.post("/parent", data=make_parent_form(name="x" * 200_000) | {"action": "back"})
        assert "x" * 1000 not in (await browser.get("/parent")).text
        await browser.post("/check", data={"strokes": strokes, "action": "back"})
        assert strokes in (await browser.get("/check")).text
        await clock.shift(timedelta(hours=13))
        for number in range(12):
            await browser.post(f"/students/{number}/relation", data={"relation_text": "y" * 50_000})
    assert await town.value("SELECT max(length(sealed)) FROM binding.drafts") < 200_000


async def test_a_child_that_is_not_found_is_told_where_the_summary_leads_to(town: Town) -> None:
    async with town.browser(await town.sign_in(CONTACT)) as browser:
        for question, answer in (("relation", "mother"), ("level", LI.level), ("id", LI.national_id)):
            field = "national_id" if question == "id" else question
            await browser.post(f"/students/new/{question}", data={field: answer})
        page = (await browser.post("/students/new/school", data={"school_id": "S-3"})).text
    assert 'href="#school_id"' in page
    assert 'id="school_id-error"' in page


async def test_the_code_page_never_speaks_of_another_email_than_the_one_that_was_typed_last(town: Town) -> None:
    token = await town.sign_in("+886912345678")
    await town.fill(token, parent=make_parent_form(email="former@example.org"))
    await town.do("POST", "/draft/email-code", token)
    await town.do("PUT", "/draft/parent", token, **make_parent_form(email="typed@example.org"))
    async with town.browser(token) as browser:
        assert where(await browser.get("/check")) == "/parent/email-code"
        assert where(await browser.get("/parent/email-code")) == "/parent"


async def test_an_account_that_is_opened_meanwhile_is_shown_before_it_is_signed_for(town: Town) -> None:
    token = await town.sign_in("second@example.org")
    await town.fill(token, [WANG])
    await town.open_account(CONTACT)
    async with town.browser(token) as browser:
        assert "li***@example.org" in (await browser.get("/parent")).text
        assert where(await browser.post("/parent", data={})) == "/check"
        assert "li***@example.org" in (await browser.get("/check")).text
        assert where(await browser.post("/check", data={"typed": "林淑芬"})) == "/progress"


# --- after sending ---


async def apply_for(town: Town, token: str, *children: Child) -> None:
    await town.fill(token, children, parent=make_parent_form())
    await town.do("POST", "/applications", token, signature=SIGNATURE)


async def test_another_child_is_added_without_typing_ones_own_data_again(town: Town) -> None:
    token = await town.apply()
    async with town.browser(token) as browser:
        await town.name_on_pages(browser, WANG)
        version = (await town.do("GET", "/statement"))["version"]
        assert where(await browser.post("/consent", data={"agree": "yes", "version": version})) == "/parent"
        page = (await browser.get("/parent")).text
        assert "林○芬" in page
        assert "林淑芬" not in page
        assert PARENT_ID not in page
        assert where(await browser.post("/parent", data={})) == "/check"
        assert where(await browser.post("/check", data={"typed": "林淑芬"})) == "/progress"
    assert len(await town.bindings(token)) == 2


async def test_who_reaches_an_application_by_a_phone_that_was_only_typed_sends_none_in_its_parents_name(
    town: Town,
) -> None:
    await town.apply(CONTACT)
    stranger = await town.sign_in("+886912345678")
    await town.fill_students(stranger, WANG)
    assert (await town.do("GET", "/draft", stranger))["parent"] is None


async def test_what_has_been_done_is_ticked_on_the_progress_page(town: Town) -> None:
    token = await town.apply()

    async def ticks() -> int:
        async with town.browser(token) as browser:
            return (await browser.get("/progress")).text.count('<li class="done">')

    assert await ticks() == 1
    await town.decided((await town.bindings(token))[0]["id"])
    assert await ticks() == 2
    await town.do("PUT", "/account/password", token, password="a long walk to school")
    assert await ticks() == 3


async def test_the_progress_leads_back_to_a_child_that_is_half_named(town: Town) -> None:
    async with town.browser(await town.apply()) as browser:
        assert 'href="/students/new"' in (await browser.get("/progress")).text
        await browser.post("/students/new/relation", data={"relation": "mother"})
        page = (await browser.get("/progress")).text
        assert 'href="/students"' in page
        assert "繼續填寫申請" in page


async def test_of_two_people_who_share_a_phone_nobodys_data_are_filled_in(town: Town) -> None:
    token = await town.sign_in("+886912345678")
    for email, child, parent_id in (("one@example.org", LI, PARENT_ID), ("two@example.org", CHEN, OTHER_PARENT_ID)):
        await town.fill_students(token, child)
        await town.do("PUT", "/draft/consent", token, version=statement().version)
        await town.do("PUT", "/draft/parent/id", token, national_id=parent_id)
        await town.do("PUT", "/draft/parent", token, **make_parent_form(email=email))
        await town.do("POST", "/draft/email-code", token)
        await town.do("POST", "/draft/email-proof", token, code=await town.code_for(email))
        await town.do("POST", "/applications", token, signature=SIGNATURE)
    await town.fill_students(token, WANG)
    assert (await town.do("GET", "/draft", token))["parent"] is None


async def test_two_parents_who_share_a_phone_apply_for_one_child(town: Town) -> None:
    phone = "+886912345678"
    for email, parent_id in (("one@example.org", PARENT_ID), ("two@example.org", OTHER_PARENT_ID)):
        token = await town.sign_in(phone)
        await town.fill_students(token, LI)
        await town.fill(token, [], parent_id, make_parent_form(email=email))
        await town.do("POST", "/draft/email-code", token)
        await town.do("POST", "/draft/email-proof", token, code=await town.code_for(email))
        await town.do("POST", "/applications", token, signature=SIGNATURE)
    assert [each["state"] for each in await town.bindings(token)] == ["pending", "pending"]
    again = await town.sign_in("one@example.org")
    refused = await town.call("POST", "/draft/students", again, **make_student_form(LI))
    assert refused.json()["code"] == "student_known"


async def test_another_persons_id_number_takes_signature_and_proof_away(town: Town) -> None:
    token = await town.sign_in("+886912345678")
    await town.fill(token, parent=make_parent_form())
    await town.do("POST", "/draft/email-code", token)
    await town.do("POST", "/draft/email-proof", token, code=await town.code_for(CONTACT))
    async with town.browser(token) as browser:
        await browser.post("/check", data={"typed": "林淑芬", "action": "back"})
        await town.do("PUT", "/draft/parent/id", token, national_id=PARENT_ID)
        assert 'value="林淑芬"' in (await browser.get("/check")).text
        await town.do("PUT", "/draft/parent/id", token, national_id=OTHER_PARENT_ID)
        assert (await town.do("GET", "/draft", token))["missing"] == "email_proof"
        await town.do("PUT", "/draft/parent/id", token, national_id=PARENT_ID)
        await town.do("POST", "/draft/email-code", token)
        await town.do("POST", "/draft/email-proof", token, code=await town.code_for(CONTACT))
        assert 'value="林淑芬"' not in (await browser.get("/check")).text


async def test_taking_up_a_refusal_is_a_look_at_the_child(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"match_per_contact_day": 3})
    token = await town.apply()
    binding = (await town.bindings(token))[0]["id"]
    await town.decided(binding, "refuse", "關係不符")
    answers = [(await town.call("POST", f"/bindings/{binding}/again", token)).status_code for _ in range(3)]
    assert answers == [204, 204, 429]


async def test_a_refused_child_is_sent_again_alone_and_the_refusal_goes(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await apply_for(town, token, LI, WANG)
    first, second = sorted(await town.bindings(token), key=lambda each: each["student"] != LI.name)
    await town.decided(first["id"], "refuse", "關係不符")
    async with town.browser(token) as browser:
        assert where(await browser.post(f"/bindings/{first['id']}/again")) == "/students"
        page = (await browser.get("/students")).text
        assert LI.name in page
        assert WANG.name not in page
        await browser.post("/students/P-1/relation", data={"relation": "father"})
        version = (await town.do("GET", "/statement"))["version"]
        await browser.post("/consent", data={"agree": "yes", "version": version})
        assert where(await browser.post("/check", data={"typed": "林淑芬"})) == "/progress"
    shown = [(each["student"], each["state"], each["relation"]) for each in await town.bindings(token)]
    assert sorted(shown) == sorted([(LI.name, "pending", "father"), (WANG.name, "pending", second["relation"])])


async def test_only_ones_own_refusal_is_taken_up_again(town: Town) -> None:
    token = await town.apply()
    pending = (await town.bindings(token))[0]["id"]
    assert (await town.call("POST", f"/bindings/{pending}/again", token)).status_code == 404
    await town.decided(pending, "refuse", "關係不符")
    stranger = await town.sign_in("stranger@example.org")
    assert (await town.call("POST", f"/bindings/{pending}/again", stranger)).status_code == 404
    assert (await town.call("POST", f"/bindings/{pending}/again", token)).status_code == 204
    assert (await town.do("GET", "/draft", token))["students"][0]["name"] == LI.name


async def test_a_request_that_only_asks_for_headers_does_nothing(town: Town) -> None:
    token = await town.apply()
    await town.fill_students(token, WANG)
    pending = (await town.bindings(token))[0]["id"]
    async with town.browser(token) as browser:
        for path in (f"/bindings/{pending}/withdraw", "/bindings/clear", "/leave", "/code", "/account/sign-in"):
            await browser.head(path)
    assert await town.state_of(pending) == "pending"
    assert (await town.do("GET", "/draft", token))["students"][0]["name"] == WANG.name


async def test_a_refusal_that_was_cleared_is_not_taken_up_again(town: Town) -> None:
    token = await town.apply()
    refused = (await town.bindings(token))[0]["id"]
    await town.decided(refused, "refuse", "關係不符")
    await town.do("DELETE", "/bindings", token)
    assert (await town.call("POST", f"/bindings/{refused}/again", token)).status_code == 404


async def test_a_refused_child_is_one_too_many_like_any_other(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"students_per_application": 1})
    token = await town.apply()
    refused = (await town.bindings(token))[0]["id"]
    await town.decided(refused, "refuse", "關係不符")
    await town.fill_students(token, WANG)
    answer = await town.call("POST", f"/bindings/{refused}/again", token)
    assert [error["code"] for error in answer.json()["errors"]] == ["too_many_students"]
    async with town.browser(token) as browser:
        page = await browser.post(f"/bindings/{refused}/again")
    assert page.status_code == 422
    assert "一次最多申請 1 位學生" in page.text


async def test_a_refused_child_whose_school_nobody_kept_has_to_be_named_again(town: Town) -> None:
    token = await town.apply()
    refused = (await town.bindings(token))[0]["id"]
    await town.decided(refused, "refuse", "關係不符")
    await town.db.execute("UPDATE binding.bindings SET school_id = NULL")
    async with town.browser(token) as browser:
        assert where(await browser.post(f"/bindings/{refused}/again")) == "/students"
        assert "學籍資料已變更" in (await browser.get("/students")).text


# --- the reader's language ---


async def test_the_browsers_language_comes_first_and_a_choice_stays(town: Town) -> None:
    async with town.browser() as browser:
        assert '<html lang="vi">' in (await browser.get("/", headers={"accept-language": "vi-VN,vi;q=0.9"})).text
        typed = {"channel": "sms", "email": "", "phone": "0912", "language": "id"}
        page = await browser.post("/", data=typed, headers={"accept-language": "vi"})
        assert '<html lang="id">' in page.text
        assert 'value="0912"' in page.text
        assert '<html lang="id">' in (await browser.get("/", headers={"accept-language": "vi"})).text


async def test_a_page_without_a_form_comes_back_in_the_other_language(town: Town) -> None:
    async with town.browser(await town.apply()) as browser:
        referer = {"referer": f"{town.url}/progress?x=1"}
        assert where(await browser.post("/language", data={"language": "en"}, headers=referer)) == "/progress?x=1"
        assert '<html lang="en">' in (await browser.get("/progress")).text


@pytest.mark.parametrize(
    ("path", "back"),
    [("//evil.example/x", "/evil.example/x"), ("///evil.example", "/evil.example"), ("/%2Fevil", "/%2Fevil")],
)
async def test_a_choice_of_language_leads_to_no_other_site(town: Town, path: str, back: str) -> None:
    async with town.browser() as browser:
        referer = {"referer": f"{town.url}{path}"}
        answer = await browser.post("/language", data={"language": "en"}, headers=referer)
    assert where(answer) == back


async def test_a_choice_of_language_finds_a_page_whose_address_has_a_space(town: Town) -> None:
    async with town.browser() as browser:
        referer = {"referer": f"{town.url}/students/P%201/relation"}
        answer = await browser.post("/language", data={"language": "en"}, headers=referer)
    assert where(answer) == "/students/P%201/relation"


async def test_the_statement_is_accepted_in_the_language_in_which_it_was_read(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token, parent=make_parent_form())
    async with town.browser(token) as browser:
        headers = {"accept-language": "vi"}
        version = (await town.do("GET", "/statement"))["version"]
        await browser.post("/consent", data={"agree": "yes", "version": version}, headers=headers)
        await browser.post("/check", data={"typed": "林淑芬"}, headers=headers)
    row = (await town.rows("SELECT statement_language, statement_hash, language FROM binding.applications"))[0]
    vietnamese = (await town.http.get("/statement", headers=headers)).json()
    assert row == {"statement_language": "vi", "statement_hash": vietnamese["hash"], "language": "vi"}
