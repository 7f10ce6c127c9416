from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from shared.wakes import Wakes
from shared.web import watching
from shared.web.watching import Watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shared.database import Connection, Database
    from shared.web.watching import Watch

SOON = 3


class FullError(Exception):
    """What a service says when there is no room."""


class Board:
    """What the pages show: of each watcher, called by group and number, a version, or None when it is over."""

    def __init__(self) -> None:
        self.shown: dict[str, str | None] = {}
        self.asked: list[list[str]] = []

    async def look(self, _connection: Connection, watchers: Sequence[str]) -> list[str | None]:
        """See :data:`shared.web.watching.Look`."""
        self.asked.append(sorted(watchers))
        return [self.shown.get(watcher, "") for watcher in watchers]


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture(autouse=True)
def only_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks without a wake, so that what arrives was told."""
    monkeypatch.setattr(watching, "MOST_SECONDS_BETWEEN", 3600)


@asynccontextmanager
async def watching_at(database: Database, board: Board, most: int = 10) -> AsyncIterator[Watching[str]]:
    """A process that watches."""
    wakes = Wakes(database)
    made = Watching(database, wakes, board.look, group=lambda watcher: watcher[0], most=most, refusal=FullError)
    tasks = [asyncio.create_task(wakes.run()), asyncio.create_task(made.run())]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def commit(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT 1")


async def news(watch: Watch[str]) -> str:
    """The version that is told next."""
    async with asyncio.timeout(SOON):
        await watch.news.wait()
    watch.news.clear()
    return watch.version


async def test_each_watcher_is_told_what_its_own_page_shows(database: Database, board: Board):
    board.shown = {"a1": "one", "a2": "two", "b1": "three"}
    async with watching_at(database, board) as made:
        with made.watch("a1") as first, made.watch("a2") as second, made.watch("b1") as third:
            assert [await news(watch) for watch in (first, second, third)] == ["one", "two", "three"]
            board.shown["a2"] = "another"
            await commit(database)
            assert await news(second) == "another"
            assert not first.news.is_set()
            assert not third.news.is_set()


async def test_all_are_looked_up_together(database: Database, board: Board):
    board.shown = {"a1": "one", "b1": "two"}
    async with watching_at(database, board) as made:
        with made.watch("a1") as first, made.watch("b1") as second:
            await news(first)
            await news(second)
    assert set(map(tuple, board.asked)) == {("a1", "b1")}


async def test_many_are_looked_up_a_part_at_a_time(database: Database, board: Board, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watching, "TOGETHER", 2)
    board.shown = {"a1": "one", "b1": "two", "c1": "three"}
    async with watching_at(database, board) as made:
        with made.watch("a1") as first, made.watch("b1") as second, made.watch("c1") as third:
            assert [await news(watch) for watch in (first, second, third)] == ["one", "two", "three"]
    assert {len(part) for part in board.asked} <= {1, 2}


async def test_a_watch_whose_look_up_finds_nothing_more_is_over_and_no_other_is(database: Database, board: Board):
    board.shown = {"a1": "one", "a2": None}
    async with watching_at(database, board) as made:
        with made.watch("a1") as stays, made.watch("a2") as ends:
            await news(ends)
            await news(stays)
            assert (ends.is_over, stays.is_over) == (True, False)


async def test_a_full_group_is_refused_in_the_service_s_words_until_one_leaves(database: Database, board: Board):
    async with watching_at(database, board, most=2) as made:
        with ExitStack() as stack, made.watch("a1"):
            with made.watch("a2"):
                with pytest.raises(FullError), made.watch("a3"):
                    pass
                stack.enter_context(made.watch("b1"))
            stack.enter_context(made.watch("a3"))
