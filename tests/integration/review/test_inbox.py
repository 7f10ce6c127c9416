"""Lists hold what is this teacher's, whole and in order, and never what they sent themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import pytest

from review_service.applications import cases, decisions, inbox
from review_service.applications.domain import Outcome, Standing
from review_service.applications.inbox import PAGE, Filter
from review_service.errors import NotFoundError
from shared.events import BindingApproved, BindingRefused, BindingRevoked, BindingWithdrawn

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Visit

    from review_service.context import Review, Teacher
    from support.databases import Clock

ENDED = Filter(show="ended")
FIRST_MORNING = datetime(2026, 11, 1, 8, tzinfo=UTC)


async def ids(review: Review, teacher: Teacher, wanted: Filter | None = None) -> list[UUID]:
    """The applications on a list's first page."""
    return [entry.id for entry in (await inbox.list_applications(review, teacher, wanted or Filter())).entries]


async def count(review: Review, teacher: Teacher, wanted: Filter | None = None) -> int:
    return (await inbox.list_applications(review, teacher, wanted or Filter())).waiting


# --- whose applications ---


async def test_a_teacher_sees_their_own_classes_and_an_administrator_the_school(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    first, second, elsewhere = [
        await binding.submit(class_id=class_, school_id=school)
        for class_, school in (("C-1", "S-1"), ("C-2", "S-1"), ("C-9", "S-2"))
    ]
    seen = {teacher: set(await ids(review, as_teacher(teacher))) for teacher in ("T-1", "T-2", "T-3", "A-1", "T-9")}
    assert seen == {"T-1": {first}, "T-2": {first}, "T-3": {second}, "A-1": {first, second}, "T-9": {elsewhere}}
    assert await ids(review, as_teacher("A-9")) == [elsewhere]


async def test_one_teacher_of_two_classes_has_one_list_in_order(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    await binding.tell(binding.class_("C-2", revision=2, teacher_ids=["T-1", "T-3"]))
    days = {20: "C-1", 10: "C-2", 15: "C-1"}
    sent = {day: await binding.submit(class_id=c, submitted_at=f"2026-11-{day}T08:00:00Z") for day, c in days.items()}
    assert await ids(review, as_teacher("T-1")) == [sent[10], sent[15], sent[20]]


@pytest.mark.parametrize(
    ("from_now", "is_theirs"), [(-11, False), (-10, True), (0, True), (10, True), (11, False)], ids=str
)
async def test_a_substitute_has_the_class_from_the_first_day_to_the_last(
    review: Review,
    binding: Binding,
    as_teacher: AsTeacher,
    clock: Clock,
    from_now: int,
    is_theirs: bool,  # noqa: FBT001 - a parameter of the test
):
    id_ = await binding.submit()
    taipei = (datetime.now(UTC) + timedelta(hours=8)).date()
    await binding.name_substitute("C-1", "T-3", taipei - timedelta(days=10), taipei + timedelta(days=10))
    await clock.shift(timedelta(days=from_now))
    substitute = as_teacher("T-3")
    assert await ids(review, substitute) == ([id_] if is_theirs else [])
    if is_theirs:
        await decisions.decide(review, substitute, id_, Outcome.APPROVE)
    else:
        with pytest.raises(NotFoundError):
            await decisions.decide(review, substitute, id_, Outcome.APPROVE)
    assert id_ in await ids(review, as_teacher("T-1"), ENDED if is_theirs else Filter())


async def test_a_substitutes_day_is_a_day_in_taipei(
    review: Review, binding: Binding, as_teacher: AsTeacher, clock: Clock
):
    id_ = await binding.submit()
    await binding.name_substitute("C-1", "T-3", date(2030, 3, 4), date(2030, 3, 4))
    midnight = datetime(2030, 3, 3, 16, tzinfo=UTC)
    for moment, expected in ((midnight - timedelta(minutes=5), []), (midnight + timedelta(minutes=5), [id_])):
        await clock.shift(moment - datetime.now(UTC))
        assert await ids(review, as_teacher("T-3")) == expected


async def test_a_class_that_was_moved_is_the_other_teachers_until_the_roster_names_others(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    await binding.move_class("C-1", "T-3")
    assert [await ids(review, as_teacher(teacher)) for teacher in ("T-1", "T-2", "T-3")] == [[], [], [id_]]
    await binding.tell(binding.class_("C-1", revision=2, teacher_ids=["T-1", "T-2"]))  # the same as before
    assert await ids(review, as_teacher("T-3")) == [id_]
    await binding.tell(binding.class_("C-1", revision=3, teacher_ids=["T-2"]))
    assert [await ids(review, as_teacher(teacher)) for teacher in ("T-1", "T-2", "T-3")] == [[], [id_], []]


async def test_nobodys_own_application_as_a_parent_is_anywhere_for_them(
    binding: Binding, review: Review, as_teacher: AsTeacher, visit: Visit
):
    hash_ = "5a" * 32
    id_ = await binding.submit(
        parent_teacher_ids=["T-1", "A-1"], document_hash=hash_, application_number="20261124-7K3FQ9"
    )
    sibling = await binding.submit(application_number="20261124-AAAAAA")
    for teacher in ("T-1", "A-1"):
        browser = await visit(teacher)
        who = as_teacher(teacher)
        assert await ids(review, who) == [sibling]
        assert str(id_) not in (await browser.get(f"/applications/{sibling}")).text
        for address in (f"/applications/{id_}", f"/applications/{id_}/aside", f"/documents/{hash_}"):
            assert (await browser.get(address)).status_code == 404
        for action in ("contacts", "approve", "refuse"):
            answer = await browser.post(f"/applications/{id_}/{action}", data={"written": "不符"})
            assert answer.status_code == 404
        for sought in ("20261124-7K3FQ9", hash_):
            assert (await browser.post("/find", data={"sought": sought})).status_code == 404
        await browser.post("/approve", data={"id": str(id_), "how": "all"})
    assert await ids(review, as_teacher("T-2")) == [sibling], "it is the administrator's"
    await binding.end(BindingApproved, id_)
    for teacher in ("T-1", "A-1"):
        assert await ids(review, as_teacher(teacher), ENDED) == []
    assert (await cases.look(review, as_teacher("T-2"), id_)).outcome is None
    assert (await (await visit("A-1")).post(f"/applications/{id_}/unbind", data={"written": "x"})).status_code == 404


async def test_a_teacher_who_is_the_parent_decides_as_no_substitute_either(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    id_ = await binding.submit(class_id="C-2", parent_teacher_ids=["T-1"])
    today = (datetime.now(UTC) + timedelta(hours=8)).date()
    await binding.name_substitute("C-2", "T-1", today - timedelta(days=1), today + timedelta(days=1))
    assert await ids(review, as_teacher("T-1")) == []
    with pytest.raises(NotFoundError):
        await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    assert (await decisions.approve_all(review, as_teacher("T-1"), [id_]))[1] == 0
    assert await ids(review, as_teacher("T-3")) == [id_]


async def test_what_the_administrator_decides_on_leaves_the_teachers_waiting_list_and_is_in_theirs(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    usual = await binding.submit(submitted_at=FIRST_MORNING)
    special = await binding.submit(student_id="ST-2")
    await binding.note_custody("ST-2")
    assert (await ids(review, as_teacher("T-1")), await count(review, as_teacher("T-1"))) == ([usual], 1)
    assert (await ids(review, as_teacher("A-1")), await count(review, as_teacher("A-1"))) == ([usual, special], 2)
    only = Filter(class_id="C-1")
    assert (await ids(review, as_teacher("A-1"), only), await count(review, as_teacher("A-1"), only)) == (
        [usual, special],
        2,
    )
    place = await inbox.place_of(review, as_teacher("A-1"), usual)
    assert await inbox.neighbours(review, as_teacher("A-1"), only, place) == (None, special)
    assert await inbox.neighbours(review, as_teacher("T-1"), Filter(), place) == (None, None)


# --- filters ---


async def test_a_class_filters_an_administrators_list_and_opens_no_other_one(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    first, second = await binding.submit(), await binding.submit(class_id="C-2")
    await binding.submit(class_id="C-9", school_id="S-2")
    administrator = as_teacher("A-1")
    assert await ids(review, administrator, Filter(class_id="C-1")) == [first]
    assert await ids(review, administrator, Filter(class_id="C-2")) == [second]
    for class_ in ("C-9", "no such class"):
        assert await ids(review, administrator, Filter(class_id=class_)) == []
        assert await count(review, administrator, Filter(class_id=class_)) == 0
    assert await ids(review, as_teacher("T-1"), Filter(class_id="C-2")) == []
    listed = await inbox.list_applications(review, administrator, Filter())
    assert listed.classes == [("C-1", "班級C-1"), ("C-2", "班級C-2")]


async def test_a_state_filters_what_has_ended(review: Review, binding: Binding, as_teacher: AsTeacher):
    ends = {"approved": BindingApproved, "refused": BindingRefused, "withdrawn": BindingWithdrawn}
    ended = {state: await binding.submit() for state in (*ends, "revoked")}
    for state, kind in ends.items():
        await binding.end(kind, ended[state])
    await binding.end(BindingApproved, ended["revoked"])
    await binding.end(BindingRevoked, ended["revoked"], version=3)
    await binding.submit()
    for teacher in (as_teacher("T-1"), as_teacher("A-1")):
        assert set(await ids(review, teacher, ENDED)) == set(ended.values())
        for state, id_ in ended.items():
            wanted = Filter.parse({"show": "ended", "state": state})
            listed = await inbox.list_applications(review, teacher, wanted)
            assert [(entry.id, entry.standing) for entry in listed.entries] == [(id_, Standing(state))]


async def test_what_is_decided_is_ended_at_once_the_latest_first(
    review: Review, binding: Binding, as_teacher: AsTeacher, clock: Clock
):
    first, second = await binding.submit(), await binding.submit()
    for minutes, id_ in ((0, second), (1, first)):
        await clock.shift(timedelta(minutes=minutes))
        await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    assert await ids(review, as_teacher("T-2"), ENDED) == [first, second]
    assert await ids(review, as_teacher("A-1"), ENDED) == [first, second]


async def test_only_what_is_flagged(review: Review, binding: Binding, as_teacher: AsTeacher):
    flagged = await binding.submit(student_id="ST-2", is_contact_shared=True)
    usual = await binding.submit()
    for teacher in (as_teacher("T-1"), as_teacher("A-1")):
        assert await ids(review, teacher, Filter(flagged=True)) == [flagged]
        assert await count(review, teacher, Filter(flagged=True)) == 1
        assert set(await ids(review, teacher)) == {flagged, usual}


@pytest.mark.parametrize(
    "query",
    [
        {"show": "everything"},
        {"state": "approved"},
        {"show": "ended", "state": "waiting"},
        {"show": "ended", "state": "approved' OR true --"},
        {"after": "yesterday"},
        {"after": "2026-11-20T08:00:00+00:00"},
        {"after": f"2026-11-20T08:00:00~{uuid4()}"},
        {"after": "2026-11-20T08:00:00+00:00~7"},
        {"after": f"0001-01-01T00:00:00+14:00~{uuid4()}"},
        {"after": f"9999-12-31T23:59:59-14:00~{uuid4()}"},
        {"class": "\0"},
        {"flagged": "yes"},
        {"done": "no uuid"},
        {"undone": "<script>"},
    ],
)
async def test_an_address_that_makes_no_sense_is_a_list_all_the_same(
    binding: Binding, visit: Visit, query: dict[str, str]
):
    await binding.submit()
    answer = await (await visit("T-1")).get("/", params=query)
    assert answer.status_code == 200
    assert "<script>" not in answer.text


async def test_a_filter_survives_its_address():
    place = (FIRST_MORNING, uuid4())
    for wanted in (
        Filter(),
        Filter(class_id="C-1 & 2", flagged=True, after=place),
        Filter(show="ended", state="refused", class_id="C-1", after=place),
    ):
        assert Filter.parse(dict(parse_qsl(wanted.query()[1:]))) == wanted


# --- paging ---


async def submit_many(binding: Binding, many: int, **overrides: object) -> list[UUID]:
    """Applications of which three each came in the same moment; oldest first."""
    moments = [FIRST_MORNING + timedelta(minutes=number // 3) for number in range(many)]
    sent = [
        (moment, await binding.submit(submitted_at=moment, student_id=f"ST-{number}", **overrides))
        for number, moment in enumerate(moments)
    ]
    return [id_ for _, id_ in sorted(sent)]


@pytest.mark.parametrize("who", ["T-1", "A-1"])
async def test_paging_shows_every_application_once_while_others_decide(
    review: Review, binding: Binding, as_teacher: AsTeacher, who: str
):
    many = await submit_many(binding, 2 * PAGE + 7)
    seen: list[UUID] = []
    wanted = Filter()
    while True:
        listed = await inbox.list_applications(review, as_teacher(who), wanted)
        page = [entry.id for entry in listed.entries]
        seen += page
        if not listed.following:
            break
        # A colleague decides on what was seen, and new ones come: the next page begins behind the last row.
        await decisions.approve_all(review, as_teacher("T-2"), [*page[:3], page[-1]])
        await binding.submit(submitted_at="2026-11-30T08:00:00Z", student_id="ST-new")
        wanted = replace(wanted, after=(listed.entries[-1].submitted_at, listed.entries[-1].id))
        assert listed.following == wanted.query()
    assert seen[: len(many)] == many
    assert len(seen) == len(many) + 2
    assert len(set(seen)) == len(seen)


async def test_paging_shows_every_ended_one_once_while_more_end(
    review: Review, binding: Binding, as_teacher: AsTeacher
):
    many = await submit_many(binding, PAGE + 10)
    await decisions.approve_all(review, as_teacher("T-1"), many[: PAGE + 5])  # all in one moment
    first = await inbox.list_applications(review, as_teacher("T-1"), ENDED)
    await decisions.approve_all(review, as_teacher("T-1"), many[PAGE + 5 :])
    last = first.entries[-1]
    assert last.ended_at is not None
    second = await inbox.list_applications(review, as_teacher("T-1"), replace(ENDED, after=(last.ended_at, last.id)))
    seen = [entry.id for entry in (*first.entries, *second.entries)]
    assert (len(seen), set(seen)) == (PAGE + 5, set(many[: PAGE + 5]))
    assert second.following == ""


async def test_a_full_page_alone_has_no_next_one(review: Review, binding: Binding, as_teacher: AsTeacher):
    await submit_many(binding, PAGE)
    assert (await inbox.list_applications(review, as_teacher("T-1"), Filter())).following == ""


async def test_neighbours_are_those_of_the_filtered_list(review: Review, binding: Binding, as_teacher: AsTeacher):
    first, *_, last = await submit_many(binding, 3, is_contact_shared=True)
    between = await binding.submit(submitted_at=FIRST_MORNING, student_id="ST-usual")
    administrator = as_teacher("A-1")
    other_class = await binding.submit(class_id="C-2", student_id="ST-20", submitted_at="2026-10-01T08:00:00Z")
    here = await inbox.place_of(review, administrator, first)
    before, after = await inbox.neighbours(review, administrator, Filter(flagged=True), here)
    assert before is None
    assert after not in {None, between, other_class}
    here = await inbox.place_of(review, administrator, last)
    assert (await inbox.neighbours(review, administrator, Filter(flagged=True), here))[1] == first
    here = await inbox.place_of(review, administrator, other_class)
    assert await inbox.neighbours(review, administrator, Filter(class_id="C-2"), here) == (None, None)
    assert (await inbox.neighbours(review, administrator, Filter(show="ended"), here))[1] in {first, between}


async def test_a_name_of_a_new_student_is_on_the_page_of_the_list_and_its_flags_too(binding: Binding, visit: Visit):
    await binding.submit(is_contact_shared=True, on_paper=True, is_known_guardian=True)
    page = (await (await visit("T-1")).get("/")).text
    for text in ("王大明", "班級C-1", "其他家庭也用這個聯絡方式", "紙本申請", "與學校紀錄相符"):
        assert text in page
