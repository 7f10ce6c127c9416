"""One application: compared with the school's record, contacts on demand, and found by number or QR code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from review_service.applications import cases
from review_service.errors import NotFoundError
from shared.events import BindingApproved, BindingRefused, BindingWithdrawn, RosterGuardian

if TYPE_CHECKING:
    from httpx import AsyncClient
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review
    from shared.events import Event

MARKUP = "<script>alert(1)</script>"
WHOLE = {"national_id": "F223456786", "email": "wang.xiaoming@example.com", "phone": "0912345678"}
HASH = "0123456789abcdef" * 4
NUMBER = "20261124-7K3FQ9"


def cells(page: str) -> dict[str, str]:
    """The school's record in the table that compares: by its row's heading, as it is read aloud."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td.*?</td><td.*?>(.*?)</td></tr>', page, re.DOTALL)
    return {heading: " ".join(re.sub(r"<[^>]+>", "", cell).split()) for heading, cell in rows}


def guardian(name: str, **overrides: object) -> RosterGuardian:
    data = {"name": name, "role": "parent", "same_name": False} | overrides
    return RosterGuardian.model_validate(data)


# --- ID number and contacts in full ---


async def test_what_is_whole_rests_sealed_apart_and_not_among_the_details(
    review: Review, binding: Binding, query: Query
):
    id_ = await binding.submit(details=binding.details(**WHOLE))
    (row,) = await query("SELECT bindings::text AS line, details, contacts FROM bindings")
    assert not [whole for whole in WHOLE.values() if whole in row["line"]]
    details = review.store.unseal(row["details"], cases.place(id_, "details"))
    assert not [whole for whole in WHOLE.values() if whole in details]
    contacts = review.store.unseal_model(cases.Contacts, row["contacts"], cases.place(id_, "contacts"))
    assert contacts.model_dump() == WHOLE


async def test_contacts_are_shown_by_post_only_and_each_time_is_noted(binding: Binding, visit: Visit, query: Query):
    id_ = await binding.submit(details=binding.details(**WHOLE))
    browser = await visit("T-1")
    answer = await browser.get(f"/applications/{id_}/contacts")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/applications/{id_}")
    for address in ("/", f"/applications/{id_}", f"/applications/{id_}/aside", f"/applications/{id_}?contacts=1"):
        page = (await browser.get(address)).text
        assert not [whole for whole in WHOLE.values() if whole in page]
    assert await query("SELECT 1 FROM audit WHERE action = 'application.contacts-shown'") == []
    for times in (1, 2):
        answer = await browser.post(f"/applications/{id_}/contacts")
        assert answer.headers["cache-control"] == "no-store"
        assert all(whole in answer.text for whole in WHOLE.values())
        assert "已顯示完整資料，並留下紀錄。" in answer.text
        rows = await query(
            "SELECT teacher_id, subject FROM audit WHERE action = 'application.contacts-shown' ORDER BY id"
        )
        assert [tuple(row) for row in rows] == [("T-1", str(id_))] * times


@pytest.mark.parametrize("teacher", ["T-3", "T-9", "A-9"])
async def test_contacts_are_shown_to_nobody_else(
    binding: Binding, review: Review, as_teacher: AsTeacher, query: Query, teacher: str
):
    id_ = await binding.submit(details=binding.details(**WHOLE))
    with pytest.raises(NotFoundError):
        await cases.show_contacts(review, as_teacher(teacher), id_)
    assert await query("SELECT 1 FROM audit") == []


@pytest.mark.parametrize("kind", [BindingApproved, BindingRefused, BindingWithdrawn])
async def test_contacts_are_gone_once_it_is_settled(binding: Binding, visit: Visit, query: Query, kind: type[Event]):
    id_ = await binding.submit(details=binding.details(**WHOLE))
    browser = await visit("T-1")
    assert "顯示完整字號與聯絡方式" in (await browser.get(f"/applications/{id_}")).text
    await binding.end(kind, id_)
    assert "顯示完整字號與聯絡方式" not in (await browser.get(f"/applications/{id_}")).text
    answer = await browser.post(f"/applications/{id_}/contacts")
    assert answer.status_code == 200
    assert not [whole for whole in WHOLE.values() if whole in answer.text]
    assert [row["contacts"] for row in await query("SELECT contacts FROM bindings")] == [None]
    assert await query("SELECT 1 FROM audit WHERE action = 'application.contacts-shown'") == []


async def test_contacts_of_what_was_settled_before_it_came_are_never_kept(binding: Binding, query: Query):
    id_ = uuid4()
    await binding.end(BindingApproved, id_)
    await binding.submit(id_, details=binding.details(**WHOLE))
    assert [row["contacts"] for row in await query("SELECT contacts FROM bindings")] == [None]


# --- beside the school's record ---


async def test_what_is_the_same_what_differs_and_what_is_missing_is_told_in_words(binding: Binding, visit: Visit):
    await binding.tell_students("C-2", {"ST-1": "王小明"})
    likely = guardian(
        "王曉民", same_national_id=True, same_email=False, email_masked="ot***@example.com", phone_masked=""
    )
    id_ = await binding.submit(details=binding.details(guardians=[likely]))
    page = (await (await visit("T-1")).get(f"/applications/{id_}")).text
    assert cells(page) == {
        "學生": "≠王小明 不同",
        "班級": "≠班級C-2 不同",
        "家長": "≠王曉民 不同",
        "關係": "家長",
        "身分證字號": "✓字號 （相同）",
        "電子郵件": "≠ot***@example.com 不同",
        "電話": "沒有紀錄",
    }


async def test_a_record_that_says_the_same_is_ticked(binding: Binding, visit: Visit):
    await binding.tell_students("C-1", {"ST-1": "王大明"})
    same = guardian(
        "王曉明",
        role="guardian",
        same_name=True,
        same_national_id=False,
        same_email=True,
        email_masked="wa***@example.com",
        same_phone=True,
        phone_masked="09*****678",
    )
    id_ = await binding.submit(details=binding.details(guardians=[same]))
    assert cells((await (await visit("T-1")).get(f"/applications/{id_}")).text) == {
        "學生": "✓王大明 （相同）",
        "班級": "✓班級C-1 （相同）",
        "家長": "✓王曉明 （相同）",
        "關係": "監護人",
        "身分證字號": "≠字號 不同",
        "電子郵件": "✓wa***@example.com （相同）",
        "電話": "✓09*****678 （相同）",
    }


async def test_a_student_whom_the_roster_does_not_know_or_who_left_has_no_record(binding: Binding, visit: Visit):
    await binding.tell_students("C-1", {"ST-1": "王大明"})
    await binding.tell_students("C-1", {}, revision=2)
    id_ = await binding.submit()
    found = cells((await (await visit("T-1")).get(f"/applications/{id_}")).text)
    assert set(found.values()) == {"沒有紀錄"}


async def test_the_most_likely_guardian_is_compared_and_the_others_are_named(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    by_contact = guardian("甲", same_email=True, same_phone=True)
    by_name = guardian("乙", same_name=True)
    by_id = guardian("丙", same_national_id=True)
    none = guardian("丁")
    for guardians, likely, others in (
        ([by_contact, by_name, by_id, none], "丙", ["乙", "甲", "丁"]),
        ([none, by_contact, by_name], "乙", ["甲", "丁"]),
        ([none, by_contact], "甲", ["丁"]),
        ([none], "", ["丁"]),
        ([], "", []),
    ):
        id_ = await binding.submit(details=binding.details(guardians=guardians))
        roster = (await cases.look(review, as_teacher("T-1"), id_)).roster
        assert roster is not None
        assert (roster.guardian.name if roster.guardian else "") == likely
        assert [other.name for other in roster.others] == others


async def test_names_of_the_record_with_markup_are_text(binding: Binding, visit: Visit):
    await binding.tell(binding.class_("C-1", revision=2, name=MARKUP))
    await binding.tell(binding.school("S-1", revision=2, name=MARKUP))
    await binding.tell_students("C-1", {"ST-1": MARKUP}, revision=2)
    guardians = [guardian(MARKUP, same_name=True, email_masked=MARKUP, phone_masked=MARKUP), guardian(MARKUP)]
    details = binding.details(
        student_name=MARKUP, parent_name=MARKUP, relation_text=MARKUP, guardians=guardians, signature={"typed": MARKUP}
    )
    id_ = await binding.submit(relation="other", details=details, statement_version=MARKUP)
    await binding.submit(relation="other", details=details)
    browser = await visit("T-1")
    for address in ("/", f"/applications/{id_}", f"/applications/{id_}/aside"):
        page = (await browser.get(address)).text
        assert MARKUP not in page
        assert "&lt;script&gt;" in page
    answer = await browser.post("/find", data={"sought": MARKUP})
    assert MARKUP not in answer.text


async def test_other_applications_of_the_student_and_of_the_sheet_are_beside_it_where_they_may_be_seen(
    binding: Binding, review: Review, as_teacher: AsTeacher
):
    sheet = uuid4()
    here = await binding.submit(application_id=sheet, relation="father")
    same_student = await binding.submit(relation="mother")
    sibling = await binding.submit(application_id=sheet, student_id="ST-2")
    in_other_class = await binding.submit(application_id=sheet, student_id="ST-3", class_id="C-2")
    await binding.submit(parent_teacher_ids=["T-1", "A-1"])
    seen = {
        who: {(it.id, it.is_same_student) for it in (await cases.look(review, as_teacher(who), here)).relatives}
        for who in ("T-1", "A-1")
    }
    assert seen["T-1"] == {(same_student, True), (sibling, False)}
    assert seen["A-1"] == seen["T-1"] | {(in_other_class, False)}


# --- finding ---


async def find(browser: AsyncClient, sought: str) -> tuple[int, str]:
    answer = await browser.post("/find", data={"sought": sought})
    return answer.status_code, answer.headers.get("location", "")


@pytest.mark.parametrize(
    "sought",
    [
        NUMBER,
        f" {NUMBER.lower()}\n",
        "２０２６１１２４－７Ｋ３ＦＱ９",
        f"編號 {NUMBER}，謝謝",
        HASH,
        HASH.upper(),
        f"https://review.example.edu.tw/documents/{HASH}",
        f"https://review.example.edu.tw/documents/{HASH}?from=qr#top",
    ],
)
async def test_an_application_is_found_by_number_hash_or_scanned_address(binding: Binding, visit: Visit, sought: str):
    id_ = await binding.submit(application_number=NUMBER, document_hash=HASH)
    await binding.submit(application_number="20261124-AAAAAA", document_hash="f" * 64)
    assert await find(await visit("T-1"), sought) == (303, f"/applications/{id_}")


@pytest.mark.parametrize("sought", ["", "  ", "20261124-7K3FQ", "王大明", "%", "\0", "0" * 64, "20261124-ZZZZZZ"])
async def test_what_is_not_found_is_said_and_what_was_typed_stays(binding: Binding, visit: Visit, sought: str):
    await binding.submit(application_number=NUMBER)
    answer = await (await visit("T-1")).post("/find", data={"sought": sought})
    assert answer.status_code == 404
    assert "找不到這個編號的申請" in answer.text
    assert f'name="sought" value="{sought}"' in answer.text.replace("\0", "\0")


@pytest.mark.parametrize("teacher", ["T-3", "T-9", "A-9"])
async def test_another_class_or_school_finds_nothing_by_number_or_document(
    binding: Binding, visit: Visit, teacher: str
):
    await binding.submit(application_number=NUMBER, document_hash=HASH)
    browser = await visit(teacher)
    for sought in (NUMBER, HASH):
        answer = await browser.post("/find", data={"sought": sought})
        assert answer.status_code == 404
        assert "王大明" not in answer.text
    assert (await browser.get(f"/documents/{HASH}")).status_code == 404


async def test_the_qr_codes_address_opens_the_application(binding: Binding, visit: Visit):
    id_ = await binding.submit(document_hash=HASH)
    browser = await visit("T-1")
    answer = await browser.get(f"/documents/{HASH}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/applications/{id_}")
    for wrong in ("0" * 64, "short", "%00", NUMBER):
        assert (await browser.get(f"/documents/{wrong}")).status_code == 404
    assert (await (await visit()).get(f"/documents/{HASH}")).headers["location"].startswith("/sign-in?next=")


async def test_of_a_sheet_with_several_students_the_one_that_waits_is_found(binding: Binding, visit: Visit):
    await binding.bind(document_hash=HASH, submitted_at="2026-11-01T08:00:00Z")
    waits = await binding.submit(document_hash=HASH, student_id="ST-2")
    assert await find(await visit("T-1"), HASH) == (303, f"/applications/{waits}")
