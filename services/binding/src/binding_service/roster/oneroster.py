"""OneRoster 1.2 CSV: which files, columns and words count here.

The standard: https://www.imsglobal.org/spec/oneroster/v1p2/bind/csv

A line that concerns nobody here (a district, a subject's class, an aide) parses to None. The standard has no place for
a Taiwanese ID number and for a school's level: ``{TWID:…}`` in ``userIds``, or the extension columns
``metadata.tw.nationalId`` and ``metadata.tw.level``.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from binding_service.id_numbers import IdNumberError, parse
from binding_service.roster.domain import LEVELS, level_of_grade
from binding_service.roster.errors import UnreadableRosterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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


class BadFieldError(ValueError):
    """A line cannot be taken. ``column`` may be empty, where no single one is to blame; nothing is quoted."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class Line(NamedTuple):
    """One record of a file: the number of its first line, its fields by column, whether it is whole."""

    number: int
    fields: dict[str, str]
    problem: str


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
    """A line of roles.csv: ``kind`` is student, teacher or administrator, or a guardian's role as it is."""

    line: int
    user_id: str
    org_id: str
    kind: str
    main: bool


class Enrollment(NamedTuple):
    """A line of enrollments.csv: ``role`` is student or (primary) teacher."""

    line: int
    class_id: str
    user_id: str
    role: str
    ended: bool


def read(file: File, line: Line, today: date) -> Org | Class | User | Role | Enrollment | None:
    """What a line says; None where it concerns nobody here. Raises BadFieldError."""
    if line.problem:
        raise BadFieldError(column="", reason=line.problem)
    return file.parse(line, today)


def check_manifest(path: Path) -> None:
    """Raise UnreadableRosterError where this is not a bulk export of a version that is known."""
    properties = {
        line.fields.get("propertyName", ""): line.fields.get("value", "").strip()
        for line in lines(path, "manifest.csv")
    }
    if properties.get("oneroster.version") not in VERSIONS:
        msg = f"manifest.csv: oneroster.version must be one of {', '.join(VERSIONS)}"
        raise UnreadableRosterError(msg)
    for name in REQUIRED_COLUMNS.keys() - {"manifest.csv"}:
        if properties.get(f"file.{name.removesuffix('.csv')}", "bulk") != "bulk":
            msg = f"manifest.csv: {name} must be a bulk file; only whole rosters can be imported"
            raise UnreadableRosterError(msg)


REQUIRED_COLUMNS: dict[str, tuple[str, ...]] = {
    "manifest.csv": ("propertyName", "value"),
    "orgs.csv": ("sourcedId", "name", "type", "identifier"),
    "classes.csv": ("sourcedId", "title", "grades", "classType", "schoolSourcedId"),
    "users.csv": ("sourcedId", "userIds", "givenName", "familyName", "email"),
    "roles.csv": ("userSourcedId", "roleType", "role", "orgSourcedId"),
    "enrollments.csv": ("classSourcedId", "userSourcedId", "role", "primary"),
}


def lines(path: Path, name: str) -> Iterator[Line]:
    """The records of one file of a folder or zip. Raises UnreadableRosterError where the file cannot be read as CSV."""
    with _open(path, name) as text:
        # Strict: a quote that is never closed would swallow the lines after it, and their rows would seem removed.
        reader = csv.reader(text, strict=True)
        first = 1
        try:
            header = [column.strip() for column in next(reader, [])]
            missing = [column for column in REQUIRED_COLUMNS[name] if column not in header]
            if missing:
                msg = f"{name} lacks the column {missing[0]}"
                raise UnreadableRosterError(msg)
            first = reader.line_num + 1
            for row in reader:
                if row:
                    yield Line(first, dict(zip(header, row, strict=False)), _problem(row, header))
                first = reader.line_num + 1
        except csv.Error:
            msg = f"{name}, line {first}: the quotation marks are not those of CSV"
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
                archive.open(name) as data,
                io.TextIOWrapper(data, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
            ):
                yield text
    except zipfile.BadZipFile:
        msg = "the roster is neither a folder nor a whole zip file"
        raise UnreadableRosterError(msg) from None
    except (KeyError, FileNotFoundError):
        msg = f"{name} is missing" if path.exists() else "there is no such folder or zip file"
        raise UnreadableRosterError(msg) from None
    except OSError as fault:
        msg = f"{name} cannot be read: {fault.strerror}"
        raise UnreadableRosterError(msg) from None


def _problem(row: list[str], header: list[str]) -> str:
    """What keeps a record from being looked at; empty where nothing does."""
    if len(row) != len(header):
        return f"has {len(row)} fields where the header has {len(header)}"
    text = "".join(row)
    if "\0" in text:
        return "holds a NUL character"
    # A byte that is not UTF-8 was read as half of a surrogate pair, which PostgreSQL would refuse.
    return "" if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text) else "is not UTF-8"


def parse_org(line: Line, _: date) -> Org | None:
    """A school; any other organisation too, because roles refer to it."""
    if _is_deleted(line):
        return None
    sourced_id = _required(line, "sourcedId")
    if _optional(line, "type") != "school":
        return Org(line.number, sourced_id, "", "", "", is_school=False)
    level = _optional(line, LEVEL_COLUMN)
    if level and level not in LEVELS:
        raise BadFieldError(LEVEL_COLUMN, f"is none of {', '.join(LEVELS)}")
    return Org(line.number, sourced_id, _required(line, "identifier"), _required(line, "name"), level, is_school=True)


def parse_class(line: Line, _: date) -> Class | None:
    """A homeroom class; any other class too, because enrollments refer to it."""
    if _is_deleted(line):
        return None
    sourced_id = _required(line, "sourcedId")
    if _optional(line, "classType") != "homeroom":
        return Class(line.number, sourced_id, "", "", [], homeroom=False)
    grades = (int(grade) for grade in _optional(line, "grades").split(",") if re.fullmatch(r" *[0-9]{1,2} *", grade))
    levels = {level for level in map(level_of_grade, grades) if level}
    school_id, title = _required(line, "schoolSourcedId"), _required(line, "title")
    return Class(line.number, sourced_id, school_id, title, sorted(levels), homeroom=True)


def parse_user(line: Line, _: date) -> User | None:
    """A person, with an ID number that has passed the check digit or the reason why there is none."""
    if _is_deleted(line):
        return None
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


def parse_role(line: Line, today: date) -> Role | None:
    """A role that lasts, of a student, a teacher or an administrator of a school, or a guardian."""
    role = _optional(line, "role")
    kind = role if role in ROLES_WITHOUT_SCHOOL else STAFF_ROLES.get(role)
    if role and (kind is None or _is_deleted(line) or _is_over(line, today)):
        return None
    main = _optional(line, "roleType") == "primary"
    return Role(
        line.number, _required(line, "userSourcedId"), _org_of(line, role), kind or _required(line, "role"), main
    )


def _org_of(line: Line, role: str) -> str:
    """The organisation of a role; a student's school is that of the class, a guardian's that of the student."""
    return _optional(line, "orgSourcedId") if role in ROLES_WITHOUT_SCHOOL else _required(line, "orgSourcedId")


def parse_enrollment(line: Line, today: date) -> Enrollment | None:
    """A student's place in a class, also one that is over, or a homeroom teacher's assignment that lasts."""
    role = _required(line, "role")
    if role not in {"student", "teacher"} or _is_deleted(line):
        return None
    ended = _is_over(line, today)
    if role == "teacher" and (ended or _optional(line, "primary").lower() != "true"):
        return None
    return Enrollment(line.number, _required(line, "classSourcedId"), _required(line, "userSourcedId"), role, ended)


def full_name(family: str, given: str) -> str:
    """A name as it is written: 王小明, but Panay Kusui where it is in Latin letters."""
    latin = any("LATIN" in unicodedata.name(character, "") for character in family + given)
    return f"{given} {family}".strip() if latin else family + given


def _national_id(line: Line) -> tuple[str, str, str]:
    """The ID number, the column that it stands in, and what is wrong with it."""
    found = TWID.search(line.fields["userIds"])
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
    status = _optional(line, "status")
    if status not in {"", "active", "tobedeleted"}:
        raise BadFieldError(column="status", reason="is neither active nor tobedeleted")
    return status == "tobedeleted"


def _is_over(line: Line, today: date) -> bool:
    """Whether its end date, which is the first day that no longer counts, has come."""
    end = _optional(line, "endDate")
    try:
        return bool(end) and date.fromisoformat(end[:10]) <= today
    except ValueError:
        raise BadFieldError(column="endDate", reason="is not a date like 2027-06-30") from None


def _required(line: Line, column: str) -> str:
    text = _optional(line, column)
    if not text:
        raise BadFieldError(column, EMPTY)
    return text


def _optional(line: Line, column: str) -> str:
    text = " ".join(line.fields.get(column, "").split())
    if len(text) > LONGEST_FIELD:
        raise BadFieldError(column, f"is longer than {LONGEST_FIELD} characters")
    return text


def _anything(line: Line, column: str) -> str:
    """A field that keeps nobody out, whatever stands in it."""
    return " ".join(line.fields.get(column, "").split())[:LONGEST_FIELD]


def _agents(line: Line) -> list[str]:
    """The ids of a student's guardians, in one order; an id that is none is passed over."""
    ids = {" ".join(part.split()) for part in line.fields.get("agentSourcedIds", "").split(",")}
    return sorted(id_ for id_ in ids if 0 < len(id_) <= LONGEST_FIELD)


class File(NamedTuple):
    """A file of the roster. A bad line leaves the row that ``subject`` names, of ``kind``, as it was."""

    name: str
    parse: Callable[[Line, date], Org | Class | User | Role | Enrollment | None]
    kind: str
    subject: str
    record: type[Org | Class | User | Role | Enrollment]


#: Roles before users: of a guardian more is read than of others.
FILES = (
    File("orgs.csv", parse_org, "schools", "sourcedId", Org),
    File("classes.csv", parse_class, "classes", "sourcedId", Class),
    File("roles.csv", parse_role, "users", "userSourcedId", Role),
    File("users.csv", parse_user, "users", "sourcedId", User),
    File("enrollments.csv", parse_enrollment, "users", "userSourcedId", Enrollment),
)
