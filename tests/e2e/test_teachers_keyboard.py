"""A teacher who has no mouse and uses no single keys: Tab, Enter and typing, and always seeing where the focus is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import DESK, PHONE
from e2e.teachers import class_of, reload_until, sign_in_on
from support.families import apply
from support.stack import TEACHERS_PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, ViewportSize

    from support.stack import Stack

pytestmark = pytest.mark.e2e

#: Time for the way to the button that takes a decision back, on a busy machine.
UNDO_SECONDS = 30
MOST_TABS = 60
#: Windows of a phone that lies and one that stands, and of a small desk.
HEIGHTS = (360, 480, 560, 640, 740)
#: What of the focused element cannot be seen: outside the window, or under something else.
HIDDEN = """() => {
    const focused = document.activeElement;
    const box = focused.getBoundingClientRect();
    const seen = (x, y) => {
        const top = document.elementFromPoint(x, y);
        return top !== null && (top === focused || focused.contains(top) || top.contains(focused));
    };
    const spots = [[box.left + 2, box.top + 2], [box.right - 2, box.top + 2], [box.left + 2, box.bottom - 2],
        [box.right - 2, box.bottom - 2], [(box.left + box.right) / 2, (box.top + box.bottom) / 2]];
    return spots.every(([x, y]) => seen(x, y)) ? '' : `${focused.tagName} ${focused.textContent.trim().slice(0, 40)}`;
}"""


def type_into(page: Page, field: Locator, text: str) -> None:
    walk_until(page, "Tab", field)
    page.keyboard.type(text)


def press(page: Page, button: Locator) -> None:
    walk_until(page, "Tab", button)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(("number", "viewport"), [(0, DESK), (1, PHONE)], ids=["desk", "phone"])
def test_a_teacher_refuses_and_takes_it_back_by_tab_and_enter(
    shared_stack: Stack, shared_browser: Browser, number: int, viewport: ViewportSize
) -> None:
    homeroom, students = class_of(shared_stack, number)
    apply(shared_stack, 1 + number, students[:1])
    apply(shared_stack, 11 + number, students[1:2])
    page = shared_browser.new_page(viewport=viewport, locale="zh-TW")
    page.goto(f"{shared_stack.review}/sign-in")
    type_into(page, page.get_by_role("textbox", name="帳號"), homeroom.teacher.username)
    type_into(page, page.get_by_role("textbox", name="密碼"), TEACHERS_PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    reload_until(page, page.locator(".entry"), 2)

    press(page, page.locator(".entry").first)
    expect(page.get_by_role("heading", level=1)).to_have_text(students[0].name)
    press(page, page.get_by_text("不通過…"))
    type_into(page, page.get_by_label("補充說明"), "請帶身分證明到校")
    press(page, page.get_by_role("button", name="送出不通過"))
    expect(page.get_by_role("heading", level=1)).to_have_text(students[1].name)
    press(page, page.get_by_role("button", name="復原"))
    expect(page.get_by_text("已復原，申請回到待審核。")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text(students[0].name)
    page.context.close()


@pytest.mark.parametrize(("number", "viewport"), [(2, DESK), (3, PHONE)], ids=["desk", "phone"])
def test_the_focus_is_seen_all_the_way_through_a_case_and_back(
    shared_stack: Stack, shared_browser: Browser, number: int, viewport: ViewportSize
) -> None:
    homeroom, students = class_of(shared_stack, number)
    apply(shared_stack, 1 + number, students[:1])
    # Links to relatives make the case longer than the window.
    apply(shared_stack, 11 + number, students[:1])
    page = sign_in_on(shared_stack, shared_browser.new_page(viewport=viewport, locale="zh-TW"), homeroom.teacher)
    reload_until(page, page.locator(".entry"), 2)
    page.locator(".entry").first.click()
    relative = page.locator(".past .relatives a")
    expect(relative).to_have_count(1)
    contacts = page.get_by_role("button", name="顯示完整字號與聯絡方式").bounding_box()
    assert contacts is not None
    # In the last window the decision's bar stands over that button until it gets the focus.
    for height in (*HEIGHTS, int(contacts["y"] + contacts["height"]) + 10):
        page.set_viewport_size({"width": viewport["width"], "height": height})
        page.reload()
        walk_until(page, "Tab", relative)
        walk_until(page, "Shift+Tab", page.locator(".brand"))
    page.context.close()


def walk_until(page: Page, key: str, wanted: Locator) -> None:
    """Press the key until it is there; on the way nothing that has the focus is hidden."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        page.keyboard.press(key)
        assert page.evaluate(HIDDEN) == ""
        if wanted.evaluate("element => element === document.activeElement"):
            return
    msg = f"{key} does not lead to {wanted}"
    raise AssertionError(msg)
