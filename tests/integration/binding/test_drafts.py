from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from binding_service.statements import statement
from support.town import (
    CHEN,
    LI,
    OTHER_PARENT_ID,
    PARENT_ID,
    SIGNATURE,
    WANG,
    make_parent_form,
    make_student_form,
    national_id,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from support.town import Child, Town

CONTACT = "lin@example.org"
PHONE = "+886912345678"


async def add(town: Town, token: str, form: dict[str, str]) -> httpx.Response:
    return await town.call("POST", "/draft/students", token, **form)


def errors(answer: httpx.Response) -> dict[str, str]:
    """The fields that are wrong, and the code of each."""
    return {error["field"]: error["code"] for error in answer.json()["errors"]}


# --- the students ---


async def test_a_child_is_found_by_id_level_and_school_however_the_id_is_typed(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    answer = await add(town, token, make_student_form(LI, national_id=f" {LI.national_id.lower()} "))
    assert answer.status_code == 201
    assert answer.json()["students"] == [
        {
            "id": LI.id,
            "name": "李小美",
            "school": "中正國小",
            "class_name": "三年一班",
            "relation": "mother",
            "relation_label": "母親",
        }
    ]
    assert answer.json()["missing"] == "consent"


async def test_an_unknown_child_and_a_known_one_with_a_wrong_school_or_level_get_the_very_same_answer(
    town: Town,
) -> None:
    token = await town.sign_in(CONTACT)
    answers = [
        await add(town, token, make_student_form(LI, national_id=national_id(999))),
        await add(town, token, make_student_form(LI, school_id="S-3")),
        await add(town, token, make_student_form(LI, school_id="no such school")),
        await add(town, token, make_student_form(LI, level="junior_high")),
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(422, answers[0].content)}
    assert errors(answers[0]) == {"national_id": "no_match"}


async def test_a_child_that_left_the_roster_is_not_found(town: Town) -> None:
    await town.db.execute("UPDATE binding.students SET active = false WHERE id = $1", LI.id)
    token = await town.sign_in(CONTACT)
    assert (await add(town, token, make_student_form())).json()["code"] == "no_match"


async def test_each_bad_field_of_a_child_is_told_at_its_field(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    wrong_digit = LI.national_id[:-1] + str((int(LI.national_id[-1]) + 1) % 10)
    refused = [
        ({"national_id": wrong_digit}, {"national_id": "bad_id_number"}),
        ({"national_id": ""}, {"national_id": "required"}),
        ({"school_id": ""}, {"school_id": "choose"}),
        ({"relation": "other"}, {"relation_text": "relation_text"}),
        ({"relation": "other", "relation_text": "繼" * 41}, {"relation_text": "relation_text"}),
        ({"relation": "other", "relation_text": "繼\x00母"}, {"relation_text": "relation_text"}),
        ({"national_id": "A12", "school_id": ""}, {"national_id": "bad_id_number", "school_id": "choose"}),
        ({"relation": "uncle"}, {"relation": "bad_request"}),
        ({"level": "university"}, {"level": "bad_request"}),
    ]
    for changes, expected in refused:
        answer = await add(town, token, make_student_form(**changes))
        assert (answer.status_code, errors(answer)) == (422, expected), changes


async def test_what_no_database_can_hold_finds_no_child(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    answer = await add(town, token, make_student_form(school_id="S-1\x00"))
    assert answer.status_code == 422


async def test_the_parents_own_words_are_kept_for_the_relation_other(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    answer = await add(town, token, make_student_form(relation="other", relation_text=" 繼母 "))
    assert answer.json()["students"][0]["relation_label"] == "繼母"


async def test_a_child_is_named_once_in_a_draft_and_can_be_taken_out(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await add(town, token, make_student_form())
    assert errors(await add(town, token, make_student_form())) == {"national_id": "already_in_draft"}
    await add(town, token, make_student_form(WANG))
    left = (await town.do("DELETE", f"/draft/students/{LI.id}", token))["students"]
    assert [student["name"] for student in left] == ["王大同"]


async def test_the_same_child_named_twenty_times_at_once_is_in_the_draft_once(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    answers = await asyncio.gather(*(add(town, token, make_student_form()) for _ in range(10)))
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len((await town.do("GET", "/draft", token))["students"]) == 1


async def test_a_child_that_waits_for_this_contact_is_refused_by_name(town: Town) -> None:
    token = await town.apply(CONTACT)
    answer = await add(town, token, make_student_form())
    assert (answer.status_code, answer.json()["code"]) == (409, "student_known")
    assert "李小美" in answer.json()["detail"]


async def test_no_more_children_than_the_set_number(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"students_per_application": 2})
    token = await town.sign_in(CONTACT)
    for child in (LI, WANG):
        assert (await add(town, token, make_student_form(child))).status_code == 201
    answer = await add(town, token, make_student_form(CHEN))
    assert errors(answer) == {"national_id": "too_many_students"}
    assert "2 位" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "setting", ["match_per_login_hour", "match_per_contact_day", "match_per_address_hour", "match_per_student_day"]
)
async def test_look_ups_are_limited(open_town: Callable[..., Awaitable[Town]], setting: str) -> None:
    town = await open_town(binding={setting: 2})
    token, other = await town.sign_in(CONTACT), await town.sign_in("wu@example.org")
    again = await town.sign_in(CONTACT)
    forms = [make_student_form(national_id=national_id(900 + n)) for n in range(3)]
    # Three look-ups that have nothing in common but what this limit counts.
    tries = {
        "match_per_login_hour": [(token, form) for form in forms],
        "match_per_contact_day": list(zip([token, again, token], forms, strict=True)),
        "match_per_address_hour": list(zip([token, other, again], forms, strict=True)),
        "match_per_student_day": [(each, forms[0]) for each in (token, other, again)],
    }[setting]
    answers = [await add(town, *each) for each in tries]
    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert answers[2].json()["code"] == "limited"
    assert int(answers[2].headers["retry-after"]) > 3500
    unlike = make_student_form(national_id=national_id(990))
    elsewhere = other if setting != "match_per_address_hour" else None
    if elsewhere:
        assert (await add(town, elsewhere, unlike)).status_code == 422


async def test_a_bad_form_is_not_counted_as_a_look_up(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"match_per_login_hour": 1})
    token = await town.sign_in(CONTACT)
    for _ in range(3):
        assert (await add(town, token, make_student_form(national_id="A1"))).status_code == 422
    assert (await add(town, token, make_student_form())).status_code == 201


async def test_a_draft_goes_on_at_the_next_login_of_its_contact_and_is_nobody_elses(town: Town) -> None:
    await town.fill(await town.sign_in(CONTACT), [LI, WANG])
    again = await town.do("GET", "/draft", await town.sign_in(CONTACT))
    assert [student["name"] for student in again["students"]] == ["李小美", "王大同"]
    assert again["missing"] == "parent"
    assert (await town.do("GET", "/draft", await town.sign_in("wu@example.org")))["students"] == []


# --- the consent ---


async def test_an_older_version_of_the_statement_cannot_be_accepted(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    answer = await town.call("PUT", "/draft/consent", token, version="2025-01")
    assert (answer.status_code, answer.json()["code"]) == (409, "statement_changed")
    assert (await town.do("GET", "/draft", token))["consent_version"] is None


async def test_who_does_not_agree_leaves_no_draft(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    await town.do("DELETE", "/draft", token)
    assert await town.value("SELECT count(*) FROM binding.drafts") == 0
    assert (await town.do("GET", "/draft", token))["students"] == []


async def test_the_statement_that_was_accepted_is_kept_with_the_application(town: Town) -> None:
    shown = await town.do("GET", "/statement")
    await town.apply(CONTACT)
    (row,) = await town.rows(
        "SELECT statement_version, statement_hash, consent_address, now() - consented_at < '1 minute' AS lately"
        " FROM binding.applications"
    )
    assert row == {
        "statement_version": shown["version"],
        "statement_hash": shown["hash"],
        "consent_address": "127.0.0.1",
        "lately": True,
    }


# --- the parent ---


async def test_each_bad_field_of_the_parent_is_told_at_its_field(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.do("PUT", "/draft/parent/id", token, national_id=PARENT_ID)
    refused = [
        ({"name": " "}, {"name": "bad_name"}),
        ({"name": "林" * 51}, {"name": "bad_name"}),
        ({"name": "林\x07"}, {"name": "bad_name"}),
        ({"name": "林\x00"}, {"name": "bad_name"}),
        ({"email": ""}, {"email": "required"}),
        ({"email": "lin@"}, {"email": "bad_email"}),
        ({"phone": ""}, {"phone": "required"}),
        ({"phone": "0999"}, {"phone": "bad_phone"}),
        ({"phone": "+15417543010"}, {"phone": "bad_phone"}),
        ({"name": "", "email": "x", "phone": "y"}, {"name": "bad_name", "email": "bad_email", "phone": "bad_phone"}),
    ]
    for changes, expected in refused:
        answer = await town.call("PUT", "/draft/parent", token, **make_parent_form(**changes))
        assert (answer.status_code, errors(answer)) == (422, expected), changes


async def test_a_bad_id_number_of_the_parent_is_told_at_its_field(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    for typed, code in (("", "required"), (PARENT_ID[:-1] + "x", "bad_id_number"), ("F223456780", "bad_id_number")):
        answer = await town.call("PUT", "/draft/parent/id", token, national_id=typed)
        assert (answer.status_code, errors(answer)) == (422, {"parent_id": code}), typed


async def test_a_landline_with_an_extension_is_a_phone(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.do("PUT", "/draft/parent/id", token, national_id=PARENT_ID)
    state = await town.do("PUT", "/draft/parent", token, **make_parent_form(phone="02-2345-6789 #123"))
    assert state["parent"]["phone_masked"].endswith("789")


@pytest.mark.parametrize("setting", ["parent_per_login_hour", "parent_per_contact_day", "parent_per_address_hour"])
async def test_parents_id_numbers_that_are_verified_are_limited(
    open_town: Callable[..., Awaitable[Town]], setting: str
) -> None:
    town = await open_town(binding={setting: 1})
    token, again, other = [await town.sign_in(contact) for contact in (CONTACT, CONTACT, "wu@example.org")]
    # Who has nothing in common with the first but what this limit counts.
    second = {"parent_per_login_hour": token, "parent_per_contact_day": again, "parent_per_address_hour": other}
    await town.do("PUT", "/draft/parent/id", token, national_id=PARENT_ID)
    answer = await town.call("PUT", "/draft/parent/id", second[setting], national_id=OTHER_PARENT_ID)
    assert (answer.status_code, answer.json()["code"]) == (429, "limited")


async def test_of_a_person_with_an_account_only_masked_data_are_shown_and_no_email_is_needed(town: Town) -> None:
    await town.open_account("first@example.org", name="歐陽淑芬")
    token = await town.sign_in("second@example.org")
    await town.fill(token, [WANG])
    answer = await town.call("GET", "/draft", token)
    state = answer.json()
    assert state["missing"] is None
    assert (state["parent"]["has_account"], state["parent"]["email_proven"]) == (True, True)
    assert state["parent"]["email_masked"] == "fi***@example.org"
    for whole in ("歐陽淑芬", "first@example.org", "912345678", PARENT_ID):
        assert whole not in answer.text
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    assert await town.value("SELECT email FROM binding.applications ORDER BY submitted_at DESC LIMIT 1") == (
        "first@example.org"
    )


async def test_an_email_that_is_not_the_contact_is_proven_by_a_code_before_sending(town: Town) -> None:
    token = await town.sign_in(PHONE)
    await town.fill(token, parent=make_parent_form(email="typed@example.org"))
    refused = await town.call("POST", "/applications", token, signature=SIGNATURE)
    assert (refused.status_code, refused.json()["code"]) == (409, "step_missing")
    assert (await town.do("GET", "/draft", token))["missing"] == "email_proof"
    assert (await town.do("GET", "/draft", token))["email_code"] is None
    asked = (await town.do("POST", "/draft/email-code", token))["email_code"]
    assert (asked["expires_in"] > 3500, 50 < asked["resend_in"] <= 60, asked["tries_left"]) == (True, True, 5)
    code = await town.code_for("typed@example.org")
    wrong = await town.call("POST", "/draft/email-proof", token, code=f"{(int(code) + 1) % 1_000_000:06}")
    assert wrong.json()["code"] == "code_rejected"
    assert (await town.do("GET", "/draft", token))["email_code"]["tries_left"] == 4
    assert (await town.call("POST", "/applications", token, signature=SIGNATURE)).status_code == 409
    proven = await town.do("POST", "/draft/email-proof", token, code=code)
    assert (proven["missing"], proven["email_code"]) == (None, None)
    await town.do("POST", "/applications", token, signature=SIGNATURE)


async def test_an_email_that_is_proven_stays_so_whatever_another_tab_tries(town: Town) -> None:
    token = await town.sign_in(PHONE)
    await town.fill(token, parent=make_parent_form(email="typed@example.org"))
    await town.do("POST", "/draft/email-code", token)
    await town.do("POST", "/draft/email-proof", token, code=await town.code_for("typed@example.org"))
    assert (await town.call("POST", "/draft/email-proof", token, code="123456")).json()["code"] == "code_rejected"
    assert (await town.do("GET", "/draft", token))["missing"] is None


async def test_another_email_after_the_proof_needs_a_proof_of_its_own(town: Town) -> None:
    token = await town.sign_in(PHONE)
    await town.fill(token, parent=make_parent_form(email="typed@example.org"))
    await town.do("POST", "/draft/email-code", token)
    former = await town.code_for("typed@example.org")
    await town.do("POST", "/draft/email-proof", token, code=former)
    state = await town.do("PUT", "/draft/parent", token, **make_parent_form(email="other@example.org"))
    assert (state["parent"]["email_proven"], state["missing"]) == (False, "email_proof")
    await town.do("POST", "/draft/email-code", token)
    assert (await town.call("POST", "/draft/email-proof", token, code=former)).json()["code"] == "code_rejected"
    code = await town.code_for("other@example.org")
    assert (await town.do("POST", "/draft/email-proof", token, code=code))["missing"] is None


async def test_without_an_email_there_is_nothing_to_prove(town: Town) -> None:
    token = await town.sign_in(PHONE)
    for path, body in (("/draft/email-code", {}), ("/draft/email-proof", {"code": "123456"})):
        answer = await town.call("POST", path, token, **body)
        assert (answer.status_code, answer.json()["code"]) == (409, "step_missing")


async def test_the_email_of_another_persons_pending_application_or_account_is_taken(town: Town) -> None:
    token = await town.apply("shared@example.org")
    again = await town.sign_in("shared@example.org")
    await town.fill(again, [WANG], OTHER_PARENT_ID)
    form = make_parent_form(email="shared@example.org")
    for state in ("pending", "approved"):
        answer = await town.call("PUT", "/draft/parent", again, **form)
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken"), state
        assert errors(answer) == {"email": "email_taken"}
        if state == "pending":
            await town.decided((await town.bindings(token))[0]["id"])


async def test_the_email_of_a_withdrawn_application_is_free_again(town: Town) -> None:
    token = await town.apply("shared@example.org")
    await town.do("DELETE", f"/bindings/{(await town.bindings(token))[0]['id']}", token)
    await town.fill(token, [WANG], OTHER_PARENT_ID, make_parent_form(email="shared@example.org"))
    await town.do("POST", "/applications", token, signature=SIGNATURE)


async def test_of_two_people_who_send_one_email_at_once_one_wins(town: Town) -> None:
    people = [(PHONE, PARENT_ID, LI), ("+886922333444", OTHER_PARENT_ID, WANG)]
    tokens = []
    for phone, parent_id, child in people:
        token = await town.sign_in(phone)
        await town.fill(token, [child], parent_id, make_parent_form(email="shared@example.org"))
        await town.do("POST", "/draft/email-code", token)
        await town.do("POST", "/draft/email-proof", token, code=await town.code_for("shared@example.org"))
        tokens.append(token)
    answers = await asyncio.gather(
        *(town.call("POST", "/applications", token, signature=SIGNATURE) for token in tokens)
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert next(answer for answer in answers if answer.status_code == 409).json()["code"] == "email_taken"


async def test_each_step_is_asked_for_in_its_turn(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    steps = [
        ("students", "POST", "/draft/students", make_student_form()),
        ("consent", "PUT", "/draft/consent", {"version": statement().version}),
        ("parent", "PUT", "/draft/parent/id", {"national_id": PARENT_ID}),
        ("parent", "PUT", "/draft/parent", make_parent_form()),
    ]
    for missing, method, path, body in steps:
        assert (await town.do("GET", "/draft", token))["missing"] == missing
        refused = await town.call("POST", "/applications", token, signature=SIGNATURE)
        assert (refused.status_code, refused.json()["code"]) == (409, "step_missing")
        await town.do(method, path, token, **body)
    assert (await town.do("GET", "/draft", token))["missing"] is None


async def move_to_another_school(town: Town, child: Child) -> None:
    """The roster has the child elsewhere from now on."""
    await town.rows(
        "UPDATE binding.students SET school_id = elsewhere.school_id, class_id = elsewhere.id"
        " FROM binding.classes AS elsewhere WHERE students.id = $1 AND elsewhere.school_id <> students.school_id"
        " RETURNING 1",
        child.id,
    )


async def test_where_a_child_has_moved_to_is_told_to_nobody_who_named_its_old_school(town: Town) -> None:
    token = await town.apply()
    before = (await town.bindings(token))[0]
    await move_to_another_school(town, LI)
    after = (await town.bindings(token))[0]
    assert (after["school"], after["class_name"]) == (before["school"], before["class_name"])


async def test_a_child_that_moved_meanwhile_leaves_the_draft_before_it_is_sent(town: Town) -> None:
    token = await town.sign_in("lin@example.org")
    await town.fill(token, (LI,), PARENT_ID, make_parent_form())
    await move_to_another_school(town, LI)
    sent = await town.call("POST", "/applications", token, signature=SIGNATURE)
    assert (sent.status_code, sent.json()["code"]) == (409, "students_changed")
    async with town.browser(token) as browser:
        page = await browser.get("/students")
    assert "學籍資料已變更" in page.text
    assert LI.name not in page.text


async def test_a_front_end_is_told_of_a_child_that_moved_and_sends_the_others(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token, (LI, WANG), PARENT_ID, make_parent_form())
    await move_to_another_school(town, LI)
    assert (await town.call("POST", "/applications", token, signature=SIGNATURE)).json()["code"] == "students_changed"
    drafts = [await town.do("GET", "/draft", token) for _ in range(2)]
    assert [draft["students_dropped"] for draft in drafts] == [True, False]
    assert [[student["name"] for student in draft["students"]] for draft in drafts] == [[WANG.name]] * 2
    await town.do("POST", "/applications", token, signature=SIGNATURE)


async def test_to_look_at_a_draft_makes_none(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.do("GET", "/draft", token)
    async with town.browser(token) as browser:
        await browser.get("/students")
    assert await town.value("SELECT count(*) FROM binding.drafts") == 0


async def test_back_from_the_code_page_and_forward_again_is_no_dead_end(town: Town) -> None:
    token = await town.sign_in("+886912345678")
    await town.fill(token, (LI,), PARENT_ID, None)
    async with town.browser(token) as browser:
        for _ in range(2):
            answer = await browser.post("/parent", data=make_parent_form())
            assert (answer.status_code, answer.headers["location"]) == (303, "/parent/email-code")
