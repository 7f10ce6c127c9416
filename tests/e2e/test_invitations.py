"""The invitation sheets, as they come out of a printer."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.teachers import class_of, reload_until, sign_in_as
from support.papers import Paper

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from support.stack import Stack

pytestmark = pytest.mark.e2e

SHEETS_A_PAGE = 6
#: Whose text sticks out of its sheet, which would be cut off.
CUT_OFF = """() => [...document.querySelectorAll('.sheet')]
    .filter(sheet => sheet.scrollHeight > sheet.clientHeight || sheet.scrollWidth > sheet.clientWidth)
    .map(sheet => sheet.textContent)"""


def open_sheets(stack: Stack, browser: Browser) -> Page:
    """The sheets of the first class's students, of whom none is bound yet."""
    room = stack.roster.homerooms[0]
    page = sign_in_as(stack, browser, room.teacher)
    page.locator(".rooms a[href='/classes']").click()
    of_class = page.get_by_role("link", name=room.title)
    reload_until(page, of_class)  # the class, and then its students, are still on their way from binding
    of_class.click()
    invitations = page.get_by_role("link", name="列印邀請單")
    reload_until(page, invitations)
    invitations.click()
    expect(page.get_by_role("radio", name="還沒有家長綁定的")).to_be_checked()
    page.get_by_role("button", name="預覽與列印").click()
    expect(page.locator(".sheet")).to_have_count(len(class_of(stack, 0)[1]))
    return page


def printed(page: Page) -> Paper:
    return Paper(page.pdf(prefer_css_page_size=True))


def test_the_sheets_of_a_class_lead_to_the_parents_pages(shared_stack: Stack, shared_browser: Browser) -> None:
    page = open_sheets(shared_stack, shared_browser)
    room, students = class_of(shared_stack, 0)
    paper = printed(page)
    assert len(paper.pages()) == -(-len(students) // SHEETS_A_PAGE)
    for number, page_text in enumerate(paper.pages()):
        text = unicodedata.normalize("NFKC", page_text)  # Chromium writes some characters as their radicals
        on_page = [student for student in students if student.name in text]
        assert on_page == students[number * SHEETS_A_PAGE : (number + 1) * SHEETS_A_PAGE]
        assert text.count(room.school.name) == len(on_page)
    assert paper.qr_codes() == [shared_stack.binding] * len(students)
    assert not any(student.national_id in paper.text() for student in students)
    page.goto(paper.qr_codes()[0])
    expect(page.get_by_role("button", name="取得驗證碼")).to_be_visible()
    page.context.close()


def test_long_names_and_addresses_are_not_cut_off(shared_stack: Stack, shared_browser: Browser) -> None:
    page = open_sheets(shared_stack, shared_browser)
    page.evaluate(
        """() => {
            for (const place of document.querySelectorAll('.place'))
                place.textContent = '國立臺灣師範大學附屬高級中學進修學校附設國民中學部 資訊科技實驗班一年十二班';
            for (const name of document.querySelectorAll('.sheet h2'))
                name.textContent = '谷辣斯・尤達卡・伊斯坦大・布妮・馬哈桑的家長';
            for (const address of document.querySelectorAll('.address'))
                address.textContent = 'https://parent-binding.education.new-taipei-city.example.gov.tw/';
        }"""
    )
    page.set_viewport_size({"width": 794, "height": 1123})
    page.emulate_media(media="print")
    assert page.evaluate(CUT_OFF) == []
    assert len(printed(page).pages()) == 2
    page.context.close()


def test_the_print_button_is_there_with_scripts_only(shared_stack: Stack, shared_browser: Browser) -> None:
    page = open_sheets(shared_stack, shared_browser)
    expect(page.get_by_role("button", name="列印", exact=True)).to_be_visible()
    page.evaluate("window.print = () => document.title = 'printing'")
    page.get_by_role("button", name="列印", exact=True).click()
    assert page.title() == "printing"
    bare = shared_browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state()).new_page()
    bare.goto(page.url)
    expect(bare.locator(".sheet")).to_have_count(8)
    expect(bare.get_by_role("button", name="列印", exact=True)).to_be_hidden()
    bare.context.close()
    page.context.close()
