from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from binding_service import idempotency
from integration.binding.test_my_data import purged
from shared.events import CodeIssued
from support.town import CHEN, LI, PARENT_ID, WANG, make_student_form

if TYPE_CHECKING:
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
