"""What helps a parent, and what must not go wrong: in a browser, on services that run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import DESK, PHONE, Parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page, Route

    from local_stack.sample_roster import Student
    from support.stack import Stack

    NewParent = Callable[..., Parent]

pytestmark = pytest.mark.e2e

#: Enough to go once around any page.
MOST_TABS = 60


@pytest.fixture
def new_parent(shared_stack: Stack, shared_browser: Browser, request: pytest.FixtureRequest) -> Iterator[NewParent]:
    """Makes a parent of the test's own, at a page of their own; the same parent again on another device."""
    number = 10 + request.session.items.index(request.node) % 900
    contexts = []

    def make(**options: object) -> Parent:
        context = shared_browser.new_context(**({"viewport": PHONE, "locale": "zh-TW"} | options))  # type: ignore[arg-type]
        contexts.append(context)
        return Parent(context.new_page(), shared_stack, number=number)

    yield make
    for context in contexts:
        context.close()


def fill_all(parent: Parent, student: Student) -> None:
    """Everything up to the signature."""
    parent.log_in()
    parent.name_student(student)
    parent.link("下一步").click()
    parent.accept_statement()
    parent.name_oneself()
    parent.give_own_data()
    parent.expect_heading("請再次確認填寫資料是否正確")


# --- codes ---


def test_the_code_field_helps_a_phone_and_takes_a_pasted_code(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.ask_code()
    field = parent.field("請輸入取得的驗證碼")
    expect(field).to_have_attribute("inputmode", "numeric")
    expect(field).to_have_attribute("autocomplete", "one-time-code")
    code = parent.stack.code_for(parent.email)
    parent.type_code(f" {code[:3]} {code[3:]} ")
    parent.expect_heading("請選擇與綁定學生的關係")


def test_a_wrong_code_tells_the_tries_that_are_left(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.ask_code()
    code = parent.stack.code_for(parent.email)
    parent.type_code("111111" if code != "111111" else "222222")
    expect(parent.page.get_by_role("alert")).to_contain_text("還可以再試 4 次")
    expect(parent.page.get_by_text("還可以試 4 次")).to_be_visible()


def test_the_seconds_until_another_code_are_counted_down(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.page.clock.install()
    parent.ask_code()
    again = parent.button("重新取得驗證碼")
    expect(again).to_be_disabled()
    parent.page.clock.run_for(30_000)
    expect(parent.page.get_by_text("秒後可以重新取得。")).to_have_text("30 秒後可以重新取得。")
    parent.page.clock.run_for(31_000)
    expect(again).to_be_enabled()


def test_who_changes_their_mind_uses_the_phone_instead(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.ask_code()
    parent.link("改用手機取得驗證碼").click()
    expect(parent.choice("手機簡訊")).to_be_checked()
    expect(parent.field("請輸入電子信箱帳號")).to_be_hidden()
    parent.ask_code_by_phone()
    expect(parent.page.get_by_text("09")).to_be_visible()


# --- errors ---


def test_the_summary_has_the_focus_and_leads_to_the_field(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.go("/")
    parent.field("請輸入電子信箱帳號").fill("lin@")
    parent.button("取得驗證碼").click()
    expect(parent.page.get_by_role("alert")).to_be_focused()
    expect(parent.page).to_have_title("請修正： 請選擇取得驗證碼方式 · 親子綁定")
    parent.page.keyboard.press("Tab")
    parent.page.keyboard.press("Enter")
    field = parent.field("請輸入電子信箱帳號")
    expect(field).to_be_focused()
    expect(field).to_have_value("lin@")
    expect(field).to_have_accessible_description("例如 name@example.com 請輸入正確的電子信箱，例如 name@example.com。")


def test_another_language_in_the_middle_of_a_form_loses_nothing(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.log_in()
    parent.choose_relation("other", "叔叔")
    parent.page.locator(".languages summary").click()
    parent.page.get_by_role("button", name="Tiếng Việt").click()
    expect(parent.page.locator("html")).to_have_attribute("lang", "vi")
    expect(parent.page.locator("#relation_text")).to_have_value("叔叔")
    expect(parent.page.locator("input[value=other]")).to_be_checked()


# --- the steps ---


def test_a_school_is_found_by_any_part_of_its_name(new_parent: NewParent, shared_stack: Stack) -> None:
    parent = new_parent()
    parent.log_in()
    parent.choose_relation("father")
    parent.go_on()
    parent.choose_level(shared_stack.roster.students[0])
    parent.go_on()
    parent.type_student_id(shared_stack.roster.students[0])
    parent.go_on()
    parent.page.get_by_role("searchbox").press_sequentially("中正")
    expect(parent.page.get_by_role("radio")).to_have_count(1)
    expect(parent.page.get_by_role("status")).to_have_text("找到 1 所學校")
    parent.page.get_by_role("searchbox").fill("市立 國小")
    expect(parent.page.get_by_role("radio")).to_have_count(5)


def test_the_statement_is_read_to_its_end_before_the_box_can_be_ticked(
    new_parent: NewParent, shared_stack: Stack
) -> None:
    parent = new_parent(viewport=DESK)
    parent.log_in()
    parent.name_student(shared_stack.roster.students[0])
    parent.link("下一步").click()
    box = parent.page.get_by_role("checkbox")
    expect(box).to_be_disabled()
    parent.page.get_by_role("region", name="請詳閱以下個資使用聲明").focus()
    parent.page.keyboard.press("End")
    expect(box).to_be_enabled()


def test_a_draft_goes_on_where_it_was_on_another_device(new_parent: NewParent, shared_stack: Stack) -> None:
    student = shared_stack.roster.students[0]
    old = new_parent()
    old.log_in()
    old.name_student(student)
    old.link("下一步").click()
    old.accept_statement()
    old.page.context.close()
    new = new_parent(viewport=DESK)
    first_code = new.stack.code_for(new.email)
    new.ask_code()
    new.type_code(new.stack.code_for(new.email, other_than=first_code))
    expect(new.card(student)).to_be_visible()
    new.go("/check")
    new.expect_heading("請填寫家長資料")


# --- signing and sending ---


def test_a_signature_is_crisp_and_strokes_can_be_taken_back(new_parent: NewParent, shared_stack: Stack) -> None:
    parent = new_parent(device_scale_factor=3)
    fill_all(parent, shared_stack.roster.students[0])
    canvas = parent.page.locator(".pad canvas")
    expect(canvas).to_be_visible()
    assert canvas.evaluate("it => it.width / it.getBoundingClientRect().width") == pytest.approx(3, abs=0.02)
    parent.draw_signature()
    assert len(strokes(parent.page)) == 2
    parent.button("復原一筆").click()
    assert len(strokes(parent.page)) == 1
    parent.button("返回修改").click()
    parent.go_on()
    assert len(strokes(parent.page)) == 1
    parent.button("清除").click()
    assert strokes(parent.page) == []
    expect(parent.button("清除")).to_be_disabled()


def strokes(page: Page) -> list[list[list[int]]]:
    sent = page.locator("input[name=strokes]").input_value()
    return list(json.loads(sent)["strokes"]) if sent else []


def test_a_double_tap_sends_one_application(new_parent: NewParent, shared_stack: Stack) -> None:
    student = shared_stack.roster.students[1]
    parent = new_parent()
    fill_all(parent, student)
    parent.draw_signature()
    parent.button("送出資料").dblclick()
    parent.expect_heading("目前申請進度")
    expect(parent.card(student)).to_have_count(1)


def test_an_answer_that_was_lost_is_asked_for_again_and_sends_nothing_twice(
    new_parent: NewParent, shared_stack: Stack
) -> None:
    student = shared_stack.roster.students[2]
    parent = new_parent()
    fill_all(parent, student)
    parent.type_signature()

    def lose_answer(route: Route) -> None:
        route.fetch(max_redirects=0)
        route.abort("connectionreset")

    parent.page.route("**/check", lose_answer, times=1)
    parent.button("送出資料").click()
    parent.page.wait_for_url("chrome-error:**")
    parent.page.go_back()
    parent.expect_heading("目前申請進度")
    expect(parent.card(student)).to_have_count(1)


# --- without a mouse ---


def test_everything_can_be_done_with_the_keyboard_alone(new_parent: NewParent, shared_stack: Stack) -> None:
    student = shared_stack.roster.students[3]
    parent = new_parent(viewport=DESK)
    page = parent.page
    parent.go("/")
    type_into(parent.field("請輸入電子信箱帳號"), parent.email)
    page.keyboard.press("Enter")
    type_into(parent.field("請輸入取得的驗證碼"), parent.stack.code_for(parent.email))
    page.keyboard.press("Enter")
    parent.expect_heading("請選擇與綁定學生的關係")
    choose(page, "relation", "mother")
    press(parent.button("下一步"))
    parent.expect_heading("請選擇綁定學生之學層")
    choose(page, "level", student.homeroom.school.level)
    press(parent.button("下一步"))
    type_into(parent.field("請輸入綁定學生身分證字號"), student.national_id)
    page.keyboard.press("Enter")
    parent.expect_heading("請選擇綁定學生所在學校")
    choose(page, "school_id", student.homeroom.school.id)
    press(parent.button("下一步"))
    expect(parent.card(student)).to_be_visible()
    press(parent.link("下一步"))
    tab_to(page.get_by_role("region", name="請詳閱以下個資使用聲明"))
    page.keyboard.press("End")
    expect(page.get_by_role("checkbox")).to_be_enabled()
    tab_to(page.get_by_role("checkbox"))
    page.keyboard.press("Space")
    press(parent.button("下一步"))
    type_into(parent.field("家長身分證字號"), parent.national_id)
    page.keyboard.press("Enter")
    type_into(parent.field("家長姓名"), parent.name)
    type_into(parent.field("行動電話/市話號碼"), parent.mobile)
    page.keyboard.press("Enter")
    parent.expect_heading("請再次確認填寫資料是否正確")
    press(page.get_by_text("無法手寫時，請輸入您的姓名代替簽名"))
    type_into(page.locator("#typed"), parent.name)
    press(parent.button("送出資料"))
    parent.expect_state(student, "pending")
    press(parent.button("登出服務"))
    parent.expect_heading("您已登出")


def tab_to(target: Locator) -> None:
    """Press Tab until the focus is there: it has to be reached, and to be seen."""
    expect(target).to_be_visible()
    page = target.page
    for _ in range(MOST_TABS):
        if target.evaluate("it => it === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{target} is not reached by the keyboard")


def press(target: Locator) -> None:
    tab_to(target)
    target.page.keyboard.press("Enter")


def type_into(target: Locator, text: str) -> None:
    tab_to(target)
    target.page.keyboard.press("Control+a")
    target.page.keyboard.insert_text(text)


def choose(page: Page, name: str, value: str) -> None:
    """Tab into the group, then go down to the choice."""
    tab_to(page.locator(f"input[name={name}]").first)
    page.keyboard.press("Space")
    for _ in range(MOST_TABS):
        if page.evaluate("document.activeElement.value") == value:
            return
        page.keyboard.press("ArrowDown")
    pytest.fail(f"{value} is not reached by the keyboard")
