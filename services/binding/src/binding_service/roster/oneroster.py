"""OneRoster 1.2 CSV: which files, columns and words count here.

The standard: https://www.imsglobal.org/spec/oneroster/v1p2/bind/csv

A line that concerns nobody here (a district, a subject's class, an aide) parses to None. The standard has no place for
a Taiwanese ID number and for a school's level: ``{TWID:…}`` in ``userIds``, or the extension columns
``metadata.tw.nationalId`` and ``metadata.tw.level``.

A bulk file is a whole table; a delta file has the records that are new, changed or (``tobedeleted``) gone, each with
the time of its change.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
import zlib
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from binding_service.id_numbers import IdNumberError, parse
from binding_service.roster.domain import LEVELS, level_of_grade
from binding_service.roster.errors import UnreadableRosterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    #: Whether there is nothing new in a record, by the number of its first line and its text.
    IsKnown = Callable[[int, str], bool]

Mode = Literal["bulk", "delta", "absent"]

VERSIONS = ("1.2", "1.2.1")
LONGEST_FIELD = 255
NATIONAL_ID_COLUMN = "metadata.tw.nationalId"
LEVEL_COLUMN = "metadata.tw.level"
TWID = re.compile(r"\{TWID:([^}]*)\}", re.IGNORECASE)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
STAFF_ROLES = {
    "teacher": "teacher",
    "administrator": "administrator",
    "siteAdministrator": "administrator",
    "systemAdministrator": "administrator",
    "principal": "administrator",
}
GUARDIAN_ROLES = ("parent", "guardian", "relative")
ROLES_WITHOUT_SCHOOL = ("student", *GUARDIAN_ROLES)
EMPTY = "is empty"
#: Characters in a line at most, and in all files together once they are unpacked: a small zip can hold a great deal.
LONGEST_LINE = 1_000_000
MOST_BYTES = 4_000_000_000
BLOCK_LINES = 1000
#: A quotation mark that is never closed ends here.
LONGEST_BLOCK_LINES = 20_000


class BadFieldError(ValueError):
    """A line cannot be taken. ``column`` may be empty, where no single one is to blame; nothing is quoted."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class Line(NamedTuple):
    """One record of a file: the number of its first line, its fields by column, what is wrong with it, its text."""

    number: int
    fields: dict[str, str]
    problem: str
    text: str = ""


class Org(NamedTuple):
    """A line of orgs.csv. ``level`` is empty where the file does not tell it."""

    line: int
    id: str
    code: str
    name: str
    level: str
    is_school: bool


class Class(NamedTuple):
    """A line of classes.csv. ``levels`` are the school levels that its grades belong to."""

    line: int
    id: str
    school_id: str
    name: str
    levels: list[str]
    homeroom: bool


class User(NamedTuple):
    """A line of users.csv. Whether a bad ID number or e-mail address matters depends on the user's roles.

    ``agents`` are the ids of a student's guardians. What stands in ``sms`` and ``phone`` may be anything.
    """

    line: int
    id: str
    name: str
    email: str
    email_problem: str
    national_id: str
    national_id_column: str
    national_id_problem: str
    sms: str
    phone: str
    agents: list[str]


class Role(NamedTuple):
    """A line of roles.csv: ``kind`` is student, teacher or administrator, or a guardian's role as it is.

    ``ends`` is the first day that no longer counts (2027-06-30), or empty.
    """

    line: int
    id: str
    user_id: str
    org_id: str
    kind: str
    main: bool
    ends: str


class Enrollment(NamedTuple):
    """A line of enrollments.csv: ``role`` is student or (primary) teacher, ``ends`` like a role's."""

    line: int
    id: str
    class_id: str
    user_id: str
    role: str
    ends: str


class Gone(NamedTuple):
    """A line that says that its record is no more."""

    line: int
    id: str


Record = Org | Class | User | Role | Enrollment


def read(file: File, line: Line, mode: Mode) -> Record | Gone | None:
    """What a line says; None where it concerns nobody here. Raises BadFieldError.

    In a delta file every line counts: what concerns nobody here may have done so before, so it is Gone.
    """
    if line.problem:
        raise BadFieldError(column="", reason=line.problem)
    if mode == "bulk":
        return None if _is_deleted(line) else file.parse(line)
    sourced_id = _required(line, "sourcedId")
    _required(line, "status")
    record = None if _is_deleted(line) else file.parse(line)
    return Gone(line.number, sourced_id) if record is None else record


def modified_at(line: Line, mode: Mode) -> str:
    """When the record was changed, in UTC (ISO 8601); empty in a bulk file that does not say. Raises BadFieldError."""
    if mode != "delta" and not line.fields.get(MODIFIED_COLUMN):
        return ""
    text = _required(line, MODIFIED_COLUMN) if mode == "delta" else _optional(line, MODIFIED_COLUMN)
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise BadFieldError(MODIFIED_COLUMN, "is not a time like 2026-11-24T09:30:00Z") from None
    if moment is None:
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def read_manifest(path: Path) -> dict[str, Mode]:
    """How each file is to be taken. Raises UnreadableRosterError, also for a version that is not known."""
    properties = {
        line.fields.get("propertyName", ""): line.fields.get("value", "").strip()
        for line in lines(path, "manifest.csv")
    }
    if properties.get("oneroster.version") not in VERSIONS:
        msg = f"manifest.csv: oneroster.version must be one of {', '.join(VERSIONS)}"
        raise UnreadableRosterError(msg)
    modes = {file.name: _mode(file, properties) for file in FILES}
    if set(modes.values()) == {"absent"}:
        msg = "manifest.csv: every file that counts here is absent"
        raise UnreadableRosterError(msg)
    return modes


def _mode(file: File, properties: dict[str, str]) -> Mode:
    name = f"file.{file.name.removesuffix('.csv')}"
    match properties.get(name, "bulk"):
        case "bulk" | "delta" | "absent" as mode:
            return mode
        case _:
            msg = f"manifest.csv: {name} must be bulk, delta or absent"
            raise UnreadableRosterError(msg)


MODIFIED_COLUMN = "dateLastModified"
REQUIRED_COLUMNS: dict[str, tuple[str, ...]] = {
    "manifest.csv": ("propertyName", "value"),
    "orgs.csv": ("sourcedId", "name", "type", "identifier"),
    "classes.csv": ("sourcedId", "title", "grades", "classType", "schoolSourcedId"),
    "users.csv": ("sourcedId", "userIds", "givenName", "familyName", "email"),
    "roles.csv": ("userSourcedId", "roleType", "role", "orgSourcedId"),
    "enrollments.csv": ("classSourcedId", "userSourcedId", "role", "primary"),
}
#: Columns that are read where a file has them.
OPTIONAL_COLUMNS = (
    "sourcedId",
    "status",
    MODIFIED_COLUMN,
    "endDate",
    "sms",
    "phone",
    "agentSourcedIds",
    LEVEL_COLUMN,
    NATIONAL_ID_COLUMN,
)


def lines(path: Path, name: str, words: Sequence[str] = ()) -> Iterator[Line]:
    """The records of one file of a folder or zip; with ``words``, only those that have one of them somewhere.

    Raises UnreadableRosterError where the file cannot be read as CSV.
    """

    def lacks_words(_: int, text: str) -> bool:
        return not any(word in text for word in words)

    return chain.from_iterable(blocks(path, name, begin=lambda _: lacks_words if words else nothing_is_known))


def blocks(
    path: Path,
    name: str,
    *,
    part: int = 0,
    parts: int = 1,
    begin: Callable[[str], IsKnown] | None = None,
) -> Iterator[Iterator[Line]]:
    """The same, so many records at a time: of several ``parts`` one.

    ``begin`` is told the header's text, and what it returns tells which records are known and passed over.
    """
    with _open(path, name) as text:
        reading = _blocks(text, name)
        first = next(reading, _Block(1, "", []))
        header = _header(name, first)
        is_known = begin(first.text) if begin else nothing_is_known
        for number, block in enumerate(reading):
            if number % parts == part:
                yield _records(name, header, block, is_known)


def nothing_is_known(_number: int, _text: str) -> bool:
    """What takes every record."""
    return False


class _Block(NamedTuple):
    """Whole records: the number of their first line, their text, their lines."""

    first: int
    text: str
    lines: list[str]


def _blocks(text: io.TextIOBase, name: str) -> Iterator[_Block]:
    """The header, then a thousand lines or a few more each time.

    A record ends where a line does and every quotation mark before it has its pair, so no CSV has to be read for that.
    """
    reading = iter(partial(text.readline, LONGEST_LINE), "")
    first, size = 1, 1
    while block := list(islice(reading, size)):
        joined = "".join(block)
        if joined.count('"') % 2:
            _close(block, reading)
            joined = "".join(block)
        if len(max(block, key=len)) >= LONGEST_LINE:
            msg = (
                f"{name}: a line between {first} and {first + len(block) - 1} is longer than {LONGEST_LINE} characters"
            )
            raise UnreadableRosterError(msg)
        yield _Block(first, joined, block)
        first, size = first + len(block), BLOCK_LINES


def _close(block: list[str], reading: Iterator[str]) -> None:
    """Read on to the line in which the open quotation mark is closed."""
    for line in islice(reading, LONGEST_BLOCK_LINES):
        block.append(line)
        if line.count('"') % 2:
            return


class _Header(NamedTuple):
    """A file's columns: how many there are, those that are read, and what picks their fields out of a record."""

    width: int
    names: tuple[str, ...]
    places: tuple[int, ...]
    pick: Callable[[Sequence[str]], tuple[str, ...]]


def _header(name: str, block: _Block) -> _Header:
    if _holds_nul(block.text) or not _is_utf8(block.text):
        msg = f"{name} is not UTF-8"
        raise UnreadableRosterError(msg)
    columns = [column.strip() for column in next(iter(_rows(name, block)), (1, "", []))[2]]
    missing = [column for column in REQUIRED_COLUMNS[name] if column not in columns]
    if missing:
        msg = f"{name} lacks the column {missing[0]}"
        raise UnreadableRosterError(msg)
    optional = [column for column in OPTIONAL_COLUMNS if column in columns and column not in REQUIRED_COLUMNS[name]]
    names = (*REQUIRED_COLUMNS[name], *optional)
    places = tuple(map(columns.index, names))
    return _Header(len(columns), names, places, itemgetter(*places))


def _records(name: str, header: _Header, block: _Block, is_known: IsKnown) -> Iterator[Line]:
    is_clean = not _holds_nul(block.text) and _is_utf8(block.text)
    for number, text, row in _rows(name, block, is_known if is_clean else nothing_is_known):
        if len(row) == header.width:
            fields = dict(zip(header.names, header.pick(row), strict=True))
            yield Line(number, fields, "" if is_clean else _problem("".join(row)), text)
        elif row:
            fields = {
                column: row[place]
                for column, place in zip(header.names, header.places, strict=True)
                if place < len(row)
            }
            yield Line(number, fields, f"has {len(row)} fields where the header has {header.width}", text)


def _rows(name: str, block: _Block, is_known: IsKnown = nothing_is_known) -> Iterator[tuple[int, str, list[str]]]:
    """The records of a block that are not known: the number of the first line, the text, the fields of each."""
    # Strict: a quote that is never closed would swallow the lines after it, and their rows would seem removed.
    number = block.first
    try:
        if '"' in block.text:
            reader = csv.reader(block.lines, strict=True)
            for row in reader:
                text = "".join(block.lines[number - block.first : reader.line_num])
                if not is_known(number, text):
                    yield number, text, row
                number = block.first + reader.line_num
        else:
            records = enumerate(block.lines, block.first)
            unknown = [each for each in records if not is_known(*each)]
            for (number, text), row in zip(unknown, csv.reader([text for _, text in unknown]), strict=True):
                yield number, text, row
    except csv.Error:
        msg = f"{name}, line {number}: the quotation marks are not those of CSV"
        raise UnreadableRosterError(msg) from None


@contextmanager
def _open(path: Path, name: str) -> Iterator[io.TextIOBase]:
    try:
        if path.is_dir():
            with (path / name).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
                yield text
        else:
            with (
                zipfile.ZipFile(path) as archive,
                archive.open(_checked(archive, name)) as data,
                io.TextIOWrapper(data, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
            ):
                yield text
    except zipfile.BadZipFile:
        msg = "the roster is neither a folder nor a whole zip file"
        raise UnreadableRosterError(msg) from None
    except (KeyError, FileNotFoundError):
        msg = f"{name} is missing" if path.exists() else "there is no such folder or zip file"
        raise UnreadableRosterError(msg) from None
    except (zlib.error, EOFError, NotImplementedError):
        msg = f"{name} cannot be unpacked: the zip file is damaged, or packed in an unusual way"
        raise UnreadableRosterError(msg) from None
    except OSError as fault:
        msg = f"{name} cannot be read: {fault.strerror}"
        raise UnreadableRosterError(msg) from None


def _checked(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """A file of the zip that may be unpacked. What it says of its size holds: no more than that is ever read of it."""
    if sum(archive.getinfo(each).file_size for each in REQUIRED_COLUMNS if each in archive.NameToInfo) > MOST_BYTES:
        msg = f"the zip file's content is larger than {MOST_BYTES // 10**9} GB"
        raise UnreadableRosterError(msg)
    info = archive.getinfo(name)
    if info.flag_bits & 1:
        msg = f"{name} is encrypted"
        raise UnreadableRosterError(msg)
    return info


def size_of(path: Path) -> int:
    """Bytes of all files that count, unpacked; 0 for what cannot be read, which the reading will say."""
    try:
        if path.is_dir():
            return sum((path / file.name).stat().st_size for file in FILES if (path / file.name).exists())
        with zipfile.ZipFile(path) as archive:
            return sum(info.file_size for info in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        return 0


def _problem(record: str) -> str:
    """What keeps a record from being looked at; empty where nothing does."""
    if _holds_nul(record):
        return "holds a NUL character"
    return "" if _is_utf8(record) else "is not UTF-8"


def _holds_nul(text: str) -> bool:
    return "\0" in text


def _is_utf8(text: str) -> bool:
    """Whether every byte was: one that is not was read as half of a surrogate pair, which PostgreSQL would refuse."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_org(line: Line) -> Org:
    """A school; any other organisation too, because roles refer to it."""
    sourced_id = _required(line, "sourcedId")
    if _optional(line, "type") != "school":
        return Org(line.number, sourced_id, "", "", "", is_school=False)
    level = _optional(line, LEVEL_COLUMN)
    if level and level not in LEVELS:
        raise BadFieldError(LEVEL_COLUMN, f"is none of {', '.join(LEVELS)}")
    return Org(line.number, sourced_id, _required(line, "identifier"), _required(line, "name"), level, is_school=True)


def parse_class(line: Line) -> Class:
    """A homeroom class; any other class too, because enrollments refer to it."""
    sourced_id = _required(line, "sourcedId")
    if _optional(line, "classType") != "homeroom":
        return Class(line.number, sourced_id, "", "", [], homeroom=False)
    grades = (int(grade) for grade in _optional(line, "grades").split(",") if re.fullmatch(r" *[0-9]{1,2} *", grade))
    levels = {level for level in map(level_of_grade, grades) if level}
    school_id, title = _required(line, "schoolSourcedId"), _required(line, "title")
    return Class(line.number, sourced_id, school_id, title, sorted(levels), homeroom=True)


def parse_user(line: Line) -> User:
    """A person, with an ID number that has passed the check digit or the reason why there is none."""
    email = _optional(line, "email").lower()
    given = _optional(line, "givenName")
    family = _optional(line, "familyName") if given else _required(line, "familyName")
    return User(
        line.number,
        _required(line, "sourcedId"),
        full_name(family, given),
        email,
        "is not an e-mail address" if email and not EMAIL.fullmatch(email) else "",
        *_national_id(line),
        _anything(line, "sms"),
        _anything(line, "phone"),
        _agents(line),
    )


def parse_role(line: Line) -> Role | None:
    """A role of a student, a teacher or an administrator of a school, or of a guardian; also one that is over."""
    role = _optional(line, "role")
    kind = role if role in ROLES_WITHOUT_SCHOOL else STAFF_ROLES.get(role)
    if role and kind is None:
        return None
    return Role(
        line.number,
        _optional(line, "sourcedId"),
        _required(line, "userSourcedId"),
        _org_of(line, role),
        kind or _required(line, "role"),
        _optional(line, "roleType") == "primary",
        _end(line),
    )


def _org_of(line: Line, role: str) -> str:
    """The organisation of a role; a student's school is that of the class, a guardian's that of the student."""
    return _optional(line, "orgSourcedId") if role in ROLES_WITHOUT_SCHOOL else _required(line, "orgSourcedId")


def parse_enrollment(line: Line) -> Enrollment | None:
    """A student's place in a class, or a homeroom teacher's assignment; also one that is over."""
    role = _required(line, "role")
    if role != "student" and (role != "teacher" or _optional(line, "primary").lower() != "true"):
        return None
    return Enrollment(
        line.number,
        _optional(line, "sourcedId"),
        _required(line, "classSourcedId"),
        _required(line, "userSourcedId"),
        role,
        _end(line),
    )


def full_name(family: str, given: str) -> str:
    """A name as it is written: 王小明, but Panay Kusui where it is in Latin letters."""
    return f"{given} {family}".strip() if any(map(_is_latin, family + given)) else family + given


@lru_cache(maxsize=10_000)
def _is_latin(character: str) -> bool:
    return "LATIN" in unicodedata.name(character, "")


def _national_id(line: Line) -> tuple[str, str, str]:
    """The ID number, the column that it stands in, and what is wrong with it."""
    found = TWID.search(line.fields.get("userIds", ""))
    column = "userIds" if found or NATIONAL_ID_COLUMN not in line.fields else NATIONAL_ID_COLUMN
    text = found[1] if found else line.fields.get(NATIONAL_ID_COLUMN, "")
    if not text.strip():
        return "", column, f"{EMPTY} of an ID number" if column == "userIds" else EMPTY
    try:
        return parse(text).text, column, ""
    except IdNumberError as error:
        wrong = "check digit" if error.problem == "check_digit" else "form"
        return "", column, f"the ID number's {wrong} is wrong"


def _is_deleted(line: Line) -> bool:
    if not line.fields.get("status"):
        return False
    status = _optional(line, "status")
    if status not in {"", "active", "tobedeleted"}:
        raise BadFieldError(column="status", reason="is neither active nor tobedeleted")
    return status == "tobedeleted"


def _end(line: Line) -> str:
    """The day of its end date, or empty."""
    end = _optional(line, "endDate")
    try:
        return date.fromisoformat(end[:10]).isoformat() if end else ""
    except ValueError:
        raise BadFieldError(column="endDate", reason="is not a date like 2027-06-30") from None


def _required(line: Line, column: str) -> str:
    text = _optional(line, column)
    if not text:
        raise BadFieldError(column, EMPTY)
    return text


def _optional(line: Line, column: str) -> str:
    text = line.fields.get(column)
    if not text:
        return ""
    text = " ".join(text.split())
    if len(text) > LONGEST_FIELD:
        raise BadFieldError(column, f"is longer than {LONGEST_FIELD} characters")
    return text


def _anything(line: Line, column: str) -> str:
    """A field that keeps nobody out, whatever stands in it."""
    text = line.fields.get(column)
    return " ".join(text.split())[:LONGEST_FIELD] if text else ""


def _agents(line: Line) -> list[str]:
    """The ids of a student's guardians, in one order; an id that is none is passed over."""
    text = line.fields.get("agentSourcedIds", "")
    if not text:
        return []
    ids = {" ".join(part.split()) for part in text.split(",")}
    return sorted(id_ for id_ in ids if 0 < len(id_) <= LONGEST_FIELD)


class File(NamedTuple):
    """A file of the roster. A bad line leaves the row that ``subject`` names, of ``kind``, as it was."""

    name: str
    parse: Callable[[Line], Record | None]
    kind: str
    subject: str

    @property
    def table(self) -> str:
        """What its tables are called after."""
        return self.name.removesuffix(".csv")


FILES = (
    File("orgs.csv", parse_org, "schools", "sourcedId"),
    File("classes.csv", parse_class, "classes", "sourcedId"),
    File("users.csv", parse_user, "users", "sourcedId"),
    File("roles.csv", parse_role, "users", "userSourcedId"),
    File("enrollments.csv", parse_enrollment, "users", "userSourcedId"),
)
