"""What is done with the roster: import it, and tell its present state again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from binding_service.applications.moves import follow_students
from binding_service.roster import oneroster, storage
from binding_service.roster.domain import Report
from binding_service.roster.errors import ImportUnderWayError
from binding_service.roster.guardians import KeptGuardian, kept
from shared import outbox
from shared.events import (
    ClassRosterUpdated,
    ClassUpdated,
    SchoolUpdated,
    StudentOfClass,
    StudentsForReview,
    TeacherForReview,
    TeacherUpdated,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import date
    from pathlib import Path

    import asyncpg

    from binding_service.context import Keys
    from binding_service.roster.oneroster import File, Line, User
    from shared.database import Connection, Database
    from shared.events import Event
    from shared.sealing import HashKeys, SealingKeys

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


class _DryRunError(Exception):
    """Undoes what a dry run has done."""


async def import_roster(roster: Roster, path: Path, *, dry_run: bool = False) -> Report:
    """Bring the roster to what the OneRoster folder or zip at ``path`` says, in one transaction.

    Bad lines are reported and leave their rows as they were; the good rest goes in. Only rows that differ get the new
    revision and an event. Raises UnreadableRosterError or ImportUnderWayError; nothing was changed then.
    """
    oneroster.check_manifest(path)
    with suppress(_DryRunError):
        async with roster.database.transaction() as connection:
            report = await _import(roster, connection, path, dry_run=dry_run)
            if dry_run:
                raise _DryRunError
    log.info("roster imported", revision=report.revision, dry_run=dry_run, bad_lines=report.bad_line_count)
    return report


async def replay(roster: Roster) -> int:
    """Tell the present state of every school, class, teacher and class's students again, under new event ids.

    Returns how many events that are.
    """
    async with roster.database.transaction() as connection:
        count = await _tell(roster, connection)
    log.info("roster replayed", events=count)
    return count


async def _import(roster: Roster, connection: Connection, path: Path, *, dry_run: bool) -> Report:
    if not await storage.lock_imports(connection):
        raise ImportUnderWayError
    revision = await storage.start_import(connection)
    today = await storage.today(connection)
    for file in oneroster.FILES:
        await _stage(roster, connection, path, file, today)
    await storage.check(connection)
    await storage.note_left_classes(connection)
    counts = {table.name: await storage.merge(connection, table, revision) for table in storage.TABLES}
    report = Report(revision, dry_run, counts, *await storage.bad_lines(connection))
    await storage.finish_import(connection, revision, report.as_json())
    await follow_students(roster, connection, revision)
    await _tell(roster, connection, revision)
    return report


async def _stage(roster: Roster, connection: Connection, path: Path, file: File, today: date) -> None:
    """COPY a file's good lines to its table while they are read, then the bad ones."""
    problems: list[tuple[Any, ...]] = []
    records = _records(path, file, today, problems)
    if file.record is oneroster.User:
        guardians = await storage.guardian_ids(connection)
        records = (_sealed(roster, user, is_guardian=user.id in guardians) for user in records)
    await storage.stage(connection, f"staged_{file.name.removesuffix('.csv')}", records)
    await storage.stage(connection, "staged_problems", problems)


def _records(path: Path, file: File, today: date, problems: list[tuple[Any, ...]]) -> Iterator[Any]:
    for line in oneroster.lines(path, file.name):
        try:
            record = oneroster.read(file, line, today)
        except oneroster.BadFieldError as bad:
            problems.append((file.name, line.number, bad.column, bad.reason, file.kind, _subject(line, file)))
        else:
            if record is not None:
                yield record


def _subject(line: Line, file: File) -> str | None:
    """The id that a bad line is about, where it can be read."""
    subject = " ".join(line.fields.get(file.subject, "").split())
    return subject if subject and subject.isprintable() and len(subject) <= oneroster.LONGEST_FIELD else None


def _sealed(roster: Roster, user: User, *, is_guardian: bool) -> tuple[Any, ...]:
    """A user with the ID number hashed and sealed: it goes to no table as it is, not even a temporary one."""
    number = user.national_id
    guardian = kept(user, roster.hashes, roster.store) if is_guardian else (None,) * len(KeptGuardian._fields)
    return (
        user.line,
        user.id,
        user.name,
        user.email,
        user.email_problem,
        roster.hashes.digest("national-id", number) if number else None,
        roster.store.seal(number, f"students:{user.id}:national_id") if number else None,
        user.national_id_column,
        user.national_id_problem,
        user.agents,
        *guardian,
    )


async def _tell(roster: Roster, connection: Connection, revision: int | None = None) -> int:
    """Record an event for each school, class, teacher and class's students, or for what an import changed of them.

    Returns how many.
    """
    makers: dict[str, Callable[[asyncpg.Record], Event]] = {
        "schools": _school_event,
        "classes": _class_event,
        "teachers": partial(_teacher_event, roster),
    }
    count = 0
    for table, make in makers.items():
        count += await _record(connection, storage.rows(connection, table, revision), make)
    rosters = (
        storage.class_rosters(connection) if revision is None else storage.changed_class_rosters(connection, revision)
    )
    return count + await _record(connection, rosters, partial(_class_roster_event, roster))


async def _record(
    connection: Connection, batches: AsyncIterator[list[asyncpg.Record]], make: Callable[[asyncpg.Record], Event]
) -> int:
    """Record an event for each row; how many."""
    count = 0
    async for rows in batches:
        await outbox.record(connection, *map(make, rows))
        count += len(rows)
    return count


def _school_event(row: asyncpg.Record) -> Event:
    return SchoolUpdated.of("binding", row["id"], **_facts(row, "revision", "code", "name", "level", "active"))


def _class_event(row: asyncpg.Record) -> Event:
    return ClassUpdated.of(
        "binding", row["id"], **_facts(row, "revision", "school_id", "name", "teacher_ids", "active")
    )


def _teacher_event(roster: Roster, row: asyncpg.Record) -> Event:
    event = TeacherUpdated.of("binding", row["id"], **_facts(row, "revision", "school_id", "role", "active"))
    return event.sealed(roster.to_review, for_review=TeacherForReview(name=row["name"], email=row["email"]))


def _class_roster_event(roster: Roster, row: asyncpg.Record) -> Event:
    students = [StudentOfClass(id=id_, name=name) for id_, name in zip(row["ids"], row["names"], strict=True)]
    event = ClassRosterUpdated.of("binding", row["id"], **_facts(row, "revision", "school_id"))
    return event.sealed(roster.to_review, for_review=StudentsForReview(students=students))


def _facts(row: asyncpg.Record, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
