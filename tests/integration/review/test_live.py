"""An open page hears of what changes in its list as long as its session lives, and is no look at anything."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from review_service.app import make_app
from review_service.applications import decisions
from review_service.applications.domain import Outcome
from shared.events import BindingApproved, BindingWithdrawn
from shared.wakes import Wakes
from shared.web import watching
from support.serving import eventually, serving
from support.streams import Stream, open_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from starlette.applications import Starlette
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.context import Review
    from review_service.settings import Settings
    from shared.database import Connection
    from support.databases import Clock

WINDOW_SECONDS = 1


@pytest.fixture
def settings(settings: Settings, vhost: str) -> Settings:
    return settings.model_copy(
        update={"rabbitmq_url": SecretStr(vhost), "undo_seconds": WINDOW_SECONDS, "streams_per_teacher": 2}
    )


@pytest.fixture
async def served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Starlette, str]]:
    """The whole service, running, and where. Nobody looks without a wake, so that what arrives was told."""
    monkeypatch.setattr(watching, "MOST_SECONDS_BETWEEN", 3600)
    app = make_app(settings)
    async with serving(app) as url:
        yield app, url


@pytest.fixture
def app(served: tuple[Starlette, str]) -> Starlette:
    return served[0]


@pytest.fixture
def url(served: tuple[Starlette, str]) -> str:
    return served[1]


@pytest.fixture(autouse=True)
async def passing_on(review: Review) -> AsyncIterator[None]:
    """The process in which the test itself works tells of its commits, as any does."""
    task = asyncio.create_task(Wakes(review.database).run())
    yield
    task.cancel()


class Listening:
    """Opens streams of teachers at the running service."""

    def __init__(self, url: str, visit: Visit) -> None:
        self._url = url
        self._visit = visit

    async def by(self, teacher_id: str) -> AbstractAsyncContextManager[Stream]:
        """The stream of that teacher."""
        browser = await self._visit(teacher_id)
        return open_stream(f"{self._url}/events", browser.cookies)


@pytest.fixture
def listening(url: str, visit: Visit) -> Listening:
    return Listening(url, visit)


async def test_a_new_application_is_told_to_its_teachers_and_the_administrator_and_to_nobody_else(
    binding: Binding, listening: Listening
):
    async with (
        await listening.by("T-1") as teacher,
        await listening.by("A-1") as administrator,
        await listening.by("T-3") as other,
        await listening.by("A-9") as stranger,
    ):
        first = [await stream.state() for stream in (teacher, administrator, other, stranger)]
        await binding.submit()
        assert await teacher.state() != first[0]
        assert await administrator.state() != first[1]
        assert await other.says_nothing(0.5)
        assert await stranger.says_nothing(0.1)


async def test_every_change_in_the_life_of_an_application_is_told(
    binding: Binding, listening: Listening, review: Review, as_teacher: AsTeacher
):
    id_ = await binding.submit()
    async with await listening.by("T-2") as stream:
        seen = [await stream.state()]
        batch = await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
        seen.append(await stream.state())
        await decisions.undo(review, as_teacher("T-1"), batch)
        seen.append(await stream.state())
        await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
        seen.append(await stream.state())
        seen.append(await stream.state())  # the window ended: it left
        await binding.end(BindingApproved, id_)
        seen.append(await stream.state())
        assert len(set(seen)) == 6


async def test_what_leaves_a_teachers_list_is_told_there(binding: Binding, listening: Listening):
    moved, student = await binding.submit(), "ST-2"
    await binding.submit(student_id=student)
    async with await listening.by("T-1") as stream:
        seen = [await stream.state()]
        await binding.submit(moved, version=2, class_id="C-2")
        seen.append(await stream.state())
        await binding.note_custody(student)
        seen.append(await stream.state())
        await binding.move_class("C-1", "T-3")
        # Nothing changed in any application: the list is another one at the next change that there is.
        assert len(set(seen)) == 3


async def test_a_change_that_is_committed_after_a_later_one_is_told(
    binding: Binding, listening: Listening, review: Review
):
    slow, fast = await binding.submit(), await binding.submit(student_id="ST-2")
    touch = "UPDATE bindings SET reason = reason WHERE id = $1"
    async with await listening.by("T-1") as stream:
        await stream.state()
        async with review.database.transaction() as unfinished:
            await unfinished.execute(touch, slow)
            async with review.database.transaction() as other:
                await other.execute(touch, fast)
            between = await stream.state()
        assert await stream.state() != between


async def test_the_decision_is_sent_when_the_window_ends_and_not_at_the_next_poll(
    binding: Binding, url: str, review: Review, as_teacher: AsTeacher, query: Query, monkeypatch: pytest.MonkeyPatch
):
    assert url
    monkeypatch.setattr(decisions, "POLL_SECONDS", 3600)
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)

    async def has_left() -> bool:
        return bool(await query("SELECT 1 FROM bindings WHERE left_at IS NOT NULL"))

    await eventually(has_left, within=WINDOW_SECONDS + 3)
    ((late,),) = await query("SELECT extract(epoch FROM left_at - leaves_at)::float8 FROM bindings")
    assert 0 <= late < 1


async def test_while_nothing_is_due_nobody_is_woken(
    binding: Binding, url: str, review: Review, as_teacher: AsTeacher, monkeypatch: pytest.MonkeyPatch
):
    assert url
    looks: list[object] = []
    real = decisions.storage.seconds_until_next_leaves

    async def counted(connection: Connection) -> float | None:
        looks.append(connection)
        return await real(connection)

    monkeypatch.setattr(decisions.storage, "seconds_until_next_leaves", counted)
    await decisions.decide(review, as_teacher("T-1"), await binding.submit(), Outcome.APPROVE)
    await asyncio.sleep(WINDOW_SECONDS / 2)  # a time in which nothing happens is what this is about
    # A few for each commit of this test and of the start; a service that wakes itself looks a hundred times.
    assert len(looks) <= 20


async def test_a_stream_ends_with_its_session(
    binding: Binding, listening: Listening, visit: Visit, url: str, review: Review
):
    assert review
    browser = await visit("T-1")
    async with open_stream(f"{url}/events", browser.cookies) as stream, await listening.by("T-2") as other:
        for opened in (stream, other):
            assert await opened.state()
        await browser.post("/sign-out")
        assert await stream.state() is None
        await binding.submit()
        assert await other.state()


async def test_a_stream_ends_when_its_teacher_leaves_and_when_nobody_used_the_session(
    binding: Binding, listening: Listening, clock: Clock
):
    async with await listening.by("T-1") as stream, await listening.by("T-2") as idle:
        for opened in (stream, idle):
            assert await opened.state()
        await binding.tell(binding.teacher("T-1", revision=2, active=False))
        assert await stream.state() is None
        await clock.shift(timedelta(minutes=31))
        await binding.submit()
        assert await idle.state() is None


async def test_nobody_hears_anything_and_too_many_streams_are_refused(
    binding: Binding, listening: Listening, visit: Visit, url: str
):
    assert binding
    async with httpx.AsyncClient() as nobody:
        answer = await nobody.get(f"{url}/events")
        assert (answer.status_code, answer.headers["content-type"]) == (401, "text/plain; charset=utf-8")
    async with await listening.by("T-1"), await listening.by("T-1"), await listening.by("T-2"):
        async with httpx.AsyncClient(cookies=dict((await visit("T-1")).cookies)) as third:
            answer = await third.get(f"{url}/events")
        assert answer.status_code == 429
        assert "開啟的頁面太多" in answer.text


# --- the part of a page that renews itself ---


async def test_the_list_beside_an_application_is_no_look_at_it(binding: Binding, visit: Visit, query: Query):
    id_ = await binding.submit()
    browser = await visit("T-1")
    before = await query("SELECT * FROM audit")
    page = (await browser.get(f"/applications/{id_}/aside")).text
    assert "王大明" in page
    assert await query("SELECT * FROM audit") == before
    await browser.get(f"/applications/{id_}")
    assert len(await query("SELECT * FROM audit")) == len(before) + 1


async def test_the_mark_of_an_application_is_another_after_each_change_and_its_own(binding: Binding, visit: Visit):
    id_, other = await binding.submit(), await binding.submit(student_id="ST-2")
    browser = await visit("T-1")

    async def marks() -> tuple[str, str]:
        page = (await browser.get(f"/applications/{id_}/aside")).text
        found = re.search(r'data-version="([^"]+)" data-change="([^"]+)"', page)
        assert found
        return found[1], found[2]

    first = await marks()
    await binding.end(BindingWithdrawn, other)
    second = await marks()
    assert (second[0] != first[0], second[1]) == (True, first[1])
    await browser.post(f"/applications/{id_}/approve")
    third = await marks()
    assert (third[0] != second[0], third[1] != second[1]) == (True, True)
    await binding.tell(binding.class_("C-1", revision=2, teacher_ids=["T-3"]))
    assert (await browser.get(f"/applications/{id_}/aside")).status_code == 404
    assert (await browser.get(f"/applications/{uuid4()}/aside")).status_code == 404
