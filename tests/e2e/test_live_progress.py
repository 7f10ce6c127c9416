"""The progress page renews itself, as a parent sees it who leaves it open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import PHONE, Parent
from e2e.teachers import decide

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from support.stack import Stack

pytestmark = pytest.mark.e2e

#: The stream is tried again after 5 s; then the page learns that the session is over.
BACK_TO_LOGIN_MS = 15_000


def test_an_open_progress_page_renews_itself(stack: Stack, browser: Browser) -> None:
    first, second = stack.two_students
    context = browser.new_context(viewport=PHONE, locale="zh-TW")
    page = context.new_page()
    parent, beside = Parent(page, stack), Parent(context.new_page(), stack)
    faults: list[str] = []
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    apply_for_two(parent)
    beside.go("/progress")
    page.evaluate("window.isTheSame = true")

    parent.link("新增綁定學生").focus()
    decide(stack, browser, first, approve=True)
    parent.expect_state(first, "approved")
    expect(page.locator("#changed")).to_have_text("申請進度已更新。")
    expect(parent.link("新增綁定學生")).to_be_focused()

    press(page, "重新載入")
    decide(stack, browser, second, approve=False)
    beside.expect_state(second, "refused")
    expect(parent.card(second)).not_to_contain_text("不通過")
    release_elsewhere(page)
    parent.expect_state(second, "refused")
    assert page.evaluate("window.isTheSame")

    beside.button("登出服務").click()
    expect(page).to_have_url(f"{stack.binding}/", timeout=BACK_TO_LOGIN_MS)
    assert faults == []


def apply_for_two(parent: Parent) -> None:
    first, second = parent.stack.two_students
    parent.log_in()
    parent.name_student(first)
    parent.link("新增綁定學生").click()
    parent.name_student(second)
    parent.link("下一步").click()
    parent.accept_statement()
    parent.name_oneself()
    parent.give_own_data()
    parent.draw_signature()
    parent.send()
    parent.stack.wait_for_mail(parent.email, "收到")


def press(page: Page, link: str) -> None:
    """Hold the mouse down on a link."""
    page.get_by_role("link", name=link).hover()
    page.mouse.down()


def release_elsewhere(page: Page) -> None:
    """Away from what was pressed: nothing is clicked."""
    page.mouse.move(2, 2)
    page.mouse.up()
