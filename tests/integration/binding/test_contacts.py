"""Correcting the e-mail and the phone of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.events import (
    AccountActivityNoted,
    ActivityToTell,
    Addressee,
    BindingApproved,
    BindingSubmitted,
    BindingToReview,
    CodeIssued,
    CodeToSend,
)
from support.town import CHEN, PARENT_ID, SIGNATURE, WANG

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.town import Town

LOGIN, NEW_LOGIN = "lin@example.org", "shufen@example.org"
MOBILE = "+886922333444"
PASSWORD = "a long walk to school"


async def sign_in(town: Town, login: str = LOGIN, password: str = PASSWORD) -> str:
    return str((await town.do("POST", "/account/sessions", login=login, password=password))["token"])


async def account(town: Town) -> str:
    """An account with a password; a session's token."""
    await town.open_account()
    token = await sign_in(town, password=PARENT_ID[-6:])
    await town.do("PUT", "/account/password", token, password=PASSWORD)
    return token


async def begin(town: Town, token: str, field: str, contact: str, current: str = PASSWORD) -> tuple[int, str]:
    """Ask for a change; the status, and the code of what is wrong or nothing."""
    answer = await town.call("POST", f"/account/contacts/{field}", token, contact=contact, current=current)
    wrong = answer.json().get("errors") or [{"code": answer.json().get("code", "")}]
    return answer.status_code, wrong[0]["code"]


async def prove(town: Town, token: str, field: str, contact: str) -> None:
    await town.do("POST", f"/account/contacts/{field}/proof", token, code=await town.code_for(contact))


async def change_email(town: Town, token: str, email: str = NEW_LOGIN) -> None:
    assert await begin(town, token, "email", email) == (201, "")
    await prove(town, token, "email", email)


async def told(town: Town) -> list[tuple[str, str]]:
    """Every notice: its kind, and where it goes."""
    found = []
    for event in await town.events(AccountActivityNoted):
        who = town.keys.to_notify.unseal_model(ActivityToTell, event.data.for_notify, event.place("for_notify"))
        found.append((event.data.kind, who.email))
    return found


async def test_an_email_counts_when_its_code_has_come_back(town: Town) -> None:
    token = await account(town)
    assert await begin(town, token, "email", NEW_LOGIN) == (201, "")
    assert (await town.do("GET", "/account/contacts", token))["email"] == LOGIN
    await sign_in(town)
    await prove(town, token, "email", NEW_LOGIN)
    assert await town.do("GET", "/account/contacts", token) == {"email": NEW_LOGIN, "phone": "+886912345678"}
    assert (await town.call("POST", "/account/sessions", login=LOGIN, password=PASSWORD)).status_code == 401
    await sign_in(town, NEW_LOGIN)


async def test_a_changed_email_is_told_to_the_old_and_the_new_address(town: Town) -> None:
    token = await account(town)
    before = len(await told(town))
    await change_email(town, token)
    assert (await told(town))[before:] == [("email_changed", LOGIN), ("email_changed", NEW_LOGIN)]


async def test_a_changed_email_ends_every_other_session_and_what_the_old_one_reached(town: Town) -> None:
    token = await account(town)
    other, by_old_code = await sign_in(town), await town.sign_in(LOGIN)
    await change_email(town, token)
    for ended in (other, by_old_code):
        assert (await town.call("GET", "/bindings", ended)).status_code == 401
    assert [view["student"] for view in await town.bindings(token)] == ["李小美"]
    assert await town.bindings(await town.sign_in(LOGIN)) == []
    assert [view["student"] for view in await town.bindings(await town.sign_in(NEW_LOGIN))] == ["李小美"]


async def test_the_password_is_asked_again(town: Town) -> None:
    token = await account(town)
    assert await begin(town, token, "email", NEW_LOGIN, "") == (422, "required")
    assert await begin(town, token, "email", NEW_LOGIN, "wrong") == (422, "wrong_password")
    assert await begin(town, token, "phone", "02-2345-6789", "wrong") == (422, "wrong_password")
    assert [event.data.channel for event in await town.events(CodeIssued)] == ["email"]


async def test_the_password_is_not_asked_for_ever(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"sign_in_per_browser_hour": 2})
    token = await account(town)
    assert [(await begin(town, token, "email", NEW_LOGIN, "wrong"))[0] for _ in range(3)] == [422, 422, 429]


@pytest.mark.parametrize(
    ("field", "contact", "code"),
    [
        ("email", "", "required"),
        ("email", "lin@", "bad_email"),
        ("email", f" {LOGIN.upper()}", "same_contact"),
        ("phone", "12", "bad_phone"),
        ("phone", "0912 345 678", "same_contact"),
    ],
)
async def test_what_cannot_be_a_new_contact_is_said_at_its_field(
    town: Town, field: str, contact: str, code: str
) -> None:
    token = await account(town)
    assert await begin(town, token, field, contact) == (422, code)


async def test_a_login_by_code_or_with_the_first_password_corrects_nothing(town: Town) -> None:
    by_code = await town.open_account()
    first = await sign_in(town, password=PARENT_ID[-6:])
    assert (await begin(town, by_code, "email", NEW_LOGIN))[1] == "not_signed_in"
    assert (await begin(town, first, "email", NEW_LOGIN))[1] == "password_change_due"


async def test_an_email_of_somebody_else_is_answered_like_any_other_and_its_owner_is_told(town: Town) -> None:
    await town.open_account("wang@example.org", parent_id="F223456786", name="王大明")
    await town.apply("chen@example.org", [CHEN], parent_id="H100000008", name="陳大華")
    token = await account_beside(town)
    answers = []
    for email in ("wang@example.org", "chen@example.org", "nobody@example.org"):
        answer = await town.call("POST", "/account/contacts/email", token, contact=email, current=PASSWORD)
        guess = await town.call("POST", "/account/contacts/email/proof", token, code="000000")
        answers.append((answer.status_code, {**answer.json(), "expires_at": ""}, guess.status_code, guess.json()))
    assert answers[0] == answers[1] == answers[2]
    assert ("email_claimed", "wang@example.org") in await told(town)
    assert await codes_to(town, "wang@example.org", "chen@example.org", "nobody@example.org") == [1, 1, 1]
    assert (await town.do("GET", "/account/contacts", token))["email"] == LOGIN


async def account_beside(town: Town) -> str:
    """An account of a child that no other parent of these tests has named; a session's token."""
    by_code = await town.apply(LOGIN, [WANG])
    await town.decided((await town.bindings(by_code))[0]["id"])
    token = await sign_in(town, password=PARENT_ID[-6:])
    await town.do("PUT", "/account/password", token, password=PASSWORD)
    return token


async def codes_to(town: Town, *contacts: str) -> list[int]:
    """How many codes went to each of these contacts."""
    keys = town.otp_settings.sealing_keys("KEY_OTP_NOTIFY", town.otp_settings.key_otp_notify)
    sent = [
        keys.unseal_model(CodeToSend, event.data.for_notify, event.place("for_notify")).contact
        for event in await town.events(CodeIssued)
    ]
    return [sent.count(contact) for contact in contacts]


async def test_an_email_that_was_taken_meanwhile_is_refused_after_its_proof(town: Town) -> None:
    token = await account(town)
    assert await begin(town, token, "email", NEW_LOGIN) == (201, "")
    code = await town.code_for(NEW_LOGIN)
    await town.db.execute(
        """
        INSERT INTO binding.accounts (id, person_hash, national_id_sealed, login, name, phone, language,
                                      first_password_until, opened_at, opened_by)
        SELECT gen_random_uuid(), 'x', 'x', $1, '', '', 'zh-TW', now(), now(), gen_random_uuid()
        """,
        NEW_LOGIN,
    )
    answer = await town.call("POST", "/account/contacts/email/proof", token, code=code)
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert (await town.do("GET", "/account/contacts", token))["email"] == LOGIN


async def test_a_code_is_good_for_the_contact_that_it_went_to(town: Town) -> None:
    token = await account(town)
    await begin(town, token, "email", NEW_LOGIN)
    code = await town.code_for(NEW_LOGIN)
    await begin(town, token, "email", "another@example.org")
    answer = await town.call("POST", "/account/contacts/email/proof", token, code=code)
    assert answer.json()["code"] == "code_rejected"


async def test_a_mobile_is_proven_by_a_code_and_reaches_the_applications(town: Town) -> None:
    token = await account(town)
    assert await begin(town, token, "phone", "0922-333-444") == (201, "")
    assert (await town.do("GET", "/account/contacts", token))["phone"] == "+886912345678"
    await prove(town, token, "phone", MOBILE)
    assert (await town.do("GET", "/account/contacts", token))["phone"] == MOBILE
    assert (await told(town))[-1] == ("phone_changed", LOGIN)
    assert [view["student"] for view in await town.bindings(await town.sign_in(MOBILE))] == ["李小美"]
    assert await town.bindings(await town.sign_in("+886912345678")) == []


async def test_a_landline_counts_at_once_and_unproven(town: Town) -> None:
    token = await account(town)
    answer = await town.do("POST", "/account/contacts/phone", token, contact="02-2345-6789#12", current=PASSWORD)
    assert answer["proven"] is True
    assert (await town.do("GET", "/account/contacts", token))["phone"] == "+886223456789;ext=12"
    proven = await town.value(
        "SELECT proven FROM binding.application_contacts WHERE contact_hash = $1",
        town.keys.hashes.digest("contact", "+886223456789;ext=12"),
    )
    assert proven is False
    assert (await told(town))[-1] == ("phone_changed", LOGIN)


async def test_who_decides_learns_the_new_contact_and_notices_go_there(town: Town) -> None:
    token = await account(town)
    await town.fill(token, [CHEN])
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    (pending,) = (view for view in await town.bindings(token) if view["state"] == "pending")
    await change_email(town, token)
    newest = (await town.events(BindingSubmitted))[-1]
    shown = town.keys.to_review.unseal_model(BindingToReview, newest.data.for_review, newest.place("for_review"))
    assert (newest.subject, newest.data.version, shown.email) == (pending["id"], 2, NEW_LOGIN)
    await town.decided(pending["id"])
    approved = (await town.events(BindingApproved))[-1]
    who = town.keys.to_notify.unseal_model(Addressee, approved.data.for_notify, approved.place("for_notify"))
    assert who.email == NEW_LOGIN


async def test_what_was_filled_in_so_far_goes_along(town: Town) -> None:
    token = await account(town)
    await town.fill_students(token, CHEN)
    await change_email(town, token)
    draft = await town.do("GET", "/draft", token)
    assert [student["name"] for student in draft["students"]] == ["陳子瑜"]


async def test_on_the_pages_a_contact_is_corrected_and_nothing_typed_is_lost(town: Town) -> None:
    token = await account(town)
    async with town.browser(token) as browser:
        assert LOGIN in (await browser.get("/account/contacts")).text
        refused = await browser.post("/account/contacts/email", data={"email": NEW_LOGIN, "current": "wrong"})
        assert (refused.status_code, f'value="{NEW_LOGIN}"' in refused.text) == (422, True)
        sent = await browser.post("/account/contacts/email", data={"email": NEW_LOGIN, "current": PASSWORD})
        assert sent.headers["location"] == "/account/contacts/email/code"
        wrong = await browser.post("/account/contacts/email/code", data={"code": "000000"})
        assert (wrong.status_code, "還可以再試 4 次" in wrong.text) == (422, True)
        again = await browser.post("/account/contacts/email/code", data={"action": "again"})
        assert again.status_code == 429
        done = await browser.post("/account/contacts/email/code", data={"code": await town.code_for(NEW_LOGIN)})
        assert done.headers["location"] == "/account/contacts?changed=1"
        assert NEW_LOGIN in (await browser.get("/account/contacts")).text
        late = await browser.get("/account/contacts/email/code")
        assert late.headers["location"] == "/account/contacts"
