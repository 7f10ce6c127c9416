from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx

from support.town import PARENT_ID, TLS

if TYPE_CHECKING:
    from support.databases import Clock
    from support.town import Town

LOGIN = "lin@example.org"
PASSWORD = "a long walk to school"
PHONE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
TABLET = "Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1"


async def sign_in(town: Town, agent: str = PHONE, password: str = PASSWORD) -> str:
    """Sign in to the account with this user agent; the token."""
    answer = await town.http.post(
        "/account/sessions", json={"login": LOGIN, "password": password}, headers={"user-agent": agent}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def account(town: Town) -> str:
    """An account with a password; a session's token, on a phone. No other session is left."""
    by_code = await town.open_account()
    await town.do("DELETE", "/sessions/current", by_code)
    token = await sign_in(town, password=PARENT_ID[-6:])
    await town.do("PUT", "/account/password", token, password=PASSWORD)
    return token


async def is_live(town: Town, token: str) -> bool:
    return (await town.call("GET", "/account/children", token)).status_code == 200


async def test_sessions_are_listed_this_one_first(town: Town) -> None:
    token = await account(town)
    await sign_in(town, TABLET)
    places = await town.do("GET", "/account/sessions", token)
    assert [(place["browser"], place["system"], place["is_this"]) for place in places] == [
        ("Chrome", "Android", True),
        ("Safari", "iPad", False),
    ]


async def test_a_login_by_code_to_the_accounts_email_is_among_them(town: Town) -> None:
    token = await account(town)
    by_code = await town.sign_in(LOGIN)
    await town.sign_in("wang@example.org")
    places = await town.do("GET", "/account/sessions", token)
    assert [place["by_code"] for place in places] == [False, True]
    await town.do("DELETE", f"/account/sessions/{places[1]['id']}", token)
    assert (await town.call("GET", "/bindings", by_code)).status_code == 401


async def test_one_place_is_signed_out(town: Town) -> None:
    token = await account(town)
    tablet, other = await sign_in(town, TABLET), await sign_in(town)
    places = await town.do("GET", "/account/sessions", token)
    (of_tablet,) = (place for place in places if place["system"] == "iPad")
    await town.do("DELETE", f"/account/sessions/{of_tablet['id']}", token)
    assert [await is_live(town, one) for one in (token, tablet, other)] == [True, False, True]
    again = await town.call("DELETE", f"/account/sessions/{of_tablet['id']}", token)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")


async def test_all_other_places_are_signed_out(town: Town) -> None:
    token = await account(town)
    others = [await sign_in(town, TABLET), await sign_in(town)]
    await town.do("DELETE", "/account/sessions", token)
    assert [await is_live(town, one) for one in (token, *others)] == [True, False, False]


async def test_nobody_ends_a_session_of_another_account(town: Town) -> None:
    token = await account(town)
    stranger = await town.sign_in("wang@example.org")
    their_id = await town.value(
        "SELECT id FROM binding.sessions WHERE contact_hash = $1",
        town.keys.hashes.digest("contact", "wang@example.org"),
    )
    assert (await town.call("DELETE", f"/account/sessions/{their_id}", token)).status_code == 404
    await town.do("DELETE", "/account/sessions", token)
    assert (await town.call("GET", "/draft", stranger)).status_code == 200


async def test_a_login_by_code_sees_no_sessions_before_it_has_set_a_password(town: Town) -> None:
    by_code = await town.open_account()
    assert (await town.call("GET", "/account/sessions", by_code)).json()["code"] == "not_signed_in"


async def test_on_the_page_a_place_is_signed_out_by_a_button(town: Town) -> None:
    token = await account(town)
    tablet = await sign_in(town, TABLET)
    async with town.browser(token) as browser:
        page = (await browser.get("/account/security")).text
        assert page.index("Chrome，Android") < page.index("Safari，iPad")
        of_tablet = await town.value("SELECT id FROM binding.sessions WHERE system = 'iPad'")
        assert (await browser.post(f"/account/sessions/{of_tablet}/end")).status_code == 303
        assert not await is_live(town, tablet)
        await sign_in(town, TABLET)
        assert (await browser.post("/account/sessions/end-others")).status_code == 303
        assert "Safari，iPad" not in (await browser.get("/account/security")).text


async def test_a_session_that_is_not_used_ends_before_its_hours(town: Town, clock: Clock) -> None:
    token = await account(town)
    await clock.shift(timedelta(minutes=town.settings.session_idle_minutes, seconds=-1))
    assert await is_live(town, token)
    await clock.shift(timedelta(minutes=2 * town.settings.session_idle_minutes - 1))
    assert await is_live(town, token)
    await clock.shift(timedelta(minutes=3 * town.settings.session_idle_minutes))
    assert not await is_live(town, token)


async def test_a_session_that_is_used_all_the_time_ends_after_its_hours(town: Town, clock: Clock) -> None:
    token = await account(town)
    for hours in range(1, town.settings.session_hours):
        await clock.shift(timedelta(hours=hours))
        assert await is_live(town, token)
    await clock.shift(timedelta(hours=town.settings.session_hours, seconds=1))
    assert not await is_live(town, token)


async def test_use_is_written_down_now_and_then_only(town: Town, clock: Clock) -> None:
    token = await account(town)

    async def written() -> str:
        await is_live(town, token)
        return str(await town.value("SELECT xmin FROM binding.sessions"))

    first = await written()
    await clock.shift(timedelta(minutes=4))
    assert await written() == first
    await clock.shift(timedelta(minutes=6))
    assert await written() != first


async def test_a_browser_that_signs_in_again_has_one_session_and_another_token(town: Town) -> None:
    by_code = await account(town)
    async with town.browser(by_code) as browser:
        await browser.post("/account/sign-in", data={"login": LOGIN, "password": PASSWORD})
        assert [*browser.cookies.jar][-1].value != by_code
    assert not await is_live(town, by_code)
    assert await town.value("SELECT count(*) FROM binding.sessions") == 1


async def test_a_changed_password_gives_the_session_another_token(town: Town) -> None:
    token = await account(town)
    async with town.browser(token) as browser:
        typed = {"current": PASSWORD, "password": "another long walk", "repeated": "another long walk"}
        done = await browser.post("/account/password", data=typed)
        assert done.headers["location"] == "/account/security?changed=1"
        assert (await browser.get("/account/security")).status_code == 200
        renewed = str([*browser.cookies.jar][-1].value)
    assert [await is_live(town, one) for one in (token, renewed)] == [False, True]


async def test_a_bearer_token_goes_on_after_a_changed_password(town: Town) -> None:
    token = await account(town)
    await town.do("PUT", "/account/password", token, current=PASSWORD, password="another long walk")
    assert await is_live(town, token)


async def test_the_device_cookie_stays_when_the_session_ends(town: Town) -> None:
    await account(town)
    async with httpx.AsyncClient(base_url=town.url, verify=TLS, headers={"sec-fetch-site": "same-origin"}) as browser:
        answer = await browser.post("/account/sign-in", data={"login": LOGIN, "password": PASSWORD})
        (cookie,) = (line for line in answer.headers.get_list("set-cookie") if line.startswith("kinbind-device="))
        assert "HttpOnly" in cookie
        assert f"Max-Age={town.settings.device_days * 24 * 3600}" in cookie
        await browser.post("/sign-out")
        assert "kinbind-device" in browser.cookies
        assert "kinbind-session" not in browser.cookies
