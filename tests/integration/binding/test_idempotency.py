from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from binding_service import idempotency
from binding_service.accounts import api as accounts_api
from binding_service.accounts import storage as account_storage
from binding_service.drafts import api as drafts_api
from binding_service.logins import storage as login_storage
from integration.binding.test_my_data import purged
from shared.events import CodeIssued
from support.town import CHEN, LI, PARENT_ID, WANG, make_parent_form, make_student_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx
    import pytest

    from support.databases import Clock, Databases
    from support.town import Town

CONTACT = "lin@example.org"
PASSWORD = "a long walk to school"


async def add(town: Town, token: str, key: str, **changes: str) -> httpx.Response:
    """Add a child under a key; repeated without one it would be refused as known."""
    return await town.call("POST", "/draft/students", token, key=key, **make_student_form(**changes))


def said(answer: httpx.Response) -> tuple[int, bytes, str]:
    return answer.status_code, answer.content, answer.headers["content-type"]


async def rows(town: Town) -> list[dict[str, Any]]:
    return await town.rows("SELECT * FROM binding.idempotent_requests")


async def test_a_repeated_request_gets_the_first_answer_again(town: Town) -> None:
    token, key = await town.sign_in(CONTACT), str(uuid4())
    first = await add(town, token, key)
    assert first.status_code == 201
    # What has happened since does not change it.
    await town.do("DELETE", f"/draft/students/{LI.id}", token)
    assert said(await add(town, token, key)) == said(first)
    assert (await town.do("GET", "/draft", token))["students"] == []


async def test_the_same_key_with_another_body_is_refused(town: Town) -> None:
    token, key = await town.sign_in(CONTACT), str(uuid4())
    await add(town, token, key)
    other = await add(town, token, key, relation="father")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_refusal_frees_its_key_for_what_was_corrected(town: Town) -> None:
    token, key = await town.sign_in(CONTACT), str(uuid4())
    assert (await add(town, token, key, school_id=WANG.school_id)).json()["code"] == "no_match"
    assert (await add(town, token, key)).status_code == 201


async def test_a_key_is_its_sessions_and_its_paths_own(town: Town) -> None:
    key = str(uuid4())
    mother, father = await town.sign_in(CONTACT), await town.sign_in("wu@example.org")
    assert (await add(town, mother, key)).status_code == 201
    assert (await add(town, father, key, relation="father")).status_code == 201
    sent = await town.call("POST", "/applications", mother, key=key, signature={"typed": "林淑芬"})
    assert sent.json()["code"] == "step_missing"


async def test_of_many_at_once_one_works_and_all_get_its_answer(town: Town) -> None:
    token, key = await town.sign_in(CONTACT), str(uuid4())
    answers = await asyncio.gather(*(add(town, token, key) for _ in range(12)))
    assert {said(answer) for answer in answers} == {said(answers[0])}
    assert answers[0].status_code == 201


async def test_who_comes_while_the_first_takes_long_is_told_when_to_ask_again(
    town: Town, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(idempotency, "PAUSES", (0.01,))
    token, key = await town.sign_in(CONTACT), str(uuid4())
    await add(town, token, key)
    await town.db.execute("UPDATE binding.idempotent_requests SET answer_sealed = NULL")
    waiting = await add(town, token, key)
    assert (waiting.status_code, waiting.json()["code"]) == (409, "request_in_progress")
    assert waiting.headers["retry-after"] == "1"
    # A process that has died answers nobody: after a minute the request is done anew.
    await town.do("DELETE", f"/draft/students/{LI.id}", token)
    await clock.shift(timedelta(seconds=61))
    assert (await add(town, token, key)).status_code == 201


async def test_a_code_is_not_sent_twice_and_the_attempt_is_the_same(town: Town) -> None:
    key = str(uuid4())
    asked = [await town.call("POST", "/codes", key=key, channel="email", contact=CONTACT) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [201, 201]
    assert asked[0].json() == asked[1].json()
    assert len(await town.events(CodeIssued)) == 1


async def test_a_sign_in_whose_answer_was_lost_is_the_same_session(town: Town) -> None:
    by_code = await town.open_account(CONTACT)
    await town.do("PUT", "/account/password", by_code, password=PASSWORD)
    key = str(uuid4())
    tried = [await town.call("POST", "/account/sessions", key=key, login=CONTACT, password=PASSWORD) for _ in range(2)]
    assert tried[0].status_code == 201
    assert tried[0].json() == tried[1].json()
    assert (await town.call("GET", "/bindings", tried[0].json()["token"])).status_code == 200


async def test_a_cookie_is_set_again_with_the_answer(town: Town) -> None:
    attempt, key = await town.ask_code(CONTACT), str(uuid4())
    body = {"attempt": attempt, "code": await town.code_for(CONTACT), "cookie": True}
    cookies = []
    for _ in range(2):
        async with town.browser() as browser:
            answer = await browser.post("/api/v1/sessions", json=body, headers={"idempotency-key": key})
            assert (answer.status_code, answer.json()["token"]) == (201, "")
            cookies.append(answer.headers["set-cookie"])
    assert cookies[0] == cookies[1]
    assert cookies[0].startswith("kinbind-session=")


async def test_nothing_stands_there_in_the_clear(town: Town) -> None:
    attempt = (await town.do("POST", "/codes", channel="email", contact=CONTACT))["attempt"]
    answer = await town.call("POST", "/sessions", key="k", attempt=attempt, code=await town.code_for(CONTACT))
    await add(town, answer.json()["token"], "k")
    kept = str(await rows(town))
    assert len(await rows(town)) == 2
    for secret in (answer.json()["token"], attempt, LI.name, LI.national_id, "session", "127.0.0.1"):
        assert secret not in kept


async def test_a_session_that_has_ended_gets_no_answer_of_its_own_again(town: Town) -> None:
    token, key = await town.sign_in(CONTACT), str(uuid4())
    await add(town, token, key)
    await town.do("DELETE", "/sessions/current", token)
    assert (await add(town, token, key)).status_code == 401


async def test_after_a_day_an_answer_is_forgotten(town: Town, databases: Databases, clock: Clock) -> None:
    key = str(uuid4())
    await town.call("POST", "/codes", key=key, channel="email", contact=CONTACT)
    await clock.shift(timedelta(hours=23))
    assert "idempotent_requests" not in (await purged(databases, town)).counts
    await clock.shift(timedelta(hours=25))
    again = await town.call("POST", "/codes", key=key, channel="email", contact="other@example.org")
    assert again.status_code == 201
    await clock.shift(timedelta(hours=50))
    assert (await purged(databases, town)).counts["idempotent_requests"] == 1
    assert await rows(town) == []


async def test_what_was_exported_is_not_kept_under_a_key(town: Town) -> None:
    by_code = await town.open_account(CONTACT)
    await town.do("PUT", "/account/password", by_code, password=PASSWORD)
    answer = await town.call("POST", "/account/data", by_code, key="k", password=PASSWORD)
    assert (answer.status_code, answer.json()["account"]["national_id"]) == (200, PARENT_ID)
    assert await rows(town) == []


async def test_a_request_that_is_begun_again_is_one(town: Town) -> None:
    """The wish is granted once, whichever way it is asked for."""
    token = await town.apply(CONTACT, [LI, CHEN])
    binding = (await town.bindings(token))[0]
    await town.decided(binding["id"], "refuse", "另一位監護人已申請")
    path, key = f"/bindings/{binding['id']}/again", str(uuid4())
    assert [(await town.call("POST", path, token, key=key)).status_code for _ in range(2)] == [204, 204]
    looks = "SELECT cardinality(hits) FROM binding.rate_limits WHERE rule = 'match-login'"
    assert await town.value(f"{looks} ORDER BY cardinality(hits) LIMIT 1") == 3


# --- a fault when the wish was granted already, or half ---


async def fails_once(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, ask: Callable[[], Awaitable[httpx.Response]]
) -> None:
    """Ask while the database is away at that place: 503."""

    async def away(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(place, name, away)
        assert (await ask()).status_code == 503


async def test_a_child_that_was_added_before_a_fault_is_not_refused_under_the_same_key(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, key = await town.sign_in(CONTACT), str(uuid4())
    await fails_once(monkeypatch, drafts_api, "_draft_state", lambda: add(town, token, key))
    again = await add(town, token, key)
    assert (again.status_code, [child["id"] for child in again.json()["students"]]) == (201, [LI.id])
    other_wish = await add(town, token, str(uuid4()))
    assert other_wish.json()["errors"][0]["code"] == "already_in_draft"


async def test_a_code_that_was_sent_before_a_fault_works_in_the_attempt_that_the_repetition_tells(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> httpx.Response:
        return await town.call("POST", "/codes", key=key, channel="email", contact=CONTACT)

    for place in ("save_attempt", "attempt"):
        key = str(uuid4())
        before = len(await town.events(CodeIssued))
        await fails_once(monkeypatch, login_storage, place, ask)
        again = await ask()
        assert again.status_code == 201
        assert len(await town.events(CodeIssued)) == before + 1
        code = await town.code_for(CONTACT)
        entered = await town.call("POST", "/sessions", attempt=again.json()["attempt"], code=code)
        assert entered.status_code == 201


async def test_after_a_fault_a_key_is_free_for_another_body_and_that_is_another_attempt(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a session, a key is the client's address's, which is many people's."""

    async def ask(contact: str) -> httpx.Response:
        return await town.call("POST", "/codes", key="1", channel="email", contact=contact)

    await fails_once(monkeypatch, login_storage, "attempt", lambda: ask(CONTACT))
    assert (await ask("wu@example.org")).status_code == 201
    assert await town.value("SELECT count(*) FROM binding.login_attempts") == 2


async def test_another_code_that_was_sent_before_a_fault_is_not_sent_twice(
    town: Town, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    attempt, key = await town.ask_code(CONTACT), str(uuid4())
    await clock.shift(timedelta(seconds=61))

    async def ask() -> httpx.Response:
        return await town.call("POST", "/codes", key=key, channel="email", contact=CONTACT, attempt=attempt)

    await fails_once(monkeypatch, login_storage, "save_attempt", ask)
    assert (await ask()).json()["attempt"] == attempt
    assert len(await town.events(CodeIssued)) == 2


async def test_a_code_to_a_drafts_email_that_was_sent_before_a_fault_is_not_sent_twice(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, key = await town.sign_in(CONTACT), str(uuid4())
    await town.fill(token, parent=make_parent_form(email="typed@example.org"))
    sent = len(await town.events(CodeIssued))

    async def ask() -> httpx.Response:
        return await town.call("POST", "/draft/email-code", token, key=key)

    await fails_once(monkeypatch, drafts_api, "_draft_state", ask)
    assert (await ask()).status_code == 202
    assert len(await town.events(CodeIssued)) == sent + 1
    proof = str(uuid4())
    code = await town.code_for("typed@example.org")

    async def prove() -> httpx.Response:
        return await town.call("POST", "/draft/email-proof", token, key=proof, code=code)

    await fails_once(monkeypatch, drafts_api, "_draft_state", prove)
    assert (await prove()).json()["parent"]["email_proven"] is True


async def test_a_code_to_an_accounts_new_contact_that_was_sent_before_a_fault_is_not_sent_twice(
    town: Town, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    token = await town.open_account(CONTACT)
    await town.do("PUT", "/account/password", token, password=PASSWORD)
    sent = len(await town.events(CodeIssued))
    for path, body in (("", {"contact": "new@example.org", "current": PASSWORD}), ("/codes", {})):
        key = str(uuid4())

        async def ask(path: str = path, body: dict[str, str] = body, key: str = key) -> httpx.Response:
            return await town.call("POST", f"/account/contacts/email{path}", token, key=key, **body)

        await fails_once(monkeypatch, account_storage, "contact_change" if not path else "save_contact_change", ask)
        assert (await ask()).status_code == 201
        sent += 1
        assert len(await town.events(CodeIssued)) == sent
        await clock.shift(timedelta(seconds=61))
    code = await town.code_for("new@example.org")
    proof = str(uuid4())

    async def prove() -> httpx.Response:
        return await town.call("POST", "/account/contacts/email/proof", token, key=proof, code=code)

    await fails_once(monkeypatch, accounts_api, "renew_session", prove)
    assert (await prove()).status_code == 204
    assert (await town.do("GET", "/account/contacts", token))["email"] == "new@example.org"
    assert (await town.call("POST", "/account/contacts/email/proof", token, code=code)).status_code == 409


# --- what takes no key, as docs/api.md tells it ---


async def test_what_is_gone_is_not_found_again(town: Town) -> None:
    token = await town.apply(CONTACT)
    path = f"/bindings/{(await town.bindings(token))[0]['id']}"
    assert [(await town.call("DELETE", path, token)).status_code for _ in range(2)] == [204, 404]
    for path in ("/bindings", "/draft", f"/draft/students/{LI.id}"):
        answers = [(await town.call("DELETE", path, token)).status_code for _ in range(2)]
        assert answers[0] == answers[1]
    assert [(await town.call("DELETE", "/sessions/current", token)).status_code for _ in range(2)] == [204, 401]


async def test_a_password_that_was_changed_is_not_changed_again(town: Town) -> None:
    await town.open_account(CONTACT)
    by_cookie = {"login": CONTACT, "password": PARENT_ID[-6:], "cookie": True}
    async with town.browser() as browser:
        await browser.post("/api/v1/account/sessions", json=by_cookie)
        lost = dict(browser.cookies)
        changed = await browser.put("/api/v1/account/password", json={"password": PASSWORD})
        again = await browser.put("/api/v1/account/password", json={"password": PASSWORD})
        assert (changed.status_code, again.json()["errors"][0]["field"]) == (204, "current")
        browser.cookies.update(lost)
        assert (await browser.put("/api/v1/account/password", json={"password": PASSWORD})).status_code == 401
