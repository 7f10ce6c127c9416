"""A walk over every page that a parent can see, faults included; at each one somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.parents import NEW_PASSWORD
from e2e.teachers import decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

    from e2e.parents import Parent
    from local_stack.sample_roster import Student

    #: Told the page's name, in the order of the walk.
    Look = Callable[[str], None]


def walk(parent: Parent, browser: Browser, students: tuple[Student, Student], look: Look, *, draws: bool) -> None:
    """Apply for two children, have one refused, come back, sign in. ``draws``: by mouse, not by typing the name."""
    first, second = students
    login(parent, look)
    name_first_student(parent, first, look)
    name_second_student(parent, second, look)
    consent(parent, look)
    own_data(parent, look)
    sign(parent, look, draws=draws)
    wait(parent, first, look)
    decide(parent.stack, browser, first, approve=True)
    decide(parent.stack, browser, second, approve=False)
    come_back(parent, second, look)
    disown(parent, look)
    verify(parent, look)
    account(parent, look)


def login(parent: Parent, look: Look) -> None:
    parent.go("/")
    look("start")
    languages = parent.page.locator(".languages summary")
    languages.click()
    look("languages")
    languages.click()
    parent.button("取得驗證碼").click()
    look("start-error")
    parent.go("/?use=sms")
    look("start-phone")
    parent.ask_code()
    look("code")
    parent.type_code("12")
    look("code-error")
    parent.type_code(parent.stack.code_for(parent.email))


def name_first_student(parent: Parent, student: Student, look: Look) -> None:
    parent.expect_heading("請選擇與綁定學生的關係")
    look("relation")
    parent.go_on()
    look("relation-error")
    parent.choose_relation("father")
    parent.go_on()
    parent.choose_level(student)
    look("level")
    parent.go_on()
    parent.expect_heading("請輸入綁定學生身分證字號")
    look("student-id")
    parent.type_student_id(student)
    look("student-id-verified")
    parent.go_on()
    parent.expect_heading("請選擇綁定學生所在學校")
    look("school")
    parent.page.get_by_role("radio").last.check()
    parent.go_on()
    parent.expect_heading("請選擇綁定學生所在學校")
    look("school-no-match")
    parent.choose_school(student)
    parent.go_on()
    parent.expect_heading("請確認綁定學生資訊")


def name_second_student(parent: Parent, student: Student, look: Look) -> None:
    parent.link("新增綁定學生").click()
    parent.choose_relation("other", "叔叔")
    look("relation-other")
    parent.name_student(student, "mother")
    look("students")
    parent.link("下一步").click()


def consent(parent: Parent, look: Look) -> None:
    parent.expect_heading("請詳閱以下個資使用聲明")
    look("consent")
    parent.link("我不同意，離開這裡").click()
    parent.expect_heading("要離開嗎？")
    look("leave")
    parent.link("回到聲明").click()
    parent.accept_statement()


def own_data(parent: Parent, look: Look) -> None:
    parent.expect_heading("請填寫家長資料")
    look("parent-id")
    parent.name_oneself()
    look("parent")
    parent.go_on()
    look("parent-error")
    parent.give_own_data(email=f"new-{parent.email}")
    parent.expect_heading("請確認電子信箱")
    look("email-code")
    parent.link("更改電子信箱").click()
    parent.give_own_data()


def sign(parent: Parent, look: Look, *, draws: bool) -> None:
    parent.expect_heading("請再次確認填寫資料是否正確")
    look("check")
    parent.button("送出資料").click()
    look("check-error")
    if draws:
        parent.draw_signature()
    else:
        parent.type_signature()
    look("check-signed")
    parent.send()


def wait(parent: Parent, first: Student, look: Look) -> None:
    parent.expect_state(first, "pending")
    look("progress-pending")
    parent.card(first).get_by_role("link").click()
    look("withdraw")
    parent.link("保留申請").click()
    parent.link("註銷全部紀錄").click()
    parent.expect_heading("要註銷全部紀錄嗎？")
    look("clear")
    parent.link("保留紀錄").click()


def come_back(parent: Parent, second: Student, look: Look) -> None:
    """By the phone this time."""
    parent.button("登出服務").click()
    look("goodbye")
    parent.go("/")
    parent.ask_code_by_phone()
    look("code-phone")
    parent.type_code(parent.stack.code_for(f"+886{parent.mobile.replace('-', '')[1:]}"))
    parent.expect_heading("目前申請進度")
    parent.expect_state(second, "refused")
    look("progress")
    parent.card(second).get_by_role("button").click()
    parent.expect_heading("請確認綁定學生資訊")
    look("students-again")
    parent.link("下一步").click()
    parent.accept_statement()
    # The phone was only typed: whose it is has to be said anew.
    parent.name_oneself()
    parent.expect_heading("請確認家長資料")
    look("parent-known")


def disown(parent: Parent, look: Look) -> None:
    """What the link at the foot of a mail opens: one about an application, one about a code."""
    parent.page.goto(parent.not_mine_link("refused"))
    look("not-mine")
    parent.button("不是我，告訴學校").click()
    parent.expect_heading("謝謝您告訴我們")
    look("disowned")
    parent.page.goto(parent.not_mine_link("code"))
    look("not-mine-code")
    parent.go("/not-mine?token=cut-off")
    look("not-mine-over")


def verify(parent: Parent, look: Look) -> None:
    parent.go("/verify")
    look("verify")
    parent.field("申請內容的 SHA-256 雜湊值").fill("0" * 64)
    parent.button("查驗").click()
    look("verify-unknown")
    parent.go("/progress")
    with parent.page.expect_download() as download:
        parent.link("下載留存紙本申請書").click()
    parent.go("/verify")
    parent.page.locator("input[type=file]").set_input_files(download.value.path())
    parent.button("查驗").click()
    look("verify-genuine")


def account(parent: Parent, look: Look) -> None:
    parent.go("/nowhere")
    look("error")
    parent.go("/account/forgot")
    look("forgot")
    parent.go("/account/sign-in")
    look("sign-in")
    parent.sign_in()
    look("account")
    own_data_of_account(parent, look)
    parent.go("/account/password")
    look("password")
    security(parent, look)


def own_data_of_account(parent: Parent, look: Look) -> None:
    parent.go("/account/data")
    look("my-data")
    parent.button("下載").click()
    look("my-data-error")
    parent.go("/account/delete")
    look("delete-account")
    parent.field("請再輸入一次密碼").fill(NEW_PASSWORD)
    parent.button("刪除帳號").click()
    parent.expect_heading("我的孩子")
    look("account-deleting")
    parent.button("取消刪除").click()


def security(parent: Parent, look: Look) -> None:
    """To correct a contact, and to say that the sign-in was somebody else's, which ends it."""
    parent.go("/account/security")
    look("security")
    parent.go("/account/contacts")
    look("contacts")
    parent.go("/account/contacts/phone")
    look("contact-phone")
    parent.go_on()
    look("contact-error")
    parent.go("/account/contacts/email")
    look("contact-email")
    parent.field("新的電子信箱").fill(f"other-{parent.email}")
    parent.field("目前的密碼").fill(NEW_PASSWORD)
    parent.go_on()
    parent.expect_heading("請輸入驗證碼")
    look("contact-code")
    link = parent.not_me_link()
    parent.page.goto(link)
    look("not-me")
    parent.button("這不是我，保護我的帳號").click()
    parent.expect_heading("帳號已經保護好")
    look("secured")
    parent.page.goto(link)
    look("link-over")
