"""The reader of a notice says that it is not theirs: the schools hear of it, and a code dies."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx
import pytest

from integration.binding.test_my_data import purged
from shared.events import AccountActivityNoted, ActivityToTell, CodeDisowned, CodeIssued, NoticeDisowned
from shared.not_mine import LIFE, NotMine, make_token
from support.serving import eventually
from support.town import CHEN, LI, OTHER_PARENT_ID, SIGNATURE, WANG, make_parent_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.not_mine import About
    from support.databases import Clock, Databases
    from support.town import Town

CONTACT = "lin@example.org"


def token_of(town: Town, about: About, subject: object, kind: str = "approved", at: datetime | None = None) -> str:
    """A link as notify seals it."""
    link = NotMine(kind=kind, about=about, subject=str(subject), at=at or datetime.now(UTC))
    return make_token(town.keys.to_notify, link)


async def press(town: Town, token: str) -> httpx.Response:
    """Press the button of the page."""
    async with town.browser() as browser:
        return await browser.post("/not-mine", data={"token": token})


async def told(town: Town) -> set[tuple[str, str, str]]:
    """Which bindings' schools were told: child, school, kind of the notice."""
    rows = await town.rows("SELECT id, student_id FROM binding.bindings")
    child = {str(row["id"]): row["student_id"] for row in rows}
    events = await town.events(NoticeDisowned)
    assert len({event.id for event in events}) == len(events)
    return {(child[event.subject], event.data.school_id, event.data.kind) for event in events}


async def binding_of(town: Town, child_id: str = LI.id) -> UUID:
    """The binding of a child."""
    return UUID(str(await town.value("SELECT id FROM binding.bindings WHERE student_id = $1", child_id)))


async def newest_code(town: Town) -> tuple[str, datetime]:
    """Attempt and end of the code that was issued last."""
    event = (await town.events(CodeIssued))[-1]
    return event.subject, event.data.expires_at


async def test_an_application_that_its_reader_disowns_is_told_to_the_school_of_each_child(town: Town) -> None:
    await town.apply(children=(LI, WANG))
    await town.apply("wu@example.org", (CHEN,), OTHER_PARENT_ID, phone="0922333444")
    application = await town.value("SELECT application_id FROM binding.bindings WHERE student_id = $1", LI.id)
    page = await press(town, token_of(town, "application", application, "application_received"))
    assert page.status_code == 200
    assert await told(town) == {
        (LI.id, "S-1", "application_received"),
        (WANG.id, "S-2", "application_received"),
    }


async def test_opening_the_link_does_nothing_and_says_what_the_button_does(town: Town) -> None:
    await town.apply()
    token = token_of(town, "binding", await binding_of(town))
    async with town.browser() as browser:
        for _ in range(2):
            page = await browser.get(f"/not-mine?token={token}")
            await browser.head(f"/not-mine?token={token}")
    assert page.status_code == 200
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.text.count("<h1>") == 1
    assert page.text.count('action="/not-mine"') == 1
    assert "孩子的學校會收到通知" in page.text
    for known in (LI.name, "林淑芬", CONTACT, "中正國小"):
        assert known not in page.text
    assert await told(town) == set()


async def test_a_binding_that_its_reader_disowns_is_told_alone(town: Town) -> None:
    await town.apply(children=(LI, WANG))
    await press(town, token_of(town, "binding", await binding_of(town, WANG.id), "refused"))
    assert await told(town) == {(WANG.id, "S-2", "refused")}


async def test_an_account_that_its_reader_disowns_is_told_for_each_child_that_waits_or_is_bound(town: Town) -> None:
    token = await town.open_account()
    await town.fill(token, (WANG,))
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    account = await town.value("SELECT id FROM binding.accounts")
    await press(town, token_of(town, "account", account, "account_opened"))
    assert await told(town) == {(LI.id, "S-1", "account_opened"), (WANG.id, "S-2", "account_opened")}


async def test_an_objection_that_its_reader_disowns_is_told_for_who_is_said_to_have_sent_it(town: Town) -> None:
    await town.open_account()
    await town.open_account("wu@example.org", OTHER_PARENT_ID, phone="0922333444")
    by, about = [row["id"] for row in await town.rows("SELECT id FROM binding.bindings ORDER BY submitted_at")]
    objection = uuid4()
    await town.db.execute(
        "INSERT INTO binding.objections (id, binding_id, objector_binding_id) VALUES ($1, $2, $3)", objection, about, by
    )
    await press(town, token_of(town, "objection", objection, "objection_closed"))
    assert [event.subject for event in await town.events(NoticeDisowned)] == [str(by)]


async def test_again_is_no_different(town: Town) -> None:
    await town.apply()
    token = token_of(town, "binding", await binding_of(town))
    pages = [(await press(town, token)).text for _ in range(2)]
    assert pages[0] == pages[1]
    events = await town.events(NoticeDisowned)
    assert len({(event.subject, event.data.kind, event.data.sent_at) for event in events}) == 1


async def test_who_holds_a_link_to_nothing_gets_the_same_answer(town: Town) -> None:
    await town.apply()
    known = await press(town, token_of(town, "binding", await binding_of(town)))
    for about in ("application", "binding", "account", "objection", "attempt"):
        answer = await press(town, token_of(town, about, uuid4()))  # type: ignore[arg-type] # all of them are
        assert (answer.status_code, answer.text) == (200, known.text)
    assert len(await told(town)) == 1


# --- codes ---


async def test_a_code_that_its_reader_disowns_is_dead_and_another_attempt_goes_on(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    code, (subject, ends) = await town.code_for(CONTACT), await newest_code(town)
    page = await press(town, token_of(town, "attempt", subject, "code", ends))
    assert "這組驗證碼已經失效" in page.text
    await eventually(lambda: is_dead(town, subject))
    answer = await town.call("POST", "/sessions", attempt=attempt, code=code)
    assert (answer.status_code, answer.json()["code"]) == (422, "code_dead")
    assert await told(town) == set()
    assert await town.sign_in(CONTACT)


async def is_dead(town: Town, attempt: str) -> bool:
    return bool(await town.value("SELECT tries = 5 FROM otp.attempts WHERE id = $1", UUID(attempt)))


async def test_a_code_that_was_replaced_by_one_to_another_contact_ends_nothing(town: Town) -> None:
    attempt = await town.ask_code("slip@example.org")
    subject, ends = await newest_code(town)
    await town.ask_code(CONTACT, attempt)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    await eventually(lambda: heard(town))
    code = await town.code_for(CONTACT)
    assert (await town.call("POST", "/sessions", attempt=attempt, code=code)).status_code == 201


async def heard(town: Town) -> bool:
    (event,) = await town.events(CodeDisowned)
    return bool(await town.value("SELECT true FROM otp.inbox WHERE event_id = $1", event.id))


async def test_who_came_in_by_a_disowned_code_is_out_and_the_schools_of_the_contact_hear_of_it(town: Town) -> None:
    mine = await town.apply()
    await town.apply("wu@example.org", (CHEN,), OTHER_PARENT_ID, phone="0922333444")
    stranger = await town.sign_in(CONTACT)
    subject, ends = await newest_code(town)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    assert (await town.call("GET", "/bindings", stranger)).status_code == 401
    assert (await town.call("GET", "/bindings", mine)).status_code == 200
    assert await told(town) == {(LI.id, "S-1", "code")}


async def test_who_came_in_by_a_code_at_a_process_of_the_version_before_is_out_too(town: Town) -> None:
    await town.apply()
    stranger = await town.sign_in(CONTACT)
    # As that version leaves them.
    await town.db.execute("DELETE FROM binding.sent_codes; UPDATE binding.sessions SET code_id = NULL")
    subject, ends = await newest_code(town)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    assert (await town.call("GET", "/bindings", stranger)).status_code == 401
    assert await told(town) == {(LI.id, "S-1", "code")}


async def test_what_a_disowned_session_was_just_sending_is_not_sent(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token, parent=make_parent_form(email=CONTACT))
    async with town.db.acquire() as connection:
        async with connection.transaction():
            await connection.execute("DELETE FROM binding.sessions")
            sending = asyncio.create_task(town.call("POST", "/applications", token, signature=SIGNATURE))
            await eventually(lambda: waits_for_somebody(town))
        answer = await sending
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert await town.value("SELECT count(*) FROM binding.applications") == 0


async def waits_for_somebody(town: Town) -> bool:
    """Whether a transaction waits for another one to end."""
    query = """
        SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE datname = current_database() AND locktype = 'transactionid' AND NOT granted)
    """
    return bool(await town.value(query))


async def test_a_disowned_code_lets_nobody_in_who_has_used_it_before(town: Town) -> None:
    """Repeated by another way than the one that keeps answers, and as long as otp has not heard of it."""
    attempt, key = await town.ask_code(CONTACT), str(uuid4())
    code, (subject, ends) = await town.code_for(CONTACT), await newest_code(town)
    body = {"attempt": attempt, "code": code}
    assert (await town.call("POST", "/sessions", key=key, **body)).status_code == 201
    async with town.browser() as browser:
        browser.cookies["kinbind-attempt"] = attempt
        form = {"code": code, "request_id": str(uuid4())}
        before = await otp_state(town, subject)
        await press(town, token_of(town, "attempt", subject, "code", ends))
        await eventually(lambda: is_dead(town, subject))
        elsewhere = await town.sign_in("other@example.org")
        for state in (await otp_state(town, subject), before):
            await set_otp_state(town, subject, state)
            again = await town.call("POST", "/sessions", elsewhere, key=key, **body)
            assert (again.status_code, again.json()["code"]) == (422, "code_dead")
            assert (await browser.post("/code", data=form)).status_code == 422
    assert await town.value("SELECT count(*) FROM binding.sessions") == 1


async def test_who_has_come_in_by_a_disowned_code_stays_in_neither_by_a_newer_one_nor_by_another_contact(
    town: Town, clock: Clock
) -> None:
    await town.open_account()
    attempt = await town.ask_code(CONTACT)
    code, (subject, ends) = await town.code_for(CONTACT), await newest_code(town)
    stranger = str((await town.do("POST", "/sessions", attempt=attempt, code=code))["token"])
    await clock.shift(timedelta(seconds=61))
    await town.ask_code(CONTACT, attempt)
    await town.do("PUT", "/account/password", stranger, password="a long walk to school")
    change = {"contact": "new@example.org", "current": "a long walk to school"}
    await town.do("POST", "/account/contacts/email", stranger, **change)
    await town.do("POST", "/account/contacts/email/proof", stranger, code=await town.code_for("new@example.org"))
    assert (await town.call("GET", "/bindings", stranger)).status_code == 200
    await press(town, token_of(town, "attempt", subject, "code", ends))
    assert (await town.call("GET", "/bindings", stranger)).status_code == 401


async def test_who_mistyped_the_contact_first_stays_in_when_the_others_reader_says_so(town: Town) -> None:
    attempt = await town.ask_code("slip@example.org")
    subject, ends = await newest_code(town)
    await town.ask_code(CONTACT, attempt)
    mine = await town.do("POST", "/sessions", attempt=attempt, code=await town.code_for(CONTACT))
    await press(town, token_of(town, "attempt", subject, "code", ends))
    assert (await town.call("GET", "/bindings", mine["token"])).status_code == 200


async def test_a_code_is_disowned_as_long_as_its_link_works_whatever_has_become_of_it(
    town: Town, clock: Clock, databases: Databases
) -> None:
    await town.apply()
    subject, ends = await newest_code(town)
    await clock.shift(LIFE - timedelta(minutes=1))
    await purged(databases, town)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    assert await told(town) == {(LI.id, "S-1", "code")}
    await clock.shift(LIFE + timedelta(hours=2))
    assert (await purged(databases, town)).counts["sent_codes"] == 1


async def test_a_code_that_is_disowned_before_it_was_noted_is_dead_all_the_same(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    code, (subject, ends) = await town.code_for(CONTACT), await newest_code(town)
    await town.db.execute("DELETE FROM binding.sent_codes")
    before = await otp_state(town, subject)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    await eventually(lambda: is_dead(town, subject))
    await set_otp_state(town, subject, before)
    answer = await town.call("POST", "/sessions", attempt=attempt, code=code)
    assert (answer.status_code, answer.json()["code"]) == (422, "code_dead")


async def otp_state(town: Town, attempt: str) -> tuple[int, UUID | None]:
    row = (await town.rows("SELECT tries, redeemed_by FROM otp.attempts WHERE id = $1", UUID(attempt)))[0]
    return row["tries"], row["redeemed_by"]


async def set_otp_state(town: Town, attempt: str, state: tuple[int, UUID | None]) -> None:
    """As it was before otp heard of what was said."""
    await town.db.execute("UPDATE otp.attempts SET tries = $2, redeemed_by = $3 WHERE id = $1", UUID(attempt), *state)


async def test_a_code_that_was_to_prove_an_accounts_new_contact_is_dead_too(town: Town) -> None:
    token = await town.open_account()
    await town.do("PUT", "/account/password", token, password="a long walk to school")
    change = {"contact": "new@example.org", "current": "a long walk to school"}
    await town.do("POST", "/account/contacts/email", token, **change)
    code, (subject, ends) = await town.code_for("new@example.org"), await newest_code(town)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    await eventually(lambda: is_dead(town, subject))
    answer = await town.call("POST", "/account/contacts/email/proof", token, code=code)
    assert answer.json()["code"] == "code_dead"


async def test_a_disowned_code_changes_no_contact_under_the_key_with_which_it_was_typed_before(town: Town) -> None:
    token = await town.open_account()
    await town.do("PUT", "/account/password", token, password="a long walk to school")
    change = {"contact": "new@example.org", "current": "a long walk to school"}
    await town.do("POST", "/account/contacts/email", token, **change)
    code, (subject, ends) = await town.code_for("new@example.org"), await newest_code(town)
    before = await otp_state(town, subject)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    await eventually(lambda: is_dead(town, subject))
    await set_otp_state(town, subject, before)
    answer = await town.call("POST", "/account/contacts/email/proof", token, code=code)
    assert (answer.status_code, answer.json()["code"]) == (422, "code_dead")
    assert (await town.do("GET", "/account/contacts", token))["email"] == CONTACT


async def test_of_a_contact_that_a_disowned_code_has_proven_the_schools_hear(town: Town) -> None:
    token = await town.open_account()
    await town.do("PUT", "/account/password", token, password="a long walk to school")
    change = {"contact": "new@example.org", "current": "a long walk to school"}
    await town.do("POST", "/account/contacts/email", token, **change)
    code, (subject, ends) = await town.code_for("new@example.org"), await newest_code(town)
    await town.do("POST", "/account/contacts/email/proof", token, code=code)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    assert await told(town) == {(LI.id, "S-1", "code")}


# --- the e-mail of an application that is filled in ---


async def test_an_email_that_a_disowned_code_has_proven_is_to_be_proven_anew(town: Town, clock: Clock) -> None:
    token, code, subject, ends = await with_email_to_prove(town)
    proven = await town.do("POST", "/draft/email-proof", token, code=code)
    assert proven["parent"]["email_proven"] is True
    # Another code to it changes nothing of that.
    await clock.shift(timedelta(seconds=61))
    await town.do("POST", "/draft/email-code", token)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    draft = await town.do("GET", "/draft", token)
    assert (draft["parent"]["email_proven"], draft["missing"]) == (False, "email_proof")
    refused = await town.call("POST", "/applications", token, signature=SIGNATURE)
    assert (refused.status_code, refused.json()["step"]) == (409, "email_proof")
    await town.do("POST", "/draft/email-code", token)
    await town.do("POST", "/draft/email-proof", token, code=await town.code_for("typed@example.org"))
    await town.do("POST", "/applications", token, signature=SIGNATURE)


async def test_a_disowned_code_proves_no_email_before_otp_has_heard_of_it(town: Town) -> None:
    token, code, subject, ends = await with_email_to_prove(town)
    before = await otp_state(town, subject)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    await eventually(lambda: is_dead(town, subject))
    for state in (await otp_state(town, subject), before):
        await set_otp_state(town, subject, state)
        answer = await town.call("POST", "/draft/email-proof", token, code=code)
        assert (answer.status_code, answer.json()["code"]) == (422, "code_dead")
    assert (await town.do("GET", "/draft", token))["missing"] == "email_proof"


async def test_of_an_application_whose_email_a_disowned_code_has_proven_the_schools_hear(town: Town) -> None:
    token, code, subject, ends = await with_email_to_prove(town)
    await town.do("POST", "/draft/email-proof", token, code=code)
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    await press(town, token_of(town, "attempt", subject, "code", ends))
    assert await told(town) == {(LI.id, "S-1", "code")}


async def test_sending_and_disowning_at_once_leave_no_application_of_which_nobody_hears(town: Town) -> None:
    token, code, subject, ends = await with_email_to_prove(town)
    await town.do("POST", "/draft/email-proof", token, code=code)
    sent, _ = await asyncio.gather(
        town.call("POST", "/applications", token, signature=SIGNATURE),
        press(town, token_of(town, "attempt", subject, "code", ends)),
    )
    assert (sent.status_code, await told(town)) in ((409, set()), (201, {(LI.id, "S-1", "code")}))


async def with_email_to_prove(town: Town) -> tuple[str, str, str, datetime]:
    """A whole draft whose e-mail is another one than the login's: token, the code, its attempt and end."""
    token = await town.sign_in(CONTACT)
    await town.fill(token, parent=make_parent_form(email="typed@example.org"))
    await town.do("POST", "/draft/email-code", token)
    return token, await town.code_for("typed@example.org"), *await newest_code(town)


# --- the older link of an account's notices ---


async def test_this_was_not_me_tells_the_schools_too(town: Town) -> None:
    token = await town.open_account()
    await town.do("PUT", "/account/password", token, password="a long walk to school")
    body = {"login": CONTACT, "password": "a long walk to school"}
    await town.do("POST", "/account/sessions", **body)
    event = (await town.events(AccountActivityNoted))[-1]
    notice = town.keys.to_notify.unseal_model(ActivityToTell, event.data.for_notify, event.place("for_notify"))
    async with town.browser() as browser:
        page = await browser.get(f"/account/not-me?token={notice.not_me_token}")
        assert "孩子的學校會收到通知" in page.text
        await browser.post("/account/not-me", data={"token": notice.not_me_token})
    assert await told(town) == {(LI.id, "S-1", "new_device")}


# --- what is refused ---


@pytest.mark.parametrize("token", ["", "k1.AAAA", "sample." + "A" * 200, "碼", "\0"])
async def test_a_link_that_is_not_ours_is_over(town: Town, token: str) -> None:
    async with town.browser() as browser:
        page = await browser.get("/not-mine", params={"token": token})
    sent = await press(town, token)
    answer = await town.http.post("/not-mine", json={"token": token})
    assert (page.status_code, sent.status_code) == (404, 404)
    assert "這個連結已經過期了" in page.text
    assert (answer.status_code, answer.json()["code"]) == (404, "link_over")


async def test_a_link_works_for_its_life(town: Town, clock: Clock) -> None:
    await town.apply()
    token = token_of(town, "binding", await binding_of(town))
    await clock.shift(LIFE - timedelta(minutes=1))
    assert (await press(town, token)).status_code == 200
    await clock.shift(LIFE + timedelta(minutes=1))
    assert (await press(town, token)).status_code == 404
    assert len(await town.events(NoticeDisowned)) == 1


async def test_a_form_of_another_site_is_refused(town: Town) -> None:
    await town.apply()
    token = token_of(town, "binding", await binding_of(town))
    async with httpx.AsyncClient(base_url=town.url, headers={"sec-fetch-site": "cross-site"}) as elsewhere:
        assert (await elsewhere.post("/not-mine", data={"token": token})).status_code == 403
    assert await told(town) == set()


async def test_one_address_says_so_a_set_number_of_times_an_hour(
    open_town: Callable[..., Awaitable[Town]], clock: Clock
) -> None:
    town = await open_town(binding={"not_mine_per_address_hour": 2})
    token = token_of(town, "binding", uuid4())
    assert [(await press(town, token)).status_code for _ in range(3)] == [200, 200, 429]
    answer = await town.http.post("/not-mine", json={"token": token})
    assert (answer.status_code, answer.json()["code"]) == (429, "limited")
    assert int(answer.headers["retry-after"]) > 3000
    await clock.shift(timedelta(hours=1))
    assert (await press(town, token)).status_code == 200


# --- as JSON ---


async def test_the_api_reads_a_link_and_does_what_the_button_does(town: Town) -> None:
    await town.apply()
    sent = datetime.now(UTC)
    token = token_of(town, "binding", await binding_of(town), "refused", sent)
    answer = await town.http.post("/not-mine/notice", json={"token": token})
    body = answer.json()
    assert (answer.status_code, body["kind"], datetime.fromisoformat(body["sent_at"])) == (200, "refused", sent)
    assert set(body) == {"kind", "sent_at"}
    assert await told(town) == set()
    for _ in range(2):
        assert (await town.http.post("/not-mine", json={"token": token})).status_code == 204
    assert await told(town) == {(LI.id, "S-1", "refused")}


async def test_no_link_and_no_contact_is_in_an_event_for_the_school(town: Town) -> None:
    await town.apply()
    token = token_of(town, "binding", await binding_of(town))
    await press(town, token)
    (event,) = await town.events(NoticeDisowned)
    assert set(event.data.model_dump()) == {"kind", "sent_at", "school_id"}
