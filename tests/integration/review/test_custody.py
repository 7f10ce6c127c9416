"""Custody notes: the administrator's alone, and what they do to a student's applications."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from review_service.classes.domain import LONGEST_NOTE

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.review.conftest import Binding, Query, Visit

NOTE = "法院裁定由母親單獨監護 <b>"
SHOWN = "法院裁定由母親單獨監護 &lt;b&gt;"
PAGE = "/students/ST-1/custody"


@pytest.fixture
async def people(binding: Binding) -> Binding:
    """A class of two."""
    await binding.class_roster("C-1", {"ST-1": "王大明", "ST-2": "李小美"})
    return binding


async def are_for_administrator(query: Query) -> dict[UUID, bool]:
    return {row["id"]: row["for_administrator"] for row in await query("SELECT id, for_administrator FROM bindings")}


async def test_a_note_is_set_changed_and_cleared_and_the_log_says_so(people: Binding, visit: Visit, query: Query):
    assert people
    browser = await visit("A-1")
    answer = await browser.post(PAGE, data={"note": f"  {NOTE}\r\n第二行  "})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done=set")
    page = (await browser.get(f"{PAGE}?done=set")).text
    assert f"{SHOWN}\n第二行</textarea>" in page
    assert "註記已儲存" in page
    assert "老師A-1 於" in page
    await browser.post(PAGE, data={"note": "改過的"})
    assert ">改過的</textarea>" in (await browser.get(PAGE)).text
    assert "清除 王大明 的監護註記？" in (await browser.get(f"{PAGE}/clear")).text
    answer = await browser.post(f"{PAGE}/clear")
    assert answer.headers["location"] == f"{PAGE}?done=cleared"
    page = (await browser.get(PAGE)).text
    assert "改過的" not in page
    assert (await browser.get(f"{PAGE}/clear")).headers["location"] == PAGE
    noted = await query("SELECT teacher_id, action, subject FROM audit WHERE action LIKE 'custody.%' ORDER BY id")
    done = [row["action"] for row in noted if row["action"] != "custody.looked-at"]
    assert done == ["custody.set", "custody.set", "custody.cleared"]
    assert {(row["teacher_id"], row["subject"]) for row in noted} == {("A-1", "ST-1")}
    assert [row["action"] for row in noted].count("custody.looked-at") == 3


async def test_a_note_makes_the_students_applications_the_administrators_until_it_is_cleared(
    people: Binding, visit: Visit, query: Query
):
    hers, others = await people.submit(student_id="ST-1"), await people.submit(student_id="ST-2")
    own = await people.submit(student_id="ST-1", relation="mother")
    await query("UPDATE bindings SET parent_teacher_ids = '{T-1,T-2}' WHERE id = $1", own)
    browser = await visit("A-1")
    await browser.post(PAGE, data={"note": NOTE})
    assert await are_for_administrator(query) == {hers: True, own: True, others: False}
    await browser.post(f"{PAGE}/clear")
    # What else keeps the teacher from deciding goes on doing so.
    assert await are_for_administrator(query) == {hers: False, own: True, others: False}


async def test_a_note_is_sealed_at_rest(people: Binding, visit: Visit, query: Query):
    assert people
    await (await visit("A-1")).post(PAGE, data={"note": NOTE})
    (row,) = await query("SELECT * FROM custody_notes")
    assert "監護" not in str(dict(row))


@pytest.mark.parametrize(
    ("note", "message"),
    [("", "請填寫註記的內容"), (" \n ", "請填寫註記的內容"), ("<b>" + "字" * 1000, "註記最多 1000 個字")],
)
async def test_a_bad_note_gets_a_message_at_its_field_and_loses_nothing(
    people: Binding, visit: Visit, query: Query, note: str, message: str
):
    assert people
    assert LONGEST_NOTE == 1000
    answer = await (await visit("A-1")).post(PAGE, data={"note": note})
    assert answer.status_code == 422
    at_field = re.search(r'id="note-error">.*?</p>', answer.text)
    assert at_field
    assert message in at_field[0]
    assert note.strip().replace("<", "&lt;").replace(">", "&gt;") in answer.text
    assert await query("SELECT 1 FROM custody_notes") == []


async def test_another_language_keeps_what_was_typed_and_stores_nothing(people: Binding, visit: Visit, query: Query):
    assert people
    answer = await (await visit("A-1")).post(PAGE, data={"note": NOTE, "language": "en"})
    assert '<html lang="en">' in answer.text
    assert SHOWN in answer.text
    assert await query("SELECT 1 FROM custody_notes") == []


@pytest.mark.parametrize(("who", "status"), [("T-1", 403), ("T-3", 403), ("T-9", 403), ("A-9", 404), ("", 303)])
async def test_nobody_else_reads_sets_or_clears_a_note_or_learns_that_there_is_one(
    people: Binding, visit: Visit, query: Query, who: str, status: int
):
    await people.submit(student_id="ST-1")
    await (await visit("A-1")).post(PAGE, data={"note": NOTE})
    browser = await visit(who)
    for student in ("ST-1", "ST-2", "ST-404"):
        page = f"/students/{student}/custody"
        for answer in (
            await browser.get(page),
            await browser.post(page, data={"note": "別的"}),
            await browser.get(f"{page}/clear"),
            await browser.post(f"{page}/clear"),
        ):
            assert answer.status_code == status
            assert "監護註記" not in answer.text
    page = (await browser.get("/classes/C-1")).text
    assert "註記" not in page
    assert "custody" not in page
    (row,) = await query("SELECT student_id, set_by FROM custody_notes")
    assert tuple(row) == ("ST-1", "A-1")


async def test_the_class_page_shows_the_administrator_who_has_a_note(people: Binding, visit: Visit):
    assert people
    browser = await visit("A-1")
    await browser.post(PAGE, data={"note": NOTE})
    page = (await browser.get("/classes/C-1")).text
    assert re.search(r'href="/students/ST-1/custody" class="noted"', page)
    assert re.search(r'href="/students/ST-2/custody">', page)
    assert "有監護註記" in page
    assert "單獨監護" not in page


async def test_a_note_goes_with_the_student_to_another_school(people: Binding, visit: Visit):
    before, after = await visit("A-1"), await visit("A-9")
    await before.post(PAGE, data={"note": NOTE})
    await people.class_roster("C-9", {"ST-1": "王大明"}, school_id="S-2", revision=2)
    assert (await before.get(PAGE)).status_code == 404
    assert SHOWN in (await after.get(PAGE)).text


async def test_a_student_who_does_not_exist_is_not_found(binding: Binding, visit: Visit):
    assert binding
    browser = await visit("A-1")
    for address in ("/students/ST-404/custody", "/students/ST-404/custody/clear"):
        assert (await browser.get(address)).status_code == 404
        assert (await browser.post(address, data={"note": NOTE})).status_code == 404
