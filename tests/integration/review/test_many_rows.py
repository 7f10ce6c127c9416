"""A page of a list costs what a page holds, however many applications a school has and however far back it lies.

Counted is what PostgreSQL reads, by the plan it has settled on after a dozen times: no clock, so no other load matters.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from review_service.app import make_review
from review_service.applications import inbox, storage
from review_service.applications.inbox import PAGE
from review_service.applications.storage import MOST_COUNTED
from review_service.papers import storage as paper_storage
from review_service.papers import use_cases as papers
from support import many

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from review_service.context import Review
    from review_service.settings import Settings
    from shared.database import Connection

ROWS = 100_000
#: The page, what is counted for the badge, and at most one class, of which there is no index for each filter.
MOST_READ = 2 * PAGE + MOST_COUNTED + ROWS // many.CLASSES
READ = """SELECT seq_tup_read AS whole, idx_tup_fetch AS fetched FROM pg_stat_xact_user_tables
    WHERE schemaname = current_schema() AND relname = 'bindings'"""


@pytest.fixture
async def full(settings: Settings) -> AsyncIterator[Review]:
    """A school with very many applications."""
    review = make_review(settings)
    await review.database.open()
    await many.fill(review, ROWS)
    yield review
    await review.database.close()


async def read_by(review: Review, work: Callable[[], Awaitable[object]], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many rows of bindings ``work`` reads; fails where it goes through the whole table."""
    async with review.database.transaction() as connection:

        @asynccontextmanager
        async def here() -> AsyncIterator[Connection]:
            yield connection

        with monkeypatch.context() as patched:
            patched.setattr(review.database, "connection", here)
            for _ in range(12):
                await work()
            before = await connection.fetchrow(READ)
            await work()
            after = await connection.fetchrow(READ)
    assert before is not None
    assert after is not None
    assert after["whole"] == before["whole"], "a scan of the whole table"
    return int(after["fetched"] - before["fetched"])


async def test_pages_neighbours_and_look_ups_read_what_they_show(full: Review, monkeypatch: pytest.MonkeyPatch):
    for listed in await many.lists(full):
        shown = await inbox.list_applications(full, listed.teacher, listed.wanted)
        assert len(shown.entries) > 10, listed.title
        page = partial(inbox.list_applications, full, listed.teacher, listed.wanted)
        assert await read_by(full, page, monkeypatch) <= MOST_READ, listed.title
        if listed.wanted.after is not None:
            around = partial(inbox.neighbours, full, listed.teacher, listed.wanted, listed.wanted.after)
            assert await read_by(full, around, monkeypatch) <= PAGE, listed.title
    for watchers in (["T-1"], ["A-1"], [f"T-{number}" for number in range(1, 501)]):
        assert await read_by(full, partial(look_up, full, watchers), monkeypatch) <= MOST_READ * len(watchers)
    assert await read_by(full, partial(judge, full), monkeypatch) <= 10
    await enter_papers(full, 20)
    assert await read_by(full, partial(papers.list_entries, full, many.ADMINISTRATOR), monkeypatch) <= 20


async def enter_papers(review: Review, count: int) -> None:
    async with review.database.transaction() as connection:
        for _ in range(count):
            await paper_storage.add(connection, uuid4(), "S-1", "ST-7", "A-1", "")


async def look_up(review: Review, watchers: list[str]) -> None:
    async with review.database.connection() as connection:
        await storage.changes(connection, watchers)


async def judge(review: Review) -> None:
    async with review.database.connection() as connection:
        await storage.refresh(connection, ["ST-7"])
