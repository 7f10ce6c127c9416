"""What keeps an account safe, as a parent does it on a phone and a desk."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import DESK, NEW_PASSWORD, PHONE, Parent
from e2e.teachers import decide

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from support.stack import Stack

pytestmark = pytest.mark.e2e


@pytest.fixture
def parent(stack: Stack, browser: Browser) -> Parent:
    """A parent on a phone, whose child was approved and who has signed in."""
    student = stack.roster.students[0]
    parent = Parent(browser.new_page(viewport=PHONE, locale="zh-TW"), stack)
    parent.log_in()
    parent.name_student(student)
    parent.link("下一步").click()
    parent.accept_statement()
    parent.name_oneself()
    parent.give_own_data()
    parent.draw_signature()
    parent.send()
    decide(stack, browser, student, approve=True)
    stack.wait_for_mail(parent.email, "六碼")
    parent.sign_in()
    return parent


def sign_in_elsewhere(parent: Parent, browser: Browser) -> Page:
    """The same parent, on another device."""
    there = browser.new_page(viewport=DESK, locale="zh-TW")
    there.goto(f"{parent.stack.binding}/account/sign-in")
    there.get_by_label("帳號（電子信箱）").fill(parent.email)
    there.get_by_label("密碼", exact=True).fill(NEW_PASSWORD)
    there.get_by_role("button", name="登入", exact=True).click()
    expect(there.get_by_role("heading", level=1)).to_have_text("我的孩子")
    return there


def test_another_device_is_seen_signed_out_and_then_said_to_be_a_strangers(parent: Parent, browser: Browser) -> None:
    there = sign_in_elsewhere(parent, browser)
    parent.link("登入與安全").click()
    parent.expect_heading("登入與安全")
    expect(parent.page.locator(".place")).to_have_count(2)
    parent.page.get_by_role("button", name="登出這個裝置").click()
    expect(parent.page.locator(".place")).to_have_count(1)
    expect(parent.page.get_by_text("目前沒有其他裝置登入。")).to_be_visible()
    there.reload()
    expect(there.get_by_role("heading", level=1)).to_have_text("家長帳號登入")

    parent.page.goto(parent.not_me_link())
    parent.expect_heading("這不是您做的嗎？")
    parent.button("這不是我，保護我的帳號").click()
    parent.expect_heading("帳號已經保護好")
    parent.go("/account/security")
    parent.expect_heading("家長帳號登入")
    parent.link("用驗證碼設定新密碼").click()
    used = parent.stack.code_for(parent.email)
    # So soon after the first one no code is sent.
    parent.stack.shift_time(timedelta(minutes=2))
    parent.field("帳號（電子信箱）").fill(parent.email)
    parent.button("取得驗證碼").click()
    parent.type_code(parent.stack.code_for(parent.email, other_than=used))
    parent.expect_heading("變更密碼")
    parent.field("新密碼").fill("four quiet umbrellas")
    parent.field("再輸入一次新密碼").fill("four quiet umbrellas")
    parent.button("變更密碼").click()
    parent.expect_heading("我的孩子")


def test_an_email_is_corrected_and_becomes_the_login(parent: Parent) -> None:
    parent.go("/account/contacts")
    parent.link("更正電子信箱").click()
    parent.field("新的電子信箱").fill("new@example.org")
    parent.go_on()
    expect(parent.page.get_by_text("請輸入目前的密碼。").last).to_be_visible()
    expect(parent.field("新的電子信箱")).to_have_value("new@example.org")
    parent.field("目前的密碼").fill(NEW_PASSWORD)
    parent.go_on()
    parent.expect_heading("請輸入驗證碼")
    parent.type_code(parent.stack.code_for("new@example.org"))
    parent.expect_heading("聯絡方式")
    expect(parent.page.get_by_text("new@example.org")).to_be_visible()
    for address in (parent.email, "new@example.org"):
        parent.stack.wait_for_mail(address, "換了電子信箱")


def test_a_password_is_shown_on_demand_and_pasted(parent: Parent) -> None:
    parent.go("/account/password")
    field = parent.field("新密碼")
    expect(field).to_have_attribute("type", "password")
    button = parent.page.locator(".password", has=field).get_by_role("button", name="顯示密碼")
    button.focus()
    parent.page.keyboard.press("Enter")
    expect(field).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")
    field.focus()
    parent.page.keyboard.insert_text("pasted at once, all of it")
    expect(field).to_have_value("pasted at once, all of it")
    parent.page.keyboard.press("Enter")
    expect(parent.page.get_by_text("請輸入目前的密碼。").last).to_be_visible()


def test_without_scripts_the_password_page_works_and_has_no_dead_button(parent: Parent, browser: Browser) -> None:
    page = browser.new_page(java_script_enabled=False, locale="zh-TW")
    page.goto(f"{parent.stack.binding}/account/sign-in")
    expect(page.get_by_role("button", name="顯示密碼")).to_have_count(0)
    page.get_by_label("帳號（電子信箱）").fill(parent.email)
    page.get_by_label("密碼", exact=True).fill(NEW_PASSWORD)
    page.get_by_role("button", name="登入", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("我的孩子")
