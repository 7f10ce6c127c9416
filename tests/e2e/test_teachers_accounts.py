"""A teacher's account from its opening to its end, on a phone and on a desk, with and without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from e2e.parents import DESK, PHONE
from e2e.test_every_page import RULES, STICKING_OUT
from support.stack import TEACHERS_PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

    from support.stack import Stack

pytestmark = pytest.mark.e2e

OWN_PASSWORD = "violet tram over rooftops"


class Visitor:
    """Somebody at the teachers' pages, who notices what is wrong with each of them."""

    def __init__(self, browser: Browser, stack: Stack, viewport: ViewportSize, *, has_scripts: bool) -> None:
        context = browser.new_context(viewport=viewport, locale="zh-TW", java_script_enabled=has_scripts)
        self.page: Page = context.new_page()
        self.stack, self.has_scripts = stack, has_scripts
        self.faults: list[str] = []
        self.page.on("console", lambda said: self._note(said.text) if said.type == "error" else None)

    def _note(self, text: str) -> None:
        if "Failed to load resource" not in text:  # a refused form (422) is no fault of the page
            self.faults.append(text)

    def go(self, path: str) -> None:
        """Go there and look."""
        self.page.goto(f"{self.stack.review}{path}")
        self.look()

    def press(self, name: str) -> None:
        """Press a button and look at what comes."""
        self.page.get_by_role("button", name=name, exact=True).click()
        self.look()

    def sign_in(self, username: str, password: str) -> None:
        """Sign in."""
        self.page.goto(f"{self.stack.review}/sign-in")
        self.page.get_by_role("textbox", name="帳號").fill(username)
        self.page.get_by_role("textbox", name="密碼").fill(password)
        self.press("登入")

    def look(self) -> None:
        """See what is wrong here, once all of it is there. Where scripts are off, axe does not run either."""
        self.page.wait_for_load_state()
        heading = self.page.get_by_role("heading", level=1).inner_text()
        if self.has_scripts:
            for violation in Axe().run(self.page, options={"runOnly": RULES}).response["violations"]:
                self.faults.append(f"{heading}: {violation['id']} {[node['target'] for node in violation['nodes']]}")
        self.faults += [f"{heading}: sticks out: {what}" for what in self.page.evaluate(STICKING_OUT)]


@pytest.mark.parametrize(
    ("number", "viewport", "has_scripts"),
    [(0, PHONE, True), (1, DESK, True), (2, PHONE, False)],
    ids=["phone", "desk", "phone-no-scripts"],
)
def test_a_teachers_account_from_its_opening_to_its_end(
    shared_stack: Stack, shared_browser: Browser, number: int, viewport: ViewportSize, *, has_scripts: bool
) -> None:
    staff = shared_stack.roster.staff
    head = [person for person in staff if person.role == "administrator"][number]
    colleague = next(person for person in staff if person.role == "teacher" and person.school == head.school)
    administrator = Visitor(shared_browser, shared_stack, viewport, has_scripts=has_scripts)
    teacher = Visitor(shared_browser, shared_stack, viewport, has_scripts=has_scripts)

    administrator.sign_in(head.username, TEACHERS_PASSWORD)
    administrator.page.locator(".rooms a[href='/staff']").click()
    administrator.look()
    administrator.page.get_by_role("link", name=f"重設密碼 {colleague.name}").click()
    administrator.look()
    administrator.press("重設密碼")
    start = administrator.page.locator(".start-password").inner_text()

    teacher.sign_in(colleague.username, start)
    expect(teacher.page.get_by_role("heading", level=1)).to_have_text("設定新密碼")
    teacher.go("/")
    expect(teacher.page.get_by_role("heading", level=1)).to_have_text("設定新密碼")
    for password, then in (("short", "設定新密碼"), (OWN_PASSWORD, "待審核的申請")):
        teacher.page.get_by_role("textbox", name="新密碼", exact=True).fill(password)
        teacher.page.get_by_role("textbox", name="再輸入一次新密碼").fill(password)
        teacher.press("儲存新密碼")
        expect(teacher.page.get_by_role("heading", level=1)).to_have_text(then)

    administrator.go("/staff")
    administrator.page.get_by_role("link", name=f"停用 {colleague.name}", exact=True).click()
    administrator.look()
    administrator.press("停用帳號")
    expect(administrator.page.get_by_role("status")).to_contain_text(f"已停用 {colleague.name} 的帳號")
    teacher.go("/")
    expect(teacher.page.get_by_role("heading", level=1)).to_have_text("教師登入")
    teacher.sign_in(colleague.username, OWN_PASSWORD)
    expect(teacher.page.get_by_role("alert")).to_contain_text("這個帳號已由學校停用")

    administrator.go("/account/password")
    administrator.go("/account/sign-out")
    administrator.press("登出所有裝置")
    expect(administrator.page.get_by_role("heading", level=1)).to_have_text("教師登入")
    for visitor in (administrator, teacher):
        visitor.page.context.close()
        assert not visitor.faults, "\n".join(visitor.faults)
