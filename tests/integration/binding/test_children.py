"""My children, and adding one from the account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from binding_service.applications.signed import SignedDocument
from shared.events import CodeIssued, GuardianBound, GuardianToTell
from support.accounts import FATHER, MOTHER, father, guardian, mother, sign_in
from support.school import unbind
from support.town import CHEN, LI, OTHER_PARENT_ID, PARENT_ID, SIGNATURE, WANG, make_parent_form, national_id

if TYPE_CHECKING:
    from support.town import Town


async def told(town: Town) -> list[tuple[GuardianBound, GuardianToTell]]:
    """What notify was told of guardians."""
    return [
        (event, town.keys.to_notify.unseal_model(GuardianToTell, event.data.for_notify, event.place("for_notify")))
        for event in await town.events(GuardianBound)
    ]


# --- my children ---


async def test_the_account_shows_bound_children_and_those_that_wait(town: Town) -> None:
    token = await mother(town)
    await town.fill_students(token, WANG)
    await town.fill(token, [], PARENT_ID)
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    bound, waiting = await town.do("GET", "/account/family", token)
    assert (bound["name"], bound["school"], bound["class_name"], bound["state"]) == (
        LI.name,
        "中正國小",
        "三年一班",
        "approved",
    )
    assert (waiting["name"], waiting["state_label"], waiting["relation_label"]) == (WANG.name, "申請", "母親")
    async with town.browser(token) as browser:
        page = (await browser.get("/account")).text
    for words in (LI.name, WANG.name, "認證", "等導師審核", 'href="/students/new"', 'href="/progress"'):
        assert words in page
    assert page.count('class="button primary"') == 1


async def test_the_progress_page_leads_back_to_the_account_for_who_is_signed_in_to_one(town: Town) -> None:
    token = await mother(town)
    async with town.browser(token) as browser:
        assert 'href="/account">← ' in (await browser.get("/progress")).text
    async with town.browser(await town.sign_in(MOTHER)) as browser:
        assert 'href="/account">← ' not in (await browser.get("/progress")).text


async def test_a_login_by_code_sees_no_account(town: Town) -> None:
    await mother(town)
    answer = await town.call("GET", "/account/family", await town.sign_in(MOTHER))
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


# --- adding a child ---


async def test_a_child_is_added_from_the_account_without_typing_ones_own_data_and_without_a_code(town: Town) -> None:
    token = await mother(town)
    codes = len(await town.events(CodeIssued))
    async with town.browser(token) as browser:
        await town.name_on_pages(browser, WANG)
        page = await browser.get("/consent")
        version = re.search(r'name="version" value="([^"]+)"', page.text)
        assert version is not None
        agreed = await browser.post("/consent", data={"agree": "yes", "version": version[1]})
        assert agreed.headers["location"] == "/parent"
        page = await browser.get("/parent")
        assert PARENT_ID not in page.text
        for masked in ("林○芬", "li***@example.org", "09*****678", "將綁定於原有帳號中"):
            assert masked in page.text
        assert 'name="email"' not in page.text
        assert 'href="/parent/id"' not in page.text
        assert (await browser.post("/parent", data={})).headers["location"] == "/check"
        page = await browser.get("/check")
        key = re.search(r'name="key" value="([^"]+)"', page.text)
        assert key is not None
        sent = await browser.post("/check", data={"typed": "林淑芬", "strokes": "", "key": key[1]})
        assert sent.headers["location"] == "/progress"
    assert len(await town.events(CodeIssued)) == codes
    waiting = (await town.do("GET", "/account/family", token))[1]
    row = (await town.rows("SELECT * FROM binding.applications ORDER BY submitted_at"))[-1]
    signed = town.keys.store.unseal_model(SignedDocument, row["signed_sealed"], f"applications:{row['id']}:signed")
    assert (signed.proven_by, signed.proven_contact, signed.email) == ("password", MOTHER, MOTHER)
    await town.decided(waiting["binding_id"])
    assert [child["state"] for child in await town.do("GET", "/account/family", token)] == ["approved", "approved"]
    assert await town.value("SELECT count(*) FROM binding.accounts") == 1


async def test_the_api_needs_no_parent_from_who_is_signed_in(town: Town) -> None:
    token = await mother(town)
    await town.fill_students(token, WANG)
    state = await town.do("GET", "/draft", token)
    assert (state["missing"], state["parent"]["has_account"], state["parent"]["name"]) == ("consent", True, "林○芬")
    other = await town.call("PUT", "/draft/parent/id", token, national_id=OTHER_PARENT_ID)
    assert other.json()["errors"][0]["code"] == "not_account_holder"
    assert (await town.call("PUT", "/draft/parent", token, **make_parent_form())).json()["code"] == "step_missing"
    assert (await town.call("PUT", "/draft/parent/id", token, national_id=PARENT_ID)).status_code == 200


async def test_what_another_person_began_at_the_same_contact_becomes_the_account_holders(town: Town) -> None:
    """Two may read one mailbox: a draft of the other's is not sent in the other's name by who signs in."""
    await mother(town)
    by_code = await town.sign_in(MOTHER)
    await town.fill(by_code, [WANG], OTHER_PARENT_ID, make_parent_form(name="陳志明", email="other@example.org"))
    token = await sign_in(town)
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    hashes = await town.rows("SELECT DISTINCT person_hash FROM binding.applications")
    assert len(hashes) == 1


async def test_the_page_of_the_id_number_leads_on_for_who_is_signed_in(town: Town) -> None:
    token = await mother(town)
    await town.fill_students(token, WANG)
    async with town.browser(token) as browser:
        for answer in (await browser.get("/parent/id"), await browser.post("/parent/id", data={"parent_id": "x"})):
            assert (answer.status_code, answer.headers["location"]) == (303, "/parent")


# --- other guardians ---


async def test_who_was_bound_before_is_told_of_the_new_guardian_and_nobody_else_is(town: Town) -> None:
    await mother(town)
    assert await told(town) == []
    await father(town)
    ((event, part),) = await told(town)
    assert (part.email, part.parent_name, part.student_name) == (MOTHER, "林淑芬", LI.name)
    assert (part.guardian_name_masked, part.relation) == ("陳○明", "mother")
    mine, theirs = await town.rows("SELECT id FROM binding.bindings ORDER BY changed_at")
    assert (UUID(event.subject), event.data.binding_id) == (mine["id"], theirs["id"])
    body = await town.value("SELECT body FROM public.trail WHERE id = $1", event.id)
    for personal in (FATHER, "陳志明", OTHER_PARENT_ID, LI.name):
        assert personal not in body
        assert personal == LI.name or personal not in str(part)


async def test_every_guardian_of_before_is_told_once(town: Town) -> None:
    await mother(town)
    await father(town)
    await guardian(town, "grandma@example.org", national_id(509), name="王阿嬤")
    new = [part.email for _, part in (await told(town))[1:]]
    assert sorted(new) == [FATHER, MOTHER]


async def test_guardians_of_another_child_and_who_was_unbound_are_told_nothing(town: Town) -> None:
    token = await mother(town)
    mine = (await town.do("GET", "/account/family", token))[0]["binding_id"]
    await guardian(town, "other@example.org", national_id(508), CHEN, name="陳先生")
    await unbind(town, mine)
    await father(town)
    assert await told(town) == []


async def test_the_later_guardian_stands_at_the_child_masked_and_the_earlier_is_not_shown(town: Town) -> None:
    mothers, fathers = await mother(town), await father(town)
    (child,) = await town.do("GET", "/account/family", mothers)
    (other,) = child["guardians"]
    assert (other["name_masked"], other["is_bound"], other["objection"]) == ("陳○明", True, None)
    assert (await town.do("GET", "/account/family", fathers))[0]["guardians"] == []
    async with town.browser(mothers) as browser:
        page = (await browser.get("/account")).text
    assert "陳○明" in page
    for personal in ("陳志明", FATHER, "0987654321"):
        assert personal not in page
