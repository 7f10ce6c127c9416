from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.events import ApplicationSubmitted, BindingSubmitted, BindingToReview
from support.town import LI, PARENT_ID, SIGNATURE, STROKES, WANG, make_parent_form

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from support.town import Town

CONTACT = "lin@example.org"
MARKUP = "<script>alert(1)</script>&\"'"


async def ready(town: Town, contact: str = CONTACT, **parent: str) -> str:
    """A session whose draft of two children lacks the signature only."""
    token = await town.sign_in(contact)
    await town.fill(token, [LI, WANG], parent=make_parent_form(**({"email": contact} | parent)))
    return token


async def send(town: Town, token: str, signature: object = SIGNATURE, key: str | None = None) -> httpx.Response:
    return await town.call("POST", "/applications", token, key=key, signature=signature)


async def counts(town: Town) -> dict[str, int]:
    """What there is of an application."""
    return {
        "applications": await town.value("SELECT count(*) FROM binding.applications"),
        "bindings": await town.value("SELECT count(*) FROM binding.bindings"),
        "BindingSubmitted": len(await town.events(BindingSubmitted)),
        "ApplicationSubmitted": len(await town.events(ApplicationSubmitted)),
    }


ONE_OF_TWO_CHILDREN = {"applications": 1, "bindings": 2, "BindingSubmitted": 2, "ApplicationSubmitted": 1}
NOTHING = dict.fromkeys(ONE_OF_TWO_CHILDREN, 0)


async def test_one_application_binds_two_children_and_tells_of_each(town: Town) -> None:
    token = await ready(town)
    answer = await send(town, token)
    assert answer.status_code == 201
    assert await counts(town) == ONE_OF_TWO_CHILDREN
    shown = await town.bindings(token)
    assert [(each["student"], each["state"], each["state_label"]) for each in shown] == [
        ("李小美", "pending", "申請"),
        ("王大同", "pending", "申請"),
    ]
    assert {each["application_number"] for each in shown} == {answer.json()["number"]}
    assert await town.value("SELECT count(*) FROM binding.drafts") == 0


async def test_review_is_told_what_a_teacher_needs_and_nothing_in_the_clear(town: Town) -> None:
    token = await ready(town)
    await send(town, token)
    for event, child in zip(await town.events(BindingSubmitted), (LI, WANG), strict=True):
        part = town.keys.to_review.unseal_model(BindingToReview, event.data.for_review, event.place("for_review"))
        assert (part.student_name, part.parent_name, part.national_id_masked) == (
            child.name,
            "林淑芬",
            f"{PARENT_ID[:4]}***{PARENT_ID[-2:]}",
        )
        assert [list(map(list, stroke)) for stroke in part.signature.strokes] == STROKES
        assert (event.data.student_id, event.data.school_id, event.data.version) == (child.id, child.school_id, 1)
        for secret in ("林淑芬", child.name, PARENT_ID, CONTACT, "912345678"):
            assert secret not in event.model_dump_json()


async def test_twenty_submissions_at_once_under_one_key_are_one_application(town: Town) -> None:
    token, key = await ready(town), str(uuid4())
    answers = await asyncio.gather(*(send(town, token, key=key) for _ in range(20)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert await counts(town) == ONE_OF_TWO_CHILDREN


async def test_twenty_submissions_at_once_without_a_key_are_one_application(town: Town) -> None:
    token = await ready(town)
    answers = await asyncio.gather(*(send(town, token) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    assert await counts(town) == ONE_OF_TWO_CHILDREN


async def test_a_retry_when_the_draft_is_gone_gets_the_same_number(town: Town) -> None:
    token, key = await ready(town), str(uuid4())
    first = await send(town, token, key=key)
    again = await send(town, await town.sign_in(CONTACT), key=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert await counts(town) == ONE_OF_TWO_CHILDREN


async def test_a_form_sent_twice_from_the_page_is_one_application(town: Town) -> None:
    token = await ready(town)
    async with town.browser(token) as browser:
        page = (await browser.get("/check")).text
        key = page.split('name="key" value="')[1].split('"')[0]
        form = {"key": key, "strokes": json.dumps(SIGNATURE), "typed": ""}
        answers = [await browser.post("/check", data=form) for _ in range(2)]
    assert [answer.headers.get("location") for answer in answers] == ["/progress"] * 2
    assert await counts(town) == ONE_OF_TWO_CHILDREN


async def test_a_key_is_its_contacts_own(town: Town) -> None:
    key = str(uuid4())
    await send(town, await ready(town), key=key)
    token = await town.sign_in("wu@example.org")
    assert (await send(town, token, key=key)).json()["code"] == "step_missing"


async def test_bad_signatures_are_refused_with_their_reason(town: Town) -> None:
    token = await ready(town)
    dot = [[[1, 1]] * 7]
    refused = [
        ({}, "signature_empty"),
        ({"strokes": []}, "signature_empty"),
        ({"strokes": dot}, "signature_empty"),
        ({"typed": "  "}, "signature_empty"),
        ({"typed": "林淑芳"}, "signature_name_differs"),
        ({"strokes": [[[100, 100]] * 8000]}, "signature_too_large"),
    ]
    for signature, code in refused:
        answer = await send(town, token, signature)
        assert answer.status_code == 422, code
        assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [("signature", code)]
    for malformed in ({"strokes": "x"}, {"strokes": [[[1]]]}, {"strokes": [[["a", "b"]]]}, {"width": 0}, "x", 1, None):
        answer = await send(town, token, malformed)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_request"), malformed
    assert await counts(town) == NOTHING


async def test_bad_signatures_from_the_page_keep_what_was_typed_and_say_why(town: Town) -> None:
    token = await ready(town)
    large = json.dumps({"strokes": [[[100, 100]] * 8000]})
    refused = [
        ("", "", "請簽署全名"),
        ("", "林淑芳", "輸入的姓名須與家長姓名相同"),
        (large, "林淑芳", "簽名的筆畫太多"),
        *((drawn, "林淑芳", "簽名無法辨識") for drawn in ("{", "[]", "1", '{"strokes": [1]}', "[" * 60_000)),
    ]
    async with town.browser(token) as browser:
        for drawn, typed, message in refused:
            answer = await browser.post("/check", data={"key": "k", "strokes": drawn, "typed": typed})
            assert answer.status_code == 422, drawn[:20]
            assert message in answer.text
            assert f'name="typed" type="text" value="{typed}"' in answer.text
    assert await counts(town) == NOTHING


async def test_who_cannot_draw_types_the_name(town: Town) -> None:
    token = await ready(town)
    assert (await send(town, token, {"typed": " 林 淑芬 "})).status_code == 201


async def test_a_slip_on_the_field_does_not_undo_the_name_that_was_typed(town: Town) -> None:
    token = await ready(town)
    form = {"key": "k", "strokes": json.dumps({"strokes": [[[1, 1]]]}), "typed": "林淑芬"}
    async with town.browser(token) as browser:
        assert (await browser.post("/check", data=form)).headers.get("location") == "/progress"
    kept = await town.rows("SELECT id, signature_sealed FROM binding.applications")
    place = f"applications:{kept[0]['id']}:signature"
    assert json.loads(town.keys.store.unseal(kept[0]["signature_sealed"], place))["strokes"] == []


async def test_five_megabytes_are_refused_before_they_are_read(town: Town) -> None:
    token = await ready(town)
    answer = await send(town, token, {"strokes": [[[100, 100]] * 500_000]})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["content-type"] == "application/problem+json"
    async with town.browser(token) as browser:
        page = await browser.post("/check", data={"strokes": "1" * 5_000_000})
        assert (page.status_code, page.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert await counts(town) == NOTHING


async def test_five_megabytes_in_pieces_are_refused_too(town: Town) -> None:
    token = await ready(town)

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"signature": {"strokes": [['
        for _ in range(80):
            yield b"[100,100]," * 6_000

    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    answer = await town.http.post("/applications", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_a_key_that_no_index_can_hold_is_no_fault(town: Town) -> None:
    token = await ready(town)
    async with town.browser(token) as browser:
        for key in ("k" * 100_000, "k\x00"):
            answer = await browser.post("/check", data={"key": key, "strokes": "", "typed": "林淑芬"})
            assert answer.status_code in {303, 422}


async def test_a_name_with_markup_is_kept_as_typed_and_harms_no_page(town: Town) -> None:
    token = await ready(town, name=MARKUP)
    async with town.browser(token) as browser:
        for path in ("/parent", "/check"):
            page = (await browser.get(path)).text
            assert "<script>alert" not in page
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert (await send(town, token)).status_code == 201
    assert await town.value("SELECT name FROM binding.applications") == MARKUP


async def test_markup_in_every_field_of_a_form_is_shown_as_text(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    await town.fill(token)
    forms = {
        "/parent": ("name", "email", "phone"),
        "/parent/id": ("parent_id",),
        "/students/new/relation": ("relation", "relation_text"),
        "/students/new/level": ("level",),
        "/students/new/id": ("national_id",),
        "/account/sign-in": ("login",),
        "/": ("email", "phone", "channel"),
        "/verify": ("hash",),
    }
    async with town.browser(token) as browser:
        for path, fields in forms.items():
            answer = await browser.post(path, data=dict.fromkeys(fields, f'">{MARKUP}'))
            assert answer.status_code in {401, 422}, path
            assert "<script>alert" not in answer.text, path


async def test_the_parents_own_words_for_the_relation_are_shown_as_text(town: Town) -> None:
    token = await town.sign_in(CONTACT)
    form = {"relation": "other", "relation_text": "<b>x</b>", "level": LI.level, "school_id": LI.school_id}
    await town.do("POST", "/draft/students", token, national_id=LI.national_id, **form)
    await town.fill(token, [], parent=make_parent_form())
    async with town.browser(token) as browser:
        pages = [(await browser.get(path)).text for path in ("/students", "/check")]
        await send(town, token)
        pages.append((await browser.get("/progress")).text)
    for page in pages:
        assert "<b>x" not in page
        assert "&lt;b&gt;x" in page


async def test_one_person_by_two_contacts_gets_a_child_once(town: Town) -> None:
    tokens = [await ready(town, contact) for contact in ("one@example.org", "two@example.org")]
    answers = await asyncio.gather(*(send(town, token) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["code"] == "student_known"
    assert await counts(town) == ONE_OF_TWO_CHILDREN


async def test_an_application_is_reached_again_by_its_email_and_by_its_phone(town: Town) -> None:
    await send(town, await ready(town))
    for contact in (CONTACT, "+886912345678"):
        assert len(await town.bindings(await town.sign_in(contact))) == 2
    assert await town.bindings(await town.sign_in("wu@example.org")) == []
