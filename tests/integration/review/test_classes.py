"""Classes: who is bound, who waits, who is missing; invitations; and who takes a class over."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from review_service.applications import decisions as applications
from review_service.applications.domain import Outcome
from shared.events import BindingApproved, BindingRefused, BindingWithdrawn

if TYPE_CHECKING:
    from httpx import AsyncClient, Response
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review
    from support.databases import Clock

MARKUP = "<script>alert(1)</script>"
STUDENTS = {"ST-1": "王大明", "ST-2": "李小美", "ST-3": "陳子瑜", "ST-4": "林品妤"}
DAY = timedelta(days=1)


@pytest.fixture
async def people(binding: Binding) -> Binding:
    """A class of four: one bound, one waiting, one refused, one for whom nobody has applied."""
    details = binding.details
    await binding.class_roster("C-1", STUDENTS)
    await binding.class_roster("C-9", {"ST-90": "黃子軒"}, school_id="S-2")
    await binding.settled(BindingApproved, student_id="ST-1", relation="mother", details=details(parent_name="周雅婷"))
    await binding.submit(student_id="ST-2", details=details(student_name="李小美", parent_name="李國強"))
    await binding.settled(BindingRefused, student_id="ST-3", details=details(parent_name="陳建宏"))
    return binding


def today() -> str:
    return datetime.now(ZoneInfo("Asia/Taipei")).date().isoformat()


def in_days(days: int) -> str:
    return (datetime.now(ZoneInfo("Asia/Taipei")).date() + timedelta(days=days)).isoformat()


def rows_of(page: str) -> dict[str, str]:
    """What the class page says of each student, as words."""
    listed = re.search(r'<ul class="roster">(.*?)</ul>', page, re.DOTALL)
    rows = re.findall(r"<li>(.*?)</li>", listed[1], re.DOTALL) if listed else []
    words = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    return {row.split()[0]: row for row in words}


async def confirm(browser: AsyncClient, address: str, **form: str) -> Response:
    """Answer the question that comes first with yes."""
    asked = await browser.post(address, data=form)
    assert asked.status_code == 200, asked.text
    key = re.search(r'name="confirmed" value="([^"]+)"', asked.text)
    assert key
    return await browser.post(address, data=form | {"confirmed": key[1]})


async def name_substitute(browser: AsyncClient, teacher: str = "T-3", first: int = 0, last: int = 2) -> None:
    answer = await confirm(
        browser, "/classes/C-1/substitutes", teacher=teacher, first_day=in_days(first), last_day=in_days(last)
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/classes/C-1?done=substitute")


async def actions(query: Query) -> list[tuple[str, str, str]]:
    """Who did what to what, but for signing in."""
    rows = await query("SELECT teacher_id, action, subject FROM audit WHERE action <> 'signed-in' ORDER BY id")
    return [tuple(row) for row in rows]


# --- one class ---


async def test_a_class_shows_who_is_bound_who_waits_and_who_is_missing(people: Binding, visit: Visit, query: Query):
    assert people
    page = (await (await visit("T-1")).get("/classes/C-1")).text
    rows = rows_of(page)
    assert list(rows) == list(STUDENTS.values())
    assert "已綁定 母親 周雅婷" in rows["王大明"]
    assert re.search(r"待審核 父親 李國強 待審核，已等待", rows["李小美"])
    assert "未綁定 父親 陳建宏 的申請沒有通過" in rows["陳子瑜"]
    assert "未綁定 還沒有家長申請" in rows["林品妤"]
    waiting_id = await query("SELECT id FROM bindings WHERE student_id = 'ST-2'")
    assert f'href="/applications/{waiting_id[0]["id"]}">李國強' in page
    figures = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "25% 已綁定 1／4 人" in figures
    assert "✓ 已綁定 1 ○ 待審核 1 – 未綁定 2" in figures
    assert ("T-1", "students.looked-at", "C-1") in await actions(query)


async def test_the_filter_leaves_those_whom_nobody_is_bound_to(people: Binding, visit: Visit):
    assert people
    page = (await (await visit("T-1")).get("/classes/C-1?show=missing")).text
    assert list(rows_of(page)) == ["陳子瑜", "林品妤"]


async def test_a_student_with_two_guardians_is_bound_by_one_while_the_other_waits(people: Binding, visit: Visit):
    await people.submit(student_id="ST-1", relation="father", details=people.details(parent_name="王志明"))
    row = rows_of((await (await visit("T-1")).get("/classes/C-1")).text)["王大明"]
    assert re.search(r"^王大明 ✓ 已綁定 母親 周雅婷 父親 王志明 待審核", row)


async def test_a_decision_on_its_way_is_told_as_such(
    people: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query
):
    assert people
    (row,) = await query("SELECT id FROM bindings WHERE student_id = 'ST-2'")
    await applications.decide(review, as_teacher("T-1"), row["id"], Outcome.APPROVE)
    page = (await (await visit("T-1")).get("/classes/C-1")).text
    assert "李國強 決定已送出，等待系統確認" in rows_of(page)["李小美"]


async def test_who_was_unbound_or_withdrew_is_missing_and_that_is_said(people: Binding, visit: Visit, query: Query):
    await people.settled(BindingWithdrawn, student_id="ST-4")
    await query("UPDATE bindings SET state = 'revoked' WHERE student_id = 'ST-1'")
    rows = rows_of((await (await visit("T-1")).get("/classes/C-1")).text)
    assert "未綁定 家長已撤回申請" in rows["林品妤"]
    assert "未綁定 母親 周雅婷 已解除綁定" in rows["王大明"]


async def test_a_student_who_left_the_class_is_not_in_it(people: Binding, visit: Visit):
    await people.class_roster("C-1", {"ST-1": "王大明"}, revision=2)
    assert list(rows_of((await (await visit("T-1")).get("/classes/C-1")).text)) == ["王大明"]


async def test_a_guardian_of_another_class_is_shown_without_a_link_that_would_lead_nowhere(
    people: Binding, visit: Visit
):
    await people.class_roster("C-2", {"ST-20": "張承恩"})
    elsewhere = await people.submit(student_id="ST-20", class_id="C-1")  # the child has moved, and binding says so soon
    page = (await (await visit("T-3")).get("/classes/C-2")).text
    assert "父親 王曉明" in rows_of(page)["張承恩"]
    assert f"/applications/{elsewhere}" not in page


async def test_names_with_markup_are_text(people: Binding, visit: Visit):
    await people.class_roster("C-1", {"ST-1": MARKUP}, revision=2)
    await people.submit(student_id="ST-1", details=people.details(parent_name=MARKUP))
    browser = await visit("T-1")
    for address in ("/classes/C-1", "/classes/C-1/invitations/print?who=all"):
        page = (await browser.get(address)).text
        assert MARKUP not in page
        assert "&lt;script&gt;" in page


async def test_own_classes_are_listed_with_their_figures(people: Binding, visit: Visit):
    assert people
    page = (await (await visit("T-2")).get("/classes")).text
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "班級C-1 25% 已綁定 1／4 人" in words
    assert "1 件申請待審核" in words
    assert "班級C-2" not in page


async def test_an_administrators_classes_are_the_schools(binding: Binding, visit: Visit):
    assert binding
    assert (await (await visit("A-1")).get("/classes")).headers["location"] == "/school"


async def test_a_teacher_without_a_class_is_told_so(binding: Binding, visit: Visit):
    await binding.tell(binding.class_("C-2", teacher_ids=[], revision=2))
    assert "目前沒有您負責的班級。" in (await (await visit("T-3")).get("/classes")).text


# --- rights ---

OF_THE_CLASS = ["/classes/{id}", "/classes/{id}/invitations", "/classes/{id}/invitations/print?who=all"]
OF_ADMINISTRATORS = ["/classes/{id}/substitutes", "/classes/{id}/move", "/classes/{id}/return"]
END = "/classes/{id}/substitutes/{substitute}/end"
FORM = {"teacher": "T-3", "first_day": today(), "last_day": today(), "confirmed": str(uuid4())}


async def statuses(browser: AsyncClient, query: Query) -> list[int]:
    """What each route of class C-1 answers; the forms are sent."""
    (substitute,) = await query("SELECT id FROM substitutes")
    end = END.replace("{substitute}", str(substitute["id"]))
    found = [(await browser.get(address.replace("{id}", "C-1"))).status_code for address in OF_THE_CLASS]
    for address in [*OF_ADMINISTRATORS, end]:
        for answer in (
            await browser.get(address.replace("{id}", "C-1")),
            await browser.post(address.replace("{id}", "C-1"), data=FORM),
        ):
            assert "王大明" not in answer.text
            found.append(answer.status_code)
    return found


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("T-1", [200] * 3 + [403] * 8),
        ("T-3", [404] * 3 + [403] * 8),
        ("T-9", [404] * 3 + [403] * 8),
        ("A-9", [404] * 11),
        ("", [303] * 11),
    ],
)
async def test_only_who_may_reaches_a_class_and_changes_who_teaches_it(
    people: Binding, visit: Visit, query: Query, who: str, expected: list[int]
):
    assert people
    await query(
        "INSERT INTO substitutes (id, class_id, teacher_id, first_day, last_day, named_by)"
        " VALUES (gen_random_uuid(), 'C-1', 'T-2', current_date + 9, current_date + 9, 'A-1')"
    )
    assert await statuses(await visit(who), query) == expected
    assert [tuple(row) for row in await query("SELECT class_id, teacher_id FROM substitutes")] == [("C-1", "T-2")]
    assert await query("SELECT 1 FROM classes WHERE moved_to IS NOT NULL") == []


async def test_a_class_that_does_not_exist_is_not_found(binding: Binding, visit: Visit):
    assert binding
    for who in ("T-1", "A-1"):
        assert (await (await visit(who)).get("/classes/C-404")).status_code == 404


async def test_a_class_that_is_closed_is_not_found(people: Binding, visit: Visit):
    await people.tell(people.class_("C-1", active=False, revision=2))
    for who in ("T-1", "A-1"):
        assert (await (await visit(who)).get("/classes/C-1")).status_code == 404


# --- invitations ---


def invited(page: str) -> list[str]:
    return re.findall(r'<article class="sheet"[^>]*aria-label="([^"]+)"', page)


async def test_invitations_are_for_those_who_are_missing_unless_all_are_chosen(
    people: Binding, visit: Visit, query: Query
):
    assert people
    browser = await visit("T-1")
    choice = (await browser.get("/classes/C-1/invitations")).text
    assert 'value="missing" checked' in choice
    assert "還沒有家長綁定的（2 張）" in choice
    assert invited((await browser.get("/classes/C-1/invitations/print?who=missing")).text) == ["陳子瑜", "林品妤"]
    assert invited((await browser.get("/classes/C-1/invitations/print?who=all")).text) == list(STUDENTS.values())
    assert [each for each in await actions(query) if each[1] == "invitations.printed"] == [
        ("T-1", "invitations.printed", "C-1")
    ] * 2


async def test_an_invitation_has_the_way_and_nothing_secret(people: Binding, visit: Visit):
    assert people
    page = (await (await visit("T-1")).get("/classes/C-1/invitations/print?who=all")).text
    for text in ("學校S-1", "班級C-1", "http://localhost:8002", 'lang="en"', 'lang="vi"', 'lang="id"'):
        assert text in page
    assert page.count('src="data:image/svg+xml') == 4
    for secret in ("ST-1", "周雅婷", "李國強", "F2******86", "wa***@example.com"):
        assert secret not in page.partition("<main")[2].replace("/classes/C-1", "")
    assert "style=" not in page


async def test_where_nobody_is_missing_all_is_what_can_be_chosen(binding: Binding, visit: Visit):
    await binding.class_roster("C-1", {"ST-1": "王大明"})
    await binding.settled(BindingApproved, student_id="ST-1")
    browser = await visit("T-1")
    assert 'value="all" checked' in (await browser.get("/classes/C-1/invitations")).text
    page = (await browser.get("/classes/C-1/invitations/print?who=missing")).text
    assert "沒有要列印的邀請單" in page
    assert "<script" not in page


# --- substitutes ---


async def test_a_substitute_has_the_class_from_the_first_day_to_the_last(
    people: Binding, visit: Visit, clock: Clock, query: Query
):
    assert people
    administrator, substitute = await visit("A-1"), await visit("T-3")
    await name_substitute(administrator, first=2, last=4)
    (waiting,) = await query("SELECT id FROM bindings WHERE student_id = 'ST-2'")
    session = "UPDATE sessions SET seen_at = present(), expires_at = present() + interval '1 hour'"
    for day, expected in ((0, 404), (1, 404), (2, 200), (4, 200), (5, 404)):
        await clock.shift(day * DAY)
        await query(session)
        for address in ("/classes/C-1", f"/applications/{waiting['id']}"):
            assert (await substitute.get(address)).status_code == expected, (day, address)
    await clock.shift(4 * DAY)
    await query(session)
    listed = (await substitute.get("/classes")).text
    assert "班級C-1" in listed
    assert "您的身分：代理至" in listed


async def test_substitutes_may_overlap_and_each_goes_alone(people: Binding, visit: Visit, query: Query):
    assert people
    await people.tell(people.teacher("T-4"))
    administrator, third, fourth = await visit("A-1"), await visit("T-3"), await visit("T-4")
    await name_substitute(administrator, "T-3")
    await name_substitute(administrator, "T-4", 0, 5)
    (row,) = await query("SELECT id FROM substitutes WHERE teacher_id = 'T-3'")
    end = f"/classes/C-1/substitutes/{row['id']}/end"
    assert "結束 老師T-3 對 班級C-1 的代理？" in (await administrator.get(end)).text
    answer = await confirm(administrator, end)
    assert answer.headers["location"] == "/classes/C-1?done=ended"
    assert (await third.get("/classes/C-1")).status_code == 404
    assert (await fourth.get("/classes/C-1")).status_code == 200
    assert [each[1:] for each in await actions(query) if each[1].startswith("substitute")] == [
        ("substitute.named", f"C-1/T-3/{today()}/{in_days(2)}"),
        ("substitute.named", f"C-1/T-4/{today()}/{in_days(5)}"),
        ("substitute.ended", "C-1/T-3"),
    ]


async def test_a_substitute_who_was_named_or_ended_twice_was_so_once(people: Binding, visit: Visit, query: Query):
    assert people
    browser = await visit("A-1")
    form = {"teacher": "T-3", "first_day": today(), "last_day": today(), "confirmed": str(uuid4())}
    for _ in range(2):
        assert (await browser.post("/classes/C-1/substitutes", data=form)).status_code == 303
    end = f"/classes/C-1/substitutes/{form['confirmed']}/end"
    for _ in range(2):
        assert (await browser.post(end, data={"confirmed": form["confirmed"]})).status_code == 303
    named = [each[1] for each in await actions(query) if each[1].startswith("substitute")]
    assert named == ["substitute.named", "substitute.ended"]


async def test_what_follows_is_said_before_a_substitute_is_named(people: Binding, visit: Visit, query: Query):
    assert people
    browser = await visit("A-1")
    form = {"teacher": "T-3", "first_day": "2099-12-01", "last_day": "2099-12-05"}
    asked = (await browser.post("/classes/C-1/substitutes", data=form)).text
    for text in ("指定 老師T-3 為 班級C-1 的代理老師？", "2099/12/01 至 2099/12/05，頭尾兩天都算在內。"):
        assert text in asked
    assert await query("SELECT 1 FROM substitutes") == []
    again = (await browser.post("/classes/C-1/substitutes", data=form | {"again": "yes"})).text
    assert '<option value="T-3" selected>' in again
    assert 'value="2099-12-05"' in again


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({"teacher": ""}, "teacher", "請選擇一位老師。"),
        ({"teacher": "T-9"}, "teacher", "請選擇一位老師。"),
        ({"teacher": "A-1"}, "teacher", "請選擇一位老師。"),
        ({"teacher": "T-1"}, "teacher", "這位老師本來就負責這個班級"),
        ({"first_day": ""}, "first_day", "請選擇代理開始的日期。"),
        ({"first_day": "2099-02-30"}, "first_day", "請選擇代理開始的日期。"),
        ({"last_day": MARKUP}, "last_day", "請選擇代理結束的日期。"),
        ({"first_day": "2099-12-05"}, "last_day", "結束的日期不能早於開始的日期。"),
        ({"first_day": "2020-01-01", "last_day": "2020-01-02"}, "last_day", "結束的日期已經過去"),
    ],
)
async def test_a_fault_is_said_at_its_field_and_nothing_is_lost(
    people: Binding, visit: Visit, query: Query, form: dict[str, str], field: str, message: str
):
    assert people
    typed = {"teacher": "T-3", "first_day": "2099-12-01", "last_day": "2099-12-04"} | form
    for confirmed in ({}, {"confirmed": str(uuid4())}):
        answer = await (await visit("A-1")).post("/classes/C-1/substitutes", data=typed | confirmed)
        assert answer.status_code == 422
        at_field = re.search(rf'id="{field}-error">.*?</p>', answer.text)
        assert at_field
        assert message in at_field[0]
        assert MARKUP not in answer.text
        if "first_day" not in form:
            assert 'value="2099-12-01"' in answer.text
        if "teacher" not in form:
            assert '<option value="T-3" selected>' in answer.text
    assert await query("SELECT 1 FROM substitutes") == []


async def test_another_language_keeps_what_was_typed(people: Binding, visit: Visit, query: Query):
    assert people
    browser = await visit("A-1")
    typed = {"teacher": "T-3", "first_day": today(), "last_day": "", "language": "en"}
    page = (await browser.post("/classes/C-1/substitutes", data=typed)).text
    assert '<html lang="en">' in page
    assert '<option value="T-3" selected>' in page
    asked = (await browser.post("/classes/C-1/substitutes", data=typed | {"last_day": today()})).text
    assert 'name="teacher" value="T-3"' in asked
    assert await query("SELECT 1 FROM substitutes") == []


async def test_a_substitute_who_left_the_school_has_the_class_no_longer(people: Binding, visit: Visit):
    administrator, substitute = await visit("A-1"), await visit("T-3")
    await name_substitute(administrator)
    assert (await substitute.get("/classes/C-1")).status_code == 200
    await people.tell(people.teacher("T-3", school_id="S-2", revision=2))
    assert (await substitute.get("/classes/C-1")).status_code == 404
    assert "名冊上已不在本校" in (await administrator.get("/classes/C-1")).text


# --- moving ---


async def test_a_class_that_is_moved_takes_its_applications_along_and_comes_back(
    people: Binding, visit: Visit, query: Query
):
    assert people
    administrator, before, after = await visit("A-1"), await visit("T-1"), await visit("T-3")
    (waiting,) = await query("SELECT id FROM bindings WHERE student_id = 'ST-2'")
    asked = (await administrator.post("/classes/C-1/move", data={"teacher": "T-3"})).text
    assert "將 班級C-1 移交給 老師T-3？" in asked
    assert "老師T-1、老師T-2 不再能查看這個班級" in asked
    answer = await confirm(administrator, "/classes/C-1/move", teacher="T-3")
    assert answer.headers["location"] == "/classes/C-1?done=moved"
    for address in ("/classes/C-1", f"/applications/{waiting['id']}"):
        assert (await before.get(address)).status_code == 404
        assert (await after.get(address)).status_code == 200
    page = (await administrator.get("/classes/C-1?done=moved")).text
    assert "班級已移交" in page
    assert "名冊上的導師，已移交" in page

    assert "等待中的申請會一起轉回給 老師T-1、老師T-2。" in (await administrator.get("/classes/C-1/return")).text
    answer = await confirm(administrator, "/classes/C-1/return")
    assert answer.headers["location"] == "/classes/C-1?done=returned"
    for address in ("/classes/C-1", f"/applications/{waiting['id']}"):
        assert (await before.get(address)).status_code == 200
        assert (await after.get(address)).status_code == 404
    assert [each[1:] for each in await actions(query) if each[1].startswith("class.")] == [
        ("class.moved", "C-1/T-3"),
        ("class.returned", "C-1"),
    ]


async def test_a_class_is_not_moved_to_whom_it_belongs_or_to_another_school(
    people: Binding, visit: Visit, query: Query
):
    assert people
    browser = await visit("A-1")
    for class_, teacher, message in (
        ("C-2", "T-3", "這位老師本來就負責這個班級"),
        ("C-2", "T-9", "請選擇一位老師。"),
        ("C-2", "", "請選擇一位老師。"),
    ):
        answer = await browser.post(f"/classes/{class_}/move", data={"teacher": teacher, "confirmed": str(uuid4())})
        assert answer.status_code == 422
        assert message in answer.text
    assert await query("SELECT 1 FROM classes WHERE moved_to IS NOT NULL") == []


async def test_of_two_homeroom_teachers_one_may_have_the_class_alone(people: Binding, visit: Visit):
    assert people
    administrator, other = await visit("A-1"), await visit("T-2")
    await confirm(administrator, "/classes/C-1/move", teacher="T-1")
    assert (await other.get("/classes/C-1")).status_code == 404


async def test_a_class_that_was_never_moved_cannot_be_given_back(people: Binding, visit: Visit, query: Query):
    assert people
    browser = await visit("A-1")
    assert (await browser.get("/classes/C-1/return")).status_code == 404
    assert (await browser.post("/classes/C-1/return", data={"confirmed": str(uuid4())})).status_code == 303
    assert [each for each in await actions(query) if each[1] == "class.returned"] == []
