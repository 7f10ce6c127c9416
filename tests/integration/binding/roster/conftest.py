"""An empty database for each test, and a small roster to write, change and write again."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from binding_service.context import Keys
from binding_service.id_numbers import check_digit
from binding_service.roster.importing import Roster
from shared.database import Database
from shared.sealing import HashKeys, SealingKeys
from support.databases import fresh_databases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from local_stack.servers import Servers


def national_id(number: int) -> str:
    """The ``number``-th valid national ID of the tests."""
    first_nine = f"R2{7_000_000 + number:07}"
    return first_nine + check_digit(first_nine)


@pytest.fixture(scope="session")
def dsn(servers: Servers, template: str) -> Iterator[str]:
    """One database for all tests of the roster: see ``database``."""
    with fresh_databases(servers.postgres, template) as fresh:
        yield fresh.binding


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """The roster's tables, empty. Emptying them took a third of the time of a database each."""
    database = Database(dsn, pool_size=4)
    await database.open()
    yield database
    await database.pool.execute("ALTER TABLE students DROP CONSTRAINT IF EXISTS refuse")
    await database.pool.execute(
        "TRUNCATE roster_orgs, roster_classes, roster_users, roster_roles, roster_enrollments, roster_pushes,"
        " roster_imports, guardians, students, teachers, classes, schools, outbox RESTART IDENTITY CASCADE"
    )
    await database.close()


@pytest.fixture
def roster(database: Database) -> Roster:
    keys = SealingKeys({"r1": b"r" * 32})
    return Roster(
        database,
        Keys(
            store=SealingKeys({"s1": b"s" * 32}),
            hashes=HashKeys({"h1": b"h" * 32}),
            to_otp=keys,
            to_review=keys,
            from_review=keys,
            to_notify=keys,
        ),
    )


@dataclass
class Export:
    """A school system's export: rows by file, of which a test changes what it is about."""

    folder: Path
    files: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def add(self, file: str, **fields: str) -> dict[str, str]:
        """One more row; blank status and date, as in bulk files."""
        row = {name.replace("__", "."): value for name, value in fields.items()}
        self.files.setdefault(f"{file}.csv", []).append(row)
        return row

    def find(self, file: str, **fields: str) -> dict[str, str]:
        """The row that has these fields."""
        return next(row for row in self.files[f"{file}.csv"] if fields.items() <= row.items())

    def line(self, file: str, row: dict[str, str]) -> int:
        """The number of the line in which the row stands."""
        return next(n for n, each in enumerate(self.files[f"{file}.csv"], start=2) if each is row)

    def remove(self, file: str, **fields: str) -> None:
        """Take the row that has these fields out."""
        self.files[f"{file}.csv"].remove(self.find(file, **fields))

    def school(self, id_: str, name: str, **more: str) -> dict[str, str]:
        """A school with a code of its own."""
        return self.add("orgs", sourcedId=id_, name=name, type="school", identifier=f"19{id_}", **more)

    def homeroom(self, id_: str, title: str, school: str, grades: str) -> dict[str, str]:
        """A homeroom class."""
        return self.add(
            "classes", sourcedId=id_, title=title, grades=grades, classType="homeroom", schoolSourcedId=school
        )

    def user(self, id_: str, name: str, number: str = "", email: str = "", **more: str) -> dict[str, str]:
        """A person; the name is a family name of one character and a given name."""
        ids = f"{{TWID:{number}}}" if number else ""
        names = {"familyName": name[0], "givenName": name[1:]}
        return self.add("users", sourcedId=id_, userIds=ids, **names, email=email, status="", **more)

    def role(self, user: str, role: str, org: str, role_type: str = "primary") -> dict[str, str]:
        """What a person is, and where."""
        return self.add("roles", userSourcedId=user, roleType=role_type, role=role, orgSourcedId=org, endDate="")

    def enroll(self, user: str, class_: str, role: str, primary: str = "") -> dict[str, str]:
        """A person's place in a class."""
        return self.add(
            "enrollments", classSourcedId=class_, userSourcedId=user, role=role, primary=primary, endDate=""
        )

    def teacher(self, id_: str, name: str, school: str, *classes: str, role: str = "teacher") -> None:
        """One of the staff, with a role and homeroom classes."""
        self.user(id_, name, email=f"{id_}@school.example")
        self.role(id_, role, school)
        for class_ in classes:
            self.enroll(id_, class_, "teacher", "true")

    def student(self, id_: str, name: str, number: str, school: str, class_: str) -> None:
        """A student with a role and a homeroom class."""
        self.user(id_, name, number)
        self.role(id_, "student", school)
        self.enroll(id_, class_, "student")

    def guardian(self, id_: str, name: str, number: str, *students: str, role: str = "parent", **more: str) -> None:
        """A guardian of students, who name it."""
        self.user(id_, name, number, **more)
        self.role(id_, role, "")
        for student in students:
            row = self.find("users", sourcedId=student)
            row["agentSourcedIds"] = ",".join(filter(None, [row.get("agentSourcedIds", ""), id_]))

    def write(self, *, bom: bool = False) -> Path:
        """Write the folder anew."""
        self.folder.mkdir(exist_ok=True)
        for name in self.files:
            text = ("\ufeff" if bom else "") + self.text(name)
            (self.folder / name).write_text(text, encoding="utf-8", newline="")
        return self.folder

    def zip(self) -> Path:
        """Write a zip file."""
        path = self.folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in self.files:
                archive.writestr(name, self.text(name))
        return path

    def text(self, name: str) -> str:
        """A file's text."""
        text = io.StringIO(newline="")
        columns = list(dict.fromkeys(column for row in self.files[name] for column in row))
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(self.files[name])
        return text.getvalue()


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Two schools, three homeroom classes, four of staff, four students, a father; a district and a subject's class."""
    it = Export(tmp_path / "export")
    it.add("manifest", propertyName="oneroster.version", value="1.2")
    it.add("manifest", propertyName="file.users", value="bulk")
    it.add("orgs", sourcedId="D1", name="教育局", type="district", identifier="D")
    it.school("S1", "中正國小")
    it.school("S2", "海山高工", metadata__tw__level="vocational_high")
    it.homeroom("C1", "三年一班", "S1", "03")
    it.homeroom("C2", "三年二班", "S1", "03")
    it.homeroom("C3", "機械一甲", "S2", "10")
    it.add("classes", sourcedId="C9", title="數學", grades="03", classType="scheduled", schoolSourcedId="S1")
    it.teacher("T1", "陳怡君", "S1", "C1")
    it.teacher("T2", "林志明", "S1", "C2")
    it.teacher("T3", "黃淑芬", "S2", "C3")
    it.teacher("A1", "張校長", "S1", role="principal")
    it.student("P1", "王小明", national_id(1), "S1", "C1")
    it.student("P2", "李小美", national_id(2), "S1", "C1")
    it.student("P3", "吳大同", national_id(3), "S1", "C2")
    it.student("P4", "周子瑜", national_id(4), "S2", "C3")
    it.enroll("P1", "C9", "student")
    it.guardian("G1", "王大明", national_id(90), "P1", email="Ming@example.org", sms="0912-345-678")
    return it
