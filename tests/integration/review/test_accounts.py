"""Accounts: the teacher's own, those of a school's staff, and the command line."""

from __future__ import annotations

import io
import re
import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING

import pytest

from review_service.accounts import commands, staff
from review_service.accounts.staff import NewAccount
from review_service.app import make_review
from review_service.context import OPERATOR
from review_service.errors import OwnAccountError

if TYPE_CHECKING:
    from httpx import AsyncClient, Response
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review
    from review_service.settings import Settings

PASSWORD = "a long enough one"
OWN = "violet tram over rooftops"
START = re.compile(r"[a-z2-9]{4}(?:-[a-z2-9]{4}){3}")

pytestmark = pytest.mark.usefixtures("binding")


async def sign_in(browser: AsyncClient, username: str, password: str) -> Response:
    return await browser.post("/sign-in", data={"username": username, "password": password})


async def open_account(review: Review, teacher_id: str, username: str, *, must_change: bool = False) -> None:
    await staff.open_account(review, OPERATOR, NewAccount(teacher_id, username, PASSWORD, must_change=must_change))


async def actions(query: Query) -> list[tuple[str, str, str]]:
    rows = await query("SELECT teacher_id, action, subject FROM audit ORDER BY id")
    return [(row["teacher_id"], row["action"], row["subject"]) for row in rows]


# --- the first password is somebody else's ---


async def test_who_has_somebody_elses_password_reaches_nothing_but_a_new_one(
    binding: Binding, visit: Visit, review: Review
):
    id_ = await binding.submit()
    await open_account(review, "T-1", "lin", must_change=True)
    browser = await visit()
    assert (await sign_in(browser, "lin", PASSWORD)).status_code == 303
    for path in ("/", "/?show=decided", f"/applications/{id_}", "/account", "/kept", "/account/sign-out", "/staff"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/password"), path
    assert (await browser.get("/events")).status_code == 401
    answer = await browser.post(f"/applications/{id_}/approve")
    assert answer.headers["location"] == "/account/password"
    page = (await browser.get("/account/password")).text
    assert "請先設定自己的密碼" in page
    assert "王大明" not in page
    assert 'name="old"' not in page
    answer = await browser.post("/account/password", data={"new": OWN, "again": OWN})
    assert answer.headers["location"] == "/"
    assert "王大明" in (await browser.get("/")).text


async def test_who_will_not_choose_a_password_can_still_leave(visit: Visit, review: Review):
    await open_account(review, "T-1", "lin", must_change=True)
    browser = await visit()
    await sign_in(browser, "lin", PASSWORD)
    assert (await browser.post("/sign-out")).headers["location"] == "/sign-in"
    assert (await browser.get("/")).headers["location"] == "/sign-in?next=%2F"


async def test_a_start_password_is_no_password_of_ones_own(visit: Visit, review: Review):
    await open_account(review, "T-1", "lin", must_change=True)
    browser = await visit()
    await sign_in(browser, "lin", PASSWORD)
    answer = await browser.post("/account/password", data={"new": PASSWORD, "again": PASSWORD})
    assert answer.status_code == 422
    assert "不能和目前的密碼相同" in answer.text


# --- changing it later ---


async def test_a_change_asks_for_the_old_one_and_ends_the_sessions_elsewhere(visit: Visit, query: Query):
    here, elsewhere = await visit("T-1"), await visit("T-1")
    wrong = await here.post("/account/password", data={"old": "not this one", "new": OWN, "again": OWN})
    assert wrong.status_code == 422
    assert "目前的密碼不正確" in wrong.text
    before = here.cookies["review"]
    answer = await here.post("/account/password", data={"old": PASSWORD, "new": OWN, "again": OWN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?changed")
    assert here.cookies["review"] != before
    assert "密碼已變更" in (await here.get("/account?changed")).text
    assert (await elsewhere.get("/")).status_code == 303
    here.cookies.clear()
    assert (await here.get("/", headers={"cookie": f"review={before}"})).status_code == 303
    assert (await sign_in(elsewhere, "user-t-1", PASSWORD)).status_code == 422
    assert (await sign_in(elsewhere, "user-t-1", OWN)).status_code == 303
    assert ("T-1", "password.changed", "T-1") in await actions(query)


async def test_the_old_password_cannot_be_guessed_at_for_ever(visit: Visit):
    browser = await visit("T-1")
    form = {"old": "not this one", "new": OWN, "again": OWN}
    statuses = [(await browser.post("/account/password", data=form)).status_code for _ in range(4)]
    assert statuses == [422, 422, 422, 429]


@pytest.mark.parametrize(
    ("new", "again", "message"),
    [
        ("short one", "short one", "密碼至少要 12 個字元"),
        ("password1234", "password1234", "太常見"),
        ("xx USER-T-1 xx", "xx USER-T-1 xx", "不能包含帳號或電子郵件"),
        ("ask teacher@example.edu.tw", "ask teacher@example.edu.tw", "不能包含帳號或電子郵件"),
        (OWN, OWN + " ", "兩次輸入的新密碼不同"),
        (PASSWORD, PASSWORD, "不能和目前的密碼相同"),
    ],
)
async def test_a_password_that_will_not_do_gets_a_message_at_its_field(
    visit: Visit, new: str, again: str, message: str
):
    browser = await visit("T-1")
    answer = await browser.post("/account/password", data={"old": PASSWORD, "new": new, "again": again})
    assert answer.status_code == 422
    assert re.search(rf'id="(new|again)-error">.*{message}', answer.text)
    assert new not in answer.text


async def test_a_password_is_the_same_on_every_keyboard(visit: Visit, review: Review):
    full_width = NewAccount("T-1", "lin", "ｖｉｏｌｅｔ ｔｒａｍ１２", must_change=False)
    await staff.open_account(review, OPERATOR, full_width)
    assert (await sign_in(await visit(), "lin", "violet tram12")).status_code == 303


async def test_signing_out_everywhere_ends_every_session(visit: Visit, query: Query):
    here, elsewhere = await visit("T-1"), await visit("T-1")
    assert "登出所有裝置？" in (await here.get("/account/sign-out")).text
    assert (await here.post("/account/sign-out")).headers["location"] == "/sign-in"
    assert (await elsewhere.get("/")).status_code == 303
    assert await query("SELECT 1 FROM sessions") == []
    assert ("T-1", "signed-out.everywhere", "T-1") in await actions(query)


# --- the staff of a school ---


async def test_an_administrator_sees_the_own_staff_and_their_ways_in(visit: Visit, review: Review, query: Query):
    administrator = await visit("A-1")
    await visit("T-1")
    await open_account(review, "T-2", "chen", must_change=True)
    await query("UPDATE classes SET moved_to = 'T-2' WHERE id = 'C-2'")
    await staff.close(review, OPERATOR, "T-3")
    page = (await administrator.get("/staff")).text
    rows = {row.group(1): row.group(0) for row in re.finditer(r"<h2>(.*?)</h2>.*?</li>", page, re.DOTALL)}
    assert set(rows) == {"老師A-1", "老師T-1", "老師T-2", "老師T-3"}
    for name, texts in {
        "老師A-1": ("學校管理者", "使用中", "user-a-1", "上次登入"),
        "老師T-1": ("班級C-1 導師", "使用中", "/staff/T-1/reset"),
        "老師T-2": ("班級C-1、班級C-2 導師", "待設定密碼", "還沒有登入過"),
        "老師T-3": ("已停用", "/staff/T-3/reopen"),
    }.items():
        assert all(text in rows[name] for text in texts), rows[name]
    assert "班級C-2" not in rows["老師T-3"]
    assert "/staff/A-1/close" not in page


@pytest.mark.parametrize("act", ["open", "reset", "close", "reopen"])
async def test_staff_of_another_school_are_not_there(visit: Visit, review: Review, query: Query, act: str):
    await open_account(review, "T-9", "wu")
    browser = await visit("A-1")
    theirs = "SELECT * FROM accounts LEFT JOIN access USING (teacher_id) WHERE teacher_id = 'T-9'"
    before = await query(theirs)
    for id_ in ("T-9", "T-0"):
        assert (await browser.get(f"/staff/{id_}/{act}")).status_code == 404
        answer = await browser.post(f"/staff/{id_}/{act}", data={"username": "other"})
        assert answer.status_code == 404
    assert await query(theirs) == before


@pytest.mark.parametrize("path", ["", "/T-2/open", "/T-2/reset", "/T-2/close", "/T-2/reopen"])
async def test_a_teacher_is_told_that_accounts_are_the_administrators(visit: Visit, path: str, query: Query):
    browser = await visit("T-1")
    assert (await browser.get(f"/staff{path}")).status_code == 403
    if path:
        assert (await browser.post(f"/staff{path}", data={"username": "other"})).status_code == 403
    assert [row["teacher_id"] for row in await query("SELECT teacher_id FROM accounts")] == ["T-1"]
    assert 'href="/staff"' not in (await browser.get("/")).text


async def test_an_account_is_opened_with_a_start_password_that_is_shown_once(
    visit: Visit, query: Query, capsys: pytest.CaptureFixture[str]
):
    administrator = await visit("A-1")
    page = (await administrator.get("/staff/T-1/open")).text
    assert 'value="teacher"' in page  # of teacher@example.edu.tw
    answer = await administrator.post("/staff/T-1/open", data={"username": "Lin"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    start = START.search(answer.text)
    assert start
    again = await administrator.post("/staff/T-1/open", data={"username": "Lin"})
    assert again.headers["location"] == "/staff"
    assert start[0] not in (await administrator.get("/staff")).text
    said = capsys.readouterr().out
    assert "request" in said
    assert start[0] not in said + str(await query("SELECT * FROM accounts")) + str(await actions(query))
    teacher = await visit()
    assert (await sign_in(teacher, "lin", start[0])).status_code == 303
    assert (await teacher.get("/")).headers["location"] == "/account/password"
    assert ("A-1", "account.opened", "T-1") in await actions(query)


@pytest.mark.parametrize(
    ("username", "message"), [("x!", "帳號要有 2 到 64 個字元"), ("user-a-1", "這個帳號已有人使用")]
)
async def test_a_user_name_that_will_not_do_stands_there_again(visit: Visit, username: str, message: str):
    answer = await (await visit("A-1")).post("/staff/T-1/open", data={"username": username})
    assert answer.status_code == 422
    assert message in answer.text
    assert f'value="{username}"' in answer.text


async def test_a_start_password_works_for_some_days(visit: Visit, review: Review, query: Query):
    await open_account(review, "T-1", "lin")
    start = await staff.reset(review, OPERATOR, "T-1")
    await query("UPDATE accounts SET expires_at = present() - interval '1 second'")
    answer = await sign_in(await visit(), "lin", start.password)
    assert answer.status_code == 403
    assert "起始密碼已過期" in answer.text
    assert "起始密碼已過期" in (await (await visit("A-1")).get("/staff")).text


async def test_a_reset_ends_the_password_and_the_sessions(visit: Visit, query: Query):
    administrator, teacher = await visit("A-1"), await visit("T-1")
    assert "重設 老師T-1 的密碼？" in (await administrator.get("/staff/T-1/reset")).text
    start = START.search((await administrator.post("/staff/T-1/reset")).text)
    assert start
    assert (await teacher.get("/")).status_code == 303
    assert (await sign_in(teacher, "user-t-1", PASSWORD)).status_code == 422
    assert (await sign_in(teacher, "user-t-1", start[0])).status_code == 303
    assert ("A-1", "account.reset", "T-1") in await actions(query)


async def test_a_closed_account_is_out_at_once_and_comes_back_when_it_is_opened_again(visit: Visit, query: Query):
    administrator, teacher = await visit("A-1"), await visit("T-1")
    assert "停用 老師T-1 的帳號？" in (await administrator.get("/staff/T-1/close")).text
    answer = await administrator.post("/staff/T-1/close")
    assert "已停用 老師T-1 的帳號" in (await administrator.get(answer.headers["location"])).text
    assert (await teacher.get("/")).status_code == 303
    refused = await sign_in(teacher, "user-t-1", PASSWORD)
    assert refused.status_code == 403
    assert "這個帳號已由學校停用" in refused.text
    assert (await sign_in(teacher, "user-t-1", "not this one")).status_code == 422
    assert (await administrator.post("/staff/T-1/reset")).headers["location"] == "/staff"
    await administrator.post("/staff/T-1/reopen")
    assert (await sign_in(teacher, "user-t-1", PASSWORD)).status_code == 303
    noted = await actions(query)
    assert [action for who, action, _ in noted if who == "A-1"] == ["signed-in", "account.closed", "account.reopened"]
    # With the right password as with a wrong one.
    assert noted.count(("", "sign-in.refused", "T-1")) == 2
    assert "未登入的人" in (await administrator.get("/audit")).text


async def test_an_administrator_cannot_close_or_reset_the_own_account(
    visit: Visit, review: Review, as_teacher: AsTeacher
):
    browser = await visit("A-1")
    for answer in (await browser.get("/staff/A-1/close"), await browser.post("/staff/A-1/close")):
        assert answer.status_code == 409
        assert "不能停用自己的帳號" in answer.text
    assert (await browser.post("/staff/A-1/reset")).headers["location"] == "/staff"
    with pytest.raises(OwnAccountError):
        await staff.reset(review, as_teacher("A-1"), "A-1")
    assert (await browser.get("/staff")).status_code == 200


async def test_a_password_that_is_reset_while_it_is_compared_opens_nothing(
    visit: Visit, review: Review, monkeypatch: pytest.MonkeyPatch, query: Query
):
    await open_account(review, "T-1", "lin")
    browser = await visit()
    verify = type(review.passwords).verify

    async def slow(*arguments: object) -> bool:
        right = await verify(*arguments)
        await staff.reset(review, OPERATOR, "T-1")
        return right

    monkeypatch.setattr(type(review.passwords), "verify", slow)
    assert (await sign_in(browser, "lin", PASSWORD)).status_code == 422
    assert await query("SELECT 1 FROM sessions") == []


# --- the command line ---


async def command(monkeypatch: pytest.MonkeyPatch, settings: Settings, line: str, typed: str) -> int:
    parser = ArgumentParser()
    command = commands.account_command(make_review)
    command.configure(parser)
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return await command.run(settings, parser.parse_args(line.split()))


async def test_an_account_opened_from_the_command_line_signs_in(
    settings: Settings, visit: Visit, monkeypatch: pytest.MonkeyPatch
):
    assert await command(monkeypatch, settings, "open --teacher T-1 --username Lin", "violet tram over\n") == 0
    browser = await visit()
    assert (await sign_in(browser, "lin", "violet tram over")).status_code == 303
    assert (await browser.get("/")).headers["location"] == "/account/password"


async def test_an_account_may_keep_the_password_of_the_command_line(
    settings: Settings, visit: Visit, monkeypatch: pytest.MonkeyPatch
):
    assert await command(monkeypatch, settings, "open-many --keep-password", "T-1,lin,violet tram over\n") == 0
    browser = await visit()
    await sign_in(browser, "lin", "violet tram over")
    assert (await browser.get("/")).status_code == 200


async def test_the_command_line_resets_closes_and_opens_again(
    settings: Settings,
    visit: Visit,
    review: Review,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    await open_account(review, "T-1", "lin")
    assert await command(monkeypatch, settings, "reset --teacher T-1", "") == 0
    start = START.search(capsys.readouterr().out)
    assert start
    browser = await visit()
    assert (await sign_in(browser, "lin", start[0])).status_code == 303
    assert await command(monkeypatch, settings, "close --teacher T-1", "") == 0
    assert (await sign_in(browser, "lin", start[0])).status_code == 403
    assert await command(monkeypatch, settings, "reset --teacher T-1", "") == 1
    assert await command(monkeypatch, settings, "reopen --teacher T-1", "") == 0
    assert (await sign_in(browser, "lin", start[0])).status_code == 303
    assert await command(monkeypatch, settings, "close --teacher T-0", "") == 1
    assert "the roster has no such teacher" in capsys.readouterr().err


@pytest.mark.usefixtures("app")
async def test_opening_many_twice_keeps_the_first_passwords(
    settings: Settings,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    assert await command(monkeypatch, settings, "open-many", "T-1,lin,the first one\nT-2,chen,the second one\n") == 0
    before = await query("SELECT * FROM accounts ORDER BY username")
    assert await command(monkeypatch, settings, "open-many", "T-1,lin,changed it then\nT-2,chen,changed it then\n") == 0
    assert await query("SELECT * FROM accounts ORDER BY username") == before
    assert capsys.readouterr().out == "opened 2 of 2 accounts\nopened 0 of 2 accounts\n"


@pytest.mark.parametrize(
    ("line", "typed", "message"),
    [
        ("open --teacher T-1 --username other", "a long enough one", "has an account already"),
        ("open --teacher T-2 --username lin", "a long enough one", "belongs to another teacher"),
        ("open --teacher T-2 --username x!", "a long enough one", "a user name has"),
        ("open --teacher T-2 --username chen", "short", "a password has 12 to 200"),
        ("open-many", "T-2,chen,a long enough one\nT-3,wu\n", "line 2: expected teacher,username,password"),
    ],
)
async def test_an_account_that_cannot_be_opened_is_a_clear_sentence(
    settings: Settings,
    review: Review,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    typed: str,
    message: str,
):
    await staff.open_account(review, OPERATOR, NewAccount("T-1", "lin", PASSWORD))
    assert await command(monkeypatch, settings, line, typed) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "a long enough one" not in said
    assert [row["teacher_id"] for row in await query("SELECT teacher_id FROM accounts")] == ["T-1"]
