"""A decision can be taken back for some seconds, and only then leaves the service: once, whatever happens."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from review_service.app import make_app
from review_service.applications import cases, decisions
from review_service.applications.domain import Outcome, Standing
from shared.events import BindingWithdrawn, DecisionMade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review
    from review_service.settings import Settings
    from support.databases import Clock

WINDOW = timedelta(seconds=600)
AFTER = WINDOW + timedelta(seconds=1)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A window that ends only where a test moves the clock."""
    return settings.model_copy(update={"undo_seconds": int(WINDOW.total_seconds())})


async def outbox(query: Query) -> list[DecisionMade]:
    return [DecisionMade.model_validate_json(row["body"]) for row in await query("SELECT body FROM outbox")]


async def test_within_the_window_nothing_leaves_and_after_it_the_decision_does(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, clock: Clock
):
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    for moment, left in ((timedelta(), 0), (WINDOW - timedelta(seconds=5), 0), (AFTER, 1), (2 * AFTER, 0)):
        await clock.shift(moment)
        assert await decisions.let_leave(review) == left
    (event,) = await outbox(query)
    assert (event.subject, event.data.outcome, event.data.decided_by) == (str(id_), "approve", "T-1")


async def test_an_undone_decision_waits_again_and_never_leaves(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, clock: Clock
):
    id_ = await binding.submit()
    batch = await decisions.decide(review, as_teacher("T-1"), id_, Outcome.REFUSE, "不符")
    assert await decisions.undo(review, as_teacher("T-1"), batch) == [id_]
    seen = await cases.look(review, as_teacher("T-2"), id_)
    assert (seen.standing, seen.outcome, seen.reason, seen.is_mine) == (Standing.WAITING, None, "", True)
    await clock.shift(AFTER)
    assert await decisions.let_leave(review) == 0
    assert await decisions.undo(review, as_teacher("T-1"), batch) == []
    actions = [
        row["action"] for row in await query("SELECT action FROM audit WHERE subject = $1 ORDER BY id", str(id_))
    ]
    assert actions == ["application.refuse", "application.undone", "application.looked-at"]


async def test_an_undone_decision_can_be_taken_anew_and_the_old_undo_does_not_reach_it(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, clock: Clock
):
    id_ = await binding.submit()
    teacher = as_teacher("T-1")
    old = await decisions.decide(review, teacher, id_, Outcome.APPROVE)
    await decisions.undo(review, teacher, old)
    await decisions.decide(review, teacher, id_, Outcome.REFUSE, "不符")
    assert await decisions.undo(review, teacher, old) == []
    await clock.shift(AFTER)
    await decisions.let_leave(review)
    assert [event.data.outcome for event in await outbox(query)] == ["refuse"]


@pytest.mark.parametrize("other", ["T-2", "T-3", "A-1", "A-9"])
async def test_nobody_undoes_anothers_decision(
    review: Review, binding: Binding, as_teacher: AsTeacher, visit: Visit, other: str
):
    id_ = await binding.submit()
    batch = await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    assert await decisions.undo(review, as_teacher(other), batch) == []
    browser = await visit(other)
    await browser.post(f"/undo/{batch}")
    page = await browser.get("/", params={"done": str(batch)})
    assert "王大明" not in page.text
    assert "/undo/" not in page.text
    assert (await cases.look(review, as_teacher("T-1"), id_)).standing is Standing.HELD


async def test_the_page_after_a_decision_takes_it_back(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    browser = await visit("T-1")
    page = (await browser.get((await browser.post(f"/applications/{id_}/approve")).headers["location"])).text
    (address,) = re.findall(r'<form method="post" action="(/undo/[^"]+)" class="undo">', page)
    (left,) = re.findall(r'data-undo-left="([\d.]+)"', page)
    assert WINDOW.total_seconds() - 60 < float(left) <= WINDOW.total_seconds()
    held = (await browser.get(f"/applications/{id_}")).text
    assert f'<form method="post" action="{address}"><button class="wide" id="undo-here">' in held
    colleague = (await (await visit("T-2")).get(f"/applications/{id_}")).text
    assert "<strong>核准</strong>：即將送出。" in colleague
    assert "/undo/" not in colleague
    assert (await browser.get(address)).headers["location"] == "/"
    assert (await cases.look(review, as_teacher("T-1"), id_)).standing is Standing.HELD
    answer = await browser.post(address)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/applications/{id_}?undone=1")
    assert "已復原，申請回到待審核。" in (await browser.get(answer.headers["location"])).text
    assert (await cases.look(review, as_teacher("T-1"), id_)).standing is Standing.WAITING


async def test_who_undoes_too_late_is_told_and_nothing_changes(
    binding: Binding, visit: Visit, review: Review, clock: Clock, query: Query
):
    id_ = await binding.submit()
    browser = await visit("T-1")
    location = (await browser.post(f"/applications/{id_}/approve")).headers["location"]
    await clock.shift(AFTER)
    await decisions.let_leave(review)
    browser.cookies.clear()
    browser = await visit("T-1")
    page = (await browser.get(location)).text
    assert "已核准" in page
    assert "/undo/" not in page
    before = await query("SELECT * FROM bindings")
    answer = await browser.post(f"/undo/{location.partition('done=')[2]}")
    assert "決定已經送出，來不及復原。" in (await browser.get(answer.headers["location"])).text
    assert await query("SELECT * FROM bindings") == before
    assert len(await outbox(query)) == 1


async def test_several_at_once_are_undone_together(
    binding: Binding, visit: Visit, review: Review, as_teacher: AsTeacher, query: Query
):
    several = [await binding.submit(student_id=f"ST-{number}") for number in range(3)]
    browser = await visit("T-1")
    answer = await browser.post("/approve", data={"id": [str(id_) for id_ in several]})
    page = (await browser.get(answer.headers["location"])).text
    assert "已核准 3 件申請。" in page
    (address,) = re.findall(r'action="(/undo/[^"]+)"', page)
    answer = await browser.post(address)
    assert answer.headers["location"] == "/?undone=3"
    assert "已復原" in (await browser.get(answer.headers["location"])).text
    for id_ in several:
        assert (await cases.look(review, as_teacher("T-1"), id_)).standing is Standing.WAITING
    assert len(await query("SELECT 1 FROM audit WHERE action = 'application.undone'")) == 3


async def test_of_several_only_what_is_still_here_is_undone(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query
):
    several = [await binding.submit(student_id=f"ST-{number}") for number in range(2)]
    batch, _ = await decisions.approve_all(review, as_teacher("T-1"), several)
    await binding.end(BindingWithdrawn, several[0])
    assert await decisions.undo(review, as_teacher("T-1"), batch) == several[1:]
    (row,) = await query("SELECT state, decided_outcome FROM bindings WHERE id = $1", several[0])
    assert tuple(row) == ("withdrawn", "approve")


async def test_of_an_undo_and_the_end_of_the_window_at_once_exactly_one_happens(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, clock: Clock
):
    several = [await binding.submit(student_id=f"ST-{number}") for number in range(20)]
    batches = [await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE) for id_ in several]
    await clock.shift(AFTER)
    undone = [decisions.undo(review, as_teacher("T-1"), batch) for batch in batches]
    results = await asyncio.gather(*undone[:10], decisions.let_leave(review), *undone[10:])
    taken_back = {id_ for result in results if not isinstance(result, int) for id_ in result}
    await decisions.let_leave(review)
    left = {event.subject for event in await outbox(query)}
    assert len(left) + len(taken_back) == 20
    assert left == {str(id_) for id_ in several if id_ not in taken_back}


async def test_a_withdrawal_within_the_window_lets_nothing_leave_and_is_what_the_page_says(
    binding: Binding, visit: Visit, review: Review, clock: Clock, query: Query, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    batch = await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await binding.end(BindingWithdrawn, id_)
    await clock.shift(AFTER)
    assert await decisions.let_leave(review) == 0
    assert await outbox(query) == []
    browser = await visit("T-1")
    page = (await browser.get(f"/applications/{id_}?done={batch}")).text
    assert "家長已撤回這件申請，不需要審核。先前的決定沒有套用。" in page
    assert "已核准：" not in page
    assert "/undo/" not in page


# --- leaving, whoever lives ---


@pytest.fixture
async def another_process(settings: Settings) -> AsyncIterator[Review]:
    """The same service in another process: nothing but the database in common."""
    review: Review = make_app(settings).state.site.review
    await review.database.open()
    yield review
    await review.database.close()


async def test_what_is_due_leaves_by_another_process_where_the_first_one_died(
    review: Review, binding: Binding, as_teacher: AsTeacher, clock: Clock, another_process: Review
):
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.REFUSE, "不符")
    review.database.pool.terminate()
    await clock.shift(AFTER)
    assert await decisions.let_leave(another_process) == 1
    async with another_process.database.connection() as connection:
        rows = await connection.fetch("SELECT body FROM outbox")
    event = DecisionMade.model_validate_json(rows[0]["body"])
    assert (event.subject, event.data.outcome) == (str(id_), "refuse")


async def test_of_two_processes_each_decision_leaves_by_one(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, clock: Clock, another_process: Review
):
    several = [await binding.submit(student_id=f"ST-{number}") for number in range(30)]
    await decisions.approve_all(review, as_teacher("T-1"), several)
    await clock.shift(AFTER)
    tries = [decisions.let_leave(process) for _ in range(4) for process in (review, another_process)]
    assert sum(await asyncio.gather(*tries)) == 30
    assert sorted(event.subject for event in await outbox(query)) == sorted(map(str, several))


async def test_what_was_recorded_by_a_transaction_that_failed_leaves_later(
    review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await clock.shift(AFTER)

    async def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(decisions.outbox, "record", fail)
        with pytest.raises(ConnectionResetError):
            await decisions.let_leave(review)
    assert await query("SELECT 1 FROM bindings WHERE left_at IS NOT NULL") == []
    assert await decisions.let_leave(review) == 1


async def test_an_unknown_batch_is_as_good_as_one_that_left(visit: Visit, binding: Binding):
    assert binding
    browser = await visit("T-1")
    answer = await browser.post(f"/undo/{uuid4()}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?undone=0")
    assert (await browser.post("/undo/no-batch")).status_code == 404


@pytest.mark.usefixtures("binding")
async def test_looking_for_what_is_due_wakes_nobody(review: Review):
    # Each commit wakes this worker too: one that committed to look would never rest.
    review.database.committed.clear()
    await decisions._let_leave_and_look_ahead(review)
    assert not review.database.committed.is_set()


async def test_a_decision_whose_reason_cannot_be_opened_waits_again_and_holds_back_no_other(
    binding: Binding, review: Review, as_teacher: AsTeacher, query: Query, clock: Clock
):
    unreadable, other = await binding.submit(), await binding.submit(student_id="ST-2")
    await decisions.decide(review, as_teacher("T-1"), unreadable, Outcome.REFUSE, "關係不符")
    await decisions.decide(review, as_teacher("T-1"), other, Outcome.REFUSE, "重複申請")
    await query("UPDATE bindings SET reason = 'gone.AAAA' WHERE id = $1", unreadable)
    await clock.shift(AFTER)
    await decisions.let_leave(review)
    (row,) = await query("SELECT id FROM bindings WHERE decided_outcome IS NULL")
    assert row["id"] == unreadable
    (event,) = await query("SELECT body FROM outbox")
    assert str(other) in event["body"]
