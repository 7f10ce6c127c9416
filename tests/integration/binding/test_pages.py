from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from support.town import CHEN, LI, PARENT_ID, SIGNATURE, make_answers, make_parent_form

if TYPE_CHECKING:
    import httpx
    import pytest

    from support.town import Town

CONTACT = "lin@example.org"
GUARDED = (
    "/students",
    "/students/new",
    "/students/new/relation",
    "/students/new/level",
    "/students/new/id",
    "/students/new/school",
    "/students/P-1/relation",
    "/consent",
    "/parent",
    "/parent/id",
    "/parent/email-code",
    "/check",
    "/progress",
    "/bindings/clear",
    f"/bindings/{uuid4()}/withdraw",
    f"/applications/{uuid4()}/form.pdf",
    "/leave",
    "/code",
)
STEPS = ("relation", "level", "id", "school")


async def every_page(town: Town) -> dict[str, httpx.Response]:
    """Each page that a parent can see, by its path."""
    token = await town.sign_in("+886912345678")
    await town.fill(token, parent=make_parent_form(email="typed@example.org"))
    await town.do("POST", "/draft/email-code", token)
    seen = {}
    async with town.browser(token) as browser:
        for path in ("/students", "/students/P-1/relation", "/consent", "/leave", "/parent", "/parent/id"):
            seen[path] = await browser.get(path)
        seen["/parent/email-code"] = await browser.get("/parent/email-code")
        for step, answer in zip(STEPS, make_answers(CHEN), strict=True):
            seen[step] = await browser.get(f"/students/new/{step}")
            if step != "school":
                await browser.post(f"/students/new/{step}", data=answer)
        await town.do("POST", "/draft/email-proof", token, code=await town.code_for("typed@example.org"))
        seen["/check"] = await browser.get("/check")
        await town.do("POST", "/applications", token, signature=SIGNATURE)
        binding_id = (await town.bindings(token))[0]["id"]
        for path in ("/progress", "/bindings/clear", f"/bindings/{binding_id}/withdraw"):
            seen[path] = await browser.get(path)
        await town.decided(binding_id)
        seen["goodbye"] = await browser.post("/sign-out")
    async with town.browser() as browser:
        await browser.post("/", data={"channel": "email", "email": "wu@example.org"})
        for path in ("/", "/code", "/account/sign-in", "/verify", "/no-such-page"):
            seen[path] = await browser.get(path)
        await browser.post("/account/sign-in", data={"login": "typed@example.org", "password": PARENT_ID[-6:]})
        seen["/account/password"] = await browser.get("/account/password")
        new = "a long walk to school"
        await browser.post("/account/password", data={"password": new, "repeated": new})
        seen["/account"] = await browser.get("/account")
    return seen


async def test_no_page_breaks_its_own_policy_or_leads_to_another_site(town: Town) -> None:
    pages = await every_page(town)
    assert len(pages) == 23
    for path, page in pages.items():
        assert page.status_code == (404 if path == "/no-such-page" else 200), path
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        html = page.text
        assert not re.findall(r"<script(?![^>]*\bsrc=)", html), path
        assert not re.findall(r"<style|\sstyle=|\son\w+=|javascript:", html), path
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', html):
            parts = urlsplit(address)
            assert (parts.scheme, parts.netloc) == ("", ""), (path, address)


async def test_a_page_without_a_session_leads_to_the_start(town: Town) -> None:
    async with town.browser() as browser:
        for path in GUARDED:
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), path
        for path in ("/account", "/account/password"):
            assert (await browser.get(path)).headers["location"] == "/account/sign-in"
        assert "登入已逾時" in (await browser.get("/?expired=1")).text


async def test_a_form_that_is_refused_shows_what_was_typed_and_a_message_at_its_field(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    forms = [
        ("/students/new/relation", {"relation": "", "relation_text": "繼母"}, "relation"),
        ("/students/new/id", {"national_id": "A12"}, "national_id"),
        ("/parent", {"name": "林淑芬", "email": "lin@", "phone": "0912345678"}, "email"),
        ("/parent/id", {"parent_id": "F2234"}, "parent_id"),
        ("/", {"channel": "sms", "email": "", "phone": "12"}, "phone"),
    ]
    async with town.browser(token) as browser:
        for path, typed, wrong in forms:
            answer = await browser.post(path, data=typed)
            assert answer.status_code == 422, path
            assert f'id="{wrong}-error"' in answer.text
            for value in typed.values():
                assert f'"{value}"' in answer.text, (path, value)


async def test_a_post_of_another_site_with_the_cookie_is_refused(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    async with town.browser(token) as browser:
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "", "origin": "https://evil.example"},
        ):
            answer = await browser.post("/leave", headers=headers)
            assert answer.status_code == 403, headers
        api = await browser.delete("/api/v1/draft", headers={"sec-fetch-site": "cross-site"})
        assert (api.status_code, api.headers["content-type"]) == (403, "application/problem+json")
    assert (await town.do("GET", "/draft", token))["students"][0]["name"] == LI.name


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(town: Town) -> None:
    async with town.browser() as browser:
        await browser.post("/", data={"channel": "email", "email": CONTACT})
        answer = await browser.post("/code", data={"code": await town.code_for(CONTACT)})
        cookie = answer.headers["set-cookie"].lower()
        assert answer.headers["location"] == "/students"
        assert "httponly" in cookie
        assert "samesite=lax" in cookie


# --- the API's own manners ---


async def test_the_api_is_described_in_openapi_3_1(town: Town) -> None:
    document = (await town.call("GET", "/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {"/api/v1/codes", "/api/v1/sessions", "/api/v1/applications"} <= document["paths"].keys()


async def test_every_error_is_a_problem_with_a_stable_code(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    refused = [
        ("GET", "/draft", None, {}, 401, "not_signed_in"),
        ("GET", "/draft", "no token", {}, 401, "not_signed_in"),
        ("GET", "/no-such-thing", token, {}, 404, "not_found"),
        ("POST", "/draft", token, {"x": 1}, 405, "bad_request"),
        ("POST", "/codes", None, {"channel": "pigeon"}, 422, "bad_request"),
        ("POST", "/applications", token, {"signature": SIGNATURE}, 409, "step_missing"),
        ("DELETE", "/bindings/no-id", token, {}, 422, "bad_request"),
        ("DELETE", f"/bindings/{uuid4()}", token, {}, 404, "not_found"),
        ("POST", "/account/sessions", None, {"login": "x", "password": "y"}, 401, "wrong_credentials"),
    ]
    for method, path, who, body, status, code in refused:
        answer = await town.call(method, path, who, **body)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", path
        assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), path
        assert problem["type"] == f"urn:kinbind:problem:{code}"
        assert problem["detail"]


async def test_a_malformed_body_is_a_problem_that_quotes_nothing(town: Town) -> None:
    for body in (b"{", b"[" * 100_000, b"\xff", b'{"channel": "email", "contact": "secret@example.org", "x": 1}'):
        answer = await town.http.post("/codes", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {400, 422}
        assert answer.json()["code"] == "bad_request"
        assert "secret" not in answer.text


async def test_a_fault_of_ours_is_answered_in_words_with_all_headers(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("binding_service.drafts.use_cases.schools", fails)
    token = await town.sign_in("lin@example.org")
    answer = await town.call("GET", "/schools", token)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "x-correlation-id" in answer.headers
    assert "content-security-policy" in answer.headers
