"""The reader of a notice says that it is not theirs: the schools hear of it, and a code dies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx
import pytest

from shared.events import AccountActivityNoted, ActivityToTell, CodeDisowned, CodeIssued, NoticeDisowned
from shared.not_mine import LIFE, NotMine, make_token
from support.serving import eventually
from support.town import CHEN, LI, OTHER_PARENT_ID, SIGNATURE, WANG

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.not_mine import About
    from support.databases import Clock
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
