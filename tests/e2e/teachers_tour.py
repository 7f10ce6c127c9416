"""A walk over every page that a teacher or an administrator can see, faults included; at each one somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from playwright.sync_api import expect

from e2e.teachers import administrator_of, reload_until
from local_stack.sample_roster import make_roster
from shared.not_mine import NotMine, make_token
from shared.samples import sample_key
from shared.sealing import SealingKeys
from shared.web.pages import TAIPEI
from support.families import apply, parent_id, withdraw
from support.stack import TEACHERS_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playwright.sync_api import Page

    from local_stack.sample_roster import Homeroom, Staff, Student
    from support.stack import Stack

    #: Told the page's name, in the order of the walk.
    Look = Callable[[str], None]

OWN_PASSWORD = "violet tram over rooftops"
#: Long enough to look at what is about to leave.
UNDO_SECONDS = 20
#: The family whose members apply, and who applies on paper: names that stand in no roster.
PARENT, ON_PAPER = "林淑芬", "紙本家長"
#: In each school somebody is still without a way in.
WITHOUT_ACCOUNT = frozenset(
    second.teacher.id
    for first, second in zip(make_roster().homerooms, make_roster().homerooms[1:], strict=False)
    if first.id.endswith("01") and second.id.endswith("02")
)


class Colleague:
    """Somebody at the teachers' pages, who finds things whatever language they are in."""

    def __init__(self, page: Page, stack: Stack, look: Look, *, has_scripts: bool = True) -> None:
        self.page, self.stack, self.look, self.has_scripts = page, stack, look, has_scripts

    def go(self, path: str) -> None:
        """Open a page by its address."""
        self.page.goto(f"{self.stack.review}{path}")

    def see(self, path: str, name: str) -> None:
        """Open a page and look at it."""
        self.go(path)
        self.look(name)

    def press(self, what: str, name: str = "") -> None:
        """Press something in the page's own part, and wait where it leads; look at what comes, by the name."""
        pressed = self.page.locator(f"main {what}").first
        if pressed.evaluate("element => element.matches('summary')"):
            pressed.click()
        else:
            with self.page.expect_navigation():
                pressed.click()
        if name:
            self.look(name)

    def fill(self, **fields: str) -> None:
        """Fill in fields by their ids, choices too."""
        for id_, text in fields.items():
            field = self.page.locator(f"#{id_}")
            is_choice = field.evaluate("element => element.matches('select')")
            field.select_option(text) if is_choice else field.fill(text)

    def sign_in(self, username: str, password: str = TEACHERS_PASSWORD) -> None:
        """Sign in."""
        self.fill(username=username, password=password)
        self.press("form button")

    def sign_out(self) -> None:
        """Sign out."""
        with self.page.expect_navigation():
            self.page.locator("form[action='/sign-out'] button").click()

    def open(self, student: Student, count: int = 1) -> None:
        """Open a student's first application out of the list, once so many are there."""
        self.go("/")
        entries = self.page.locator(".entry", has_text=student.name)
        reload_until(self.page, entries, count)
        with self.page.expect_navigation():
            entries.first.click()
        expect(self.page.locator("#student")).to_have_text(student.name)

    def wait_for_state(self, standing: str) -> None:
        """Reload the application until it stands there."""
        reload_until(self.page, self.page.locator(f".case-state .state.{standing}"))

    def wait_for(self, what: str) -> None:
        """Wait for something that comes by itself; without scripts, reload until it is there."""
        awaited = self.page.locator(what)
        if self.has_scripts:
            expect(awaited).to_be_visible(timeout=20_000)
            self.page.wait_for_load_state()
        else:
            reload_until(self.page, awaited)

    @property
    def path(self) -> str:
        """Where this is."""
        return self.page.url.removeprefix(self.stack.review).partition("?")[0]


@dataclass(frozen=True, slots=True)
class Tour:
    """Who walks: in the ``number``-th school, a teacher of its first class and its administrator."""

    stack: Stack
    number: int
    teacher: Colleague
    administrator: Colleague

    @property
    def rooms(self) -> tuple[Homeroom, Homeroom]:
        """The school's classes: one where everything happens, and one whose teacher has no account yet."""
        school = self.stack.roster.schools[self.number]
        first, second, *_ = [room for room in self.stack.roster.homerooms if room.school is school]
        return first, second

    @property
    def homeroom(self) -> Homeroom:
        """The class in which everything happens."""
        return self.rooms[0]

    @property
    def newcomer(self) -> Staff:
        """The teacher who has no account yet."""
        return self.rooms[1].teacher

    @property
    def head(self) -> Staff:
        """The administrator."""
        return administrator_of(self.stack, self.homeroom)

    @property
    def students(self) -> Sequence[Student]:
        """The first class's."""
        return [student for student in self.stack.roster.students if student.homeroom is self.homeroom]

    def serial(self, number: int) -> int:
        """Of a parent of this walk."""
        return 100 + self.number * 50 + number


def walk(tour: Tour) -> None:
    """Come in, decide in every way, look after the school."""
    come_in(tour)
    open_account(tour)
    custody(tour)
    inbox(tour)
    one_case(tour)
    decide(tour)
    decide_too_late(tour)
    what_is_not_there(tour)
    form_of_a_session_that_is_over(tour)
    classes(tour.teacher, tour.homeroom)
    paper(tour)
    unbind(tour)
    hand_over(tour)
    school(tour)


def come_in(tour: Tour) -> None:
    teacher = tour.teacher
    teacher.see("/sign-in", "sign-in")
    teacher.sign_in(tour.homeroom.teacher.username, "not the password")
    teacher.look("sign-in-error")
    teacher.see("/signed-out", "signed-out")
    tour.administrator.go("/sign-in")
    tour.administrator.sign_in(tour.head.username)
    tour.administrator.see("/school", "school-begins")


def open_account(tour: Tour) -> None:
    """From its opening to its end, of a teacher who comes for the first time."""
    head, newcomer = tour.administrator, tour.newcomer
    head.see("/staff", "staff")
    head.see(f"/staff/{newcomer.id}/open", "staff-open")
    head.fill(username=tour.head.username)
    head.press("form button", "staff-open-error")
    head.fill(username=newcomer.username)
    head.press("form button", "staff-start-password")
    first_time(tour.teacher, newcomer.username, head.page.locator(".start-password").inner_text())
    head.see(f"/staff/{newcomer.id}/reset", "staff-reset")
    head.see(f"/staff/{tour.head.id}/close", "staff-close-own")
    head.see(f"/staff/{newcomer.id}/close", "staff-close")
    head.press("form button", "staff-closed")
    tour.teacher.sign_in(newcomer.username, OWN_PASSWORD)
    tour.teacher.look("sign-in-closed")
    head.see(f"/staff/{newcomer.id}/reopen", "staff-reopen")
    head.press("form button", "staff-reopened")


def first_time(teacher: Colleague, username: str, start_password: str) -> None:
    teacher.go("/sign-in")
    teacher.sign_in(username, start_password)
    teacher.look("password-first")
    teacher.fill(new="short", again="short")
    teacher.press("form button", "password-error")
    teacher.fill(new=OWN_PASSWORD, again=OWN_PASSWORD)
    teacher.press("form button", "inbox-empty")
    teacher.see("/account", "account")
    teacher.see("/account/password", "password")
    teacher.fill(old=OWN_PASSWORD, new=OWN_PASSWORD, again=OWN_PASSWORD)
    teacher.press("form button", "account-changed")
    teacher.see("/account/sign-out", "sign-out-everywhere")
    teacher.sign_out()


def custody(tour: Tour) -> None:
    head, student = tour.administrator, tour.students[4]
    address = f"/students/{student.id}/custody"
    head.see(address, "custody")
    head.press("#step button.primary", "custody-error")
    head.fill(note="父親經法院裁定不得接觸。")
    head.press("#step button.primary", "custody-set")
    head.see(f"{address}/clear", "custody-clear")


def inbox(tour: Tour) -> None:
    # Few families: codes to log in are counted by client address.
    apply(tour.stack, tour.serial(0), tour.students[:5], name=PARENT)
    apply(tour.stack, tour.serial(1), tour.students[1:2], name=PARENT)
    teacher = tour.teacher
    teacher.go("/sign-in")
    teacher.sign_in(tour.homeroom.teacher.username)
    reload_until(teacher.page, teacher.page.locator(".entry"), 5)
    teacher.look("inbox")
    teacher.see("/?flagged=1", "inbox-flagged")
    teacher.go("/")
    for box in teacher.page.locator(".ticked input").all():
        box.check()
    teacher.press("#several button", "approve-several")


def one_case(tour: Tour) -> None:
    teacher = tour.teacher
    teacher.open(tour.students[1], 2)
    teacher.look("case-flagged")
    teacher.open(tour.students[0])
    teacher.look("case")
    teacher.press("form[action*='/contacts'] button", "case-contacts")
    if teacher.has_scripts:
        teacher.page.keyboard.press("?")
        teacher.look("keys")
        teacher.page.keyboard.press("Escape")
    teacher.press("#refuse summary", "refusal")
    teacher.press("#refuse button", "refusal-error")


def decide(tour: Tour) -> None:
    """Approve one, refuse another, take it back; see each leave and come back confirmed."""
    teacher, (approved, _flagged, refused, *_) = tour.teacher, tour.students
    teacher.open(approved)
    address = teacher.path
    # So that nothing is confirmed before it was looked at.
    with tour.stack.standing_still("binding"):
        teacher.press("#approve", "done")
        teacher.go(address)
        expect(teacher.page.locator(".case-state .state.held")).to_be_visible()
        teacher.look("case-held")
        refuse(teacher, refused)
        teacher.press("#undo", "undone")
        refuse(teacher, refused)
        teacher.go(address)
        teacher.wait_for_state("decided")
        teacher.look("case-decided")
    teacher.see("/?undone=0", "undone-too-late")
    teacher.see("/?skipped=1", "skipped")
    teacher.go(address)
    teacher.wait_for_state("approved")
    teacher.look("case-approved")
    teacher.go("/?show=ended")
    reload_until(teacher.page, teacher.page.locator(".entry:has(.refused)"))
    teacher.look("inbox-ended")
    teacher.press(".entry:has(.refused)", "case-refused")
    teacher.see("/?show=ended&state=revoked", "inbox-ended-none")


def refuse(teacher: Colleague, student: Student) -> None:
    teacher.open(student)
    teacher.press("#refuse summary")
    teacher.page.locator("#refuse input[type=radio]").first.check()
    teacher.fill(written="請到導師室更正。")
    teacher.press("#refuse button")


def decide_too_late(tour: Tour) -> None:
    """The family takes it back while the teacher reads; and one that is the administrator's."""
    teacher, head, student = tour.teacher, tour.administrator, tour.students[5]
    family = apply(tour.stack, tour.serial(10), [student], name=PARENT)
    teacher.open(student)
    head.go(teacher.path)
    withdraw(tour.stack, family)
    head.wait_for_state("withdrawn")
    if teacher.has_scripts:
        expect(teacher.page.locator("#stale")).to_be_visible(timeout=20_000)
        teacher.look("case-stale")
    teacher.press("#approve", "case-too-late")
    teacher.see(teacher.path.removesuffix("/approve"), "case-withdrawn")
    head.open(tour.students[4])
    head.look("case-for-administrator")
    teacher.see(head.path, "case-not-mine")


def what_is_not_there(tour: Tour) -> None:
    teacher = tour.teacher
    teacher.go("/")
    teacher.fill(sought="20260101-AAAAAA")
    teacher.press(".find button", "find-not-found")
    teacher.see(f"/applications/{uuid4()}", "not-found")
    teacher.see("/staff", "forbidden")
    teacher.see("/nowhere", "no-such-page")


def form_of_a_session_that_is_over(tour: Tour) -> None:
    teacher = tour.teacher
    teacher.open(tour.students[1], 2)
    tour.stack.sql(
        "UPDATE review.sessions SET seen_at = seen_at - interval '1 day' WHERE teacher_id = $1",
        tour.homeroom.teacher.id,
    )
    teacher.press("#approve", "sign-in-kept")
    teacher.sign_in(tour.homeroom.teacher.username)
    teacher.look("kept")
    teacher.press("form[action='/kept'] button")


def classes(teacher: Colleague, homeroom: Homeroom) -> None:
    teacher.see("/classes", "classes")
    address = f"/classes/{homeroom.id}"
    teacher.see(address, "class")
    teacher.see(f"{address}?show=missing", "class-missing")
    teacher.see(f"{address}/invitations", "invitations")
    teacher.see(f"{address}/invitations/print?who=all", "sheets")


def paper(tour: Tour) -> None:
    head, right = tour.administrator, parent_id(tour.serial(20))
    wrong = f"{right[:-1]}{(int(right[-1]) + 1) % 10}"
    email = f"paper{tour.number}@example.org"
    head.see("/paper", "paper-list-empty")
    head.see("/paper/new", "paper-class")
    head.fill(**{"class": tour.homeroom.id})
    head.press("form button", "paper-form")
    head.fill(student_id=tour.students[6].id, relation="father", parent_name=ON_PAPER, national_id=wrong)
    head.fill(email=email, email_again=f"other-{email}", phone=f"0911333{tour.number:03}", language="vi")
    head.fill(statement_version="2026-12", signed_on=datetime.now(TAIPEI).date().isoformat())
    head.press("#paper button", "paper-errors")
    head.fill(email_again=email)
    with tour.stack.standing_still("binding"):
        head.press("#paper button", "paper-sent")
    head.wait_for("#paper")
    head.look("paper-problems")
    head.fill(national_id=right)
    head.press("#paper button")
    head.wait_for("#live .success")
    head.look("paper-accepted")
    head.see("/paper", "paper-list")
    head.press("#live .relatives a", "case-on-paper")


def unbind(tour: Tour) -> None:
    head = tour.administrator
    head.go("/?show=ended&state=approved")
    head.press(".entry", "case-approved-administrator")
    address = head.path
    object_to(tour, address)
    disown(tour, address)
    head.see(f"{address}/unbind", "unbind")
    head.fill(written="   ")
    head.press("form button", "unbind-error")
    head.fill(written="法院裁定，監護權已變更。")
    with tour.stack.standing_still("binding"):
        head.press("form button", "case-unbinding")
    head.wait_for_state("revoked")
    head.look("case-revoked")


def object_to(tour: Tour, address: str) -> None:
    """What a guardian sends is a row: how it comes is walked in test_account_children.py."""
    head, binding_id = tour.administrator, UUID(address.rpartition("/")[2])
    head.see("/objections", "objections-none")
    tour.stack.sql(
        "INSERT INTO review.objections (id, binding_id, objector_binding_id, submitted_at) VALUES ($1, $2, $2, now())",
        uuid4(),
        binding_id,
    )
    head.see(address, "case-objected")
    head.see("/objections", "objections")
    head.press("#live a", "objection")
    head.press("#step button", "objection-error")
    head.fill(note="已與雙方聯絡。")
    head.press("#step button", "objection-answered")


def disown(tour: Tour, address: str) -> None:
    """What the reader of a mail says is a row: how it comes is walked in test_disowning.py."""
    head, binding_id = tour.administrator, UUID(address.rpartition("/")[2])
    head.see("/disowned", "disowned-none")
    tour.stack.sql(
        "INSERT INTO review.disowned_notices (binding_id, kind, sent_at) VALUES ($1, 'approved', now())", binding_id
    )
    head.see(address, "case-disowned")
    head.see("/disowned", "disowned")
    link = NotMine(kind="digest", about="teacher", subject=tour.newcomer.id, at=datetime.now(UTC))
    token = make_token(SealingKeys({"sample": sample_key("KEY_REVIEW_NOTIFY")}), link)
    head.see(f"/not-mine?token={token}", "not-mine")
    head.press("form button", "not-mine-done")
    head.see("/not-mine?token=cut-off", "not-mine-over")
    head.go("/disowned")
    for _ in range(2):
        head.press("form button")
    head.look("disowned-handled")


def hand_over(tour: Tour) -> None:
    head, address, other = tour.administrator, f"/classes/{tour.homeroom.id}", tour.newcomer.id
    head.see(address, "class-administrator")
    head.see(f"{address}/substitutes", "substitute")
    head.press("#step button", "substitute-error")
    head.fill(teacher=other, last_day="2099-12-31")
    head.press("#step button", "substitute-question")
    head.press("#step button", "class-substituted")
    head.press("a[href$='/end']", "substitute-end")
    head.press("#step button", "substitute-ended")
    head.see(f"{address}/move", "move")
    head.press("#step button", "move-error")
    head.fill(teacher=other)
    head.press("#step button", "move-question")
    head.press("#step button", "class-moved")
    head.press("a[href$='/return']", "return")
    head.press("#step button", "class-returned")


def school(tour: Tour) -> None:
    head = tour.administrator
    head.see("/school", "school")
    head.see("/school?sort=class", "school-by-class")
    head.see("/reasons", "reasons")
    reasons = head.page.locator("#words").input_value()
    head.fill(words="長" * 300)
    head.press("form button", "reasons-error")
    head.fill(words=f"{reasons}\n請帶戶口名簿到導師室")
    head.press("form button", "reasons-saved")
    head.see("/audit", "audit")
    head.see("/audit?action=custody.set", "audit-filtered")
    head.see("/audit?from=2099-01-01", "audit-none")
