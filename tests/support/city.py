"""The sample roster as it changes from one import to the next: who moves, leaves and comes back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from binding_service.roster.domain import Choices
from binding_service.roster.importing import Roster, import_roster
from local_stack import sample_roster
from shared.database import Database
from support.town import Child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from binding_service.roster.domain import Report
    from local_stack.sample_roster import Homeroom, Student
    from support.town import Town

#: Two classes of one school, a class of another one; two children of the first class, and one of another.
CLASS, NEXT_CLASS, FAR_CLASS = "class-0101", "class-0102", "class-0202"
SCHOOL, FAR_SCHOOL = "school-01", "school-02"
MEI, MING, HAN = "student-010101", "student-010102", "student-010201"


@dataclass
class Schools:
    """What the schools will say at the next import."""

    folder: Path
    roster: sample_roster.Roster = field(default_factory=sample_roster.make_roster)

    def write(self) -> Path:
        """The folder, with the roster as it is now."""
        sample_roster.write(self.roster, self.folder)
        return self.folder

    def student(self, id_: str) -> Student:
        """The student of that id."""
        return next(student for student in self.roster.students if student.id == id_)

    def homeroom(self, id_: str) -> Homeroom:
        """The class of that id."""
        return next(homeroom for homeroom in self.roster.homerooms if homeroom.id == id_)

    def move(self, id_: str, class_id: str) -> None:
        """A student changes class."""
        self.change(id_, homeroom=self.homeroom(class_id))

    def change(self, id_: str, **changes: object) -> None:
        """Something else is said of a student."""
        students = self.roster.students
        students[students.index(self.student(id_))] = replace(self.student(id_), **changes)  # type: ignore[arg-type]

    def leave(self, *ids: str) -> list[Student]:
        """Students who are in no school any more."""
        gone = [self.student(id_) for id_ in ids]
        self.roster.students[:] = [student for student in self.roster.students if student not in gone]
        return gone

    def come(self, *students: Student) -> None:
        """They are back."""
        self.roster.students.extend(students)


@dataclass
class City(Schools):
    """Schools whose exports are imported here; ``parts`` is what an import works with."""

    parts: Roster = field(kw_only=True)

    async def tell(self, *, dry_run: bool = False) -> Report:
        """Import the roster as it is now."""
        report = await import_roster(self.parts, self.write(), Choices(dry_run=dry_run))
        assert report.bad_lines == []
        return report

    def child(self, id_: str) -> Child:
        """A student as a parent knows it."""
        student = self.student(id_)
        school = student.homeroom.school
        return Child(student.id, student.name, student.national_id, school.level, school.id)


@asynccontextmanager
async def city_of(town: Town, folder: Path) -> AsyncIterator[City]:
    """The sample roster, imported into a town in the place of its own."""
    database = Database(town.settings.database_url.get_secret_value(), pool_size=2)
    await database.open()
    city = City(folder, parts=Roster(database, town.keys))
    await city.tell()
    yield city
    await database.close()
