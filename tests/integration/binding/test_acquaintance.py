from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from binding_service.app import make_app as make_binding
from binding_service.logins import acquaintance
from binding_service.logins.domain import Browser
from support import accounts
from support.accounts import FATHER, MOTHER, PASSWORD
from support.town import CHEN, LI, OTHER_PARENT_ID, SIGNATURE, make_parent_form, make_student_form, national_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from binding_service.context import Binding
    from support.databases import Clock
    from support.town import Town

PHONE = "+886912345678"
OTHER = "other@example.org"


@pytest.fixture
async def town(open_town: Callable[..., Awaitable[Town]]) -> Town:
    """A town in which a contact gets three codes an hour, and no code is waited for."""
    return await open_town(otp={"contact_per_hour": 3, "contact_per_day": 50, "resend_seconds": 0})


async def ask(town: Town, contact: str, token: str | None = None, device: str = "") -> httpx.Response:
    """Ask for a code, as a front end does that has a session or knows its device."""
    channel = "email" if "@" in contact else "sms"
    return await town.call("POST", "/codes", token, channel=channel, contact=contact, device=device)


async def use_up(town: Town, contact: str) -> None:
    """What a stranger does: ask until nothing more comes."""
    for _ in range(3):
        if (await ask(town, contact)).status_code == 429:
            return
    assert (await ask(town, contact)).status_code == 429


async def known_device(town: Town, email: str = MOTHER) -> str:
    """What a sign-in by password gives the browser."""
    signed_in = await town.do("POST", "/account/sessions", login=email, password=PASSWORD)
    await town.do("DELETE", "/sessions/current", signed_in["token"])
    return str(signed_in["device"])


async def test_a_stranger_uses_up_the_codes_and_the_owner_signs_in_by_code_all_the_same(town: Town) -> None:
    await accounts.mother(town)
    device = await known_device(town)
    await use_up(town, MOTHER)
    answer = await ask(town, MOTHER, device=device)
    assert answer.status_code == 201, answer.text
    code = await town.code_for(MOTHER)
    assert (await town.call("POST", "/sessions", attempt=answer.json()["attempt"], code=code)).status_code == 201


async def test_a_session_whose_key_was_taken_out_shows_nothing_and_its_owner_gets_a_code(town: Town) -> None:
    await accounts.mother(town)
    signed_in = await town.do("POST", "/account/sessions", login=MOTHER, password=PASSWORD)
    assert await town.value(
        "UPDATE binding.sessions SET contact_sealed = 'gone.' || split_part(contact_sealed, '.', 2) RETURNING true"
    )
    assert (await ask(town, OTHER, signed_in["token"])).status_code == 201


async def test_the_pages_know_the_browser_by_its_cookie(town: Town) -> None:
    await accounts.mother(town)
    async with town.browser() as browser, town.browser() as stranger:
        await browser.post("/account/sign-in", data={"login": MOTHER, "password": PASSWORD})
        await browser.post("/sign-out")
        await use_up(town, MOTHER)
        for path, form in (("/account/forgot", {}), ("/", {"channel": "email"})):
            assert (await browser.post(path, data={"email": MOTHER} | form)).headers.get("location") == "/code"
            assert (await stranger.post(path, data={"email": MOTHER} | form)).status_code == 429
        assert (await browser.post("/code", data={"action": "again"})).headers.get("location") == "/code"


async def test_a_strangers_own_device_and_login_and_application_open_nothing(town: Town) -> None:
    await accounts.mother(town)
    theirs = await accounts.father(town, CHEN)
    device = await known_device(town, FATHER)
    await use_up(town, MOTHER)
    for token, shown in ((theirs, ""), (None, device), (theirs, device), ("made up", "made up")):
        assert (await ask(town, MOTHER, token, shown)).status_code == 429
    assert (await ask(town, FATHER, theirs, device)).status_code == 201


async def test_what_is_told_to_a_stranger_is_the_same_for_a_contact_that_nobody_has(town: Town) -> None:
    await accounts.mother(town)
    await accounts.father(town, CHEN)
    device = await known_device(town, FATHER)
    for shown in ("", device):
        for contact in (MOTHER, "nobody@example.org"):
            await use_up(town, contact)
        known, unknown = await ask(town, MOTHER, device=shown), await ask(town, "nobody@example.org", device=shown)
        assert (known.status_code, known.json()["code"]) == (429, "limited")
        assert known.json()["detail"].split() == unknown.json()["detail"].split()
        assert known.json().keys() == unknown.json().keys()


@pytest.mark.parametrize(("shows_their_own", "most"), [(False, 0), (True, 5)])
async def test_as_much_is_looked_up_for_a_stranger_whosever_the_contact_is(
    town: Town, *, shows_their_own: bool, most: int
) -> None:
    await accounts.mother(town)
    theirs = await accounts.father(town, CHEN)
    device = await known_device(town, FATHER)
    browser = Browser("192.0.2.1", token=theirs, device=device) if shows_their_own else Browser("192.0.2.1")
    binding: Binding = make_binding(town.settings.model_copy(update={"database_pool_size": 1})).state.binding
    statements: list[str] = []
    asked: list[list[str]] = []
    await binding.database.open()
    async with binding.database.connection() as connection:
        connection.add_query_logger(lambda record: statements.append(record.query))
    for contact in (MOTHER, PHONE, "nobody@example.org"):
        assert not await acquaintance.is_known(binding, contact, browser)
        asked.append([query for query in statements if "pg_catalog" not in query])
        statements.clear()
    await binding.database.close()
    assert asked[0] == asked[1] == asked[2]
    assert (len(asked[0]) > 2, len(asked[0]) <= most) == (shows_their_own, True)


async def test_a_device_is_known_by_a_phone_only_that_was_proven(town: Town) -> None:
    """Else who wrote down somebody's phone as their own could use up the codes that are kept for its owner."""
    await accounts.mother(town)
    device = await known_device(town)
    await use_up(town, PHONE)
    assert (await ask(town, PHONE, device=device)).status_code == 429


async def test_a_device_that_time_or_its_owner_forgot_opens_nothing(town: Town, clock: Clock) -> None:
    await accounts.mother(town)
    device = await known_device(town)
    await clock.shift(timedelta(days=181))
    await use_up(town, MOTHER)
    assert (await ask(town, MOTHER, device=device)).status_code == 429
    again = await known_device(town)
    assert (await ask(town, MOTHER, device=again)).status_code == 201
    await town.db.execute("DELETE FROM binding.account_devices")
    assert (await ask(town, MOTHER, device=again)).status_code == 429


async def test_a_login_by_code_is_known_after_time_has_ended_it_but_not_after_signing_out(
    town: Town, clock: Clock
) -> None:
    token = await town.sign_in(MOTHER)
    await clock.shift(timedelta(hours=13))
    assert (await town.call("GET", "/draft", token)).status_code == 401
    await use_up(town, MOTHER)
    assert (await ask(town, MOTHER, token)).status_code == 201
    another = await town.sign_in(FATHER)
    await town.do("DELETE", "/sessions/current", another)
    await use_up(town, FATHER)
    assert (await ask(town, FATHER, another)).status_code == 429


async def test_a_login_by_phone_is_known_by_the_e_mail_that_was_proven_with_it(town: Town) -> None:
    by_phone = await town.sign_in(PHONE)
    await town.fill(by_phone, [LI], parent=make_parent_form(email=MOTHER))
    await prove_email(town, by_phone)
    await town.do("POST", "/applications", by_phone, signature=SIGNATURE)
    await use_up(town, MOTHER)
    assert (await ask(town, MOTHER, by_phone)).status_code == 201
    await town.do("POST", "/draft/students", by_phone, **make_student_form(CHEN))
    await town.do("PUT", "/draft/parent/id", by_phone, national_id=national_id(501))
    await town.do("PUT", "/draft/parent", by_phone, **make_parent_form(email=MOTHER))
    await prove_email(town, by_phone)


async def test_a_draft_that_only_names_the_e_mail_is_no_acquaintance(town: Town) -> None:
    await accounts.mother(town)
    stranger = await town.sign_in("+886987654321")
    await town.fill(stranger, [CHEN], OTHER_PARENT_ID, make_parent_form(email=MOTHER))
    await use_up(town, MOTHER)
    answer = await town.call("POST", "/draft/email-code", stranger)
    assert (answer.status_code, answer.json()["code"]) == (429, "limited")


async def prove_email(town: Town, token: str) -> None:
    """Prove the e-mail of the draft by a code."""
    await town.do("POST", "/draft/email-code", token)
    await town.do("POST", "/draft/email-proof", token, code=await town.code_for(MOTHER))
