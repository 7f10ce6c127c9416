"""Binding and review on one bus, while the roster moves children between them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from binding_service.applications import replaying
from binding_service.roster import importing
from review_service.app import make_app
from review_service.applications import cases, decisions, inbox
from review_service.applications.domain import Outcome, Standing
from review_service.applications.inbox import Filter
from review_service.classes import use_cases as classes
from review_service.context import Teacher
from review_service.errors import NotFoundError
from review_service.settings import Settings
from support.city import CLASS, FAR_CLASS, MEI, MING, NEXT_CLASS, City, city_of
from support.serving import eventually, serving
from support.town import PARENT_ID, Town, national_id, town

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from review_service.context import Review
    from support.databases import Databases

#: The relay of the running service looks by itself every five seconds for what a command has recorded.
SOON = 30
REASON = "監護權已變更"
FAR_CHILD = "student-020201"
OTHERS = ("student-010103", "student-010104", "student-010105", "student-010106")


def teacher(class_id: str) -> Teacher:
    """The homeroom teacher of a class."""
    number = class_id.removeprefix("class-")
    return Teacher(f"teacher-{number}", "", "teacher", f"school-{number[:2]}", "")


def administrator(number: int) -> Teacher:
    """The administrator of a school."""
    return Teacher(f"admin-{number:02}", "", "administrator", f"school-{number:02}", "")


@dataclass
class World:
    """Both services, and the schools that tell the roster."""

    town: Town
    city: City
    review: Review

    async def apply(self, *ids: str, contact: str = "lin@example.org", parent: str = PARENT_ID) -> tuple[str, UUID]:
        """An application that review knows of; the session's token, and the id of its first binding."""
        phone = f"09{parent[2:]}"
        token = await self.town.apply(contact, [self.city.child(id_) for id_ in ids], parent, phone=phone)
        id_ = UUID((await self.town.bindings(token))[0]["id"])
        await self.until(id_, Standing.WAITING)
        return token, id_

    async def until(self, id_: UUID, standing: Standing) -> None:
        """Wait until review says so of an application."""

        async def stands() -> bool:
            async with self.review.database.connection() as connection:
                row = await connection.fetchrow("SELECT * FROM bindings WHERE id = $1", id_)
            return row is not None and row["details"] is not None and cases.standing_of(row) is standing

        await eventually(stands, within=SOON)

    async def is_seen(self, who: Teacher, id_: UUID) -> bool:
        """Whether somebody can look at an application."""
        try:
            await cases.look(self.review, who, id_)
        except NotFoundError:
            return False
        return True

    async def decide(self, who: Teacher, id_: UUID, outcome: Outcome = Outcome.APPROVE, reason: str = "") -> None:
        """Decide, and wait until binding has applied it."""
        await decisions.decide(self.review, who, id_, outcome, reason)
        await self.until(id_, Standing.APPROVED if outcome is Outcome.APPROVE else Standing.REFUSED)

    async def until_in_class(self, student_id: str, class_id: str | None) -> None:
        """Wait until review has a student in a class; in none."""

        async def is_there() -> bool:
            async with self.review.database.connection() as connection:
                row = await connection.fetchrow("SELECT class_id FROM students WHERE id = $1", student_id)
            return row is not None and row["class_id"] == class_id

        await eventually(is_there, within=SOON)


@pytest.fixture
async def world(databases: Databases, broker_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Otp, binding and review, with the sample roster; decisions leave at once."""
    settings = Settings(
        database_url=SecretStr(databases.review), rabbitmq_url=SecretStr(broker_url), shutdown_seconds=5, undo_seconds=0
    )
    app = make_app(settings)
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(town(databases, broker_url))
        await stack.enter_async_context(serving(app))
        city = await stack.enter_async_context(city_of(here, tmp_path / "export"))
        world = World(here, city, app.state.site.review)
        await world.until_in_class(MEI, CLASS)
        yield world


def with_time_to_undo(review: Review) -> Review:
    """The same review, whose teachers may undo for an hour."""
    return replace(review, settings=review.settings.model_copy(update={"undo_seconds": 3600}))


async def test_a_decision_that_can_be_undone_is_forgotten_when_the_child_moves_and_the_new_teacher_decides(
    world: World,
) -> None:
    token, id_ = await world.apply(MEI)
    await decisions.decide(with_time_to_undo(world.review), teacher(CLASS), id_, Outcome.REFUSE, "不認識")
    await world.until(id_, Standing.HELD)
    world.city.move(MEI, FAR_CLASS)
    await world.city.tell()
    await world.until(id_, Standing.WAITING)
    assert not await world.is_seen(teacher(CLASS), id_)
    assert not await world.is_seen(administrator(1), id_)
    listed = await inbox.list_applications(world.review, teacher(FAR_CLASS), Filter())
    assert [entry.id for entry in listed.entries] == [id_]
    await world.decide(teacher(FAR_CLASS), id_)
    (shown,) = await world.town.bindings(token)
    assert (shown["state"], shown["class_name"]) == ("approved", world.city.homeroom(CLASS).title)


async def test_what_waits_for_a_child_that_left_is_closed_in_both_services(world: World) -> None:
    token, id_ = await world.apply(MEI)
    await decisions.decide(with_time_to_undo(world.review), teacher(CLASS), id_, Outcome.APPROVE)
    world.city.leave(MEI)
    await world.city.tell()
    await world.until(id_, Standing.REFUSED)
    assert [each["state"] for each in await world.town.bindings(token)] == ["refused"]
    assert (await cases.look(world.review, teacher(CLASS), id_)).outcome is None
    assert (await inbox.list_applications(world.review, teacher(CLASS), Filter())).entries == []


async def test_the_new_school_unbinds_what_was_bound_at_the_old_one_which_cannot(world: World) -> None:
    token, id_ = await world.apply(MEI)
    await world.decide(teacher(CLASS), id_)
    world.city.move(MEI, FAR_CLASS)
    await world.city.tell()
    await world.until_in_class(MEI, FAR_CLASS)
    with pytest.raises(NotFoundError):
        await decisions.unbind(world.review, administrator(1), id_, REASON)
    await decisions.unbind(world.review, administrator(2), id_, REASON)
    await world.until(id_, Standing.REVOKED)
    assert [(each["state"], each["reason"]) for each in await world.town.bindings(token)] == [("revoked", REASON)]
    assert await world.is_seen(administrator(2), id_)


async def test_a_child_who_gets_the_id_of_one_that_left_has_none_of_its_guardians_at_review(world: World) -> None:
    _, bound = await world.apply(MEI)
    await world.decide(teacher(CLASS), bound)
    _, refused = await world.apply(MEI, contact="p2@example.org", parent=national_id(602))
    await world.decide(teacher(CLASS), refused, Outcome.REFUSE, "不認識")
    (gone,) = world.city.leave(MEI)
    await world.city.tell()
    world.city.come(replace(gone, national_id=national_id(777), homeroom=world.city.homeroom(FAR_CLASS)))
    await world.city.tell()
    await world.until_in_class(MEI, FAR_CLASS)
    await eventually(lambda: _outboxes_are_empty(world), within=SOON)
    seen = await classes.look_at_class(world.review, teacher(FAR_CLASS), FAR_CLASS)
    (child,) = [student for student in seen.students if student.id == MEI]
    assert list(child.guardians) == []
    assert [await world.is_seen(administrator(number), bound) for number in (1, 2)] == [True, False]
    assert (await cases.look(world.review, administrator(1), bound)).left_on is not None


# --- replay ---

#: What only review knows, and is lost with its data: by whom a decision was, when and why. (So are the custody notes,
#: who stands in for whom, and what was unusual about an application that has ended.)
ONLY_REVIEWS = (
    *("outcome", "decided_by", "decider_id", "decided_at", "batch", "undo_left", "reason"),
    *("revoked_by", "revoked_reason"),
)
#: Another one at every look.
PASSING = ("change", "waited")


async def everything(world: World, ids: list[UUID]) -> dict[str, Any]:
    """What each of the people of the two schools sees: lists, class pages, and every application in full."""
    found: dict[str, Any] = {}
    for who in (teacher(CLASS), teacher(NEXT_CLASS), teacher(FAR_CLASS), administrator(1), administrator(2)):
        for show in ("waiting", "ended"):
            listed = await inbox.list_applications(world.review, who, Filter(show=show))
            found[f"{who.id} {show}"] = [(entry.id, entry.names, entry.class_name) for entry in listed.entries]
        for id_ in ids:
            if await world.is_seen(who, id_):
                found[f"{who.id} {id_}"] = _bare(asdict(await cases.look(world.review, who, id_)))
    for class_id in (CLASS, NEXT_CLASS, FAR_CLASS):
        found[class_id] = _bare(asdict(await classes.look_at_class(world.review, teacher(class_id), class_id)))
    found["school"] = _bare(asdict(await classes.school(world.review, administrator(1), classes.Sort.CLASS)))
    return found


def _bare(value: Any) -> Any:  # noqa: ANN401 - a tree of whatever a page shows
    """Without what a review that has lost its data cannot know, and what differs at every look."""
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if key not in (*ONLY_REVIEWS, *PASSING)}
    return [_bare(each) for each in value] if isinstance(value, list | tuple) else value


async def live_through(world: World) -> list[UUID]:
    """One of each: waiting, moved and waiting, bound, moved when bound, lapsed, refused, withdrawn, unbound."""
    ids = {}
    children = (MEI, MING, FAR_CHILD, *OTHERS)
    for number, child in enumerate(children):
        ids[child] = await world.apply(child, contact=f"p{number}@example.org", parent=national_id(600 + number))
    bound, left, refused, withdrawn, unbound = (ids[child] for child in (FAR_CHILD, *OTHERS))
    for id_ in (bound[1], left[1], unbound[1]):
        await world.decide(administrator(2) if id_ == bound[1] else administrator(1), id_)
    await world.decide(teacher(CLASS), refused[1], Outcome.REFUSE, "不認識")
    await world.town.do("DELETE", f"/bindings/{withdrawn[1]}", withdrawn[0])
    await decisions.unbind(world.review, administrator(1), unbound[1], REASON)
    world.city.move(MING, NEXT_CLASS)
    world.city.move(FAR_CHILD, CLASS)
    world.city.leave(OTHERS[0])
    await world.city.tell()
    await world.until(withdrawn[1], Standing.WITHDRAWN)
    await world.until(unbound[1], Standing.REVOKED)
    await world.until_in_class(FAR_CHILD, CLASS)
    await eventually(lambda: _outboxes_are_empty(world), within=SOON)
    return [id_ for _, id_ in ids.values()]


async def _outboxes_are_empty(world: World) -> bool:
    """Whether all that was recorded has been sent, and heard: each event by an inbox of review's."""
    waiting = await world.town.value("SELECT count(*) FROM binding.outbox")
    unheard = await world.town.value(
        """
        SELECT count(*) FROM public.trail WHERE service = 'binding'
            AND type NOT IN ('kinbind.binding.application-submitted.v1', 'kinbind.binding.account-opened.v1')
            AND NOT EXISTS (SELECT FROM review.inbox WHERE event_id = trail.id)
        """
    )
    return waiting == 0 and unheard == 0


async def test_a_review_that_lost_its_data_is_made_whole_by_the_two_replays_and_nobody_is_written_to(
    world: World,
) -> None:
    ids = await live_through(world)
    before = await everything(world, ids)
    assert len(before["teacher-0101 waiting"]) == 1
    await world.town.db.execute(
        "TRUNCATE review.bindings, review.students, review.classes, review.teachers, review.schools, review.inbox;"
        " TRUNCATE public.trail"
    )
    await importing.replay(world.city.parts)
    assert await replaying.replay(world.city.parts) == 12  # 5 that ended, 7 that were applied for
    await eventually(lambda: _outboxes_are_empty(world), within=SOON)
    assert await everything(world, ids) == before
    told = await world.town.rows("SELECT body::jsonb->'data' AS data FROM public.trail WHERE body LIKE '%is_replay%'")
    assert told
    for each in told:
        assert '"is_replay": true' in each["data"]
        assert '"for_notify": ""' in each["data"]
    # And once more, to a review that knows it all.
    await replaying.replay(world.city.parts)
    await eventually(lambda: _outboxes_are_empty(world), within=SOON)
    assert await everything(world, ids) == before


async def test_a_replay_brings_into_step_what_no_import_has(world: World) -> None:
    _, id_ = await world.apply(MEI)
    await world.town.rows("UPDATE binding.students SET class_id = $1 WHERE id = $2 RETURNING 1", NEXT_CLASS, MEI)
    await replaying.replay(world.city.parts)

    async def is_there() -> bool:
        return await world.is_seen(teacher(NEXT_CLASS), id_)

    await eventually(is_there, within=SOON)
    assert not await world.is_seen(teacher(CLASS), id_)
