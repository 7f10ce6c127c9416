"""Who watches a page, and has it changed: one look-up for everybody that this process serves.

A wake says that something was committed, not what (shared.wakes). While somebody watches, each wake leads to one
look-up of what all of them see, some hundreds together, a few times a second at most, and the streams of those for whom
it is another than before are told. Nobody is asked for while nobody watches.

A service says what is looked up, and who is one watcher (a session, say); an app keeps its :class:`Watching` as
``state.watching``, where its streams find it (shared.web.streams).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import structlog

from shared.database import DATABASE_FAULTS, Connection
from shared.wakes import happens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.database import Database
    from shared.wakes import Wakes

#: So many are looked up together: while one look-up's rows are read, nothing else of the process is done.
TOGETHER = 500
#: However fast commits follow one another.
LEAST_SECONDS_BETWEEN = 0.2
#: In times of what a look-up took: ten thousand who watch must not cost a process more than a fifth of its time.
REST = 4
#: However long nothing is committed: a session expires by itself, and a wake may be lost.
MOST_SECONDS_BETWEEN = 20
TRY_AGAIN_SECONDS = 1

W = TypeVar("W")
#: Of each of these watchers, in their order: what its page shows by now, as a version that is another whenever the page
#: is; None where nothing more is to come.
Look: TypeAlias = Callable[[Connection, Sequence[W]], Awaitable[Sequence[str | None]]]

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Watch(Generic[W]):
    """One open stream: what its page shows by now, and whether it is over. ``news`` is set when either changes."""

    watcher: W
    version: str = ""
    is_over: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, version: str) -> None:
        """The page is in this state now."""
        if version != self.version:
            self.version = version
            self.news.set()

    def end(self) -> None:
        """There is nothing more to come."""
        self.is_over = True
        self.news.set()


class Watching(Generic[W]):
    """Everybody who watches in this process, as long as :meth:`run` runs.

    At most ``most`` of those whom ``group`` calls alike watch at once; ``refusal`` makes the error that the next one
    gets.
    """

    def __init__(
        self,
        database: Database,
        wakes: Wakes,
        look: Look[W],
        *,
        group: Callable[[W], str],
        most: int,
        refusal: Callable[[], Exception],
    ) -> None:
        self._database = database
        self._woken = wakes.subscribe()
        self._ask = look
        self._group = group
        self._most = most
        self._refusal = refusal
        self._watches: dict[str, set[Watch[W]]] = {}
        self._somebody = asyncio.Event()
        self._has_stopped = False

    @contextmanager
    def watch(self, watcher: W) -> Iterator[Watch[W]]:
        """Watch for the time of the block; what the page shows now is the first news. Raises the refusal."""
        group = self._group(watcher)
        if len(self._watches.get(group, ())) >= self._most:
            raise self._refusal()
        watch = Watch(watcher)
        if self._has_stopped:
            watch.end()
        self._watches.setdefault(group, set()).add(watch)
        self._somebody.set()
        self._woken.set()
        try:
            yield watch
        finally:
            self._watches[group].remove(watch)
            if not self._watches[group]:
                del self._watches[group]
            if not self._watches:
                self._somebody.clear()

    def stop(self) -> None:
        """End every stream, and each that still comes: the service stops, and waits for them."""
        self._has_stopped = True
        for watch in self._everyone():
            watch.end()

    async def run(self) -> None:
        """Look for ever, while somebody watches."""
        while True:
            await self._somebody.wait()
            await happens(self._woken, within=MOST_SECONDS_BETWEEN)
            self._woken.clear()
            await self._look_and_rest()

    async def _look_and_rest(self) -> None:
        began = time.monotonic()
        try:
            await self._look()
        except DATABASE_FAULTS as fault:
            log.warning("open streams wait for the database", fault=type(fault).__name__)
            self._woken.set()
            await asyncio.sleep(TRY_AGAIN_SECONDS)
        else:
            await asyncio.sleep(max(LEAST_SECONDS_BETWEEN, REST * (time.monotonic() - began)))

    async def _look(self) -> None:
        watches = self._everyone()
        for first in range(0, len(watches), TOGETHER):
            await self._look_at(watches[first : first + TOGETHER])

    async def _look_at(self, watches: Sequence[Watch[W]]) -> None:
        async with self._database.connection() as connection:
            versions = await self._ask(connection, [watch.watcher for watch in watches])
        for watch, version in zip(watches, versions, strict=True):
            if version is None:
                watch.end()
            else:
                watch.show(version)

    def _everyone(self) -> list[Watch[W]]:
        return [watch for watches in self._watches.values() for watch in watches]
