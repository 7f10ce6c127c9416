"""One parent's binding, the whole way, as the people of it see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from support.stack import TEACHERS_PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from local_stack.sample_roster import Staff, Student
    from support.stack import Stack

pytestmark = pytest.mark.e2e

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
EMAIL = "parent@example.org"
PARENT_ID = "F901234566"
NEW_PASSWORD = "three quiet umbrellas"
LEVELS = {"elementary": "國小", "junior_high": "國中", "senior_high": "高中", "vocational_high": "高職"}
REASON = "學校紀錄上的關係不同，請與導師聯絡。"


def test_a_binding_goes_the_whole_way(stack: Stack, browser: Browser) -> None:
    first, second = stack.two_students
    parent = browser.new_page(viewport=PHONE, locale="zh-TW")

    log_in_by_code(parent, stack)
    name_student(parent, first, "父親")
    parent.get_by_role("link", name="新增綁定學生").click()
    name_student(parent, second, "其他", "叔叔")
    parent.get_by_role("link", name="下一步").click()
    accept_statement(parent)
    give_own_data(parent)
    sign_and_send(parent)
    expect(parent.get_by_text("申請", exact=True)).to_have_count(2)
    stack.wait_for_mail(EMAIL, "收到")

    decide(stack, browser, first, approve=True)
    decide(stack, browser, second, approve=False)
    wait_for_state(parent, first, "認證")
    wait_for_state(parent, second, "不通過")
    expect(card(parent, second)).to_contain_text(REASON)
    stack.wait_for_mail(EMAIL, "六碼")
    stack.wait_for_mail(EMAIL, REASON)
    parent.get_by_role("button", name="登出服務").click()

    sign_in_to_account(parent, stack)
    expect(card(parent, first)).to_contain_text("認證")

    apply_again(parent, second)
    open_case(stack, browser, second).context.close()
    withdraw(parent, second)
    expect_gone_from_inbox(stack, browser, second)
    stack.wait_for_mail(EMAIL, "取消")

    apply_again(parent, second)
    decide(stack, browser, second, approve=True)
    wait_for_state(parent, second, "認證")
    for child in stack.children.values():
        child.check()


# --- the parent ---


def log_in_by_code(page: Page, stack: Stack) -> None:
    page.goto(stack.binding)
    page.get_by_role("radio", name="電子信箱").check()
    page.get_by_role("textbox", name="電子信箱").fill(EMAIL)
    page.get_by_role("button", name="取得驗證碼").click()
    page.get_by_role("textbox", name="驗證碼").fill(stack.code_for(EMAIL))
    page.get_by_role("button", name="確認").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("請填寫學生資訊")


def name_student(page: Page, student: Student, relation: str, words: str = "") -> None:
    school = student.homeroom.school
    page.get_by_role("radio", name=relation, exact=True).check()
    if words:
        page.get_by_role("textbox", name="選擇「其他」時").fill(words)
    page.get_by_role("radio", name=LEVELS[school.level]).check()
    page.get_by_role("textbox", name="請輸入綁定學生身分證字號").fill(student.national_id)
    page.get_by_role("button", name="驗證").click()
    expect(page.get_by_role("status")).to_have_text("身分證字號格式正確。")
    page.get_by_role("combobox", name="請選擇綁定學生所在學校").select_option(school.name)
    page.get_by_role("button", name="下一步").click()
    expect(card(page, student)).to_contain_text(student.homeroom.title)


def accept_statement(page: Page) -> None:
    page.get_by_role("checkbox", name="本人已詳閱並同意以上條款聲明").check()
    page.get_by_role("button", name="下一步").click()


def give_own_data(page: Page) -> None:
    page.get_by_role("textbox", name="家長身分證字號").fill(PARENT_ID)
    page.get_by_role("button", name="驗證").click()
    page.get_by_role("textbox", name="家長姓名").fill("王曉明")
    expect(page.get_by_role("textbox", name="電子郵件信箱")).to_have_value(EMAIL)
    page.get_by_role("textbox", name="行動電話/市話號碼").fill("0912-345-678")
    page.get_by_role("button", name="下一步").click()


def sign_and_send(page: Page) -> None:
    draw_signature(page)
    send(page)


def draw_signature(page: Page) -> None:
    pad = page.get_by_role("img", name="簽名區")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    for row in (0.3, 0.6):
        page.mouse.move(box["x"] + 20, box["y"] + box["height"] * row)
        page.mouse.down()
        for step in range(1, 12):
            page.mouse.move(box["x"] + 20 + step * 18, box["y"] + box["height"] * (row + 0.02 * (step % 3)))
        page.mouse.up()


def send(page: Page) -> None:
    page.get_by_role("button", name="送出資料").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("目前申請進度")


def apply_again(page: Page, student: Student) -> None:
    page.get_by_role("link", name="新增綁定學生").click()
    name_student(page, student, "父親")
    page.get_by_role("link", name="下一步").click()
    accept_statement(page)
    page.get_by_role("textbox", name="家長身分證字號").fill(PARENT_ID)
    page.get_by_role("button", name="驗證").click()
    expect(page.get_by_text("將綁定於原有帳號中")).to_be_visible()
    page.get_by_role("link", name="下一步").click()
    sign_and_send(page)


def withdraw(page: Page, student: Student) -> None:
    page.get_by_role("link", name=f"取消申請 {student.name}").click()
    page.get_by_role("button", name="取消申請").click()
    expect(card(page, student).get_by_text("申請", exact=True)).to_have_count(0)


def sign_in_to_account(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.binding}/account/sign-in")
    page.get_by_role("textbox", name="帳號").fill(EMAIL)
    page.get_by_role("textbox", name="密碼").fill(PARENT_ID[-6:])
    page.get_by_role("button", name="登入", exact=True).click()
    page.goto(f"{stack.binding}/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("變更密碼")
    page.get_by_role("textbox", name="新密碼", exact=True).fill(NEW_PASSWORD)
    page.get_by_role("textbox", name="再輸入一次新密碼").fill(NEW_PASSWORD)
    page.get_by_role("button", name="變更密碼").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("我的孩子")


def wait_for_state(page: Page, student: Student, state: str) -> None:
    """Reload until binding has applied the decision: events take a moment."""
    for _ in range(40):
        if card(page, student).get_by_text(state, exact=True).count():
            return
        page.wait_for_timeout(250)
        page.reload()
    expect(card(page, student)).to_contain_text(state)


def card(page: Page, student: Student) -> Locator:
    """The part of the page that is about one child; the newest where there are several."""
    return page.get_by_role("region", name=student.name).last


# --- the teacher ---


def sign_in_as(stack: Stack, browser: Browser, teacher: Staff) -> Page:
    page = browser.new_page(viewport=DESK, locale="zh-TW")
    page.goto(f"{stack.review}/sign-in")
    page.get_by_role("textbox", name="帳號").fill(teacher.username)
    page.get_by_role("textbox", name="密碼").fill(TEACHERS_PASSWORD)
    page.get_by_role("button", name="登入").click()
    return page


def open_case(stack: Stack, browser: Browser, student: Student) -> Page:
    """The student's waiting application, opened by the homeroom teacher."""
    page = sign_in_as(stack, browser, student.homeroom.teacher)
    waiting = page.get_by_role("link", name=student.name)
    for _ in range(40):
        if waiting.count():
            break
        page.wait_for_timeout(250)
        page.reload()
    waiting.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(student.name)
    return page


def decide(stack: Stack, browser: Browser, student: Student, *, approve: bool) -> None:
    page = open_case(stack, browser, student)
    expect(page.get_by_role("img", name="家長手寫的簽名")).to_be_visible()
    if approve:
        page.get_by_role("button", name="核准").click()
        expect(page.get_by_role("status")).to_contain_text("已核准")
    else:
        page.get_by_text("不通過…").click()
        page.get_by_role("textbox", name="補充說明").fill(REASON)
        page.get_by_role("button", name="送出不通過").click()
        expect(page.get_by_role("status")).to_contain_text("已送出不通過")
    page.context.close()


def expect_gone_from_inbox(stack: Stack, browser: Browser, student: Student) -> None:
    """Review hears of the withdrawal: the case leaves the inbox."""
    page = sign_in_as(stack, browser, student.homeroom.teacher)
    for _ in range(40):
        if not page.get_by_role("link", name=student.name).count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(page.get_by_text("全部審核完成")).to_be_visible()
    page.context.close()
