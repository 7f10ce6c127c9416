"""One parent's binding, the whole way, as the people of it see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import PHONE, Parent
from e2e.teachers import REASON, decide, expect_gone_from_inbox, open_case

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from local_stack.sample_roster import Student
    from support.stack import Stack

pytestmark = pytest.mark.e2e


def test_a_binding_goes_the_whole_way(stack: Stack, browser: Browser) -> None:
    first, second = stack.two_students
    parent = Parent(browser.new_page(viewport=PHONE, locale="zh-TW"), stack)

    parent.log_in()
    parent.name_student(first)
    parent.link("新增綁定學生").click()
    parent.name_student(second, "other", "叔叔")
    parent.link("下一步").click()
    parent.accept_statement()
    parent.name_oneself()
    parent.give_own_data()
    parent.draw_signature()
    parent.send()
    for student in (first, second):
        parent.expect_state(student, "pending")
    stack.wait_for_mail(parent.email, "收到")

    decide(stack, browser, first, approve=True)
    case = open_case(stack, browser, second)
    expect(case.get_by_role("img", name="家長手寫的簽名")).to_be_visible()
    case.context.close()
    decide(stack, browser, second, approve=False)
    parent.expect_state(first, "approved")
    parent.expect_state(second, "refused")
    expect(parent.card(second)).to_contain_text(REASON)
    stack.wait_for_mail(parent.email, "六碼")
    stack.wait_for_mail(parent.email, REASON)

    parent.card(second).get_by_role("button").click()
    send_again(parent, second)
    open_case(stack, browser, second).context.close()
    parent.withdraw(second)
    expect_gone_from_inbox(stack, browser, second)
    stack.wait_for_mail(parent.email, "取消")
    parent.button("登出服務").click()

    parent.sign_in()
    expect(parent.card(first)).to_contain_text("認證")
    parent.link("新增綁定學生").click()
    parent.name_student(second)
    send_again(parent, second)
    decide(stack, browser, second, approve=True)
    parent.expect_state(second, "approved")
    for child in stack.children.values():
        child.check()


def send_again(parent: Parent, student: Student) -> None:
    """From the list of children to the progress: the parent's own data are known."""
    expect(parent.card(student)).to_be_visible()
    parent.link("下一步").click()
    parent.accept_statement()
    expect(parent.page.get_by_text("將綁定於原有帳號中")).to_be_visible()
    parent.go_on()
    parent.draw_signature()
    parent.send()
