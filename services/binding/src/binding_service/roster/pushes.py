"""Imports that come over HTTP: taken, run one after the other in the background, and reported."""

from __future__ import annotations

import asyncio
import zipfile
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import structlog

from binding_service.errors import BadOperatorTokenError, ImportRunsError, NotFoundError, NotZipError, PushDisabledError
from binding_service.roster import push_folders, push_rows
from binding_service.roster.errors import ImportUnderWayError, UnreadableRosterError
from binding_service.roster.importing import import_roster
from binding_service.roster.progress import told
from shared.database import DATABASE_FAULTS
from shared.named_tokens import name_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from binding_service.roster.domain import Choices, Progress
    from binding_service.roster.importing import Roster
    from binding_service.roster.push_folders import PushFolder

#: How often a running import says that it runs.
SAY_SECONDS = 5.0
RETRY_SECONDS = 30
UNREADABLE = "the import was refused: "

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Push:
    """An import that is to be run; the folder is deleted after it."""

    id: UUID
    pushed_by: str
    folder: PushFolder
    choices: Choices

    @property
    def file(self) -> Path:
        """The zip file."""
        return self.folder.path / "roster.zip"


class Pushes:
    """Takes imports and runs them; ``known`` are the names and hashes of the tokens. One a process."""

    def __init__(self, roster: Roster, choices: Choices, known: list[tuple[str, str]]) -> None:
        self.choices = choices
        self._roster = roster
        self._known = known
        self._waiting: asyncio.Queue[_Push] = asyncio.Queue()

    def operator_of(self, token: str) -> str:
        """Who sends. Raises PushDisabledError, BadOperatorTokenError."""
        if not self._known:
            raise PushDisabledError
        name = name_of(token, self._known)
        if name is None:
            raise BadOperatorTokenError
        return name

    async def take(self, operator: str, key: str | None, choices: Choices, body: AsyncIterator[bytes]) -> UUID:
        """Take a zip file to be imported; its id, the same one for the same key.

        Raises NotZipError, and ImportRunsError while another import runs.
        """
        if key is not None and (known := await self._by_key(operator, key)) is not None:
            return known
        await _remove_abandoned()
        folder = await asyncio.to_thread(push_folders.make)
        try:
            push = _Push(uuid4(), operator, folder, choices)
            await _save(body, push.file)
            async with self._roster.database.transaction() as connection:
                is_new = await push_rows.begin(connection, push.id, operator, key, asdict(choices))
            if is_new:
                self._waiting.put_nowait(push)
                return push.id
        except BaseException:
            folder.remove()
            raise
        folder.remove()
        # The same key may have come twice at once.
        if key is not None and (known := await self._by_key(operator, key)) is not None:
            return known
        raise ImportRunsError(retry_after=RETRY_SECONDS)

    async def _by_key(self, operator: str, key: str) -> UUID | None:
        async with self._roster.database.connection() as connection:
            return await push_rows.by_key(connection, operator, key)

    async def state_of(self, push_id: UUID) -> asyncpg.Record:
        """What is known of an import. Raises NotFoundError."""
        async with self._roster.database.connection() as connection:
            row = await push_rows.state_of(connection, push_id)
        if row is None:
            raise NotFoundError
        return row

    async def run(self) -> None:
        """Run what was taken, until cancelled; an import that is under way then has failed."""
        await _remove_abandoned()
        while True:
            push = await self._waiting.get()
            try:
                await self._import(push)
            finally:
                push.folder.remove()

    async def _import(self, push: _Push) -> None:
        state, reason, report = "failed", "the service was stopped; nothing of it went in", None
        try:
            async with told(partial(self._say, push.id), SAY_SECONDS) as tell:
                done = await import_roster(
                    self._roster, push.file, push.choices, tell=tell, pushed_by=push.pushed_by, push_id=push.id
                )
            state, reason, report = ("refused" if done.refused else "done"), done.refused, done.as_json()
        except UnreadableRosterError as error:
            state, reason = "refused", str(error)
        except ImportUnderWayError:
            state, reason = "refused", "another import is under way"
        except (*DATABASE_FAULTS, asyncpg.PostgresError) as fault:
            reason = f"the database refused ({type(fault).__name__}); nothing of it went in"
        except Exception as fault:
            log.exception("a roster that was sent could not be imported")
            reason = f"a fault of ours ({type(fault).__name__}); nothing of it went in"
        finally:
            # Also on the way out: what is written here is all that the sender learns.
            await asyncio.shield(self._end(push.id, state, reason, report))

    async def _say(self, push_id: UUID, progress: Progress) -> None:
        try:
            async with self._roster.database.connection() as connection:
                await push_rows.say(connection, push_id, asdict(progress))
        except DATABASE_FAULTS as fault:
            log.warning("progress of an import was not noted", fault=type(fault).__name__)

    async def _end(self, push_id: UUID, state: str, reason: str, report: dict[str, object] | None) -> None:
        try:
            async with self._roster.database.connection() as connection:
                await push_rows.end(connection, push_id, state, reason, report)
        except DATABASE_FAULTS as fault:
            log.warning("the end of an import was not noted", fault=type(fault).__name__)


async def _remove_abandoned() -> None:
    """What processes left behind that were killed holds a city's ID numbers."""
    if removed := await asyncio.to_thread(push_folders.remove_abandoned):
        log.warning("rosters that killed processes had left behind were removed", count=removed)


async def _save(body: AsyncIterator[bytes], file: Path) -> None:
    """Write what comes to a file, as it comes. Raises NotZipError."""
    with file.open("wb") as output:
        async for part in body:
            await asyncio.to_thread(output.write, part)
    if not await asyncio.to_thread(zipfile.is_zipfile, file):
        raise NotZipError
