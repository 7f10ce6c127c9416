"""The school at a glance, for its administrator."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from review_service.accounts import staff as accounts
from review_service.accounts.staff import NewAccount
from review_service.classes import use_cases
from review_service.classes.domain import Count, Sort
from review_service.context import OPERATOR, Teacher
from shared.events import BindingApproved, BindingRefused

if TYPE_CHECKING:
    from tests.integration.review.conftest import Binding, Query, Visit

    from review_service.context import Review

ADMINISTRATOR = Teacher("A-1", "老師A-1", "administrator", "S-1", "學校S-1")


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


@pytest.fixture
async def people(binding: Binding, review: Review) -> Binding:
    """Two classes: one teacher of each has an account; an application waits in each, longer in the second."""
    await binding.class_roster("C-1", {"ST-1": "王大明", "ST-2": "李小美", "ST-3": "陳子瑜"})
    await binding.class_roster("C-2", {"ST-20": "張承恩"})
    await binding.class_roster("C-9", {"ST-90": "黃子軒"}, school_id="S-2")
    await binding.settled(BindingApproved, student_id="ST-1")
    await binding.submit(student_id="ST-1", relation="mother", submitted_at=days_ago(2))
    await binding.submit(student_id="ST-2", submitted_at=days_ago(3))
    await binding.settled(BindingRefused, student_id="ST-3")
    await binding.submit(student_id="ST-20", class_id="C-2", submitted_at=days_ago(9))
    await binding.submit(student_id="ST-90", class_id="C-9", school_id="S-2", submitted_at=days_ago(90))
    await accounts.open_accounts(
        review, OPERATOR, [NewAccount(id_, f"user-{id_}", "a long enough one") for id_ in ("T-2", "T-3")]
    )
    return binding


def rows_of(page: str) -> list[list[str]]:
    """The table's cells, row by row, as words."""
    rows = re.findall(r'<tr role="row">(.*?)</tr>', page.partition("<tbody")[2], re.DOTALL)
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows)
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


async def test_each_class_has_its_figures_and_teachers(people: Binding, visit: Visit):
    assert people
    page = (await (await visit("A-1")).get("/school?sort=class")).text
    assert rows_of(page) == [
        ["班級C-1", "老師T-1 ! 沒有帳號 老師T-2", "33% 1／3", "未綁定 1", "待審核申請 2", "最久等待 3 天"],
        ["班級C-2", "老師T-3", "0% 0／1", "未綁定 0", "待審核申請 1", "最久等待 9 天"],
    ]
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "25% 已綁定 1／4 人 ✓ 已綁定 1 ○ 待審核 2 – 未綁定 1" in words
    assert "3 件申請待審核 最久的等了 9 天" in words
    for address in ("/classes/C-1", "/staff", "/audit", "/paper", "/reasons"):
        assert f'href="{address}"' in page


async def test_trouble_is_on_top_unless_the_address_says_otherwise(people: Binding, visit: Visit):
    await people.tell(people.class_("C-3", teacher_ids=[]))
    await people.tell(people.class_("C-4", teacher_ids=["T-1"]))
    browser = await visit("A-1")
    assert [row[0] for row in rows_of((await browser.get("/school")).text)] == [
        "班級C-3",  # nobody at all
        "班級C-4",  # nobody who can sign in
        "班級C-2",  # the longest wait
        "班級C-1",
    ]
    page = (await browser.get("/school?sort=class")).text
    assert [row[0] for row in rows_of(page)] == ["班級C-1", "班級C-2", "班級C-3", "班級C-4"]
    assert '<a href="/school?sort=class" aria-current="page">' in page
    assert "2 個班級目前沒有老師能登入審核" in page
    assert (await browser.get("/school?sort=nonsense")).status_code == 200


async def test_who_teaches_today_is_who_counts(people: Binding, visit: Visit, query: Query):
    await query("UPDATE classes SET moved_to = 'T-1' WHERE id = 'C-2'")
    browser = await visit("A-1")
    by_class = {row[0]: row[1] for row in rows_of((await browser.get("/school")).text)}
    assert by_class["班級C-2"] == "老師T-1 學校指派 ! 沒有帳號"
    await query(
        "INSERT INTO substitutes (id, class_id, teacher_id, first_day, last_day, named_by)"
        " VALUES (gen_random_uuid(), 'C-2', 'T-3', current_date - 1, current_date + 1, 'A-1')"
    )
    page = (await browser.get("/school")).text
    assert re.search(r"老師T-3 代理至", {row[0]: row[1] for row in rows_of(page)}["班級C-2"])
    assert "目前沒有老師能登入審核" not in page
    await people.tell(people.teacher("T-1", active=False, revision=2))
    page = (await browser.get("/school")).text
    assert "老師T-1 學校指派 ! 名冊上已不在本校" in {row[0]: row[1] for row in rows_of(page)}["班級C-2"]


async def test_a_school_without_students_is_no_division_by_zero(binding: Binding, visit: Visit):
    assert binding
    page = (await (await visit("A-9")).get("/school")).text
    assert rows_of(page)[0][2] == "0% 0／0"
    assert "沒有等待中的申請" in page or "沒有老師能登入審核" in page


@pytest.mark.parametrize(("who", "status"), [("T-1", 403), ("", 303), ("A-9", 200)])
async def test_another_sees_nothing_of_this_school(people: Binding, visit: Visit, who: str, status: int):
    assert people
    answer = await (await visit(who)).get("/school")
    assert answer.status_code == status
    assert "班級C-1" not in answer.text


async def test_a_school_of_4000_students_is_counted_in_one_query_whatever_else_there_is(
    people: Binding, review: Review, query: Query
):
    assert people
    await query(
        """
        INSERT INTO classes (id, school_id, name, teacher_ids, revision, active)
        SELECT 'X-' || n, 'S-1', '班' || n, '{}', 1, true FROM generate_series(1, 98) n
        """
    )
    await query(
        """
        INSERT INTO students (id, school_id, class_id, name, revision)
        SELECT 'XS-' || n, 'S-1', 'X-' || (n % 98 + 1), '', 1 FROM generate_series(1, 3920) n
        """
    )
    await query(
        """
        INSERT INTO bindings (id, version, state, submission_version, student_id, names, details)
        SELECT gen_random_uuid(), 1, CASE WHEN n % 2 = 0 THEN 'approved' ELSE 'refused' END, 1, 'XS-' || n, '', ''
        FROM generate_series(1, 20000) n
        """
    )
    school = await use_cases.school(review, ADMINISTRATOR, Sort.TROUBLE)
    assert len(school.classes) == 100
    assert school.total == Count(students=3924, bound=1961, waiting=2)
