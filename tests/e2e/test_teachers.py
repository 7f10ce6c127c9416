"""What a teacher does between two lessons: by keys alone, several at once, with a way back, beside others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import PHONE
from e2e.teachers import administrator_of, class_of, reload_until, sign_in_as, sign_in_on
from support.families import apply, withdraw

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from local_stack.sample_roster import Student
    from support.stack import Stack

pytestmark = pytest.mark.e2e

#: Long enough to press a key on a busy machine, short enough to wait for.
UNDO_SECONDS = 6
#: A decision leaves, travels to binding and comes back.
CONFIRMED_MS = 20_000
ARRIVES_MS = 15_000


def entries(page: Page) -> list[str]:
    """The students in the list, as they stand there."""
    return page.locator(".entry strong").all_inner_texts()


def press(page: Page, key: str) -> None:
    page.locator("body").press(key)


def expect_case(page: Page, student: Student) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(student.name)


def wait_for_entries(page: Page, count: int) -> None:
    expect(page.locator(".entry")).to_have_count(count, timeout=ARRIVES_MS)


def test_a_class_is_cleared_by_keys_alone(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 0)
    for serial, student in enumerate(students[:4], start=1):
        apply(shared_stack, serial, [student])
    page = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    wait_for_entries(page, 4)
    assert entries(page) == [student.name for student in students[:4]]

    press(page, "?")
    expect(page.get_by_role("dialog")).to_contain_text("核准")
    press(page, "Escape")
    press(page, "j")
    press(page, "j")
    expect(page.locator(".entry").nth(1)).to_be_focused()
    press(page, "k")
    press(page, "Enter")
    expect_case(page, students[0])
    press(page, "a")
    expect_case(page, students[1])
    expect(page.get_by_role("status").filter(has_text="已核准")).to_contain_text(students[0].name)
    press(page, "u")
    expect_case(page, students[0])
    expect(page.get_by_text("已復原，申請回到待審核。")).to_be_visible()
    press(page, "a")
    expect_case(page, students[1])
    press(page, "r")
    page.keyboard.press("Tab")
    page.keyboard.type("請帶身分證明到校")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_case(page, students[2])
    expect(page.get_by_role("status").filter(has_text="不通過：")).to_contain_text(students[1].name)
    press(page, "j")
    expect_case(page, students[3])
    press(page, "k")
    expect_case(page, students[2])
    press(page, "a")
    expect_case(page, students[3])
    press(page, "a")
    expect(page.get_by_text("全部審核完成")).to_be_visible()
    page.goto(f"{shared_stack.review}/?show=ended")
    expect(page.locator(".state.approved")).to_have_count(3, timeout=CONFIRMED_MS)
    expect(page.locator(".state.refused")).to_have_count(1)
    shared_stack.wait_for_mail("family2@example.org", "請帶身分證明到校")
    page.context.close()


def test_single_keys_can_be_turned_off(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 1)
    apply(shared_stack, 11, students[:1])
    page = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    wait_for_entries(page, 1)
    page.locator(".entry").click()
    press(page, "?")
    page.get_by_label("使用單鍵快速鍵").uncheck()
    page.get_by_role("button", name="關閉").click()
    page.reload()
    press(page, "a")
    expect_case(page, students[0])
    expect(page.locator(".case-state .waiting")).to_be_visible()
    page.context.close()


def test_what_is_undone_leaves_nothing_and_what_has_left_is_told(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 2)
    family = apply(shared_stack, 21, students[:1])
    page = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    wait_for_entries(page, 1)
    page.locator(".entry").click()
    page.get_by_role("button", name="核准").click()
    page.get_by_role("button", name="復原").click()
    expect_case(page, students[0])
    page.get_by_role("button", name="核准").click()
    expect(page.locator(".undo")).to_have_count(1)
    undo = page.locator(".undo").get_attribute("action")
    # The way back goes away by itself when it has become none.
    expect(page.locator(".undo")).to_have_count(0, timeout=(UNDO_SECONDS + 3) * 1000)
    shared_stack.wait_for_mail(family.email, "帳號")
    page.evaluate(
        "action => { const form = document.createElement('form'); form.method = 'post'; form.action = action;"
        " document.body.append(form); form.submit(); }",
        undo,
    )
    expect(page.get_by_text("決定已經送出，來不及復原。")).to_be_visible()
    page.context.close()


def test_several_at_once_and_the_unusual_only_when_confirmed(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 3)
    apply(shared_stack, 31, [students[0]])
    apply(shared_stack, 32, [students[1]])
    apply(shared_stack, 33, [students[1]])  # a second mother
    page = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    wait_for_entries(page, 3)
    expect(page.get_by_text("同一關係已有人申請")).to_have_count(2)
    for box in page.get_by_role("checkbox", name=re.compile("^選取")).all():
        box.check()
    page.get_by_role("button", name="核准勾選的").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("核准 3 件申請？")
    page.get_by_role("button", name="只核准沒有標記的 1 件").click()
    wait_for_entries(page, 2)
    page.get_by_role("button", name="復原").click()
    expect_case(page, students[0])
    page.get_by_role("link", name="親子綁定審核").click()
    wait_for_entries(page, 3)
    page.get_by_role("button", name="勾選全部沒有標記的").click()
    page.get_by_role("button", name="核准勾選的").click()
    wait_for_entries(page, 2)
    page.locator(".filters summary").click()
    page.get_by_label("只看需要留意的").check()
    page.get_by_role("button", name="套用").click()
    wait_for_entries(page, 2)
    page.context.close()


def test_new_ones_arrive_by_themselves_and_what_is_gone_is_said(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 4)
    page = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    expect(page.get_by_text("全部審核完成")).to_be_visible()
    page.evaluate("window.isTheSame = true")
    first = apply(shared_stack, 41, [students[0]])
    wait_for_entries(page, 1)
    apply(shared_stack, 42, [students[1]])
    wait_for_entries(page, 2)
    assert page.evaluate("window.isTheSame")
    expect(page.locator("#changed")).to_have_text("列表已更新。")
    page.locator(".entry").first.click()
    withdraw(shared_stack, first)
    expect(page.get_by_text("這件申請剛剛有變動。")).to_be_visible(timeout=ARRIVES_MS)
    page.get_by_role("button", name="核准").click()
    expect(page.get_by_role("alert").filter(has_text="家長在您送出前已撤回這件申請")).to_be_visible()
    expect(page.locator(".case-state")).to_contain_text("家長已撤回")
    page.context.close()


def test_of_two_who_decide_at_once_the_second_is_told(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 5)
    apply(shared_stack, 51, [students[0]])
    administrator = administrator_of(shared_stack, homeroom)
    teacher, second = (sign_in_as(shared_stack, shared_browser, who) for who in (homeroom.teacher, administrator))
    for page in (teacher, second):
        wait_for_entries(page, 1)
        page.locator(".entry").click()
    teacher.get_by_role("button", name="核准").click()
    second.get_by_role("button", name="核准").click()
    expect(second.get_by_role("alert").filter(has_text="在您送出前已有結果")).to_contain_text(homeroom.teacher.name)
    for page in (teacher, second):
        page.context.close()


def test_an_application_is_found_by_its_number_and_shown_contacts_are_whole(
    shared_stack: Stack, shared_browser: Browser
) -> None:
    homeroom, students = class_of(shared_stack, 6)
    family = apply(shared_stack, 61, [students[0]])
    page = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    wait_for_entries(page, 1)
    press(page, "/")
    page.keyboard.type(family.number.lower())
    page.keyboard.press("Enter")
    expect_case(page, students[0])
    expect(page.get_by_role("main")).not_to_contain_text(family.email)
    page.get_by_role("button", name="顯示完整字號與聯絡方式").click()
    expect(page.get_by_role("main")).to_contain_text(family.email)
    assert family.email not in page.url
    page.goto(f"{shared_stack.review}/")
    page.get_by_label("用申請編號找").fill("20260101-AAAAAA")
    page.get_by_role("button", name="開啟").click()
    expect(page.get_by_role("link", name="找不到這個編號的申請")).to_be_visible()
    expect(page.get_by_label("用申請編號找")).to_have_value("20260101-AAAAAA")
    page.context.close()


def test_without_scripts_a_teacher_decides_undoes_and_goes_on(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 7)
    for serial, student in enumerate(students[:2], start=71):
        apply(shared_stack, serial, [student])
    context = shared_browser.new_context(viewport=PHONE, locale="zh-TW", java_script_enabled=False)
    page = sign_in_on(shared_stack, context.new_page(), homeroom.teacher)
    reload_until(page, page.locator(".entry"), 2)
    page.locator(".entry").first.click()
    page.get_by_role("button", name="核准", exact=True).click()
    page.get_by_role("button", name="復原").click()
    expect_case(page, students[0])
    page.get_by_text("不通過…").click()
    page.get_by_role("button", name="送出不通過").click()
    expect(page.get_by_role("link", name="請選擇或填寫理由，家長會看到這段文字。")).to_be_visible()
    page.get_by_label("簽名無法辨識，請重新簽名").check()
    page.get_by_role("button", name="送出不通過").click()
    expect_case(page, students[1])
    context.close()
