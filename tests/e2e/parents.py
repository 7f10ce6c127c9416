"""What a parent does, page by page, by the words that stand on the pages, in any of their languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from binding_service import labels
from local_stack.sample_roster import make_national_id
from shared.languages import catalogue

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, ViewportSize

    from local_stack.sample_roster import Student
    from shared.events import Language
    from support.stack import Stack

PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1280, "height": 800}
NEW_PASSWORD = "three quiet umbrellas"
#: Above those that the sample roster gives to its students.
FIRST_SERIAL = 9_995_001


class Parent:
    """A made-up parent, at a browser's page; the ``number``-th of a stack."""

    def __init__(self, page: Page, stack: Stack, language: Language = "zh-TW", number: int = 0) -> None:
        self.page = page
        self.stack = stack
        self.say = catalogue("binding_service", language).gettext
        self.email = f"parent{number}@example.org"
        self.mobile = f"0912-345-{number:03}"
        self.national_id = make_national_id("2", FIRST_SERIAL + number)
        self.name = "王曉明"

    # --- finding things ---

    def button(self, name: str) -> Locator:
        """A button, by its zh-TW name."""
        return self.page.get_by_role("main").get_by_role("button", name=self.say(name), exact=True)

    def link(self, name: str) -> Locator:
        """A link, by the beginning of its zh-TW name."""
        return self.page.get_by_role("main").get_by_role(
            "link", name=re.compile(f"^(\\+\\s*)?{re.escape(self.say(name))}")
        )

    def field(self, name: str) -> Locator:
        """A text field, by its zh-TW label."""
        return self.page.get_by_label(self.say(name), exact=True)

    def choice(self, name: str) -> Locator:
        """One of several choices, by its zh-TW label."""
        return self.page.get_by_role("radio", name=self.say(name), exact=True)

    def card(self, student: Student) -> Locator:
        """The part of the page that is about one child."""
        return self.page.get_by_role("region", name=student.name)

    def expect_heading(self, text: str) -> None:
        """This is the page of that zh-TW heading."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.say(text))

    def expect_state(self, student: Student, state: str) -> None:
        """The child's application is in this state (pending, approved, refused)."""
        expect(self.card(student).locator(f".state.{state}")).to_contain_text(self.say(labels.STATES[state]))

    def go(self, path: str) -> None:
        """Open a page by its address."""
        self.page.goto(f"{self.stack.binding}{path}")

    def go_on(self) -> None:
        """下一步."""
        self.button("下一步").click()

    # --- step 1 ---

    def ask_code(self) -> None:
        """Have a code sent to the e-mail address."""
        self.go("/")
        self.choice("電子信箱").check()
        self.field("請輸入電子信箱帳號").fill(self.email)
        self.button("取得驗證碼").click()
        self.expect_heading("請輸入驗證碼")

    def ask_code_by_phone(self) -> None:
        """Have a code sent to the mobile number."""
        self.choice("手機簡訊").check()
        self.field("請輸入手機號碼").fill(self.mobile)
        self.button("取得驗證碼").click()
        self.expect_heading("請輸入驗證碼")

    def type_code(self, code: str) -> None:
        """Type a code."""
        self.field("請輸入取得的驗證碼").fill(code)
        self.button("確認").click()

    def log_in(self) -> None:
        """Step 1, by e-mail."""
        self.ask_code()
        self.type_code(self.stack.code_for(self.email))

    # --- step 2 ---

    def name_student(self, student: Student, relation: str = "father", words: str = "") -> None:
        """Answer the four questions about a child."""
        self.choose_relation(relation, words)
        self.go_on()
        self.choose_level(student)
        self.go_on()
        self.type_student_id(student)
        self.go_on()
        self.choose_school(student)
        self.go_on()
        expect(self.card(student)).to_contain_text(student.homeroom.title)

    def choose_relation(self, relation: str, words: str = "") -> None:
        """父親; or 其他, in one's own words."""
        self.expect_heading("請選擇與綁定學生的關係")
        self.choice(labels.RELATIONS[relation]).check()
        if words:
            self.field("選擇「其他」時，請說明您與學生的關係").fill(words)

    def choose_level(self, student: Student) -> None:
        """國小."""
        self.expect_heading("請選擇綁定學生之學層")
        self.choice(labels.LEVELS[student.homeroom.school.level]).check()

    def type_student_id(self, student: Student) -> None:
        """Type the child's ID number and have it verified (驗證)."""
        self.field("請輸入綁定學生身分證字號").fill(student.national_id)
        self.button("驗證").click()
        expect(self.page.get_by_role("status")).to_contain_text(self.say("身分證字號格式正確。"))

    def choose_school(self, student: Student) -> None:
        """Choose the child's school out of the list."""
        self.expect_heading("請選擇綁定學生所在學校")
        self.page.get_by_role("radio", name=student.homeroom.school.name).check()

    # --- steps 3 and 4 ---

    def accept_statement(self) -> None:
        """Read to the end, tick, go on."""
        self.expect_heading("請詳閱以下個資使用聲明")
        self.page.get_by_text(self.say("（聲明結束）")).scroll_into_view_if_needed()
        self.page.get_by_role("checkbox", name=self.say("本人已詳閱並同意以上條款聲明")).check()
        self.go_on()

    def name_oneself(self) -> None:
        """Type one's own ID number and have it verified."""
        self.field("家長身分證字號").fill(self.national_id)
        self.button("驗證").click()

    def give_own_data(self, email: str | None = None) -> None:
        """Name, e-mail and phone."""
        self.field("家長姓名").fill(self.name)
        self.field("電子郵件信箱").fill(email or self.email)
        self.field("行動電話/市話號碼").fill(self.mobile)
        self.go_on()

    def draw_signature(self) -> None:
        """Two strokes, by mouse, on a page that no longer moves."""
        self.page.wait_for_load_state()
        pad = self.page.locator(".pad canvas")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        assert box is not None
        mouse = self.page.mouse
        for row in (0.3, 0.6):
            mouse.move(box["x"] + 20, box["y"] + box["height"] * row)
            mouse.down()
            for step in range(1, 12):
                mouse.move(box["x"] + 20 + step * 18, box["y"] + box["height"] * (row + 0.02 * (step % 3)))
            mouse.up()

    def type_signature(self) -> None:
        """The name instead of a signature; the page's script, once it has run, folds the field away."""
        self.page.wait_for_load_state()
        field = self.page.locator("#typed")
        if not field.is_visible():
            self.page.get_by_text(self.say("無法手寫時，請輸入您的姓名代替簽名")).click()
        field.fill(self.name)

    def send(self) -> None:
        """送出資料."""
        self.button("送出資料").click()
        self.expect_heading("目前申請進度")

    # --- after ---

    def withdraw(self, student: Student) -> None:
        """The bin: cancel one application."""
        self.card(student).get_by_role("link").click()
        self.button("取消申請").click()
        self.expect_heading("目前申請進度")
        expect(self.card(student)).to_have_count(0)

    def sign_in(self) -> None:
        """Sign in to the account for the first time, and choose a password."""
        self.go("/account/sign-in")
        self.field("帳號（電子信箱）").fill(self.email)
        self.field("密碼").fill(self.national_id[-6:])
        self.button("登入").click()
        self.expect_heading("變更密碼")
        self.field("新密碼").fill(NEW_PASSWORD)
        self.field("再輸入一次新密碼").fill(NEW_PASSWORD)
        self.button("變更密碼").click()
        self.expect_heading("我的孩子")

    def not_me_link(self) -> str:
        """The link "this was not me" in the newest mail that has one."""
        mail = self.stack.wait_for_mail(self.email, "/account/not-me?token=")
        found = re.search(r"http\S+/account/not-me\?token=[\w-]+", mail["text"])
        assert found is not None
        return found[0]

    def not_mine_link(self, kind: str) -> str:
        """The link "this is not mine" at the foot of the newest mail of this kind."""
        mail = self.stack.wait_for_mail(self.email, f"'kind': '{kind}'")
        found = re.search(r"http\S+/not-mine\?token=\S+", mail["text"])
        assert found is not None
        return found[0]
