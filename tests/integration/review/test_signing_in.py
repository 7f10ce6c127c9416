"""Signing in with a local account, and sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import SecretStr

from review_service.accounts import staff
from review_service.accounts.staff import NewAccount
from review_service.app import make_app
from review_service.context import OPERATOR
from review_service.settings import Settings
from shared import passwords
from support.production import SERVERS

if TYPE_CHECKING:
    from httpx import AsyncClient, Response
    from starlette.applications import Starlette
    from tests.integration.review.conftest import Binding, Query, Visit

    from review_service.context import Review

FromAddress = Callable[[str], Awaitable[httpx.AsyncClient]]

PASSWORD = "a long enough one"
ORIGIN = "http://review.test"


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
        parents_url="https://parents.example",
        **SERVERS,
        key_binding_review=key,
        key_review_binding=key,
        key_review_notify=key,
        key_review_store=key,
        key_sign_in=key,
        key_audit=key,
    )
    site = make_app(settings).state.site
    assert site.secure
    assert site.cookie == "__Host-review"


@pytest.mark.usefixtures("binding")
async def test_where_too_many_sign_in_at_once_the_next_is_put_off_and_not_counted(
    visit: Visit, query: Query, monkeypatch: pytest.MonkeyPatch
):
    browser = await visit("T-1")
    await browser.post("/sign-out")
    counted = await query("SELECT count(*) FROM review.rate_limits")
    monkeypatch.setattr(passwords, "LONGEST_LINE", 0)
    answer = await sign_in(browser, "user-t-1", PASSWORD)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert await query("SELECT count(*) FROM review.rate_limits") == counted
    monkeypatch.undo()
    assert (await sign_in(browser, "user-t-1", PASSWORD)).status_code == 303


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


@pytest.fixture
async def opened(review: Review) -> None:
    """T-1 has an account."""
    await staff.open_account(review, OPERATOR, NewAccount("T-1", "lin", PASSWORD, must_change=False))


@pytest.fixture
async def from_address(app: Starlette) -> AsyncIterator[FromAddress]:
    """A browser at that client address, in which nobody has signed in."""
    async with AsyncExitStack() as stack:

        async def browse(address: str) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app, client=(address, 50000))
            client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"origin": ORIGIN})
            return await stack.enter_async_context(client)

        yield browse


@pytest.mark.usefixtures("binding", "opened")
async def test_a_name_has_so_many_tries_from_one_address_and_then_waits(
    from_address: FromAddress, review: Review, query: Query
):
    browser = await from_address("198.51.100.1")
    for _ in range(3):
        assert (await sign_in(browser, "lin", "wrong")).status_code == 422
    answer = await sign_in(browser, "lin", PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
    assert "請在 15 分鐘後再試" in answer.text
    actions = [(row["teacher_id"], row["action"], row["subject"]) for row in await query("SELECT * FROM audit")]
    assert actions[1:] == [("", "sign-in.refused", "T-1")] * 3 + [("", "sign-in.locked", "T-1")]
    await move_clock(review, 16)
    assert (await sign_in(browser, "lin", PASSWORD)).status_code == 303


@pytest.mark.usefixtures("binding", "opened")
async def test_a_stranger_at_one_address_locks_nobody_out_elsewhere(from_address: FromAddress):
    stranger = await from_address("198.51.100.1")
    statuses = [(await sign_in(stranger, "lin", "wrong")).status_code for _ in range(12)]
    assert statuses == [422] * 3 + [429] * 9
    assert (await sign_in(await from_address("198.51.100.2"), "lin", PASSWORD)).status_code == 303


@pytest.mark.usefixtures("binding", "opened")
async def test_strangers_at_many_addresses_never_lock_the_browser_that_the_teacher_uses(
    from_address: FromAddress, query: Query
):
    known = await from_address("203.0.113.7")
    await sign_in(known, "lin", PASSWORD)
    await known.post("/sign-out")
    for number in range(8):
        assert (await sign_in(await from_address(f"198.51.100.{number}"), "lin", "wrong")).status_code == 422
    assert (await query("SELECT locked_until > now() AS locked FROM accounts"))[0]["locked"]
    elsewhere = await from_address("198.51.100.99")
    assert (await sign_in(elsewhere, "lin", PASSWORD)).status_code == 429
    assert (await sign_in(known, "lin", PASSWORD)).status_code == 303


@pytest.mark.usefixtures("binding", "opened")
async def test_a_lock_for_everybody_ends_by_itself(from_address: FromAddress, review: Review):
    for number in range(8):
        await sign_in(await from_address(f"198.51.100.{number}"), "lin", "wrong")
    elsewhere = await from_address("198.51.100.99")
    assert (await sign_in(elsewhere, "lin", PASSWORD)).status_code == 429
    await move_clock(review, 61)
    assert (await sign_in(elsewhere, "lin", PASSWORD)).status_code == 303


@pytest.mark.usefixtures("binding", "opened")
async def test_a_known_browser_has_no_more_tries_than_others_and_is_known_to_its_teacher_only(
    from_address: FromAddress, review: Review
):
    await staff.open_account(review, OPERATOR, NewAccount("T-3", "chen", PASSWORD, must_change=False))
    known = await from_address("203.0.113.7")
    await sign_in(known, "lin", PASSWORD)
    assert [(await sign_in(known, "lin", "wrong")).status_code for _ in range(4)] == [422, 422, 422, 429]
    for number in range(8):
        await sign_in(await from_address(f"198.51.100.{number}"), "chen", "wrong")
    assert (await sign_in(known, "chen", PASSWORD)).status_code == 429


@pytest.mark.usefixtures("binding", "opened")
async def test_a_reset_unlocks(from_address: FromAddress, review: Review):
    for number in range(9):
        await sign_in(await from_address(f"198.51.100.{number}"), "lin", "wrong")
    start = await staff.reset(review, OPERATOR, "T-1")
    answer = await sign_in(await from_address("198.51.100.1"), "lin", start.password)
    assert answer.status_code == 303


@pytest.mark.usefixtures("binding")
async def test_an_address_has_so_many_tries_whatever_the_names(from_address: FromAddress):
    browser = await from_address("2001:db8:1:2::7")
    statuses = [(await sign_in(browser, f"name-{number}", "wrong")).status_code for number in range(20)]
    assert statuses == [422] * 20
    neighbour = await from_address("2001:db8:1:2::8")  # an IPv6 host has its whole /64
    assert (await sign_in(neighbour, "name-20", "wrong")).status_code == 429


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


@pytest.mark.parametrize(("mode", "status"), [("navigate", 200), ("cors", 303), ("same-origin", 303)])
@pytest.mark.usefixtures("binding")
async def test_a_page_that_renews_itself_keeps_no_session_alive(visit: Visit, review: Review, mode: str, status: int):
    browser = await visit("T-1")
    for minutes in (20, 25):
        await move_clock(review, minutes)
        assert (await browser.get("/", headers={"sec-fetch-mode": mode})).status_code == 200
    await move_clock(review, 50)
    assert (await browser.get("/", headers={"sec-fetch-mode": mode})).status_code == status


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


# --- a form that was sent when the session was over ---


async def test_a_form_that_came_too_late_waits_for_the_same_teacher(binding: Binding, visit: Visit, review: Review):
    path = f"/applications/{await binding.submit()}/refuse"
    browser = await visit("T-1")
    await move_clock(review, 31)
    answer = await browser.post(path, data={"picked": "", "written": "請用<正楷>再簽一次"})
    assert answer.headers["location"] == "/sign-in?next=%2Fkept"
    page = (await browser.get(answer.headers["location"])).text
    assert "您送出的內容已保留" in page
    assert "正楷" not in page
    form = {"username": "user-t-1", "password": PASSWORD, "next": "/kept"}
    assert (await browser.post("/sign-in", data=form)).headers["location"] == "/kept"
    page = (await browser.get("/kept")).text
    assert f'action="{path}"' in page
    assert 'name="picked" value=""' in page
    assert 'name="written" value="請用&lt;正楷&gt;再簽一次"' in page
    await browser.post("/kept")
    assert (await browser.get("/kept")).headers["location"] == "/"


async def test_another_teacher_in_the_same_browser_gets_nothing_of_it(
    binding: Binding, visit: Visit, review: Review, query: Query
):
    path = f"/applications/{await binding.submit()}/refuse"
    await visit("T-2")
    browser = await visit("T-1")
    await move_clock(review, 31)
    await browser.post(path, data={"written": "請用正楷"})
    assert "正楷" not in str(await query("SELECT * FROM sessions"))
    assert (await sign_in(browser, "user-t-2", PASSWORD)).status_code == 303
    assert (await browser.get("/kept")).headers["location"] == "/"
    assert await query("SELECT 1 FROM sessions WHERE kept IS NOT NULL") == []


async def test_what_is_sent_after_signing_out_is_not_kept(binding: Binding, visit: Visit, query: Query):
    path = f"/applications/{await binding.submit()}/refuse"
    browser = await visit("T-1")
    cookie = {"cookie": f"review={browser.cookies['review']}"}
    await browser.post("/sign-out")
    answer = await browser.post(path, data={"written": "請用正楷"}, headers=cookie)
    assert answer.headers["location"] == "/sign-in"
    assert await query("SELECT 1 FROM sessions") == []


@pytest.mark.usefixtures("binding")
async def test_passwords_are_not_kept(visit: Visit, review: Review, query: Query):
    browser = await visit("T-1")
    await move_clock(review, 31)
    answer = await browser.post("/account/password", data={"old": PASSWORD, "new": "anything else at all"})
    assert answer.headers["location"] == "/sign-in"
    assert await query("SELECT 1 FROM sessions WHERE kept IS NOT NULL") == []
