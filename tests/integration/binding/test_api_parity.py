"""What the pages can do and the API could not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from integration.binding.test_notices import LOGIN, PASSWORD, account, link_of, not_me
from integration.binding.test_papers import form_of
from support.town import CHEN, LI, PARENT_ID, TLS, WANG, make_parent_form, make_student_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from support.town import Town

NEW_EMAIL, PHONE = "shufen@example.org", "+886912345678"


# --- naming a child, one question after the other ---


async def test_a_child_is_named_bit_by_bit_and_kept_for_another_device(town: Town) -> None:
    token = await town.sign_in(LOGIN)
    assert (await town.do("GET", "/draft", token))["new_student"] is None
    await town.do("PATCH", "/draft/new-student", token, relation="other", relation_text="叔叔")
    await town.do("PATCH", "/draft/new-student", token, level=LI.level)
    await town.do("PATCH", "/draft/new-student", token, national_id=LI.national_id.lower())
    elsewhere = await town.sign_in(LOGIN)
    assert (await town.do("GET", "/draft", elsewhere))["new_student"] == {
        "relation": "other",
        "relation_text": "叔叔",
        "level": LI.level,
        "national_id_masked": f"{LI.national_id[:4]}***{LI.national_id[-2:]}",
    }
    added = await town.do("POST", "/draft/students", elsewhere, **make_student_form())
    assert added["new_student"] is None


@pytest.mark.parametrize(
    ("answers", "field", "code"),
    [
        ({"national_id": "A123456780"}, "national_id", "bad_id_number"),
        ({"relation": "other"}, "relation_text", "relation_text"),
    ],
)
async def test_an_answer_that_cannot_be_right_is_refused(
    town: Town, answers: dict[str, str], field: str, code: str
) -> None:
    token = await town.sign_in(LOGIN)
    answer = await town.call("PATCH", "/draft/new-student", token, **answers)
    assert answer.status_code == 422
    assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [(field, code)]


async def test_the_look_ups_that_are_left_are_told(town: Town) -> None:
    token = await town.sign_in(LOGIN)
    most = town.settings.match_per_login_hour
    assert (await town.do("GET", "/draft", token))["look_ups_left"] == most
    await town.call("POST", "/draft/students", token, **make_student_form(school_id=WANG.school_id))
    assert (await town.do("GET", "/draft", token))["look_ups_left"] == most - 1


# --- the parent ---


async def test_a_parent_whose_account_was_opened_meanwhile_is_confirmed_with_nothing_typed(town: Town) -> None:
    phone = await town.sign_in(PHONE)
    await town.fill(phone, [CHEN])
    await town.open_account(LOGIN, phone=PHONE)
    known = await town.do("GET", "/draft", phone)
    assert known["parent"]["is_known"] is True
    answer = await town.http.put("/draft/parent", json={}, headers={"authorization": f"Bearer {phone}"})
    assert answer.json()["missing"] is None


async def test_nothing_typed_about_a_parent_who_is_not_known_is_told_field_by_field(town: Town) -> None:
    token = await town.sign_in(LOGIN)
    await town.fill(token)
    answer = await town.http.put("/draft/parent", json={}, headers={"authorization": f"Bearer {token}"})
    assert {each["field"] for each in answer.json()["errors"]} == {"name", "email", "phone"}


# --- paper ---


@pytest.fixture
async def printing_town(open_town: Callable[..., Awaitable[Town]], font_folders: list[Path]) -> Town:
    return await open_town(binding={"font_paths": [str(folder) for folder in font_folders]})


async def send_file(town: Town, content: bytes, media_type: str = "application/pdf") -> httpx.Response:
    async with httpx.AsyncClient(base_url=town.url, verify=TLS) as client:
        return await client.post("/api/v1/document-checks", content=content, headers={"content-type": media_type})


async def test_a_paper_form_is_genuine_by_its_file_and_one_that_was_changed_is_not(printing_town: Town) -> None:
    pdf = await form_of(printing_town, await printing_town.apply())
    genuine = await send_file(printing_town, pdf)
    assert (genuine.status_code, genuine.json()["is_file"], genuine.json()["students"]) == (200, True, ["李○美"])
    forged = await send_file(printing_town, pdf + b" ")
    assert (forged.status_code, forged.json()["code"]) == (404, "not_found")


async def test_what_is_no_pdf_is_refused_and_what_is_too_large_too(town: Town) -> None:
    assert (await send_file(town, b"{}", "application/json")).json()["code"] == "unsupported_type"
    assert (await send_file(town, b"x" * 300_000)).json()["code"] == "too_large"


# --- the account ---


async def test_what_a_notice_told_is_known_before_anything_is_done(town: Town) -> None:
    token = await account(town)
    await town.do("PUT", "/account/password", token, current=PASSWORD, password=f"{PASSWORD} home")
    link = await link_of(town, "password_changed")
    told = await town.http.post("/account/not-me/notice", json={"token": link})
    assert (told.status_code, told.json()) == (200, {"kind": "password_changed"})
    assert (await not_me(town, link)).status_code == 204
    over = await town.http.post("/account/not-me/notice", json={"token": link})
    assert (over.status_code, over.json()["code"]) == (404, "link_over")


async def test_a_correction_that_waits_for_its_code_is_shown(town: Town) -> None:
    token = await account(town)
    assert (await town.call("GET", "/account/contacts/email", token)).json()["code"] == "no_attempt"
    begun = await town.do("POST", "/account/contacts/email", token, contact=NEW_EMAIL, current=PASSWORD)
    shown = await town.do("GET", "/account/contacts/email", token)
    assert (shown["proven"], shown["expires_at"], shown["tries_left"]) == (False, begun["expires_at"], 5)


async def test_a_forgotten_password_is_replaced_after_a_code_to_the_email(town: Town) -> None:
    await account(town)
    by_code = await town.sign_in(LOGIN)
    assert (await town.do("GET", "/sessions/current", by_code))["has_account"] is True
    await town.do("PUT", "/account/password", by_code, password=f"{PASSWORD} again")
    answer = await town.call("POST", "/account/sessions", login=LOGIN, password=f"{PASSWORD} again")
    assert answer.status_code == 201


async def test_who_has_no_account_is_told_so_and_not_to_sign_in(town: Town) -> None:
    token = await town.sign_in(LOGIN)
    answer = await town.call("PUT", "/account/password", token, password=PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_account")


# --- problems say what a front end goes by ---


async def test_a_problem_says_the_step_that_is_missing_and_the_tries_that_are_left(town: Town) -> None:
    token = await town.sign_in(LOGIN)
    missing = (await town.call("POST", "/applications", token, signature={"typed": "林淑芬"})).json()
    assert (missing["code"], missing["step"]) == ("step_missing", "students")
    assert "tries_left" not in missing
    attempt = await town.ask_code("wu@example.org")
    right = await town.code_for("wu@example.org")
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    rejected = (await town.call("POST", "/sessions", attempt=attempt, code=wrong)).json()
    assert (rejected["code"], rejected["tries_left"]) == ("code_rejected", 4)
    assert PARENT_ID not in str(missing) + str(rejected)
    assert make_parent_form()["email"] not in str(rejected)


async def test_a_body_that_is_no_text_is_a_bad_request(town: Town) -> None:
    json_type = {"content-type": "application/json"}
    for body in (b"\xff\xfe", b"{", b'{"channel": "email", "contact": "\\ud800"}', b"[]", b""):
        answer = await town.http.post("/codes", content=body, headers=json_type)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_request"), body
