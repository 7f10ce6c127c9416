"""The progress page renews itself, as a parent sees it who leaves it open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.test_whole_path import (
    EMAIL,
    PHONE,
    accept_statement,
    card,
    decide,
    give_own_data,
    log_in_by_code,
    name_student,
    sign_and_send,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from support.stack import Stack

pytestmark = pytest.mark.e2e

#: The stream is tried again after 5 s; then the page learns that the session is over.
BACK_TO_LOGIN_MS = 15_000


def test_an_open_progress_page_renews_itself(stack: Stack, browser: Browser) -> None:
    first, second = stack.two_students
    context = browser.new_context(viewport=PHONE, locale="zh-TW")
    page, beside = context.new_page(), context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    apply_for_two(page, stack)
    beside.goto(f"{stack.binding}/progress")
    page.evaluate("window.isTheSame = true")

    page.get_by_role("link", name="新增綁定學生").focus()
    decide(stack, browser, first, approve=True)
    expect(card(page, first)).to_contain_text("認證")
    expect(page.locator("#changed")).to_have_text("申請進度已更新。")
    expect(page.get_by_role("link", name="新增綁定學生")).to_be_focused()

    press(page, "重新載入")
    decide(stack, browser, second, approve=False)
    expect(card(beside, second)).to_contain_text("不通過")
    expect(card(page, second)).not_to_contain_text("不通過")
    release_elsewhere(page)
    expect(card(page, second)).to_contain_text("不通過")
    assert page.evaluate("window.isTheSame")

    beside.get_by_role("button", name="登出服務").click()
    expect(page).to_have_url(re.compile("expired=1"), timeout=BACK_TO_LOGIN_MS)
    assert faults == []


def apply_for_two(page: Page, stack: Stack) -> None:
    first, second = stack.two_students
    log_in_by_code(page, stack)
    name_student(page, first, "父親")
    page.get_by_role("link", name="新增綁定學生").click()
    name_student(page, second, "父親")
    page.get_by_role("link", name="下一步").click()
    accept_statement(page)
    give_own_data(page)
    sign_and_send(page)
    stack.wait_for_mail(EMAIL, "收到")


def press(page: Page, link: str) -> None:
    """Hold the mouse down on a link."""
    page.get_by_role("link", name=link).hover()
    page.mouse.down()


def release_elsewhere(page: Page) -> None:
    """Away from what was pressed: nothing is clicked."""
    page.mouse.move(2, 2)
    page.mouse.up()
