"""What a homeroom teacher does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from e2e.parents import DESK
from support.stack import TEACHERS_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, Locator, Page

    from local_stack.sample_roster import Homeroom, Staff, Student
    from support.stack import Stack

REASON = "學校紀錄上的關係不同，請與導師聯絡。"


def sign_in_as(stack: Stack, browser: Browser, teacher: Staff) -> Page:
    return sign_in_on(stack, browser.new_page(viewport=DESK, locale="zh-TW"), teacher)


def sign_in_on(stack: Stack, page: Page, teacher: Staff) -> Page:
    page.goto(f"{stack.review}/sign-in")
    page.get_by_role("textbox", name="帳號").fill(teacher.username)
    page.get_by_role("textbox", name="密碼").fill(TEACHERS_PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="登入").click()
    return page


def open_case(stack: Stack, browser: Browser, student: Student) -> Page:
    """The student's waiting application, opened by the homeroom teacher."""
    return open_case_of(sign_in_as(stack, browser, student.homeroom.teacher), student)


def open_case_of(page: Page, student: Student) -> Page:
    """The student's waiting application, opened out of the list at which somebody is."""
    waiting = page.get_by_role("link", name=student.name)
    reload_until(page, waiting)
    waiting.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(student.name)
    return page


def reload_until(page: Page, there: Locator, count: int = 1) -> None:
    """Reload until what was told elsewhere has come here, in so many places."""
    for _ in range(120):
        if there.count() == count:
            return
        page.wait_for_timeout(250)
        page.reload()
    expect(there).to_have_count(count)


def decide(stack: Stack, browser: Browser, student: Student, *, approve: bool) -> None:
    page = open_case(stack, browser, student)
    if approve:
        page.get_by_role("button", name="核准").click()
        expect(page.get_by_role("status").filter(has_text="已核准")).to_be_visible()
    else:
        page.get_by_text("不通過…").click()
        page.get_by_role("textbox", name="補充說明").fill(REASON)
        page.get_by_role("button", name="送出不通過").click()
        expect(page.get_by_role("status").filter(has_text="不通過：")).to_be_visible()
    page.context.close()


def expect_gone_from_inbox(stack: Stack, browser: Browser, student: Student) -> None:
    """Review hears of the withdrawal: the case leaves the inbox."""
    page = sign_in_as(stack, browser, student.homeroom.teacher)
    reload_until(page, page.get_by_role("link", name=student.name), 0)
    expect(page.get_by_text("全部審核完成")).to_be_visible()
    page.context.close()


def administrator_of(stack: Stack, homeroom: Homeroom) -> Staff:
    staff = stack.roster.staff
    return next(one for one in staff if one.role == "administrator" and one.school is homeroom.school)


def class_of(stack: Stack, number: int) -> tuple[Homeroom, Sequence[Student]]:
    """The ``number``-th class of the roster, with its students."""
    homeroom = stack.roster.homerooms[number]
    return homeroom, [student for student in stack.roster.students if student.homeroom is homeroom]
