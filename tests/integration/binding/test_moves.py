"""What an import does to bindings: nothing that anybody did is lost, and everybody concerned is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from binding_service.applications.moves import follow_students
from shared.events import (
    AddresseeWithReason,
    BindingApproved,
    BindingLapsed,
    BindingRefused,
    BindingResumed,
    BindingRevoked,
    BindingSubmitted,
)
from shared.sealing import HashKeys
from support.city import CLASS, FAR_CLASS, FAR_SCHOOL, HAN, MEI, MING, NEXT_CLASS, SCHOOL, City, city_of
from support.school import hear, submitted, unbind
from support.town import OTHER_PARENT_ID, PARENT_ID, SIGNATURE, Town, make_parent_form, national_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from binding_service.context import Keys
    from local_stack.sample_roster import Student
    from shared.events import Event
    from support.databases import Clock

PASSWORD = "a long walk to school"
LEFT = "學校的學籍資料顯示這位學生已不在學"


@pytest.fixture
async def city(town: Town, tmp_path: Path) -> AsyncIterator[City]:
    async with city_of(town, tmp_path / "export") as city:
        yield city


async def apply(town: Town, city: City, *ids: str, contact: str = "lin@example.org", parent: str = PARENT_ID) -> str:
    """An application for these students; the session's token."""
    return await town.apply(contact, [city.child(id_) for id_ in ids or (MEI,)], parent)


async def waits(town: Town, city: City, *ids: str) -> tuple[str, str]:
    """A session's token, and the id of its binding, which waits."""
    token = await apply(town, city, *ids)
    return token, (await town.bindings(token))[0]["id"]


async def bound(town: Town, city: City) -> tuple[str, str]:
    """A session's token, and the id of its binding, which was approved."""
    token, id_ = await waits(town, city)
    await town.decided(id_)
    return token, id_


async def row(town: Town, binding_id: str) -> dict[str, Any]:
    """A binding as it is stored."""
    return (await town.rows("SELECT * FROM binding.bindings WHERE id = $1", UUID(binding_id)))[0]


async def told(town: Town) -> list[str]:
    """The kinds of all events about bindings, in the order in which they were recorded."""
    kinds = (BindingSubmitted, BindingApproved, BindingRefused, BindingLapsed, BindingResumed)
    types = [kind.TYPE for kind in kinds]
    rows = await town.rows("SELECT type FROM public.trail WHERE type = ANY($1) ORDER BY n", types)
    return [each["type"].split(".")[2] for each in rows]


async def sign_in(town: Town) -> str:
    """The parent's account, its first password changed; the session's token."""
    token = (await town.do("POST", "/account/sessions", login="lin@example.org", password=PARENT_ID[-6:]))["token"]
    await town.do("PUT", "/account/password", token, password=PASSWORD)
    return str(token)


def place(event: Event) -> tuple[str, str, str]:
    """Where an event says that the child is."""
    data = event.data  # type: ignore[attr-defined]
    return data.student_id, data.school_id, data.class_id


# --- a child that changes class or school ---


@pytest.mark.parametrize(("class_id", "school_id"), [(NEXT_CLASS, SCHOOL), (FAR_CLASS, FAR_SCHOOL)])
async def test_what_waits_goes_along_to_the_new_class_and_the_parent_sees_what_they_named(
    town: Town, city: City, class_id: str, school_id: str
) -> None:
    token, binding_id = await waits(town, city)
    before = (await town.bindings(token))[0]
    city.move(MEI, class_id)
    await city.tell()
    first, second = await town.events(BindingSubmitted)
    assert [(place(event), event.data.version) for event in (first, second)] == [
        ((MEI, SCHOOL, CLASS), 1),
        ((MEI, school_id, class_id), 2),
    ]
    assert second.subject == binding_id
    assert (await town.bindings(token))[0] == before
    assert await told(town) == ["submitted", "submitted"]


async def test_what_the_teacher_sees_beside_it_is_that_of_the_day_of_the_move(town: Town, city: City) -> None:
    await waits(town, city)
    city.move(MEI, FAR_CLASS)
    city.roster.guardians.clear()
    await city.tell()
    (_, before), (_, after) = await submitted(town)
    assert len(before.guardians) == 2
    assert (after.guardians, after.parent_name, after.email) == ([], before.parent_name, before.email)


async def test_an_import_that_moves_nobody_tells_nothing_again(town: Town, city: City) -> None:
    await bound(town, city)
    await apply(town, city, MING, contact="wu@example.org", parent=OTHER_PARENT_ID)
    before = await told(town)
    city.change(MEI, given="改名")
    city.change(MING, given="也改名")
    await city.tell()
    await city.tell()
    assert await told(town) == before


async def test_a_dry_run_moves_and_closes_nothing(town: Town, city: City) -> None:
    _, binding_id = await waits(town, city, MEI, MING)
    before = await row(town, binding_id)
    city.move(MEI, NEXT_CLASS)
    city.leave(MING)
    await city.tell(dry_run=True)
    assert await row(town, binding_id) == before
    assert await told(town) == ["submitted", "submitted"]


async def test_a_decision_that_was_taken_before_the_move_is_void(town: Town, city: City) -> None:
    _, binding_id = await waits(town, city)
    city.move(MEI, FAR_CLASS)
    await city.tell()
    decision = town.decision(binding_id)
    late = decision.model_copy(update={"data": decision.data.model_copy(update={"version": 1})})
    await hear(town, late)
    assert await town.state_of(binding_id) == "pending"
    assert [event.data.version for event in await town.events(BindingSubmitted)] == [1, 2, 2]
    decision = town.decision(binding_id)
    fresh = decision.model_copy(update={"data": decision.data.model_copy(update={"version": 2})})
    await hear(town, fresh)
    (approved,) = await town.events(BindingApproved)
    assert (approved.data.version, place(approved)) == (3, (MEI, FAR_SCHOOL, FAR_CLASS))


async def test_an_application_that_was_sent_while_an_import_ran_is_caught_up_by_the_next_one(
    town: Town, city: City
) -> None:
    _, binding_id = await waits(town, city)
    await town.rows("UPDATE binding.bindings SET told_class_id = $1 RETURNING 1", NEXT_CLASS)
    await city.tell()
    newest = (await town.events(BindingSubmitted))[-1]
    assert (newest.subject, newest.data.version, place(newest)) == (binding_id, 2, (MEI, SCHOOL, CLASS))


async def test_what_is_bound_needs_no_event_of_its_own_and_its_account_shows_the_new_school(
    town: Town, city: City
) -> None:
    _, binding_id = await bound(town, city)
    city.move(MEI, FAR_CLASS)
    await city.tell()
    assert await told(town) == ["submitted", "approved"]
    (child,) = await town.do("GET", "/account/children", await sign_in(town))
    assert (child["school"], child["class_name"], child["left_on"]) == ("市立金華國小", "六年一班", None)
    await unbind(town, binding_id)
    (revoked,) = await town.events(BindingRevoked)
    assert place(revoked) == (MEI, FAR_SCHOOL, FAR_CLASS)
    city.move(MEI, CLASS)
    await city.tell()
    assert (await row(town, binding_id))["told_school_id"] == FAR_SCHOOL


# --- a child that leaves ---


async def test_what_waits_for_a_child_that_left_is_refused_with_a_reason_in_the_parents_language(
    town: Town, city: City
) -> None:
    token, binding_id = await waits(town, city)
    name = city.child(MEI).name
    city.leave(MEI)
    await city.tell()
    (event,) = await town.events(BindingRefused)
    today = await town.value("SELECT (binding.present() AT TIME ZONE 'Asia/Taipei')::date")
    assert (event.subject, event.data.version, event.data.left_on) == (binding_id, 2, today)
    assert place(event) == (MEI, SCHOOL, CLASS)
    part = town.keys.to_notify.unseal_model(AddresseeWithReason, event.data.for_notify, event.place("for_notify"))
    assert part.reason.startswith(LEFT)
    assert (part.email, part.student_name) == ("lin@example.org", name)
    (shown,) = await town.bindings(token)
    assert (shown["state"], shown["left_on"]) == ("refused", str(today))
    assert shown["reason"].startswith(LEFT)


async def test_the_progress_page_says_why_in_the_readers_language_and_leads_to_a_new_application(
    town: Town, city: City
) -> None:
    token, _ = await waits(town, city)
    city.leave(MEI)
    await city.tell()
    async with town.browser(token) as browser:
        page = (await browser.get("/progress")).text
    assert f'<p class="words">{LEFT}' in page
    assert "申請結束" in page
    assert "修改後重新送出" not in page
    assert "重新申請<" in page


async def test_who_comes_back_is_applied_for_again(town: Town, city: City) -> None:
    token, binding_id = await waits(town, city)
    gone = city.leave(MEI)
    await city.tell()
    city.come(*gone)
    await city.tell()
    assert await town.state_of(binding_id) == "refused"
    await town.fill(token, [city.child(MEI)], PARENT_ID, make_parent_form())
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    assert [each["state"] for each in await town.bindings(token)] == ["pending"]


async def test_what_is_bound_to_a_child_that_left_is_kept_and_marked_as_ended(
    town: Town, city: City, clock: Clock
) -> None:
    _, binding_id = await bound(town, city)
    before = await row(town, binding_id)
    city.leave(MEI)
    await clock.shift(timedelta(days=200))
    await city.tell()
    after = await row(town, binding_id)
    today = await town.value("SELECT (binding.present() AT TIME ZONE 'Asia/Taipei')::date")
    assert (after["state"], after["version"], after["left_on"]) == ("approved", 3, today)
    assert after["changed_at"] == before["changed_at"]
    (lapsed,) = await town.events(BindingLapsed)
    assert (lapsed.subject, lapsed.data.version, lapsed.data.left_on) == (binding_id, 3, today)
    assert (place(lapsed), lapsed.data.settled_at) == ((MEI, SCHOOL, CLASS), before["changed_at"])
    await clock.shift(timedelta(0))
    words = f"已畢業或離校（{today.year}/{today.month}/{today.day}）"
    account = await sign_in(town)
    async with town.browser(account) as browser:
        for path in ("/progress", "/account"):
            page = (await browser.get(path)).text
            assert words in page, path
            assert "認證" in page, path
    (child,) = await town.do("GET", "/account/children", account)
    assert (child["school"], child["left_on"]) == ("市立內湖國小", str(today))


async def test_a_child_that_is_back_is_bound_as_before_wherever_it_goes_to_school_now(town: Town, city: City) -> None:
    token, binding_id = await bound(town, city)
    gone = city.leave(MEI)
    await city.tell()
    city.come(*gone)
    city.move(MEI, FAR_CLASS)
    await city.tell()
    (resumed,) = await town.events(BindingResumed)
    assert (resumed.subject, resumed.data.version, resumed.data.left_on) == (binding_id, 4, None)
    assert place(resumed) == (MEI, FAR_SCHOOL, FAR_CLASS)
    assert [(each["state"], each["left_on"]) for each in await town.bindings(token)] == [("approved", None)]
    (child,) = await town.do("GET", "/account/children", await sign_in(town))
    assert (child["school"], child["left_on"]) == ("市立金華國小", None)
    assert len(await town.events(BindingApproved)) == 1


async def test_a_lapsed_binding_can_still_be_ended_by_the_school(town: Town, city: City) -> None:
    token, binding_id = await bound(town, city)
    city.leave(MEI)
    await city.tell()
    await unbind(town, binding_id)
    (revoked,) = await town.events(BindingRevoked)
    assert (revoked.data.version, place(revoked)) == (4, (MEI, SCHOOL, CLASS))
    assert [each["state"] for each in await town.bindings(token)] == ["revoked"]
    await city.tell()
    assert await town.state_of(binding_id) == "revoked"


# --- a child that has got a new id ---


def rename(city: City, id_: str, new_id: str, class_id: str) -> None:
    """The child goes to another school, whose system knows it by an id of its own."""
    city.change(id_, id=new_id, homeroom=city.homeroom(class_id))


async def test_what_is_bound_follows_the_child_to_its_new_id(town: Town, city: City) -> None:
    _, binding_id = await bound(town, city)
    rename(city, MEI, "student-new", FAR_CLASS)
    await city.tell()
    (resumed,) = await town.events(BindingResumed)
    assert (resumed.subject, resumed.data.version, place(resumed)) == (
        binding_id,
        3,
        ("student-new", FAR_SCHOOL, FAR_CLASS),
    )
    (child,) = await town.do("GET", "/account/children", await sign_in(town))
    assert (child["school"], child["left_on"]) == ("市立金華國小", None)
    assert await told(town) == ["submitted", "approved", "resumed"]


async def test_what_had_lapsed_follows_it_too(town: Town, city: City) -> None:
    _, binding_id = await bound(town, city)
    gone = city.leave(MEI)
    await city.tell()
    city.come(*gone)
    rename(city, MEI, "student-new", FAR_CLASS)
    await city.tell()
    after = await row(town, binding_id)
    assert (after["student_id"], after["left_on"], after["version"]) == ("student-new", None, 4)
    assert await told(town) == ["submitted", "approved", "lapsed", "resumed"]


async def test_what_waits_follows_it_instead_of_being_refused(town: Town, city: City) -> None:
    token, binding_id = await waits(town, city)
    rename(city, MEI, "student-new", FAR_CLASS)
    await city.tell()
    newest = (await town.events(BindingSubmitted))[-1]
    assert (newest.subject, newest.data.version, place(newest)) == (
        binding_id,
        2,
        ("student-new", FAR_SCHOOL, FAR_CLASS),
    )
    assert [each["state"] for each in await town.bindings(token)] == ["pending"]
    assert await told(town) == ["submitted", "submitted"]


async def test_nobody_is_bound_to_a_child_twice_by_that(town: Town, city: City) -> None:
    token = await apply(town, city, MEI, MING)
    gone = city.leave(MEI)
    city.change(MING, national_id=gone[0].national_id)  # what the school had of the other one was wrong
    await city.tell()
    rows = await town.rows("SELECT student_id, state FROM binding.bindings ORDER BY student_id")
    assert [tuple(each.values()) for each in rows] == [(MEI, "refused"), (MING, "pending")]
    assert len(await town.bindings(token)) == 2


# --- many at once ---


async def copy_bindings(town: Town, times: int) -> None:
    """As many more applications like the only one, each by a person and for a student of its own."""
    await town.rows(
        """
        WITH many AS (SELECT n, gen_random_uuid() AS id FROM generate_series(1, $1::int) AS n),
        students AS (
            INSERT INTO binding.students SELECT 'many-' || n, school_id, class_id, name, 'many ' || n,
                national_id_sealed, revision, true FROM many, binding.students AS one WHERE one.id = $2 RETURNING 1)
        INSERT INTO binding.bindings (id, application_id, student_id, person_hash, school_name, class_name, relation,
            relation_text, state, version, submitted_at, changed_at, told_school_id, told_class_id)
        SELECT many.id, application_id, 'many-' || n, 'person ' || n, school_name, class_name, relation, relation_text,
            state, version, submitted_at, changed_at, told_school_id, 'another class'
        FROM many, binding.bindings RETURNING 1
        """,
        times,
        MEI,
    )


@pytest.mark.parametrize("state", ["moved", "left"])
async def test_many_cost_no_more_queries_than_few(town: Town, city: City, state: str) -> None:
    await waits(town, city)
    costs = []
    for times in (20, 400):
        await copy_bindings(town, times)
        await town.rows("UPDATE binding.students SET active = $1 WHERE id LIKE 'many-%' RETURNING 1", state == "moved")
        asked: list[object] = []
        async with city.parts.database.transaction() as connection:
            connection.add_query_logger(asked.append)
            counts = await follow_students(city.parts, connection)
            connection.remove_query_logger(asked.append)
        costs.append(len(asked))
        assert sum(counts.values()) == times
        await town.rows("DELETE FROM binding.bindings WHERE student_id LIKE 'many-%' RETURNING 1")
        await town.rows("DELETE FROM binding.students WHERE id LIKE 'many-%' RETURNING 1")
    assert costs[0] == costs[1]


# --- a draft ---


@pytest.mark.parametrize("class_id", [None, FAR_CLASS])
async def test_a_draft_that_names_a_child_who_is_gone_is_not_sent_and_says_so_where_it_is_mended(
    town: Town, city: City, class_id: str | None
) -> None:
    token = await town.sign_in("lin@example.org")
    await town.fill(token, [city.child(MEI), city.child(HAN)], PARENT_ID, make_parent_form())
    if class_id:
        city.move(MEI, class_id)
    else:
        city.leave(MEI)
    await city.tell()
    answer = await town.call("POST", "/applications", token, signature=SIGNATURE, key=str(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (409, "students_changed")
    assert "學籍資料已變更" in answer.json()["detail"]
    assert [each["field"] for each in answer.json()["errors"]] == ["students"]
    async with town.browser(token) as browser:
        sent = await browser.post("/check", data={"typed": "林淑芬", "strokes": "", "key": "k"})
        assert (sent.status_code, sent.headers["location"]) == (303, "/students")
        page = (await browser.get("/students")).text
    assert "學籍資料已變更" in page
    assert 'role="status"' in page
    assert await told(town) == []


async def test_a_draft_of_a_child_that_only_changed_class_is_sent_to_the_new_one(town: Town, city: City) -> None:
    token = await town.sign_in("lin@example.org")
    await town.fill(token, [city.child(MEI)], PARENT_ID, make_parent_form())
    city.move(MEI, NEXT_CLASS)
    await city.tell()
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    (event,) = await town.events(BindingSubmitted)
    assert place(event) == (MEI, SCHOOL, NEXT_CLASS)


# --- an id that another child has now, and ID numbers under another key ---


STRANGER = national_id(777)


async def reused(city: City, *, former: Student) -> None:
    """The school's system gives the id of a child who left to a new child of another class."""
    stranger = replace(former, family="陌", given="生人", national_id=STRANGER, homeroom=city.homeroom(FAR_CLASS))
    city.come(stranger)
    await city.tell()


def keys_with(town: Town, *ids: str) -> Keys:
    """The keys, with other ones for hashes; the first one writes. "sample" is the one that the town has."""
    secret = town.settings.key_binding_hash
    sample = town.settings.hash_keys("KEY_BINDING_HASH", secret)._keys["sample"]
    known = {"sample": sample, "h2": b"2" * 32}
    return replace(town.keys, hashes=HashKeys({id_: known[id_] for id_ in ids}))


async def test_what_had_lapsed_stays_so_when_another_child_gets_the_id(town: Town, city: City) -> None:
    _, binding_id = await bound(town, city)
    name = city.child(MEI).name
    (gone,) = city.leave(MEI)
    await city.tell()
    before = await row(town, binding_id)
    await reused(city, former=gone)
    after = await row(town, binding_id)
    assert (after["state"], after["left_on"]) == ("approved", before["left_on"])
    assert after["student_id"] != MEI
    assert await town.events(BindingResumed) == []
    (child,) = await town.do("GET", "/account/children", account := await sign_in(town))
    assert (child["name"], child["school"], child["left_on"]) == (name, "市立內湖國小", str(before["left_on"]))
    async with town.browser(account) as browser:
        for path in ("/account", "/progress", "/account/data"):
            page = (await browser.get(path)).text
            assert (name in page, "陌生人" in page) == (True, False), path


async def test_review_hears_that_what_was_told_of_the_former_child_is_not_the_new_ones_and_nobody_is_written_to(
    town: Town, city: City
) -> None:
    _, binding_id = await bound(town, city)
    refused = await apply(town, city, contact="wu@example.org", parent=OTHER_PARENT_ID)
    await town.decided((await town.bindings(refused))[0]["id"], "refuse", "不是監護人")
    (gone,) = city.leave(MEI)
    await city.tell()
    await reused(city, former=gone)
    approved, refusal = (await town.events(BindingApproved))[-1], (await town.events(BindingRefused))[-1]
    assert (approved.subject, approved.data.version, approved.data.is_replay) == (binding_id, 4, True)
    assert {approved.data.student_id, refusal.data.student_id} == {(await row(town, binding_id))["student_id"]}
    assert (approved.data.left_on is not None, approved.data.for_notify, refusal.data.for_notify) == (True, "", "")
    before = await told(town)
    await city.tell()
    assert await told(town) == before


async def test_the_new_child_is_applied_for_like_any_other(town: Town, city: City) -> None:
    await bound(town, city)
    (gone,) = city.leave(MEI)
    await city.tell()
    await reused(city, former=gone)
    token = await apply(town, city, MEI, contact="wu@example.org", parent=OTHER_PARENT_ID)
    await town.decided((await town.bindings(token))[0]["id"])
    states = await town.rows("SELECT student_id = $1 AS is_new, left_on IS NULL AS lasts FROM binding.bindings", MEI)
    assert sorted(map(tuple, (each.values() for each in states))) == [(False, False), (True, True)]


async def test_the_former_child_comes_back_under_a_new_id_and_under_its_own_again(town: Town, city: City) -> None:
    _, binding_id = await bound(town, city)
    (gone,) = city.leave(MEI)
    await city.tell()
    await reused(city, former=gone)
    city.come(replace(gone, id="student-new"))
    await city.tell()
    assert (await row(town, binding_id))["student_id"] == "student-new"
    city.leave("student-new", MEI)
    await city.tell()
    city.come(gone)
    await city.tell()
    after = await row(town, binding_id)
    assert (after["student_id"], after["left_on"]) == (MEI, None)


async def test_a_corrected_id_number_of_a_child_who_did_not_leave_ends_nothing(town: Town, city: City) -> None:
    _, binding_id = await bound(town, city)
    city.change(MEI, national_id=STRANGER)
    await city.tell()
    assert (await row(town, binding_id))["student_id"] == MEI
    assert await told(town) == ["submitted", "approved"]
    gone = city.leave(MEI)
    await city.tell()
    city.come(*gone)
    await city.tell()
    assert (await row(town, binding_id))["left_on"] is None


@pytest.mark.parametrize("keys", [("h2", "sample"), ("h2",)], ids=["both keys", "the new key alone"])
@pytest.mark.parametrize("new_id", [MEI, "student-new"], ids=["its own id", "a new id"])
async def test_a_child_that_comes_back_is_known_after_the_key_of_hashes_was_changed(
    town: Town, city: City, keys: tuple[str, ...], new_id: str
) -> None:
    _, binding_id = await bound(town, city)
    (gone,) = city.leave(MEI)
    await city.tell()
    city.parts = replace(city.parts, keys=keys_with(town, *keys))
    city.come(replace(gone, id=new_id))
    await city.tell()
    after = await row(town, binding_id)
    assert (after["student_id"], after["left_on"], after["state"]) == (new_id, None, "approved")
    assert await told(town) == ["submitted", "approved", "lapsed", "resumed"]
    assert await town.value("SELECT count(*) FROM binding.students WHERE former_of IS NOT NULL") == 0


async def test_another_child_is_told_from_the_former_one_after_the_key_was_changed_too(town: Town, city: City) -> None:
    _, binding_id = await bound(town, city)
    (gone,) = city.leave(MEI)
    await city.tell()
    city.parts = replace(city.parts, keys=keys_with(town, "h2", "sample"))
    await reused(city, former=gone)
    assert (await row(town, binding_id))["left_on"] is not None
    assert await town.events(BindingResumed) == []


async def test_a_child_that_left_after_the_change_is_known_by_a_hash_that_is_kept_under_the_former_key(
    town: Town, city: City
) -> None:
    _, binding_id = await bound(town, city)
    city.parts = replace(city.parts, keys=keys_with(town, "h2", "sample"))
    await city.tell()
    # As a delta leaves them that does not have this child: its record was read when the other key was the first.
    await town.db.execute("UPDATE binding.students SET active = false WHERE id = $1", MEI)
    await town.db.execute(
        "INSERT INTO binding.students (id, school_id, class_id, name, national_id_hash, national_id_sealed, revision,"
        " active) SELECT 'student-new', school_id, class_id, name, $2, 'sealed', revision, true FROM binding.students"
        " WHERE id = $1",
        MEI,
        town.keys.hashes.digest("national-id", city.student(MEI).national_id),
    )
    async with city.parts.database.transaction() as connection:
        await follow_students(city.parts, connection)
    assert (await row(town, binding_id))["student_id"] == "student-new"
