"""What the owner of an account is told, and the link that says: this was not me."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.events import AccountActivityNoted, ActivityToTell
from support.serving import eventually
from support.town import CHEN, PARENT_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from support.databases import Clock
    from support.town import Town

LOGIN = "lin@example.org"
PASSWORD = "a long walk to school"
AGENT = {"user-agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"}


async def sign_in(town: Town, password: str = PASSWORD, device: str = "") -> httpx.Response:
    body = {"login": LOGIN, "password": password, "device": device}
    return await town.http.post("/account/sessions", json=body, headers=AGENT)


async def account(town: Town) -> str:
    """An account with a password; a session's token."""
    await town.open_account()
    token = str((await sign_in(town, PARENT_ID[-6:])).json()["token"])
    await town.do("PUT", "/account/password", token, password=PASSWORD)
    return token


async def told(town: Town) -> list[tuple[str, ActivityToTell]]:
    """Every notice, oldest first: its kind, and what is for notify."""
    return [
        (
            event.data.kind,
            town.keys.to_notify.unseal_model(ActivityToTell, event.data.for_notify, event.place("for_notify")),
        )
        for event in await town.events(AccountActivityNoted)
    ]


async def kinds(town: Town) -> list[str]:
    return [kind for kind, _ in await told(town)]


async def link_of(town: Town, kind: str, to: str = LOGIN) -> str:
    """The token in the newest notice of this kind to this address."""
    return next(one.not_me_token for which, one in reversed(await told(town)) if which == kind and one.email == to)


async def not_me(town: Town, link: str) -> httpx.Response:
    return await town.http.post("/account/not-me", json={"token": link})


async def change_email(town: Town, token: str, email: str) -> None:
    await town.do("POST", "/account/contacts/email", token, contact=email, current=PASSWORD)
    await town.do("POST", "/account/contacts/email/proof", token, code=await town.code_for(email))


async def change_phone(town: Town, token: str, phone: str, stored: str) -> None:
    await town.do("POST", "/account/contacts/phone", token, contact=phone, current=PASSWORD)
    await town.do("POST", "/account/contacts/phone/proof", token, code=await town.code_for(stored))


async def test_a_sign_in_on_a_new_device_is_told_and_on_a_known_one_not(town: Town) -> None:
    await account(town)
    before = len(await told(town))
    device = (await sign_in(town)).json()["device"]
    ((kind, notice),) = (await told(town))[before:]
    assert (kind, notice.email, notice.browser, notice.system) == ("new_device", LOGIN, "Chrome", "Android")
    await sign_in(town, device=device)
    assert len(await told(town)) == before + 1
    await sign_in(town, device="made up")
    assert len(await told(town)) == before + 2


async def test_a_device_is_known_for_the_set_days_after_its_last_use(town: Town, clock: Clock) -> None:
    await account(town)
    device = (await sign_in(town)).json()["device"]
    days = town.settings.device_days
    for shift, new in ((days - 1, 0), (2 * days - 2, 0), (3 * days, 1)):
        before = len(await told(town))
        await clock.shift(timedelta(days=shift))
        await sign_in(town, device=device)
        assert len(await told(town)) - before == new


async def test_a_device_token_that_a_stranger_may_know_becomes_another_at_the_sign_in(town: Town) -> None:
    await account(town)
    planted = (await sign_in(town, device="planted")).json()["device"]
    assert planted != "planted"
    before = len(await told(town))
    await sign_in(town, device="planted")
    assert len(await told(town)) == before + 1


async def test_a_changed_password_is_told_but_not_the_first_one_that_had_to_be_changed(town: Town) -> None:
    token = await account(town)
    assert await kinds(town) == ["new_device"]
    await town.do("PUT", "/account/password", token, current=PASSWORD, password="another long walk")
    assert await kinds(town) == ["new_device", "password_changed"]


async def test_a_first_password_that_is_used_up_is_told_once_to_its_owner(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"first_password_tries": 2})
    await town.open_account()
    for _ in range(4):
        await sign_in(town, "000000")
    assert [(kind, notice.email, notice.not_me_token) for kind, notice in await told(town)] == [
        ("first_password_stopped", LOGIN, "")
    ]


async def test_the_token_is_stored_as_a_hash_only(town: Town) -> None:
    await account(town)
    token = await link_of(town, "new_device")
    rows = await town.rows("SELECT notices::text AS text FROM binding.account_notices AS notices")
    assert token
    assert all(token not in row["text"] for row in rows)


async def test_opening_the_link_does_nothing(town: Town) -> None:
    token = await account(town)
    link = await link_of(town, "new_device")
    async with town.browser() as browser:
        for _ in range(2):
            page = await browser.get(f"/account/not-me?token={link}")
            assert (page.status_code, LOGIN in page.text) == (200, False)
            await browser.head(f"/account/not-me?token={link}")
    assert (await town.call("GET", "/account/children", token)).status_code == 200
    assert (await sign_in(town)).status_code == 201


async def test_not_me_ends_sessions_and_password_and_a_code_is_the_way_in(town: Town) -> None:
    token, by_code = await account(town), await town.sign_in(LOGIN)
    device = (await sign_in(town)).json()["device"]
    link = await link_of(town, "new_device")
    async with town.browser() as browser:
        done = await browser.post("/account/not-me", data={"token": link})
        assert (done.status_code, "/account/forgot" in done.text) == (200, True)
    for ended in (token, by_code):
        assert (await town.call("GET", "/bindings", ended)).status_code == 401
    for password in (PASSWORD, PARENT_ID[-6:]):
        assert (await sign_in(town, password)).status_code == 401
    assert (await told(town))[-1][0] == "secured"
    again = await town.sign_in(LOGIN)
    await town.do("PUT", "/account/password", again, password="another long walk")
    before = len(await told(town))
    assert (await sign_in(town, "another long walk", device)).status_code == 201
    assert len(await told(town)) == before + 1


async def test_an_account_that_was_made_safe_is_refused_in_the_words_of_any_other(town: Town) -> None:
    await account(town)
    assert (await not_me(town, await link_of(town, "new_device"))).status_code == 204
    unknown = await town.call("POST", "/account/sessions", login="wu@example.org", password=PASSWORD)
    assert (await sign_in(town)).content == unknown.content


async def test_the_link_works_once(town: Town) -> None:
    await account(town)
    link = await link_of(town, "new_device")
    assert (await not_me(town, link)).status_code == 204
    again = await not_me(town, link)
    assert (again.status_code, again.json()["code"]) == (404, "link_over")
    async with town.browser() as browser:
        page = await browser.get(f"/account/not-me?token={link}")
        assert (page.status_code, "/account/forgot" in page.text) == (404, True)
        assert (await browser.get("/account/not-me")).status_code == 404
    assert (await kinds(town)).count("secured") == 1


async def test_the_link_works_for_the_set_days(town: Town, clock: Clock) -> None:
    await account(town)
    link = await link_of(town, "new_device")
    await clock.shift(timedelta(days=town.settings.not_me_days, seconds=1))
    assert (await not_me(town, link)).status_code == 404


async def test_not_me_puts_the_former_email_back(town: Town) -> None:
    token = await account(town)
    await change_email(town, token, "thief@example.org")
    assert (await sign_in(town)).status_code == 401
    assert (await not_me(town, await link_of(town, "email_changed"))).status_code == 204
    assert await town.value("SELECT login FROM binding.accounts") == LOGIN
    assert {notice.email for kind, notice in await told(town) if kind == "secured"} == {LOGIN, "thief@example.org"}
    assert (await town.call("GET", "/account/children", token)).status_code == 401
    back = await town.sign_in(LOGIN)
    assert [view["student"] for view in await town.bindings(back)] == ["李小美"]
    assert await town.bindings(await town.sign_in("thief@example.org")) == []


async def test_whoever_changed_the_email_twice_cannot_have_the_first_change_back(town: Town) -> None:
    token = await account(town)
    await change_email(town, token, "thief@example.org")
    await change_email(town, token, "thief2@example.org")
    thiefs = [
        await link_of(town, "email_changed", "thief2@example.org"),
        await link_of(town, "email_changed", "thief@example.org"),
    ]
    assert (await not_me(town, await link_of(town, "email_changed"))).status_code == 204
    for link in thiefs:
        assert (await not_me(town, link)).status_code == 404
    assert await town.value("SELECT login FROM binding.accounts") == LOGIN


async def test_the_notice_of_the_sign_in_undoes_what_came_after_it(town: Town) -> None:
    await account(town)
    token = (await sign_in(town)).json()["token"]
    link = await link_of(town, "new_device")
    await change_email(town, token, "thief@example.org")
    await change_phone(town, token, "0922-333-444", "+886922333444")
    assert (await not_me(town, link)).status_code == 204
    (row,) = await town.rows("SELECT login, phone FROM binding.accounts")
    assert row == {"login": LOGIN, "phone": "+886912345678"}


async def test_an_email_that_can_come_back_is_given_to_nobody_else_meanwhile(town: Town, clock: Clock) -> None:
    token = await account(town)
    await change_email(town, token, "lin2@example.org")
    other = await town.sign_in(LOGIN)
    await town.fill(other, [CHEN], parent_id="F223456786")
    form = {"name": "王大明", "email": LOGIN, "phone": "0912345678"}
    refused = await town.call("PUT", "/draft/parent", other, **form)
    assert refused.json()["code"] == "email_taken"
    await clock.shift(timedelta(days=town.settings.not_me_days, seconds=1))
    free = await town.sign_in(LOGIN)
    assert (await town.call("PUT", "/draft/parent", free, **form)).status_code == 200


async def test_what_was_under_way_does_not_outrun_not_me(town: Town) -> None:
    token = await account(town)
    link = await link_of(town, "new_device")
    change = {"current": PASSWORD, "password": "a thief's own password"}

    async with town.db.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM binding.accounts FOR UPDATE")
        first = asyncio.create_task(not_me(town, link))
        await eventually(lambda: waiting_for_locks(town, 1))
        second = asyncio.create_task(town.call("PUT", "/account/password", token, **change))
        await eventually(lambda: waiting_for_locks(town, 2))
    assert [answer.status_code for answer in await asyncio.gather(first, second)] == [204, 401]
    assert (await sign_in(town, change["password"])).status_code == 401


async def waiting_for_locks(town: Town, requests: int) -> bool:
    return (
        int(
            await town.value(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )
        >= requests
    )
