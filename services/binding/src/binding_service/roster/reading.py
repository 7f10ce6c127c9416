"""From the files of a roster to the rows that PostgreSQL's COPY takes, in processes of their own where that pays.

Each of several processes goes through the same files and takes its share of the records: a file is cut where records
end, so nobody has to wait for the other. Rows leave as text, a thousand at a time, and nothing is kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import date  # noqa: TC003 - goes to another process
from functools import cache, partial
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path  # noqa: TC003 - the same
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from binding_service.roster import guardians, oneroster
from binding_service.roster.errors import UnreadableRosterError
from binding_service.roster.fingerprints import Fingerprints
from shared.sealing import HashKeys, SealingKeys  # noqa: TC001 - the same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from binding_service.roster.oneroster import Class, Enrollment, File, IsKnown, Line, Mode, Org, Role, User

#: In a staged row: no value, and what stands between the parts of a list. White space to Python, so no field holds it.
NULL, BETWEEN = "\x1f", "\x1e"
#: Starting a process takes a second; reading so many bytes does too.
BYTES_WORTH_A_PROCESS = 20_000_000
MOST_PROCESSES = 4
#: Whoever is at the other end of a pipe is no more.
GONE = (BrokenPipeError, ConnectionResetError, EOFError)


class Export(NamedTuple):
    """What is to be read, and what it takes to make rows of it.

    ``today`` is the day it is in Taiwan; ``known`` are the fingerprints of whole files' records as they are kept.
    """

    path: Path
    modes: dict[str, Mode]
    today: date
    hashes: HashKeys
    store: SealingKeys
    known: dict[str, bytes]

    def read(self, file: File) -> bool:
        """Whether there is anything to read of a file."""
        return self.modes[file.name] != "absent"


class Chunk(NamedTuple):
    """Rows of a file for its staging table, of its bad lines and of known records, and how many records that are."""

    file: str
    rows: bytes
    problems: bytes
    known: bytes
    records: int


class _End(NamedTuple):
    """One process has read all of its share of a file."""

    file: str


class _Fault(NamedTuple):
    """A process could not go on; ``unreadable`` is the sentence for the operator, or empty."""

    unreadable: str
    kind: str


@contextmanager
def reading(export: Export) -> Iterator[Iterator[Chunk]]:
    """The chunks of all files, one file after the other. Raises UnreadableRosterError while they are read."""
    processes = min(MOST_PROCESSES, os.cpu_count() or 1)
    if oneroster.size_of(export.path) < BYTES_WORTH_A_PROCESS or processes == 1:
        yield (chunk for file in oneroster.FILES if export.read(file) for chunk in chunks(export, file))
        return
    with _processes(export, processes) as pipes:
        yield _merged(export, pipes)


@contextmanager
def _processes(export: Export, count: int) -> Iterator[list[Connection]]:
    """Processes that each read a share, and the pipes on which it comes; they end with the block."""
    workers, pipes = [], []
    try:
        for _ in range(count):
            ours, theirs = Pipe()
            # Not multiprocessing's own start: that would import all of the service once more in each.
            command = [sys.executable, "-m", "binding_service.roster.reader", str(theirs.fileno())]
            workers.append(subprocess.Popen(command, pass_fds=[theirs.fileno()]))  # noqa: S603 - our own program
            theirs.close()
            pipes.append(ours)
        for part, pipe in enumerate(pipes):
            # Of one that has ended already, the first receiving tells.
            with suppress(*GONE):
                pipe.send((export, part, count))
        yield pipes
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def read_share(pipe: Connection) -> None:
    """In such a process: send the chunks of the share that comes first over the pipe."""
    try:
        export, part, parts = pipe.recv()
        for file in filter(export.read, oneroster.FILES):
            for chunk in chunks(export, file, part=part, parts=parts):
                pipe.send(chunk)
            pipe.send(_End(file.name))
    except UnreadableRosterError as error:
        pipe.send(_Fault(str(error), ""))
    except GONE:
        pass  # Who asked is gone.
    except Exception as fault:  # noqa: BLE001 - told by its kind; its text may quote a row
        pipe.send(_Fault("", type(fault).__name__))


def _merged(export: Export, pipes: list[Connection]) -> Iterator[Chunk]:
    for file in filter(export.read, oneroster.FILES):
        open_pipes = list(pipes)
        while open_pipes:
            for pipe in cast("list[Connection]", wait(open_pipes)):
                message = _receive(pipe)
                if isinstance(message, _End):
                    assert message.file == file.name  # noqa: S101 - every process takes the files in the same order
                    open_pipes.remove(pipe)
                else:
                    yield message


def _receive(pipe: Connection) -> Chunk | _End:
    try:
        message: Chunk | _End | _Fault = pipe.recv()
    except GONE:
        message = _Fault("", "a process that reads was ended")
    if isinstance(message, _Fault):
        if message.unreadable:
            raise UnreadableRosterError(message.unreadable)
        raise RuntimeError(message.kind)  # noqa: TRY004 - no wrong type, but a fault that came over the pipe
    return message


def chunks(export: Export, file: File, *, part: int = 0, parts: int = 1) -> Iterator[Chunk]:
    """The rows of one file, or of one share of it."""
    rows = _Rows(export, file)
    for block in oneroster.blocks(export.path, file.name, part=part, parts=parts, begin=rows.begin):
        for line in block:
            rows.add(line)
        yield rows.take()


class _Rows:
    """Gathers the rows of one file until they are taken as a chunk."""

    def __init__(self, export: Export, file: File) -> None:
        self._file = file
        self._mode = export.modes[file.name]
        self._make = _maker(export, file)
        self._fingerprints = Fingerprints(export.hashes, file.name, self._mode, export.known.get(file.name, b""))
        self._none = [NULL] * len(COLUMNS[file.table])
        self._rows: list[str] = []
        self._problems: list[str] = []
        self._known: list[str] = []
        self.records = 0

    def begin(self, header: str) -> IsKnown:
        """Take the file's header."""
        self._fingerprints.begin(header)
        return self._is_known if self._fingerprints else oneroster.nothing_is_known

    def _is_known(self, number: int, text: str) -> bool:
        fingerprint = self._fingerprints.of(text)
        if not self._fingerprints.know(fingerprint):
            return False
        self._known.append(f"{number}\t{fingerprint}\n")
        self.records += 1
        return True

    def add(self, line: Line) -> None:
        """Make the row of a record that is not known."""
        self.records += 1
        try:
            record = oneroster.read(self._file, line, self._mode)
            modified = oneroster.modified_at(line, self._mode) or NULL
        except oneroster.BadFieldError as bad:
            self._problems.append(_row(_problem(self._file, line, bad)))
            return
        if isinstance(record, oneroster.Gone):
            self._rows.append(_row([str(record.line), record.id, modified, "t", NULL, *self._none]))
        elif record is not None:
            id_, facts = self._make(record)
            fingerprint = str(self._fingerprints.of(line.text))
            self._rows.append(_row([str(record.line), id_, modified, "f", fingerprint, *facts]))

    def take(self) -> Chunk:
        """What was gathered; then begin anew."""
        rows, problems, known = ("".join(gathered).encode() for gathered in (self._rows, self._problems, self._known))
        chunk = Chunk(self._file.name, rows, problems, known, self.records)
        for gathered in (self._rows, self._problems, self._known):
            gathered.clear()
        self.records = 0
        return chunk


def _row(fields: list[str]) -> str:
    """A row in COPY's text format (https://www.postgresql.org/docs/current/sql-copy.html); no field holds a tab."""
    row = "\t".join(fields)
    return (row.replace("\\", "\\\\") if "\\" in row else row) + "\n"


def _problem(file: File, line: Line, bad: oneroster.BadFieldError) -> list[str]:
    record = _readable(line.fields.get("sourcedId", ""))
    subject = _readable(line.fields.get(file.subject, ""))
    return [file.name, str(line.number), bad.column, bad.reason, file.kind, subject or NULL, record or NULL]


def _readable(text: str) -> str:
    """An id, where it can be read."""
    text = " ".join(text.split())
    return text if text.isprintable() and len(text) <= oneroster.LONGEST_FIELD else ""


#: The facts of each file's records, in the order in which they are staged.
COLUMNS = {
    "orgs": ("code", "name", "level", "is_school"),
    "classes": ("school_id", "name", "levels", "homeroom"),
    "users": (
        "name",
        "email",
        "email_problem",
        "id_hash",
        "id_sealed",
        "id_column",
        "id_problem",
        "agents",
        *guardians.KeptGuardian._fields,
        "person_sealed",
    ),
    "roles": ("user_id", "org_id", "kind", "main", "ends"),
    "enrollments": ("class_id", "user_id", "role", "ends"),
}


def _maker(export: Export, file: File) -> Callable[[Any], tuple[str, list[str]]]:
    """What makes the id and the facts of a record."""
    if file.table == "users":
        # Read when the first user is new: most nights nobody is.
        ids = cache(partial(guardian_ids, export))
        return lambda user: _user_facts(export, ids(), user)
    return _MAKERS[file.table]


def guardian_ids(export: Export) -> set[str]:
    """Who has a guardian's role in this export's roles.csv."""
    if export.modes["roles.csv"] == "absent":
        return set()
    return {
        " ".join(line.fields.get("userSourcedId", "").split())
        for line in oneroster.lines(export.path, "roles.csv", oneroster.GUARDIAN_ROLES)
        if line.fields.get("role", "").strip() in oneroster.GUARDIAN_ROLES
    }


def _org_facts(org: Org) -> tuple[str, list[str]]:
    return org.id, [org.code, org.name, org.level, _flag(org.is_school)]


def _class_facts(class_: Class) -> tuple[str, list[str]]:
    return class_.id, [class_.school_id, class_.name, BETWEEN.join(class_.levels), _flag(class_.homeroom)]


def _role_facts(role: Role) -> tuple[str, list[str]]:
    id_ = role.id or f"{role.user_id} {role.org_id} {role.kind}"
    return id_, [role.user_id, role.org_id, role.kind, _flag(role.main), role.ends or NULL]


def _enrollment_facts(place: Enrollment) -> tuple[str, list[str]]:
    id_ = place.id or f"{place.user_id} {place.class_id} {place.role}"
    return id_, [place.class_id, place.user_id, place.role, place.ends or NULL]


def _user_facts(export: Export, guardian_ids: set[str], user: User) -> tuple[str, list[str]]:
    """A user with the ID number hashed and sealed: it goes to no table as it is, not even a temporary one.

    Of a guardian, name and contacts too; of anybody else with a telephone, they are sealed for the day when that user
    becomes a guardian.
    """
    number = user.national_id
    person = Person(user.name, user.email, user.sms, user.phone)
    is_guardian = user.id in guardian_ids
    return user.id, [
        "" if is_guardian else user.name,
        "" if is_guardian else user.email,
        user.email_problem,
        export.hashes.digest("national-id", number) if number else NULL,
        export.store.seal(number, f"students:{user.id}:national_id") if number else NULL,
        user.national_id_column,
        user.national_id_problem,
        BETWEEN.join(user.agents),
        *(guardian_facts(export, user.id, person) if is_guardian else NO_GUARDIAN),
        person.sealed(export, user.id) if is_guardian or user.sms or user.phone else NULL,
    ]


class Person(NamedTuple):
    """What a guardian's row is made from: kept sealed, since nobody but a guardian has it in a table of its own."""

    name: str
    email: str
    sms: str = ""
    phone: str = ""

    def sealed(self, export: Export, user_id: str) -> str:
        """As it is kept."""
        return export.store.seal(json.dumps(self, ensure_ascii=False), person_place(user_id))

    @classmethod
    def unsealed(cls, export: Export, user_id: str, sealed: str) -> Person:
        """What was sealed. Raises UnsealError."""
        return cls(*json.loads(export.store.unseal(sealed, person_place(user_id))))


def person_place(user_id: str) -> str:
    """Where a sealed person belongs."""
    return f"roster_users:{user_id}:person"


NO_GUARDIAN = (NULL,) * len(guardians.KeptGuardian._fields)


def guardian_facts(export: Export, user_id: str, person: Person) -> list[str]:
    """The columns of a guardian, as they are staged."""
    kept = guardians.kept(user_id, person.name, person.email, (person.sms, person.phone), export.hashes, export.store)
    return [kept.name_hash, kept.email_hash or NULL, BETWEEN.join(kept.phone_hashes), kept.shown_sealed]


def _flag(value: object) -> str:
    return "t" if value else "f"


_MAKERS: dict[str, Callable[[Any], tuple[str, list[str]]]] = {
    "orgs": _org_facts,
    "classes": _class_facts,
    "roles": _role_facts,
    "enrollments": _enrollment_facts,
}
