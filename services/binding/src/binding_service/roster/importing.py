"""What is done with the roster: import it, and tell its present state again."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from binding_service.applications.moves import follow_students
from binding_service.roster import facts, oneroster, records, storage
from binding_service.roster.domain import Choices, Progress, Report, refusal
from binding_service.roster.errors import ImportUnderWayError, UnreadableRosterError
from binding_service.roster.guardians import KeptGuardian
from binding_service.roster.progress import ignore
from binding_service.roster.reading import COLUMNS, NULL, Export, Person, guardian_facts, reading
from shared import outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path
    from uuid import UUID

    import asyncpg

    from binding_service.context import Keys
    from binding_service.roster.oneroster import File
    from binding_service.roster.progress import Tell
    from binding_service.roster.reading import Chunk
    from shared.database import Connection, Database
    from shared.events import Event
    from shared.sealing import HashKeys, SealingKeys

NO_CHOICES = Choices()

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Roster:
    """What the use cases work with: ``hashes`` find ID numbers, ``store`` seals them, ``to_review`` what is told."""

    database: Database
    keys: Keys

    @property
    def hashes(self) -> HashKeys:
        """By which ID numbers are found."""
        return self.keys.hashes

    @property
    def store(self) -> SealingKeys:
        """With which they are sealed at rest."""
        return self.keys.store

    @property
    def to_review(self) -> SealingKeys:
        """With which names and e-mails are sealed for review."""
        return self.keys.to_review


class _NotToKeepError(Exception):
    """Undoes what a dry run, or an import that is refused, has done."""


async def import_roster(
    roster: Roster,
    path: Path,
    choices: Choices = NO_CHOICES,
    *,
    tell: Tell = ignore,
    pushed_by: str | None = None,
    push_id: UUID | None = None,
) -> Report:
    """Bring the roster to what the OneRoster folder or zip at ``path`` says, in one transaction.

    Bad lines are reported and leave their rows as they were; the good rest goes in, unless the report says that it was
    refused. Only rows that differ get the new revision and an event. ``tell`` hears how far it is; ``pushed_by`` is who
    sent it over HTTP, as ``push_id``. Raises UnreadableRosterError or ImportUnderWayError; nothing was changed then.
    """
    modes = await asyncio.to_thread(oneroster.read_manifest, path)
    with suppress(_NotToKeepError):
        async with roster.database.transaction() as connection:
            if not await storage.lock_imports(connection):
                raise ImportUnderWayError
            today = await storage.today(connection)
            whole = [file for file in oneroster.FILES if modes[file.name] == "bulk"]
            known = {file.name: await records.fingerprints(connection, file) for file in whole}
            export = Export(path, modes, today, roster.hashes, roster.store, known)
            revision = await storage.start_import(connection, pushed_by, push_id)
            report = await _import(roster, connection, export, choices, tell, revision)
            if choices.dry_run or report.refused:
                raise _NotToKeepError
            tell(Progress("committing"))
    log.info(
        "roster imported",
        revision=report.revision,
        dry_run=choices.dry_run,
        refused=bool(report.refused),
        bad_lines=report.bad_line_count,
    )
    return report


async def replay(roster: Roster) -> int:
    """Tell the present state of every school, class, teacher and class's students again, under new event ids.

    Returns how many events that are.
    """
    async with roster.database.transaction() as connection:
        count = await _tell(roster, connection)
    log.info("roster replayed", events=count)
    return count


async def _import(
    roster: Roster, connection: Connection, export: Export, choices: Choices, tell: Tell, revision: int
) -> Report:
    await _refuse_parts_of_nothing(connection, export)
    await _stage(connection, export, tell)
    tell(Progress("checking"))
    passed_over = await _complete(connection, export)
    await storage.check(connection)
    tell(Progress("merging"))
    await storage.note_left_classes(connection)
    counts = {table.name: await storage.merge(connection, table, revision) for table in storage.TABLES}
    await storage.refuse_strays(connection, revision)
    bad_line_count, bad_lines = await storage.bad_lines(connection)
    refused = refusal(choices, counts, bad_line_count)
    report = Report(revision, choices.dry_run, counts, bad_line_count, bad_lines, refused, passed_over)
    if not refused:
        tell(Progress("telling the other services"))
        await storage.finish_import(connection, revision, report.as_json())
        await follow_students(roster, connection, revision)
        await _tell(roster, connection, revision)
    return report


async def _refuse_parts_of_nothing(connection: Connection, export: Export) -> None:
    """Raise UnreadableRosterError for a delta, or an absent file, of which the whole has never been here."""
    for file in oneroster.FILES:
        mode = export.modes[file.name]
        if mode != "bulk" and not await records.has_any(connection, file):
            how = "has only changes" if mode == "delta" else "is absent"
            msg = f"manifest.csv: {file.name} {how}, and no whole one (bulk) has been imported yet"
            raise UnreadableRosterError(msg)


async def _stage(connection: Connection, export: Export, tell: Tell) -> None:
    """COPY the files' good lines to their tables while they are read, then the bad ones."""
    problems, known = io.BytesIO(), io.BytesIO()
    with reading(export) as chunks:
        source = _Source(chunks, problems, known, tell)
        for file in filter(export.read, oneroster.FILES):
            columns = ("line", "id", "modified", "gone", "fingerprint", *COLUMNS[file.table])
            await storage.stage(connection, file.table, columns, source.rows_of(file), NULL)
            await storage.stage(connection, "known", ("line", "fingerprint"), _taken_from(known), NULL)
            await records.recall(connection, file)
        await storage.stage(connection, "problems", storage.PROBLEM_COLUMNS, _taken_from(problems), NULL)


class _Source:
    """Hands the chunks of one file after the other to COPY; what is bad or known in them waits."""

    def __init__(self, chunks: Iterator[Chunk], problems: io.BytesIO, known: io.BytesIO, tell: Tell) -> None:
        self._chunks = chunks
        self._problems = problems
        self._known = known
        self._tell = tell
        self._next: Chunk | None = None

    async def rows_of(self, file: File) -> AsyncIterator[bytes]:
        """The rows of this file."""
        lines = 0
        while (chunk := self._next or await asyncio.to_thread(next, self._chunks, None)) and chunk.file == file.name:
            self._next = None
            self._problems.write(chunk.problems)
            self._known.write(chunk.known)
            lines += chunk.records
            self._tell(Progress("reading", file.name, lines))
            yield chunk.rows
        self._next = chunk


async def _taken_from(file: io.BytesIO) -> AsyncIterator[bytes]:
    """What was written to a file in memory, which is empty then."""
    yield file.getvalue()
    file.seek(0)
    file.truncate()


async def _complete(connection: Connection, export: Export) -> dict[str, int]:
    """Add what the files leave as it was, and keep the whole; how many lines of each file were passed over as old."""
    passed_over = {
        file.name: await records.complete(connection, file, export.modes[file.name]) for file in oneroster.FILES
    }
    await storage.analyze(connection)
    await _make_guardians(connection, export)
    for file in oneroster.FILES:
        await records.keep(connection, file, export.modes[file.name])
    await storage.count_of_today(connection, export.today)
    await _name_staff(connection, export)
    return {name: lines for name, lines in passed_over.items() if lines}


async def _make_guardians(connection: Connection, export: Export) -> None:
    """Users whom another file than this export's roles.csv makes guardians."""
    columns = ("name", "email", *KeptGuardian._fields, "person_sealed")
    async for users in storage.guardians_to_make(connection):
        filled = []
        for user in users:
            person = Person(user["name"], user["email"])
            if user["person_sealed"] is not None:
                person = Person.unsealed(export, user["id"], user["person_sealed"])
            facts = [None if fact == NULL else fact for fact in guardian_facts(export, user["id"], person)]
            filled.append([user["id"], "", "", *facts, person.sealed(export, user["id"])])
        await storage.complete_users(connection, columns, filled)


async def _name_staff(connection: Connection, export: Export) -> None:
    """Guardians who are students or staff too need their names in the open."""
    async for users in storage.staff_to_name(connection):
        people = [(user["id"], Person.unsealed(export, user["id"], user["person_sealed"])) for user in users]
        named = [[id_, person.name, person.email] for id_, person in people]
        await storage.complete_users(connection, ("name", "email"), named)


async def _tell(roster: Roster, connection: Connection, revision: int | None = None) -> int:
    """Record an event for each school, class, teacher and class's students, or for what an import changed of them.

    Returns how many.
    """
    count = 0
    for table, make in facts.makers(roster.to_review).items():
        count += await _record(connection, storage.rows(connection, table, revision), make)
    rosters = (
        storage.class_rosters(connection) if revision is None else storage.changed_class_rosters(connection, revision)
    )
    return count + await _record(connection, rosters, partial(facts.class_roster, roster.to_review))


async def _record(
    connection: Connection, batches: AsyncIterator[list[asyncpg.Record]], make: Callable[[asyncpg.Record], Event]
) -> int:
    """Record an event for each row; how many."""
    count = 0
    async for rows in batches:
        await outbox.record(connection, *map(make, rows))
        count += len(rows)
    return count
