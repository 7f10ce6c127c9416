"""Who watches a progress page, and has it changed: one look-up for everybody that this process serves.

A wake says that something was committed, not what (shared.wakes). While somebody watches, each wake leads to one
look-up of what all of them see, a few times a second at most, and the streams of those for whom it is another than
before are told. Nobody is asked for while nobody watches.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from binding_service.applications import storage
from binding_service.applications.domain import fingerprint
from binding_service.errors import LimitedError
from binding_service.logins import storage as login_storage
from shared.database import DATABASE_FAULTS
from shared.wakes import happens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    import asyncpg

    from binding_service.logins.domain import Session
    from shared.database import Database
    from shared.wakes import Wakes

#: However fast commits follow one another.
LEAST_SECONDS_BETWEEN = 0.2
#: In times of what a look-up took: ten thousand who watch must not cost a process more than a fifth of its time.
REST = 4
#: However long nothing is committed: a session expires by itself, and a wake may be lost.
MOST_SECONDS_BETWEEN = 20
TRY_AGAIN_SECONDS = 1
RETRY_AFTER_SECONDS = 60

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Watch:
    """One open stream: what its page shows by now, and whether it is over. ``news`` is set when either changes."""

    session: Session
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


class Watching:
    """Everybody who watches in this process, as long as :meth:`run` runs."""

    def __init__(self, database: Database, wakes: Wakes, *, streams_per_contact: int) -> None:
        self._database = database
        self._woken = wakes.subscribe()
        self._streams_per_contact = streams_per_contact
        self._watches: dict[str, set[Watch]] = {}
        self._somebody = asyncio.Event()
        self._has_stopped = False

    @contextmanager
    def watch(self, session: Session) -> Iterator[Watch]:
        """Watch for the time of the block; what the page shows now is the first news. Raises LimitedError."""
        contact = session.contact_hash
        if len(self._watches.get(contact, ())) >= self._streams_per_contact:
            raise LimitedError(retry_after=RETRY_AFTER_SECONDS)
        watch = Watch(session)
        if self._has_stopped:
            watch.end()
        self._watches.setdefault(contact, set()).add(watch)
        self._somebody.set()
        self._woken.set()
        try:
            yield watch
        finally:
            self._watches[contact].remove(watch)
            if not self._watches[contact]:
                del self._watches[contact]
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
        if not watches:
            return
        contacts = list({watch.session.contact_hash for watch in watches})
        async with self._database.connection() as connection:
            shown = _by_contact(await storage.shown_to_contacts(connection, contacts))
            live = set(await login_storage.live_sessions(connection, [watch.session.id for watch in watches]))
        versions = {contact: fingerprint(shown[contact]) for contact in contacts}
        for watch in watches:
            if watch.session.id in live:
                watch.show(versions[watch.session.contact_hash])
            else:
                watch.end()

    def _everyone(self) -> list[Watch]:
        return [watch for watches in self._watches.values() for watch in watches]


def _by_contact(rows: list[asyncpg.Record]) -> dict[str, list[tuple[UUID, int]]]:
    shown: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    for row in rows:
        shown[row["contact_hash"]].append((row["id"], row["version"]))
    return shown
