"""Teachers' local accounts and sessions."""

from __future__ import annotations

import io
import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from review_service.accounts import commands, use_cases
from review_service.accounts.use_cases import NewAccount
from review_service.app import make_app, make_review
from review_service.context import OPERATOR
from review_service.settings import Settings
from shared import passwords

if TYPE_CHECKING:
    from httpx import AsyncClient, Response
    from tests.integration.review.conftest import Binding, Query, Visit

    from review_service.context import Review

PASSWORD = "a long enough one"


async def sign_in(browser: AsyncClient, username: str, password: str) -> Response:
    return await browser.post("/sign-in", data={"username": username, "password": password})


async def move_clock(review: Review, minutes: int) -> None:
    async with review.database.connection() as connection:
        await connection.execute(
            "CREATE OR REPLACE FUNCTION present() RETURNS timestamptz LANGUAGE sql STABLE AS"
            f" 'SELECT now() + interval ''{minutes} minutes'''"
        )


@pytest.mark.usefixtures("binding")
async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visit: Visit):
    browser = await visit("T-1")
    browser.cookies.clear()
    cookie = (await sign_in(browser, "user-t-1", PASSWORD)).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie  # a developer's machine has no HTTPS


def test_in_production_the_cookie_travels_over_https_only():
    key = SecretStr("k1:" + "A" * 43 + "=")
    settings = Settings(
        environment="production",
        key_binding_review=key,
        key_review_binding=key,
        key_review_notify=key,
        key_review_store=key,
        key_sign_in=key,
    )
    site = make_app(settings).state.site
    assert site.secure
    assert site.cookie == "__Host-review"


@pytest.mark.usefixtures("binding")
async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer_and_the_same_work(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
):
    browser = await visit("T-1")
    await browser.post("/sign-out")
    verified: list[str] = []
    real = passwords._verify

    def counted(stored: str, password: str) -> bool:
        verified.append(stored)
        return real(stored, password)

    monkeypatch.setattr(passwords, "_verify", counted)
    answers = [await sign_in(browser, name, "wrong") for name in ("user-t-1", "user-t-7", "不像帳號的")]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    texts = {
        answer.text.replace("user-t-1", "").replace("user-t-7", "").replace("不像帳號的", "") for answer in answers
    }
    assert len(texts) == 1
    assert "帳號或密碼不正確" in texts.pop()
    assert len(verified) == 3
    assert all("m=19456,t=2,p=1" in stored for stored in verified)


@pytest.mark.usefixtures("binding")
async def test_a_name_has_so_many_tries_and_then_waits(visit: Visit, review: Review):
    browser = await visit("T-1")
    await browser.post("/sign-out")
    for _ in range(3):
        assert (await sign_in(browser, "user-t-1", "wrong")).status_code == 422
    answer = await sign_in(browser, "user-t-1", PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
    assert "請在 15 分鐘後再試" in answer.text
    await move_clock(review, 16)
    assert (await sign_in(browser, "user-t-1", PASSWORD)).status_code == 303


@pytest.mark.usefixtures("binding")
async def test_an_address_has_so_many_tries_whatever_the_names(visit: Visit):
    browser = await visit()
    statuses = [(await sign_in(browser, f"name-{number}", "wrong")).status_code for number in range(21)]
    assert statuses == [422] * 20 + [429]


@pytest.mark.usefixtures("binding")
async def test_a_session_changes_at_sign_in_and_ends_at_sign_out(visit: Visit, query: Query):
    browser = await visit("T-1")
    before = browser.cookies["review"]
    await sign_in(browser, "user-t-1", PASSWORD)
    after = browser.cookies["review"]
    assert before != after
    browser.cookies.clear()
    assert (await browser.get("/", headers={"cookie": f"review={before}"})).status_code == 303
    assert (await browser.get("/", headers={"cookie": f"review={after}"})).status_code == 200
    assert after not in str(await query("SELECT * FROM sessions"))
    await browser.post("/sign-out", headers={"cookie": f"review={after}"})
    assert (await browser.get("/", headers={"cookie": f"review={after}"})).status_code == 303
    actions = [row["action"] for row in await query("SELECT action FROM audit ORDER BY id")]
    assert actions == ["account.opened", "signed-in", "signed-in", "signed-out"]


@pytest.mark.parametrize(("minutes", "status"), [(29, 200), (31, 303)])
@pytest.mark.usefixtures("binding")
async def test_idleness_ends_a_session(visit: Visit, review: Review, minutes: int, status: int):
    browser = await visit("T-1")
    await move_clock(review, minutes)
    assert (await browser.get("/")).status_code == status


@pytest.mark.usefixtures("binding")
async def test_a_session_ends_however_busy_it_is(visit: Visit, review: Review):
    browser = await visit("T-1")
    for minutes in range(25, 600, 25):
        await move_clock(review, minutes)
        assert (await browser.get("/")).status_code == 200
    await move_clock(review, 601)
    assert (await browser.get("/")).status_code == 303


async def test_who_left_the_school_is_out_at_once(binding: Binding, visit: Visit):
    browser = await visit("T-1")
    await binding.tell(binding.teacher("T-1", revision=2, active=False))
    assert (await browser.get("/")).status_code == 303
    answer = await sign_in(browser, "user-t-1", PASSWORD)
    assert answer.status_code == 403
    assert "目前沒有對應的在職教師資料" in answer.text


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/sign-out", "/applications/../x"])
@pytest.mark.usefixtures("binding")
async def test_signing_in_leads_to_our_own_pages_only(visit: Visit, next_: str):
    browser = await visit("T-1")
    form = {"username": "user-t-1", "password": PASSWORD, "next": next_}
    assert (await browser.post("/sign-in", data=form)).headers["location"] == "/"


async def test_signing_in_leads_back_to_the_application_that_was_asked_for(binding: Binding, visit: Visit):
    next_ = f"/applications/{await binding.submit()}"
    form = {"username": "user-t-1", "password": PASSWORD, "next": next_}
    assert (await (await visit("T-1")).post("/sign-in", data=form)).headers["location"] == next_


# --- the command line ---


async def command(monkeypatch: pytest.MonkeyPatch, settings: Settings, line: str, typed: str) -> int:
    parser = ArgumentParser()
    command = commands.account_command(make_review)
    command.configure(parser)
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return await command.run(settings, parser.parse_args(line.split()))


@pytest.mark.usefixtures("binding")
async def test_an_account_opened_from_the_command_line_signs_in(
    settings: Settings, visit: Visit, monkeypatch: pytest.MonkeyPatch
):
    assert await command(monkeypatch, settings, "open --teacher T-1 --username Lin", "correct horse\n") == 0
    assert (await sign_in(await visit(), "lin", "correct horse")).status_code == 303


@pytest.mark.usefixtures("app")
async def test_opening_many_twice_keeps_the_first_passwords(
    settings: Settings,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    assert await command(monkeypatch, settings, "open-many", "T-1,lin,first one\nT-2,chen,second one\n") == 0
    before = await query("SELECT * FROM accounts ORDER BY username")
    assert await command(monkeypatch, settings, "open-many", "T-1,lin,changed it\nT-2,chen,changed it\n") == 0
    assert await query("SELECT * FROM accounts ORDER BY username") == before
    assert capsys.readouterr().out == "opened 2 of 2 accounts\nopened 0 of 2 accounts\n"


@pytest.mark.parametrize(
    ("line", "typed", "message"),
    [
        ("open --teacher T-1 --username other", "long enough", "has an account already"),
        ("open --teacher T-2 --username lin", "long enough", "belongs to another teacher"),
        ("open --teacher T-2 --username x!", "long enough", "a user name has"),
        ("open --teacher T-2 --username chen", "short", "a password has 8 to 200"),
        ("open-many", "T-2,chen,long enough\nT-3,wu\n", "line 2: expected teacher,username,password"),
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
    await use_cases.open_account(review, OPERATOR, NewAccount("T-1", "lin", PASSWORD))
    assert await command(monkeypatch, settings, line, typed) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "long enough" not in said
    assert [row["teacher_id"] for row in await query("SELECT teacher_id FROM accounts")] == ["T-1"]
