"""What a school's administrator does, from beginning to end, with those whom it concerns."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import PHONE, Parent
from e2e.teachers import administrator_of, class_of, open_case_of, reload_until, sign_in_as
from review_service.audit.actions import ACTIONS
from shared.web.pages import TAIPEI
from support.families import apply, paper_form, parent_id
from support.papers import Paper

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from local_stack.sample_roster import Homeroom, Student
    from support.families import Family
    from support.stack import Stack

pytestmark = pytest.mark.e2e

#: A decision leaves, travels to binding and comes back.
CONFIRMED_MS = 20_000
FORMULA_SIGNS = tuple("=+-@＝＋－＠\t\r")


def administrator_page(stack: Stack, browser: Browser, homeroom: Homeroom) -> Page:
    return sign_in_as(stack, browser, administrator_of(stack, homeroom))


def go_to_room(page: Page, address: str) -> None:
    page.locator(f".rooms a[href='{address}']").click()


def case_state(page: Page) -> str:
    return page.locator(".case-state").inner_text()


def find(page: Page, stack: Stack, sought: str) -> None:
    page.goto(f"{stack.review}/")
    page.get_by_label("用申請編號找").fill(sought)
    page.get_by_role("button", name="開啟").click()


def expect_not_found(page: Page) -> None:
    expect(page.get_by_role("alert")).to_contain_text("找不到這個編號的申請")


def reload_until_state(page: Page, state: str) -> None:
    reload_until(page, page.locator(".case-state .state").filter(has_text=state))


def approve(page: Page, stack: Stack, family: Family) -> None:
    page.get_by_role("button", name="核准", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="已核准")).to_be_visible()
    find(page, stack, family.number)
    reload_until_state(page, "已核准")


def expect_in_audit(page: Page, *deeds: str) -> None:
    """Each is told, in words, with who did it."""
    go_to_room(page, "/audit")
    told = page.locator(".lines li")
    for deed in deeds:
        expect(told.filter(has=page.locator(".deed", has_text=re.compile(f"^{ACTIONS[deed]}$"))).first).to_be_visible()
    expect(page.locator(".deed", has_text=re.compile(r"^[a-z.-]+$"))).to_have_count(0)


def test_an_application_on_paper_is_corrected_reviewed_and_told(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 3)
    student, right = students[0], parent_id(301)
    typed = {
        "parent_name": "紙本家長",
        "national_id": f"{right[:-1]}{(int(right[-1]) + 1) % 10}",
        "email": "paper@example.org",
        "email_again": "paper@example.org",
        "phone": "0911222301",
        "statement_version": "2026-12",
        "signed_on": (datetime.now(TAIPEI).date() - timedelta(days=1)).isoformat(),
    }
    chosen = {"student_id": student.id, "relation": "maternal_grandmother", "language": "vi"}
    page = administrator_page(shared_stack, shared_browser, homeroom)
    go_to_room(page, "/paper")
    page.get_by_role("link", name="登錄一份紙本申請").click()
    page.get_by_label("學生的班級").select_option(label=homeroom.title)
    page.get_by_role("button", name="下一步").click()
    for name, value in chosen.items():
        page.locator(f"#{name}").select_option(value)
    for name, value in typed.items():
        page.locator(f"#{name}").fill(value)
    page.get_by_role("button", name="送出核對").click()

    # What binding found wrong: the page of the entry turns into the form by itself, or is it at once.
    wrong = page.get_by_label("家長身分證字號或居留證號")
    expect(wrong).to_be_visible(timeout=CONFIRMED_MS)
    expect(wrong).to_have_accessible_description("身分證字號不正確，請再核對紙本。")
    expect(page.locator(".error")).to_have_count(1)
    for name, value in (typed | chosen).items():
        expect(page.locator(f"#{name}")).to_have_value(value)
    wrong.fill(right)
    page.get_by_role("button", name="送出核對").click()
    page.get_by_role("link", name="開啟這件申請").click(timeout=CONFIRMED_MS)
    expect(page.get_by_role("list", name="標記")).to_contain_text("紙本申請")

    teacher = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    expect(teacher.locator(".entry")).to_contain_text("紙本申請")
    open_case_of(teacher, student)
    expect(teacher.get_by_text("家長在紙本上簽名，正本由學校保存。")).to_be_visible()
    teacher.get_by_role("button", name="核准", exact=True).click()
    assert right[-6:] not in shared_stack.wait_for_mail("paper@example.org", "Tài khoản")["text"]
    reload_until_state(page, "已核准")
    expect_in_audit(page, "application.paper-entered")
    for each in (page, teacher):
        each.context.close()


def test_an_unbinding_reaches_the_parent_and_their_account(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 5)
    parent = Parent(shared_browser.new_page(viewport=PHONE, locale="zh-TW"), shared_stack, number=501)
    family = apply(
        shared_stack, 501, students[:1], email=parent.email, national_id=parent.national_id, name=parent.name
    )
    page = administrator_page(shared_stack, shared_browser, homeroom)
    open_case_of(page, students[0])
    approve(page, shared_stack, family)
    shared_stack.wait_for_mail(parent.email, "六碼")
    parent.sign_in()
    expect(parent.card(students[0])).to_be_visible()

    page.get_by_role("link", name="解除綁定…").click()
    page.get_by_label("理由（家長會看到）").fill("   ")
    page.get_by_role("button", name="解除綁定").click()
    expect(page.get_by_label("理由（家長會看到）")).to_have_accessible_description(
        "請選擇或填寫理由，家長會看到這段文字。"
    )
    page.get_by_label("理由（家長會看到）").fill("法院裁定，監護權已變更。")
    page.get_by_role("button", name="解除綁定").click()
    reload_until_state(page, "已解除綁定")
    expect(page.locator(".decision .words")).to_have_text("法院裁定，監護權已變更。")
    expect(page.get_by_role("link", name="解除綁定…")).to_have_count(0)

    shared_stack.wait_for_mail(parent.email, "法院裁定，監護權已變更。")
    parent.page.reload()
    parent.expect_heading("我的孩子")
    expect(parent.card(students[0])).to_have_count(0)
    parent.go("/progress")
    parent.expect_state(students[0], "revoked")
    expect(parent.card(students[0])).to_contain_text("法院裁定，監護權已變更。")
    expect_in_audit(page, "application.approve", "application.revoked")
    for each in (page, parent.page):
        each.context.close()


def test_a_teacher_does_not_decide_on_their_own_child(shared_stack: Stack, shared_browser: Browser) -> None:
    person, guardian = shared_stack.roster.teacher_who_is_parent
    student = guardian.students[0]
    assert student.homeroom.teacher is person
    family = apply(shared_stack, 1, [student], national_id=person.national_id, email=guardian.email, name=person.name)
    page = administrator_page(shared_stack, shared_browser, student.homeroom)
    open_case_of(page, student)
    expect(page.get_by_role("list", name="標記")).to_contain_text("由學校管理者審核")
    address = page.url

    teacher = sign_in_as(shared_stack, shared_browser, person)
    expect(teacher.get_by_role("heading", name="全部審核完成")).to_be_visible()
    find(teacher, shared_stack, family.number)
    expect_not_found(teacher)
    answer = teacher.goto(address)
    assert answer is not None
    assert answer.status == 404
    approve(page, shared_stack, family)
    expect(page.locator(".history")).to_contain_text(f"{administrator_of(shared_stack, student.homeroom).name} 核准")
    shared_stack.wait_for_mail(guardian.email, "六碼")
    for each in (page, teacher):
        each.context.close()


def test_a_custody_note_keeps_the_case_from_the_teacher(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 7)
    note = "父親經法院裁定不得接觸，請勿核准。"
    page = administrator_page(shared_stack, shared_browser, homeroom)
    set_custody_note(page, homeroom, students[0], note)
    family = apply(shared_stack, 701, students[:1], relation="father")
    open_case_of_room(page, students[0])
    address = page.url

    teacher = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    expect(teacher.get_by_role("heading", name="全部審核完成")).to_be_visible()
    seen = [teacher.content()]
    for path in (address, f"{shared_stack.review}/classes/{homeroom.id}", f"{shared_stack.review}/classes"):
        teacher.goto(path)
        expect(teacher.get_by_role("button", name="核准", exact=True)).to_have_count(0)
        seen.append(teacher.content())
    for content in seen:
        assert "註記" not in content
        assert note not in content
    teacher.goto(f"{shared_stack.review}/students/{students[0].id}/custody")
    expect(teacher.get_by_role("heading", level=1)).to_have_text("這一頁由學校管理者使用")

    refuse(page, "請攜帶法院文件到校說明。")
    find(page, shared_stack, family.number)
    reload_until_state(page, "不通過")
    mail = shared_stack.wait_for_mail(family.email, "請攜帶法院文件到校說明。")
    assert note not in str(mail)
    expect_in_audit(page, "custody.set", "application.refuse")
    assert note not in page.content()
    for each in (page, teacher):
        each.context.close()


def set_custody_note(page: Page, homeroom: Homeroom, student: Student, note: str) -> None:
    go_to_room(page, "/school")
    page.get_by_role("link", name=homeroom.title, exact=True).click()
    custody = page.get_by_role("link", name=re.compile(f"^監護註記.*{student.name}"))
    reload_until(page, custody)
    custody.click()
    page.get_by_label("註記").fill(note)
    page.get_by_role("button", name="儲存註記").click()
    expect(page.get_by_role("status")).to_contain_text("註記已儲存")


def open_case_of_room(page: Page, student: Student) -> None:
    go_to_room(page, "/")
    open_case_of(page, student)


def refuse(page: Page, words: str) -> None:
    page.get_by_text("不通過…").click()
    page.get_by_label("補充說明").fill(words)
    page.get_by_role("button", name="送出不通過").click()
    expect(page.get_by_role("status").filter(has_text="不通過：")).to_be_visible()


def test_a_class_goes_to_another_teacher_with_what_waits(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 9)
    other, _ = class_of(shared_stack, 10)
    assert other.school is homeroom.school
    apply(shared_stack, 901, students[:1])
    old = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    open_case_of(old, students[0])
    page = administrator_page(shared_stack, shared_browser, homeroom)
    hand_over(page, homeroom, "移交班級", "改由這位老師負責", other.teacher.name)
    expect(page.get_by_role("status")).to_contain_text("班級已移交")

    # Who had it open is told as soon as it is gone, and may not decide any more.
    expect(old.get_by_text("這件申請剛剛有變動。")).to_be_visible(timeout=CONFIRMED_MS)
    old.get_by_role("button", name="核准", exact=True).click()
    expect(old.get_by_role("heading", level=1)).to_have_text("找不到這筆資料")
    new = sign_in_as(shared_stack, shared_browser, other.teacher)
    open_case_of(new, students[0])
    new.get_by_role("button", name="核准", exact=True).click()
    expect(new.get_by_role("status").filter(has_text="已核准")).to_be_visible()

    apply(shared_stack, 902, students[1:2])
    hand_over(page, homeroom, "指定代理老師", "代理的老師", homeroom.teacher.name, last_day=date(2099, 12, 31))
    expect(page.get_by_role("status")).to_contain_text("已指定代理老師")
    old.goto(f"{shared_stack.review}/")
    open_case_of(old, students[1])
    expect(old.get_by_role("button", name="核准", exact=True)).to_be_visible()
    page.get_by_role("link", name=re.compile("^結束代理")).click()
    page.get_by_role("button", name="結束代理").click()
    expect(page.get_by_role("status")).to_contain_text("代理已結束")
    old.reload()
    expect(old.get_by_role("heading", level=1)).to_have_text("找不到這筆資料")
    expect_in_audit(page, "class.moved", "substitute.named", "substitute.ended")
    for each in (page, old, new):
        each.context.close()


def hand_over(
    page: Page, homeroom: Homeroom, link: str, label: str, teacher: str, *, last_day: date | None = None
) -> None:
    go_to_room(page, "/school")
    page.get_by_role("link", name=homeroom.title, exact=True).click()
    page.get_by_role("link", name=link).click()
    page.get_by_label(label).select_option(label=teacher)
    if last_day:
        page.get_by_label("最後一天").fill(last_day.isoformat())
    page.get_by_role("main").get_by_role("button", name="下一步").click()
    page.get_by_role("button", name=link).click()


def test_an_edited_reason_is_picked_by_a_teacher_and_read_by_the_parent(
    shared_stack: Stack, shared_browser: Browser
) -> None:
    homeroom, students = class_of(shared_stack, 11)
    family = apply(shared_stack, 111, students[:1])
    page = administrator_page(shared_stack, shared_browser, homeroom)
    go_to_room(page, "/reasons")
    listed = page.get_by_label("一行一個理由")
    before = listed.input_value()
    listed.fill(f"{before}\n{'長' * 500}")
    page.get_by_role("button", name="儲存").click()
    expect(page.get_by_role("alert")).to_be_visible()
    listed.fill(f"{before}\n請帶戶口名簿到導師室")
    page.get_by_role("button", name="儲存").click()
    expect(page.get_by_role("status")).to_contain_text("已儲存")

    teacher = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    open_case_of(teacher, students[0])
    teacher.get_by_text("不通過…").click()
    teacher.get_by_label("請帶戶口名簿到導師室").check()
    teacher.get_by_role("button", name="送出不通過").click()
    assert "請帶戶口名簿到導師室" in str(shared_stack.wait_for_mail(family.email, "戶口名簿"))
    expect_in_audit(page, "reasons.changed")
    for each in (page, teacher):
        each.context.close()


def test_the_audit_log_is_exported_harmlessly_and_its_chains_hold(
    shared_stack: Stack, shared_browser: Browser, tmp_path: Path
) -> None:
    homeroom, students = class_of(shared_stack, 13)
    family = apply(shared_stack, 131, students[:1])
    visitor = shared_browser.new_page(locale="zh-TW")
    visitor.goto(f"{shared_stack.review}/sign-in")
    visitor.get_by_role("textbox", name="帳號").fill(homeroom.teacher.username)
    visitor.get_by_role("textbox", name="密碼").fill("=cmd|' /C calc'!A0")
    visitor.get_by_role("button", name="登入").click()
    teacher = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    open_case_of(teacher, students[0])
    teacher.get_by_role("button", name="顯示完整字號與聯絡方式").click()
    teacher.get_by_role("button", name="核准", exact=True).click()
    page = administrator_page(shared_stack, shared_browser, homeroom)
    deeds = [
        "signed-in",
        "sign-in.refused",
        "application.looked-at",
        "application.contacts-shown",
        "application.approve",
        "audit.looked-at",
    ]
    page.goto(f"{shared_stack.review}/audit")
    expect_in_audit(page, *deeds)
    with page.expect_download() as download:
        page.get_by_role("button", name="下載 CSV").click()
    path = tmp_path / "audit.csv"
    download.value.save_as(path)
    text = path.read_text(encoding="utf-8-sig")
    head, *rows = csv.reader(io.StringIO(text))
    assert all(len(row) == len(head) for row in rows)
    assert {ACTIONS[deed] for deed in deeds} <= {cell for row in rows for cell in row}
    assert not [cell for row in rows for cell in row if cell.startswith(FORMULA_SIGNS)]
    assert family.email not in text
    assert homeroom.teacher.name in text

    expect_in_audit(page, "audit.exported")
    chains = shared_stack.command("review", "audit", "verify").splitlines()
    assert any(line.startswith(f"{homeroom.school.id}: ") for line in chains)
    assert [line for line in chains if not line.endswith(", ok")] == []
    for each in (page, teacher, visitor):
        each.context.close()


def test_the_school_page_tells_where_the_school_stands(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 15)
    quiet, _ = class_of(shared_stack, 16)
    bound, *_others = [apply(shared_stack, 151 + number, [student]) for number, student in enumerate(students[:3])]
    page = administrator_page(shared_stack, shared_browser, homeroom)
    reload_until(page, page.locator(".entry"), 3)
    open_case_of(page, students[0])
    approve(page, shared_stack, bound)
    go_to_room(page, "/school")
    total = page.get_by_role("region", name="全校")
    expect(total).to_contain_text("6%")
    for figure in ("已綁定 1／16 人", "待審核 2", "未綁定 13"):
        expect(total).to_contain_text(figure)
    attention = page.get_by_role("region", name="需要留意")
    expect(attention).to_contain_text("2 件申請待審核")
    expect(attention).to_contain_text("最久的等了")
    rows = page.get_by_role("table", name="各班綁定情形").locator("tbody").get_by_role("row")
    expect(rows).to_have_count(2)
    # Where somebody waits comes first.
    for row, title, figures in ((0, homeroom.title, ("12%", "1／8")), (1, quiet.title, ("0%", "0／8"))):
        expect(rows.nth(row).get_by_role("rowheader")).to_have_text(title)
        for figure in figures:
            expect(rows.nth(row)).to_contain_text(figure)

    close_account(page, quiet.teacher.name)
    go_to_room(page, "/school")
    expect(attention).to_contain_text("1 個班級目前沒有老師能登入審核")
    expect(rows.nth(0)).to_contain_text(quiet.title)
    expect(rows.nth(0)).to_contain_text("沒有帳號")
    page.context.close()


def close_account(page: Page, name: str) -> None:
    go_to_room(page, "/staff")
    page.get_by_role("link", name=f"停用 {name}", exact=True).click()
    page.get_by_role("button", name="停用帳號").click()
    expect(page.get_by_role("status")).to_contain_text(f"已停用 {name} 的帳號")


def test_the_qr_code_of_a_parents_form_opens_the_application(shared_stack: Stack, shared_browser: Browser) -> None:
    homeroom, students = class_of(shared_stack, 17)
    family = apply(shared_stack, 171, students[:1])
    (code,) = Paper(paper_form(shared_stack, family)).qr_codes()
    desk = sign_in_as(shared_stack, shared_browser, homeroom.teacher)
    reload_until(desk, desk.locator(".entry"))

    # On a phone, whose owner is not signed in yet.
    phone = shared_browser.new_page(viewport=PHONE, locale="zh-TW")
    phone.goto(code)
    expect(phone.get_by_role("heading", name="這是真的申請書")).to_be_visible()
    phone.get_by_role("link", name="學校人員：在審核系統開啟這件申請").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("教師登入")
    phone.get_by_role("textbox", name="帳號").fill(homeroom.teacher.username)
    phone.get_by_role("textbox", name="密碼").fill("a long walk to school")
    phone.get_by_role("button", name="登入").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text(students[0].name)
    expect(phone.get_by_role("main")).to_contain_text(family.number)

    # By a scanner at the desk, which types and presses Enter.
    desk.get_by_label("用申請編號找").focus()
    desk.keyboard.type(code)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", level=1)).to_have_text(students[0].name)

    stranger = sign_in_as(shared_stack, shared_browser, class_of(shared_stack, 19)[0].teacher)
    find(stranger, shared_stack, code)
    expect_not_found(stranger)
    for each in (desk, phone, stranger):
        each.context.close()
