"""Every room of the teachers' pages in English: no word of Chinese but names, and what is marked as Chinese."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from integration.review.english import assert_english, chinese_in, in_english
from review_service.accounts import staff
from review_service.accounts.staff import NewAccount
from review_service.applications import decisions
from review_service.applications.domain import Outcome
from review_service.audit.actions import ACTIONS
from review_service.audit.use_cases import note
from review_service.context import OPERATOR
from review_service.papers.use_cases import take_rejection
from shared.events import BindingRefused, BindingRevoked, BindingWithdrawn, PaperApplicationRejected
from shared.inbox import once
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review

PASSWORD = "a long enough one"
#: Too short, too long, known to everybody, one's own name, the present one.
WEAK = ("short", "x" * 300, "password1234", "user-a-1user-a-1", PASSWORD)
WRITTEN = {
    "student_id": "ST-1",
    "relation": "mother",
    "parent_name": "王曉明",
    "national_id": "F223456786",
    "email": "mei@example.com",
    "email_again": "mei@example.com",
    "phone": "0912345678",
    "language": "zh-TW",
    "statement_version": "2026-11",
    "signed_on": "2026-01-02",
}


@pytest.fixture
async def school(binding: Binding, review: Review, as_teacher: AsTeacher) -> Binding:
    """A school with something of everything: students, handovers, accounts in every state, flags, what ended how."""
    await binding.class_roster("C-1", {"ST-1": "王大明", "ST-2": "李小美", "ST-3": "陳子瑜"})
    await binding.class_roster("C-2", {"ST-4": "王大明"})
    for relation in ("other", "father", "father"):
        await binding.submit(relation=relation, on_paper=True, is_contact_shared=True)
    decided = await binding.submit(relation="mother")
    await decisions.decide(review, as_teacher("T-1"), decided, Outcome.REFUSE, "關係不符")
    await decisions.let_leave(review)
    for kind in (BindingRefused, BindingRevoked, BindingWithdrawn):
        await binding.settled(kind, student_id="ST-2")
    today = datetime.now(TAIPEI).date()
    await binding.name_substitute("C-1", "T-3", today, today)
    await binding.name_substitute("C-1", "T-3", today + timedelta(days=1), today + timedelta(days=2))
    await binding.move_class("C-2", "T-1")
    await staff.open_accounts(
        review, OPERATOR, [NewAccount(id_, f"user-{id_}", "a long enough one") for id_ in ("T-1", "T-2")]
    )
    await staff.close(review, as_teacher("A-1"), "T-2")
    return binding


STAFF = ["/staff", "/staff?done=closed&of=T-2", "/staff?done=reopened&of=T-1"]
STAFF += ["/staff/T-3/open", "/staff/T-1/reset", "/staff/T-1/close", "/staff/A-1/close", "/staff/T-2/reopen"]
ACCOUNT = ["/account", "/account?changed", "/account/password", "/account/sign-out"]
CLASSES = ["/school", "/school?sort=class", "/classes/C-1", "/classes/C-1?show=missing", "/classes/C-2"]
CLASSES += [f"/classes/C-1?done={deed}" for deed in ("substitute", "ended", "moved", "returned")]
HANDOVERS = ["/classes/C-1/substitutes", "/classes/C-1/move", "/classes/C-2/return"]
#: The sheets themselves are Chinese, and marked so.
INVITATIONS = [f"/classes/C-1/invitations{rest}" for rest in ("", "/print", "/print?who=all")]
CUSTODY = ["/students/ST-1/custody", "/students/ST-1/custody?done=cleared"]
PAPER = ["/paper", "/paper/new", "/paper/new?class=C-1"]
OTHERS = ["/?flagged=1", "/?skipped=1", "/?skipped=2", "/?skipped=x", "/reasons", "/reasons?saved", "/audit"]
OTHERS += ["/audit?who=A-1&action=signed-out", "/signed-out"]


@pytest.mark.parametrize(
    ("teacher", "addresses"),
    [
        ("A-1", STAFF),
        ("A-1", CLASSES),
        ("A-1", HANDOVERS),
        ("A-1", INVITATIONS),
        ("A-1", CUSTODY),
        ("A-1", PAPER),
        ("A-1", OTHERS),
        ("T-3", ACCOUNT),
        ("T-3", ["/classes", *CLASSES, *INVITATIONS, *OTHERS]),
    ],
)
async def test_every_room_of_a_school_is_english_too(school: Binding, visit: Visit, teacher: str, addresses: list[str]):
    assert school
    browser = await in_english(visit, teacher)
    for address in addresses:
        assert_english((await browser.get(address)).text)


async def test_what_is_asked_and_what_is_wrong_is_said_in_english_too(school: Binding, visit: Visit, query: Query):
    waiting = [row["id"] for row in await query("SELECT id FROM bindings WHERE on_paper")]
    bound = await school.bind(student_id="ST-3")
    (substitute, *_rest) = await query("SELECT id FROM substitutes ORDER BY first_day")
    days = {"first_day": "2026-02-03", "last_day": "2099-02-03"}
    browser = await in_english(visit, "A-1")
    for address, form in (
        ("/approve", {"id": [str(id_) for id_ in waiting], "how": "ask"}),
        ("/approve", {"id": [str(waiting[0])], "how": "ask"}),
        ("/staff/T-3/open", {"username": "x"}),
        ("/staff/T-3/open", {"username": "user-t-1"}),
        ("/staff/T-3/open", {"username": "user-t-3"}),
        ("/staff/T-1/reset", {}),
        *(("/account/password", {"old": PASSWORD, "new": new, "again": new}) for new in WEAK),
        ("/account/password", {"old": PASSWORD, "new": "some other words", "again": "some other word"}),
        ("/account/password", {"old": "wrong", "new": "some other words", "again": "some other words"}),
        ("/classes/C-1/substitutes", {}),
        ("/classes/C-1/substitutes", {"teacher": "T-1", "first_day": "2026-02-03", "last_day": "2026-02-02"}),
        ("/classes/C-1/substitutes", {"teacher": "T-3", "first_day": "2020-02-03", "last_day": "2020-02-04"}),
        ("/classes/C-1/substitutes", {"teacher": "T-3", **days}),
        (f"/classes/C-1/substitutes/{substitute['id']}/end", {}),
        ("/classes/C-1/move", {"teacher": "T-3"}),
        ("/students/ST-1/custody", {"note": ""}),
        ("/students/ST-1/custody", {"note": "x" * 5000}),
        ("/reasons", {"words": "x" * 1000}),
        ("/reasons", {"words": "\n".join(map(str, range(100)))}),
        (f"/applications/{bound}/unbind", {"written": ""}),
        (f"/applications/{waiting[0]}/unbind", {"written": "x"}),
        ("/paper/new", {"class": "C-1"}),
        ("/paper/new", {"class": "C-1", **WRITTEN, "email_again": "other@example.com", "relation": "other"}),
        ("/paper/new", {"class": "C-1", **WRITTEN, "student_id": "ST-99", "signed_on": "2099-01-01"}),
        ("/find", {"sought": "nothing"}),
    ):
        answer = await browser.post(address, data=form)
        assert answer.status_code in {200, 404, 409, 422}, address
        assert_english(answer.text)
    assert_english((await browser.get(f"/applications/{bound}/unbind")).text)


async def test_a_custody_note_is_asked_about_in_english(school: Binding, visit: Visit):
    assert school
    browser = await in_english(visit, "A-1")
    await browser.post("/students/ST-1/custody", data={"note": "court"})
    for rest in ("?done=set", "/clear"):
        assert_english((await browser.get(f"/students/ST-1/custody{rest}")).text)
    assert_english((await browser.get("/classes/C-1")).text)


async def test_a_paper_application_is_english_on_its_whole_way(school: Binding, visit: Visit, review: Review):
    browser = await in_english(visit, "A-1")
    entries = [(await browser.post("/paper/new", data=WRITTEN)).headers["location"] for _ in range(3)]
    problems = {"national_id": "bad_id_number", "email": "email_taken", "student": "student_known", "phone": "unheard"}
    rejection = PaperApplicationRejected.of("binding", entries[1].removeprefix("/paper/"), problems=problems)
    await once(review.database, "review", rejection, take_rejection)
    await school.submit(student_id="ST-1", paper_entry_id=entries[2].removeprefix("/paper/"))
    for address in (*entries, "/paper"):
        assert_english((await browser.get(address)).text)


async def test_every_act_is_called_by_english_words(
    school: Binding, visit: Visit, review: Review, as_teacher: AsTeacher
):
    assert school
    async with review.database.transaction() as connection:
        for action in ACTIONS:
            await note(review, connection, as_teacher("T-1"), action, "T-1")
    browser = await in_english(visit, "A-1")
    assert_english((await browser.get("/audit")).text)
    assert chinese_in((await browser.post("/audit/export")).text) == []


async def test_a_start_password_and_what_was_kept_are_told_of_in_english(
    school: Binding, visit: Visit, review: Review, query: Query
):
    assert school
    account = NewAccount("T-3", "user-t-3", PASSWORD, must_change=True)
    await staff.open_accounts(review, OPERATOR, [account])
    browser = await in_english(visit)
    await browser.post("/sign-in", data={"username": "user-t-3", "password": PASSWORD})
    assert_english((await browser.get("/account/password")).text)
    administrator = await in_english(visit, "A-1")
    await query("UPDATE sessions SET seen_at = seen_at - interval '1 day'")
    kept = await administrator.post("/reasons", data={"words": "x"})
    assert_english((await administrator.get(kept.headers["location"])).text)
    form = {"username": "user-a-1", "password": PASSWORD, "next": "/kept"}
    assert (await administrator.post("/sign-in", data=form)).headers["location"] == "/kept"
    assert_english((await administrator.get("/kept")).text)


async def test_of_one_a_page_speaks_as_of_one(school: Binding, visit: Visit, query: Query):
    assert school
    browser = await in_english(visit, "A-1")
    waiting = [str(row["id"]) for row in await query("SELECT id FROM bindings WHERE on_paper")]
    for ids, heading in ((waiting[:1], "Approve 1 application?"), (waiting[:2], "Approve 2 applications?")):
        assert heading in (await browser.post("/approve", data={"id": ids, "how": "ask"})).text
