from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from argon2 import PasswordHasher

from shared.passwords import HASHER
from support.town import PARENT_ID, make_student_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from support.databases import Clock
    from support.town import Town

LOGIN = "lin@example.org"
FIRST = PARENT_ID[-6:]
NEW = "a long walk to school"


async def sign_in(town: Town, password: str = FIRST, login: str = LOGIN) -> httpx.Response:
    return await town.call("POST", "/account/sessions", login=login, password=password)


async def changed(town: Town) -> str:
    """An account with a password of its own; a session's token."""
    await town.open_account()
    token = str((await sign_in(town)).json()["token"])
    await town.do("PUT", "/account/password", token, password=NEW)
    return token


async def test_the_first_password_is_the_last_six_characters(town: Town) -> None:
    await town.open_account(parent_id="AA00000009")
    for typed in ("000009", " 000009 "):
        answer = await sign_in(town, typed)
        assert (answer.status_code, answer.json()["next"]) == (201, "password")


async def test_the_first_password_lets_nothing_be_done_but_change_it(town: Town) -> None:
    await town.open_account()
    token = (await sign_in(town)).json()["token"]
    calls = [
        ("GET", "/account/children", {}),
        ("GET", "/bindings", {}),
        ("DELETE", "/bindings", {}),
        ("GET", "/draft", {}),
        ("GET", "/schools", {}),
        ("POST", "/draft/students", make_student_form()),
        ("POST", "/id-numbers/check", {"national_id": PARENT_ID}),
    ]
    for method, path, body in calls:
        answer = await town.call(method, path, token, **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "password_change_due"), path
    async with town.browser(token) as browser:
        for path in ("/account", "/students", "/students/new", "/progress", "/consent", "/bindings/clear"):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/account/password"), path
        assert (await browser.get("/account/password")).status_code == 200
    await town.do("PUT", "/account/password", token, password=NEW)
    assert [child["name"] for child in await town.do("GET", "/account/children", token)] == ["李小美"]


async def test_who_does_not_want_to_change_it_now_can_sign_out(town: Town) -> None:
    await town.open_account()
    tokens = [(await sign_in(town)).json()["token"] for _ in range(2)]
    await town.do("DELETE", "/sessions/current", tokens[0])
    async with town.browser(tokens[1]) as browser:
        assert (await browser.post("/sign-out")).status_code == 200
    assert await town.value("SELECT count(*) FROM binding.sessions WHERE account_id IS NOT NULL") == 0


async def test_the_first_password_works_for_the_set_days_only(town: Town, clock: Clock) -> None:
    await town.open_account()
    await clock.shift(timedelta(days=13, hours=23))
    assert (await sign_in(town)).status_code == 201
    await clock.shift(timedelta(days=14, minutes=1))
    assert (await sign_in(town)).status_code == 401


async def test_the_first_password_stops_after_the_set_wrong_tries(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"first_password_tries": 3})
    await town.open_account()
    for _ in range(2):
        assert (await sign_in(town, "000000")).status_code == 401
    assert (await sign_in(town)).status_code == 201
    for _ in range(3):
        assert (await sign_in(town, "000000")).status_code == 401
    assert (await sign_in(town)).status_code == 401


async def test_the_first_password_is_over_once_it_was_changed(town: Town) -> None:
    await changed(town)
    assert (await sign_in(town)).status_code == 401
    assert (await sign_in(town, NEW)).json()["next"] == "progress"


async def test_no_hash_of_the_first_password_is_stored(town: Town) -> None:
    await town.open_account()
    assert await town.value("SELECT password_hash FROM binding.accounts") is None


async def test_an_unknown_login_and_a_wrong_password_get_the_very_same_answer(town: Town) -> None:
    await changed(town)
    answers = [
        await sign_in(town, "wrong"),
        await sign_in(town, NEW, "nobody@example.org"),
        await sign_in(town, NEW, "no address"),
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}


async def test_a_new_password_has_to_be_long_and_nobodys_data(town: Town) -> None:
    await town.open_account()
    token = (await sign_in(town)).json()["token"]
    refused = {
        "elevenchars": "password_short",
        f"xx{PARENT_ID.lower()}xx": "password_obvious",
        f"my six are {FIRST}": "password_obvious",
        f"{LOGIN.upper()}!": "password_obvious",
    }
    for password, code in refused.items():
        answer = await town.call("PUT", "/account/password", token, password=password)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code), password
    async with town.browser(token) as browser:
        page = await browser.post("/account/password", data={"password": NEW, "repeated": NEW + "s"})
        assert page.status_code == 422
        assert "兩次輸入的新密碼不相同" in page.text
        assert NEW not in page.text


async def test_a_later_change_asks_for_the_present_password(town: Town) -> None:
    token = await changed(town)
    for current in ("", "wrong"):
        answer = await town.call("PUT", "/account/password", token, current=current, password="another long walk")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "current")
    await town.do("PUT", "/account/password", token, current=NEW, password="another long walk")
    assert (await sign_in(town, "another long walk")).status_code == 201


async def test_a_change_ends_every_other_session_of_the_account(town: Town) -> None:
    token = await changed(town)
    other = (await sign_in(town, NEW)).json()["token"]
    await town.do("PUT", "/account/password", token, current=NEW, password="another long walk")
    assert (await town.call("GET", "/account/children", other)).status_code == 401
    assert (await town.call("GET", "/account/children", token)).status_code == 200


async def test_sign_ins_to_one_account_are_limited_however_its_login_is_written(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"sign_in_per_login_hour": 2})
    for login in (LOGIN, f" {LOGIN.upper()}"):
        assert (await sign_in(town, "x", login)).status_code == 401
    answer = await sign_in(town, "x", f"{LOGIN} ")
    assert (answer.status_code, answer.json()["code"]) == (429, "limited")
    assert int(answer.headers["retry-after"]) > 3500


async def test_sign_ins_by_one_address_are_limited(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"sign_in_per_address_hour": 1})
    assert (await sign_in(town, "x")).status_code == 401
    assert (await sign_in(town, "x", "wu@example.org")).status_code == 429


async def test_one_address_can_not_use_up_what_all_have_at_one_account(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 2, "sign_in_per_login_hour": 3})
    assert [(await sign_in(town, "x")).status_code for _ in range(9)] == [401] * 2 + [429] * 7
    subject = town.keys.hashes.digest("sign-in-login", LOGIN)
    hits = await town.value("SELECT cardinality(hits) FROM binding.rate_limits WHERE subject = $1", subject)
    assert hits == 2


async def test_a_stranger_locks_no_parent_out_of_a_browser_that_was_signed_in_before(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 2})
    await changed(town)
    device = (await sign_in(town, NEW)).json()["device"]
    assert [(await sign_in(town, "x")).status_code for _ in range(3)] == [401, 401, 429]
    assert (await sign_in(town, NEW)).status_code == 429
    known = await town.call("POST", "/account/sessions", login=LOGIN, password=NEW, device=device)
    assert (known.status_code, known.json()["device"]) == (201, device)


async def test_a_known_browser_may_not_guess_for_ever_either(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 2})
    await changed(town)
    device = (await sign_in(town, NEW)).json()["device"]
    answers = [
        await town.call("POST", "/account/sessions", login=LOGIN, password=password, device=device)
        for password in ("x", "x", NEW)
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_a_browser_is_known_to_the_accounts_that_were_opened_in_it_only(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 2})
    await changed(town)
    device = (await sign_in(town, NEW)).json()["device"]
    for _ in range(2):
        assert (await sign_in(town, "x", "wu@example.org")).status_code == 401
    other = await town.call("POST", "/account/sessions", login="wu@example.org", password="x", device=device)
    assert other.status_code == 429


async def test_the_right_password_makes_earlier_slips_count_no_more(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 3})
    await changed(town)
    for _ in range(2):
        assert [(await sign_in(town, typed)).status_code for typed in ("x", "x", NEW)] == [401, 401, 201]


async def test_a_limit_answers_before_anything_is_compared(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 2, "first_password_tries": 3})
    await town.open_account()
    assert [(await sign_in(town, "000000")).status_code for _ in range(5)] == [401, 401, 429, 429, 429]
    assert await town.value("SELECT first_password_tries FROM binding.accounts") == 2


async def test_a_parent_whose_first_password_a_stranger_used_up_comes_in_by_code(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"first_password_tries": 2})
    await town.open_account()
    answers = [await sign_in(town, "000000"), await sign_in(town, "000000"), await sign_in(town)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}
    async with town.browser() as browser:
        page = await browser.get("/account/sign-in")
        assert 'href="/account/forgot"' in page.text
        sent = await browser.post("/account/forgot", data={"email": LOGIN})
        assert sent.headers["location"] == "/code"
        proven = await browser.post("/code", data={"code": await town.code_for(LOGIN)})
        assert proven.headers["location"] == "/account/password"
        page = await browser.get("/account/password")
        assert "目前的密碼" not in page.text
        done = await browser.post("/account/password", data={"password": NEW, "repeated": NEW})
        assert done.headers["location"] == "/account"
        assert "李小美" in (await browser.get("/account")).text
    assert (await sign_in(town, NEW)).status_code == 201


async def test_a_forgotten_password_of_nobody_is_answered_like_any_other(town: Town) -> None:
    await town.open_account()
    answers = []
    for email in ("wu@example.org", "lin2@example.org"):
        async with town.browser() as browser:
            answers.append(await browser.post("/account/forgot", data={"email": email}))
    assert len({(answer.status_code, answer.headers["location"], answer.content) for answer in answers}) == 1
    async with town.browser(await town.sign_in("wang@example.org")) as browser:
        page = await browser.get("/account/password")
        assert (page.status_code, "沒有家長帳號" in page.text) == (404, True)


async def test_a_password_is_one_however_a_keyboard_writes_it(town: Town) -> None:
    await town.open_account()
    token = (await sign_in(town)).json()["token"]
    await town.do("PUT", "/account/password", token, password="Ｃａｆｅ\u0301 １２３ ab，高雄")
    assert (await sign_in(town, "Caf\u00e9 123 ab,高雄")).status_code == 201


async def test_a_common_password_is_refused(town: Town) -> None:
    await town.open_account()
    token = (await sign_in(town)).json()["token"]
    for password in ("Basketball2026", "qwertyuiop123"):
        answer = await town.call("PUT", "/account/password", token, password=password)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "password_common"), password


async def test_a_hash_of_former_parameters_is_made_anew_at_a_sign_in(town: Town) -> None:
    await changed(town)
    former = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(NEW)
    await town.db.execute("UPDATE binding.accounts SET password_hash = $1", former)
    assert (await sign_in(town, "wrong")).status_code == 401
    assert await town.value("SELECT password_hash FROM binding.accounts") == former
    assert (await sign_in(town, NEW)).status_code == 201
    assert not HASHER.check_needs_rehash(await town.value("SELECT password_hash FROM binding.accounts"))
    assert (await sign_in(town, NEW)).status_code == 201


async def test_the_present_password_is_asked_a_few_times_only(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 2})
    token = await changed(town)
    answers = [
        await town.call("PUT", "/account/password", token, current="wrong", password="another long walk")
        for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 429]


async def test_password_managers_find_the_page_and_the_fields(town: Town) -> None:
    token = await changed(town)
    async with town.browser(token) as browser:
        found = await browser.get("/.well-known/change-password")
        assert (found.status_code, found.headers["location"]) == (303, "/account/password")
        page = (await browser.get("/account/password")).text
        for kind in ("username", "current-password", "new-password"):
            assert f'autocomplete="{kind}"' in page
        assert f'value="{LOGIN}"' in page


async def test_a_login_by_code_is_no_sign_in_to_the_account(town: Town) -> None:
    token = await town.open_account()
    assert (await town.call("GET", "/account/children", token)).json()["code"] == "not_signed_in"


async def test_a_code_to_the_accounts_email_sets_a_password_without_the_old_one(town: Town) -> None:
    by_email = await town.open_account()
    assert (await town.call("PUT", "/account/password", by_email, password=NEW)).status_code == 204
    signed_in = await town.call("POST", "/account/sessions", login="lin@example.org", password=NEW)
    assert signed_in.json()["next"] == "progress"


async def test_a_code_to_another_contact_sets_no_password(town: Town) -> None:
    await town.open_account()
    for contact in ("wang@example.org", "+886912345678"):
        other = await town.sign_in(contact)
        answer = await town.call("PUT", "/account/password", other, password=NEW)
        assert answer.json()["code"] == "no_account"
