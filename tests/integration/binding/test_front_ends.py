"""Front ends of other origins: sessions as cookies, and what a browser lets them do."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from binding_service.drafts import use_cases as drafts
from support.town import PARENT_ID, TLS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.town import Town

FRONT, STRANGER = "https://front.example", "https://stranger.example"
CONTACT, PASSWORD = "lin@example.org", "a long walk to school"
READABLE = {"retry-after", "etag", "link", "location", "deprecation", "sunset", "x-correlation-id"}


@pytest.fixture
async def town(open_town: Callable[..., Awaitable[Town]]) -> Town:
    return await open_town(binding={"allowed_origins": [FRONT], "match_per_login_hour": 1})


@asynccontextmanager
async def front_end(town: Town, origin: str = FRONT, site: str = "same-site") -> AsyncIterator[httpx.AsyncClient]:
    """A script in a browser, on a page of that origin: cookies come and go with what it sends."""
    async with httpx.AsyncClient(
        base_url=f"{town.url}/api/v1", verify=TLS, headers={"origin": origin, "sec-fetch-site": site}
    ) as client:
        yield client


async def log_in(town: Town, client: httpx.AsyncClient, contact: str = CONTACT) -> httpx.Response:
    attempt = await town.ask_code(contact)
    body = {"attempt": attempt, "code": await town.code_for(contact), "cookie": True}
    return await client.post("/sessions", json=body)


def may_read(answer: httpx.Response, origin: str = FRONT) -> bool:
    """Whether a browser hands the answer to the script."""
    headers = answer.headers
    assert "origin" in headers["vary"].lower()
    return (
        headers.get("access-control-allow-origin") == origin
        and headers["access-control-allow-credentials"] == "true"
        and {each.strip().lower() for each in headers["access-control-expose-headers"].split(",")} >= READABLE
    )


# --- cookies ---


async def test_a_session_is_a_cookie_where_that_was_asked_for_and_no_script_sees_the_token(town: Town) -> None:
    async with front_end(town) as client:
        answer = await log_in(town, client)
        assert (answer.status_code, answer.json()["token"]) == (201, "")
        cookie = answer.headers["set-cookie"].lower()
        assert all(part in cookie for part in ("kinbind-session=", "httponly", "samesite=lax", "path=/"))
        current = await client.get("/sessions/current")
        assert may_read(current)
        assert current.json() | {"expires_at": ""} == {
            "contact_masked": "li***@example.org",
            "proven_by": "email",
            "expires_at": "",
            "has_account": False,
            "password_change_due": False,
        }
        assert (await client.delete("/draft")).status_code == 204
        assert (await client.delete("/sessions/current")).status_code == 204
        assert (await client.get("/sessions/current")).json()["code"] == "not_signed_in"


async def test_without_the_wish_no_cookie_is_set(town: Town) -> None:
    attempt = await town.ask_code(CONTACT)
    answer = await town.call("POST", "/sessions", attempt=attempt, code=await town.code_for(CONTACT))
    assert answer.json()["token"]
    assert "set-cookie" not in answer.headers


async def test_in_production_the_cookie_is_this_hosts_and_goes_by_tls_only(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(town.settings, "environment", "production")
    async with front_end(town) as client:
        cookie = (await log_in(town, client)).headers["set-cookie"]
    assert cookie.startswith("__Host-kinbind-session=")
    assert "secure" in cookie.lower()


async def test_a_sign_in_by_password_sets_session_and_device_as_cookies(town: Town) -> None:
    by_code = await town.open_account()
    await town.do("PUT", "/account/password", by_code, password=PASSWORD)
    async with front_end(town) as client:
        body = {"login": CONTACT, "password": PASSWORD, "cookie": True}
        answer = await client.post("/account/sessions", json=body)
        assert (answer.status_code, answer.json()["token"], answer.json()["device"]) == (201, "", "")
        assert {cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")} == {
            "kinbind-session",
            "kinbind-device",
        }
        current = (await client.get("/sessions/current")).json()
        assert (current["proven_by"], current["has_account"]) == ("password", True)
        # The device is known by its cookie now: nobody is told of a new one.
        device = client.cookies["kinbind-device"]
        again = await client.post("/account/sessions", json=body)
        assert again.status_code == 201
        assert client.cookies["kinbind-device"] == device


async def test_a_first_password_is_changed_with_the_cookie_which_gets_another_token(town: Town) -> None:
    await town.open_account()
    async with front_end(town) as client:
        body = {"login": CONTACT, "password": PARENT_ID[-6:], "cookie": True}
        assert (await client.post("/account/sessions", json=body)).json()["next"] == "password"
        before = client.cookies["kinbind-session"]
        assert (await client.get("/sessions/current")).json()["password_change_due"] is True
        due = await client.get("/bindings")
        assert (due.status_code, due.json()["code"], may_read(due)) == (403, "password_change_due", True)
        assert (await client.put("/account/password", json={"password": PASSWORD})).status_code == 204
        assert client.cookies["kinbind-session"] != before
        assert (await client.get("/bindings")).status_code == 200


async def test_a_site_that_is_not_on_the_list_can_neither_act_nor_read(town: Town) -> None:
    async with front_end(town) as client:
        await log_in(town, client)
        for site in ("cross-site", "same-site"):
            other = {"origin": STRANGER, "sec-fetch-site": site}
            acted = await client.delete("/draft", headers=other)
            assert (acted.status_code, acted.json()["code"]) == (403, "other_origin")
            read = await client.get("/bindings", headers=other)
            assert "access-control-allow-origin" not in {**acted.headers, **read.headers}
            signed_in = await client.post("/sessions", json={}, headers=other)
            assert signed_in.status_code == 403


async def test_without_a_list_nobody_else_can(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town()
    async with front_end(town) as client:
        assert (await log_in(town, client)).json()["code"] == "other_origin"
        assert "access-control-allow-origin" not in (await client.get("/statement")).headers
        headers = {"origin": town.url, "sec-fetch-site": "same-origin"}
        attempt = await town.ask_code(CONTACT)
        body = {"attempt": attempt, "code": await town.code_for(CONTACT), "cookie": True}
        assert (await client.post("/sessions", json=body, headers=headers)).status_code == 201


async def test_a_bearer_token_needs_no_list_and_no_cookie(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    async with front_end(town, STRANGER, "cross-site") as client:
        headers = {"authorization": f"Bearer {token}"}
        assert (await client.delete("/draft", headers=headers)).status_code == 204


# --- preflight ---


async def preflight(town: Town, method: str, headers: str, origin: str = FRONT) -> httpx.Response:
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    async with httpx.AsyncClient(base_url=f"{town.url}/api/v1", verify=TLS) as client:
        return await client.options("/draft", headers=asked)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_front_end_may_use_every_method_and_header_of_the_api(town: Town, method: str) -> None:
    wanted = "authorization,content-type,accept-language,idempotency-key,if-none-match,last-event-id"
    answer = await preflight(town, method, wanted)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, FRONT)
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert method in answer.headers["access-control-allow-methods"]


async def test_a_stranger_and_a_header_of_no_use_are_refused_beforehand(town: Town) -> None:
    refused = await preflight(town, "GET", "authorization", STRANGER)
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)
    assert (await preflight(town, "GET", "x-anything")).status_code == 400


async def test_the_pages_are_nobody_elses(town: Town) -> None:
    async with httpx.AsyncClient(base_url=town.url, verify=TLS, headers={"origin": FRONT}) as client:
        assert "access-control-allow-origin" not in (await client.get("/")).headers


# --- what a front end can read: every problem ---


async def _unexpected(*_: object) -> None:
    msg = "a fault of ours"
    raise RuntimeError(msg)


async def test_a_problem_can_be_read_wherever_it_was_made(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_end(town) as client:
        answers = {
            401: await client.get("/draft"),
            404: await client.get("/nowhere"),
            405: await client.put("/codes"),
            422: await client.post("/codes", json={"channel": "pigeon"}),
            413: await client.post("/codes", content=b"x" * 300_000, headers={"content-type": "application/json"}),
        }
        await log_in(town, client)
        child = {"relation": "mother", "level": "elementary", "national_id": PARENT_ID, "school_id": "S-1"}
        await client.post("/draft/students", json=child)
        answers[429] = await client.post("/draft/students", json=child)
        monkeypatch.setattr(drafts, "schools", _unexpected)
        answers[500] = await client.get("/schools")
        await town.db.execute("ALTER TABLE binding.drafts RENAME TO elsewhere")
        answers[503] = await client.get("/draft")
    for status, answer in answers.items():
        assert (answer.status_code, may_read(answer)) == (status, True), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == f"urn:kinbind:problem:{answer.json()['code']}"
        assert ("retry-after" in answer.headers) == (status in {429, 503})


async def test_a_method_that_an_address_does_not_know_is_refused_with_those_that_it_does(town: Town) -> None:
    for path, known in (("/draft", "DELETE, GET"), ("/codes", "POST"), ("/bindings", "DELETE, GET")):
        answer = await town.call("PATCH", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, known)


async def test_progress_is_read_as_it_happens_with_the_cookie_from_elsewhere(town: Town) -> None:
    async with front_end(town) as client:
        await log_in(town, client)
        async with client.stream("GET", "/bindings/events", headers={"last-event-id": "5f0c2a9be1d47768"}) as answer:
            assert may_read(answer)
            lines = [line async for line in _until_state(answer)]
    assert lines[0] == "retry: 5000"
    assert lines[-2].startswith("id: ")


async def _until_state(answer: httpx.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        if line:
            yield line
        if line.startswith("data: "):
            return


# --- languages ---


async def test_a_front_end_says_its_language_itself_whatever_the_pages_remember(town: Town) -> None:
    async with front_end(town) as client:
        client.cookies.set("kinbind-language", "vi")
        told = [
            (await client.get("/statement", headers={"accept-language": language})).json()["language"]
            for language in ("en", "id", "zh-TW")
        ]
    assert told == ["en", "id", "zh-TW"]
