"""An account and the family around it, in a browser: another child, another guardian, one's own data."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import DESK, NEW_PASSWORD, PHONE, Parent
from e2e.teachers import administrator_of, decide, reload_until, sign_in_as
from e2e.test_every_page import Eyes, Witness
from support.families import apply

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from local_stack.sample_roster import Student
    from support.stack import Stack

pytestmark = pytest.mark.e2e

FATHER = "陳志明"
REASON = "我不認識這個人，請學校查明。"
NOTE = "已與雙方聯絡，並查驗戶籍資料。"


@pytest.mark.parametrize(
    "eyes",
    [Eyes(401, "zh-TW", PHONE), Eyes(402, "zh-TW", PHONE, has_scripts=False), Eyes(403, "zh-TW", DESK)],
    ids=str,
)
def test_a_family_around_an_account(shared_stack: Stack, shared_browser: Browser, eyes: Eyes) -> None:
    page = eyes.open_page(shared_browser)
    parent = Parent(page, shared_stack, number=eyes.number)
    witness = Witness(page, eyes, shared_stack, shared_stack.binding)
    number = eyes.number - 401
    first, second = shared_stack.roster.students[20 + number], shared_stack.roster.students[-20 - number]
    open_account(parent, shared_browser, first)
    add_a_child(parent, second, witness)
    object_to_another_guardian(parent, shared_browser, first, witness, serial=60 + number)
    see_ones_data(parent, witness)
    delete_and_take_back(parent, witness)
    page.context.close()
    assert not witness.faults, "\n".join(witness.faults)


def open_account(parent: Parent, browser: Browser, student: Student) -> None:
    parent.log_in()
    parent.name_student(student, "mother")
    parent.link("下一步").click()
    parent.accept_statement()
    parent.name_oneself()
    parent.give_own_data()
    parent.type_signature()
    parent.send()
    decide(parent.stack, browser, student, approve=True)
    parent.stack.wait_for_mail(parent.email, "您的帳號已開好")
    parent.button("登出服務").click()
    parent.sign_in()


def add_a_child(parent: Parent, student: Student, witness: Witness) -> None:
    """From the account, without a code, and with nothing of one's own to type."""
    codes = len([mail for mail in parent.stack.mail_to(parent.email) if mail["code"]])
    witness.look("account")
    parent.link("新增綁定學生").click()
    parent.name_student(student, "mother")
    parent.link("下一步").click()
    parent.accept_statement()
    parent.expect_heading("請確認家長資料")
    witness.look("parent-of-account")
    expect(parent.page.get_by_role("textbox")).to_have_count(0)
    parent.go_on()
    parent.expect_heading("請再次確認填寫資料是否正確")
    parent.type_signature()
    parent.send()
    witness.look("progress-of-account")
    parent.link("← 回到我的孩子").click()
    parent.expect_heading("我的孩子")
    parent.expect_state(student, "pending")
    witness.look("account-waiting")
    assert len([mail for mail in parent.stack.mail_to(parent.email) if mail["code"]]) == codes


def object_to_another_guardian(
    parent: Parent, browser: Browser, student: Student, witness: Witness, *, serial: int
) -> None:
    """Told by mail, sent by a form, answered by the school, told by mail again."""
    stack = parent.stack
    apply(stack, serial, [student], relation="father", name=FATHER)
    decide(stack, browser, student, approve=True)
    mail = stack.wait_for_mail(parent.email, "另一位監護人綁定了")
    assert "陳○明" in str(mail)
    assert FATHER not in str(mail)
    parent.go("/account")
    expect(parent.card(student)).to_contain_text("陳○明")
    witness.look("account-guardian")
    expect(parent.card(student).get_by_role("link")).to_have_attribute("href", re.compile("/objection$"))
    come_by_mail(parent, mail["text"])
    witness.look("objection")
    parent.button("送出異議").click()
    expect(parent.page.locator("#reason-error")).to_be_visible()
    witness.look("objection-error")
    parent.field("請說明原因").fill(REASON)
    parent.button("送出異議").click()
    expect(parent.page.get_by_role("status")).to_contain_text("已送出，等學校處理")
    witness.look("objection-sent")
    answer_at_school(stack, browser, student)
    assert NOTE in stack.wait_for_mail(parent.email, "學校已處理您提出的異議")["text"]
    parent.page.reload()
    expect(parent.page.get_by_role("main")).to_contain_text(NOTE)
    witness.look("objection-answered")


def come_by_mail(parent: Parent, text: str) -> None:
    """The mail's link asks who was signed out to sign in, and then is where it leads."""
    parent.page.get_by_role("button", name="登出", exact=True).click()
    (link,) = [word for word in text.split() if word.endswith("/objection")]
    parent.page.goto(link)
    parent.expect_heading("家長帳號登入")
    parent.field("帳號（電子信箱）").fill(parent.email)
    parent.field("密碼").fill(NEW_PASSWORD)
    parent.button("登入").click()
    parent.expect_heading("向學校提出異議")


def answer_at_school(stack: Stack, browser: Browser, student: Student) -> None:
    page: Page = sign_in_as(stack, browser, administrator_of(stack, student.homeroom))
    eyes = Witness(page, Eyes(404, "zh-TW", DESK), stack, stack.review)
    page.goto(f"{stack.review}/objections")
    theirs = page.get_by_role("listitem").filter(has_text=student.name).filter(has_text="待處理").get_by_role("link")
    reload_until(page, theirs)
    eyes.look("review-objections")
    theirs.click()
    expect(page.get_by_text(REASON)).to_be_visible()
    eyes.look("review-objection")
    page.get_by_role("textbox").fill(NOTE)
    page.get_by_role("button", name="回覆並結案").click()
    expect(page.get_by_text("已回覆")).to_be_visible()
    eyes.look("review-objection-answered")
    page.context.close()
    assert not eyes.faults, "\n".join(eyes.faults)


def see_ones_data(parent: Parent, witness: Witness) -> None:
    parent.go("/account/data")
    parent.expect_heading("我的資料")
    expect(parent.page.get_by_role("main")).not_to_contain_text(parent.national_id)
    witness.look("my-data")
    parent.field("請再輸入一次密碼").fill(NEW_PASSWORD)
    with parent.page.expect_download() as download:
        parent.button("下載").click()
    file = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert file["account"]["national_id"] == parent.national_id


def delete_and_take_back(parent: Parent, witness: Witness) -> None:
    parent.go("/account/delete")
    parent.expect_heading("要刪除帳號嗎？")
    witness.look("delete-account")
    parent.field("請再輸入一次密碼").fill(NEW_PASSWORD)
    parent.button("刪除帳號").click()
    parent.expect_heading("我的孩子")
    witness.look("account-deleting")
    parent.stack.wait_for_mail(parent.email, "您的帳號將在")
    parent.button("取消刪除").click()
    expect(parent.button("取消刪除")).to_have_count(0)
