"""What a parent does, page by page, in words that stand on the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from local_stack.sample_roster import Student
    from support.stack import Stack

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
EMAIL = "parent@example.org"
MOBILE = "0912-345-678"
PARENT_ID = "F901234566"
PARENT_NAME = "王曉明"
LEVELS = {"elementary": "國小", "junior_high": "國中", "senior_high": "高中", "vocational_high": "高職"}


def expect_heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def go_on(page: Page) -> None:
    page.get_by_role("button", name="下一步").click()


# --- step 1 ---


def ask_code(page: Page, stack: Stack, email: str = EMAIL) -> None:
    page.goto(stack.binding)
    page.get_by_role("radio", name="電子信箱").check()
    page.get_by_role("textbox", name="電子信箱").fill(email)
    page.get_by_role("button", name="取得驗證碼").click()
    expect_heading(page, "請輸入驗證碼")


def ask_code_by_phone(page: Page, stack: Stack, mobile: str = MOBILE) -> None:
    page.goto(stack.binding)
    page.get_by_role("radio", name="手機簡訊").check()
    page.get_by_role("textbox", name="手機號碼").fill(mobile)
    page.get_by_role("button", name="取得驗證碼").click()
    expect_heading(page, "請輸入驗證碼")


def type_code(page: Page, code: str) -> None:
    page.get_by_role("textbox", name="驗證碼").fill(code)
    page.get_by_role("button", name="確認").click()


def log_in_by_code(page: Page, stack: Stack, email: str = EMAIL) -> None:
    ask_code(page, stack, email)
    type_code(page, stack.code_for(email))


# --- step 2 ---


def name_student(page: Page, student: Student, relation: str, words: str = "") -> None:
    choose_relation(page, relation, words)
    go_on(page)
    choose_level(page, student)
    go_on(page)
    type_student_id(page, student)
    go_on(page)
    choose_school(page, student)
    go_on(page)
    expect(card(page, student)).to_contain_text(student.homeroom.title)


def choose_relation(page: Page, relation: str, words: str = "") -> None:
    expect_heading(page, "請選擇與綁定學生的關係")
    page.get_by_role("radio", name=relation, exact=True).check()
    if words:
        page.get_by_role("textbox", name="選擇「其他」時").fill(words)


def choose_level(page: Page, student: Student) -> None:
    expect_heading(page, "請選擇綁定學生之學層")
    page.get_by_role("radio", name=LEVELS[student.homeroom.school.level]).check()


def type_student_id(page: Page, student: Student) -> None:
    field = page.get_by_role("textbox", name="請輸入綁定學生身分證字號")
    field.fill(student.national_id)
    page.get_by_role("button", name="驗證").click()
    expect(page.get_by_role("status")).to_contain_text("身分證字號格式正確。")


def choose_school(page: Page, student: Student) -> None:
    expect_heading(page, "請選擇綁定學生所在學校")
    page.get_by_role("radio", name=student.homeroom.school.name).check()


# --- steps 3 and 4 ---


def accept_statement(page: Page) -> None:
    expect_heading(page, "請詳閱以下個資使用聲明")
    page.get_by_text("（聲明結束）").scroll_into_view_if_needed()
    page.get_by_role("checkbox", name="本人已詳閱並同意以上條款聲明").check()
    go_on(page)


def name_oneself(page: Page, national_id: str = PARENT_ID) -> None:
    page.get_by_role("textbox", name="家長身分證字號").fill(national_id)
    page.get_by_role("button", name="驗證").click()


def give_own_data(page: Page, email: str = EMAIL, mobile: str = MOBILE) -> None:
    page.get_by_role("textbox", name="家長姓名").fill(PARENT_NAME)
    page.get_by_role("textbox", name="電子郵件信箱").fill(email)
    page.get_by_role("textbox", name="行動電話/市話號碼").fill(mobile)
    go_on(page)


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


def type_signature(page: Page, name: str = PARENT_NAME) -> None:
    field = page.get_by_role("textbox", name="家長姓名全名")
    if not field.is_visible():
        page.get_by_text("無法手寫時，請輸入您的姓名代替簽名").click()
    field.fill(name)


def send(page: Page) -> None:
    page.get_by_role("button", name="送出資料").click()
    expect_heading(page, "目前申請進度")


# --- after ---


def withdraw(page: Page, student: Student) -> None:
    page.get_by_role("link", name=f"取消申請 {student.name}").click()
    page.get_by_role("button", name="取消申請").click()
    expect(card(page, student).get_by_text("申請", exact=True)).to_have_count(0)


def card(page: Page, student: Student) -> Locator:
    """The part of the page that is about one child; the newest where there are several."""
    return page.get_by_role("region", name=student.name).last
