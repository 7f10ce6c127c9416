"""A made-up roster of any size, written as the small one is: ``python -m local_stack.sample_city --help``.

Nothing of it is kept in memory: whoever is the n-th follows from n and the seed, so each file is made by counting. Two
of three students have a guardian whom the school knows.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_stack.sample_roster import (
    FIRST,
    SECOND,
    SURNAMES,
    Guardian,
    Homeroom,
    School,
    Staff,
    Student,
    make_national_id,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Serials of ID numbers, apart from each other and from those of the small roster.
STUDENT_SERIAL, STAFF_SERIAL, GUARDIAN_SERIAL = 1_000_000, 5_000_000, 6_000_000
LEVELS = ("elementary", "elementary", "elementary", "junior_high", "elementary", "senior_high", "vocational_high")
GRADES = {"elementary": (1, 6), "junior_high": (7, 9), "senior_high": (10, 12), "vocational_high": (10, 12)}
NAMES = {"elementary": "國小", "junior_high": "國中", "senior_high": "高中", "vocational_high": "高職"}
DIGITS = "〇一二三四五六七八九十"


@dataclass(frozen=True, slots=True)
class City:
    """How many of each; ``seed`` names its people. Teachers without a class, and an administrator for each school."""

    student_count: int = 300_000
    class_count: int = 12_000
    teacher_count: int = 20_000
    school_count: int = 400
    seed: int = 1

    @property
    def schools(self) -> Iterable[School]:
        """The schools."""
        return map(self._school, range(self.school_count))

    @property
    def homerooms(self) -> Iterable[Homeroom]:
        """The classes, spread over the schools."""
        return map(self._homeroom, range(self.class_count))

    @property
    def staff(self) -> Iterator[Staff]:
        """The administrators of the schools, then the teachers, of whom the first have a class."""
        for number in range(self.school_count):
            yield self._staff(f"admin-{number:05}", "administrator", self._school(number), self.teacher_count + number)
        yield from map(self._teacher, range(self.teacher_count))

    @property
    def students(self) -> Iterable[Student]:
        """The students, spread over the classes."""
        return map(self._student, range(self.student_count))

    @property
    def guardians(self) -> Iterator[Guardian]:
        """One for each student who has any."""
        for number in range(self.student_count):
            if self._has_guardian(number):
                yield self._guardian(number)

    def guardians_of(self, student: Student) -> Iterable[str]:
        """The ids of a student's guardians."""
        number = int(student.id.rpartition("-")[2])
        return [f"guardian-{number:07}"] if self._has_guardian(number) else []

    def _has_guardian(self, number: int) -> bool:
        return number % 3 != self.seed % 3

    def _school(self, number: int) -> School:
        level = LEVELS[number % len(LEVELS)]
        return School(f"school-{number:05}", f"98{number:04}", f"市立第{number + 1}{NAMES[level]}", level)

    def _homeroom(self, number: int) -> Homeroom:
        school = self._school(number % self.school_count)
        place = number // self.school_count
        lowest, highest = GRADES[school.level]
        grade = lowest + place % (highest - lowest + 1)
        title = f"{DIGITS[grade - lowest + 1]}年{place // (highest - lowest + 1) + 1}班"
        return Homeroom(f"class-{number:06}", title, grade, school, self._teacher(number % self.teacher_count))

    def _teacher(self, number: int) -> Staff:
        school = self._school(number % self.class_count % self.school_count)
        return self._staff(f"teacher-{number:06}", "teacher", school, number)

    def _staff(self, id_: str, role: str, school: School, number: int) -> Staff:
        national_id = make_national_id("12"[number % 2], STAFF_SERIAL + number)
        return Staff(id_, id_.replace("-", ""), *self._name(STAFF_SERIAL + number), role, school, national_id)

    def _student(self, number: int) -> Student:
        homeroom = self._homeroom(number % self.class_count)
        national_id = make_national_id("12"[number % 2], STUDENT_SERIAL + number)
        return Student(f"student-{number:07}", *self._name(STUDENT_SERIAL + number), national_id, homeroom)

    def _guardian(self, number: int) -> Guardian:
        child = self._student(number)
        national_id = make_national_id("21"[number % 2], GUARDIAN_SERIAL + number) if number % 5 else ""
        email, phone = (
            f"parent{number}@home.example",
            f"09{number % 80:02}-{number % 1000:03}-{number // 1000 % 1000:03}",
        )
        family, given = self._name(GUARDIAN_SERIAL + number)
        return Guardian(f"guardian-{number:07}", family, given, "parent", national_id, email, phone, (child,))

    def _name(self, number: int) -> tuple[str, str]:
        """A family and a given name, the same ones for the same number and seed."""
        # Knuth's multiplicative hash: neighbours get different names.
        chance = (number + self.seed) * 2_654_435_761 % 2**32
        family, rest = SURNAMES[chance % len(SURNAMES)], chance // len(SURNAMES)
        return family, FIRST[rest % len(FIRST)] + SECOND[rest // len(FIRST) % len(SECOND)]


def main() -> None:
    """Write a city to a folder or zip file."""
    parser = argparse.ArgumentParser(prog="local_stack.sample_city", description="Write a made-up OneRoster export.")
    parser.add_argument("path", type=Path, help="a folder, or a file that ends in .zip")
    for name in ("students", "classes", "teachers", "schools"):
        default = getattr(City(), f"{name.removesuffix('es') if name == 'classes' else name[:-1]}_count")
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--seed", type=int, default=1, help="another seed names other people")
    chosen = parser.parse_args()
    city = City(chosen.students, chosen.classes, chosen.teachers, chosen.schools, chosen.seed)
    write(city, chosen.path)


if __name__ == "__main__":
    main()
