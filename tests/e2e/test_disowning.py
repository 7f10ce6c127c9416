"""Who gets a mail that is not theirs says so by the link at its foot, and the school sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import PHONE, Parent
from e2e.teachers import administrator_of, open_case, reload_until, sign_in_as
from local_stack.processes import wait_until
from support.families import apply

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from support.stack import Stack

pytestmark = pytest.mark.e2e

DENIED = "收到通知的人表示沒有申請"


def test_who_has_not_applied_says_so_and_teacher_and_administrator_see_it(stack: Stack, browser: Browser) -> None:
    student = stack.roster.students[0]
    reader = Parent(browser.new_page(viewport=PHONE, locale="zh-TW", java_script_enabled=False), stack)
    reader.email = apply(stack, 1, [student]).email
    reader.page.goto(reader.not_mine_link("application_received"))
    reader.expect_heading("這不是您的申請嗎？")
    assert student.name not in reader.page.content()
    reader.button("不是我，告訴學校").click()
    reader.expect_heading("謝謝您告訴我們")

    page = open_case(stack, browser, student)
    reload_until(page, page.locator(".warning", has_text=DENIED))
    expect(page.locator("#case .tags")).to_contain_text("收件人表示不是本人")
    page.context.close()

    page = sign_in_as(stack, browser, administrator_of(stack, student.homeroom))
    page.goto(f"{stack.review}/school")
    page.get_by_role("link", name="1 封通知的收件人表示不是本人").click()
    expect(page.get_by_role("main")).to_contain_text(DENIED)
    page.get_by_role("button", name=f"已查明：{student.name}").click()
    expect(page.get_by_role("button", name="已查明")).to_have_count(0)
    page.get_by_role("link", name=student.name).click()
    expect(page.get_by_role("main")).to_contain_text("學校已查明")


def test_who_has_not_asked_for_a_code_ends_it(stack: Stack, browser: Browser) -> None:
    reader, stranger = (Parent(browser.new_page(viewport=PHONE, locale="zh-TW"), stack) for _ in range(2))
    stranger.ask_code()
    code = stack.code_for(stranger.email)
    reader.page.goto(reader.not_mine_link("code"))
    reader.expect_heading("您沒有要驗證碼嗎？")
    reader.button("不是我要的，讓驗證碼失效").click()
    expect(reader.page.get_by_text("這組驗證碼已經失效，不能再用了。")).to_be_visible()
    wait_until(lambda: stack.sql("SELECT max(tries) FROM otp.attempts") == 5, within=20, what="the end of the code")
    stranger.type_code(code)
    expect(stranger.page.get_by_text("這組驗證碼不能再試了").first).to_be_visible()
