"""A made-up roster: twelve schools of four levels, 200 students, their teachers, a few parents; the same at every run.

Written as OneRoster 1.2 CSV (https://www.imsglobal.org/spec/oneroster/v1p2/bind/csv). The ID numbers are valid but
nobody's: they begin with Y, which stood for the administration of Yangmingshan and has not been given out since 1975,
and with a serial that it never reached.
"""

from __future__ import annotations

import csv
import io
import random
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

SEED = 20_260_901
STUDENTS_PER_CLASS = 8
FIRST_SERIAL = 9_990_001
LETTER, LETTER_VALUE = "Y", 31
FIRST_STAFF_SERIAL = 9_991_001
FIRST_GUARDIAN_SERIAL = 9_992_001
SESSION_ID = "2026"
DOMAIN = "school.example"

SURNAMES = "陳林黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴徐周葉蘇莊呂江何蕭羅高"
FIRST = "宇承品柏冠子睿詠芷思雅筱怡郁佳安育廷家彥俊語心沛禹恩采可昱"
SECOND = "軒恩妍霖翰晴涵瑄喬綸彤潔廷蓁瑜澤勳柔芸叡昕萱倫穎琪嘉諺甯岑樂"


@dataclass(frozen=True, slots=True)
class School:
    """A school; ``code`` is what the ministry would call it."""

    id: str
    code: str
    name: str
    level: str


@dataclass(frozen=True, slots=True)
class Staff:
    """A homeroom teacher or a school's administrator."""

    id: str
    username: str
    family: str
    given: str
    role: str
    school: School
    national_id: str

    @property
    def name(self) -> str:
        """The name as it is written."""
        return self.family + self.given

    @property
    def email(self) -> str:
        """An address that never leads anywhere (RFC 2606)."""
        return f"{self.username}@{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Homeroom:
    """A class with its teacher."""

    id: str
    title: str
    grade: int
    school: School
    teacher: Staff


@dataclass(frozen=True, slots=True)
class Student:
    """A child, with an ID number that is valid."""

    id: str
    family: str
    given: str
    national_id: str
    homeroom: Homeroom

    @property
    def name(self) -> str:
        """The name as it is written."""
        return self.family + self.given


@dataclass(frozen=True, slots=True)
class Guardian:
    """A parent whom the school knows, of some of its students; ``national_id`` may be empty."""

    id: str
    family: str
    given: str
    role: str
    national_id: str
    email: str
    phone: str
    students: tuple[Student, ...]

    @property
    def name(self) -> str:
        """The name as it is written."""
        return self.family + self.given


class Rows(Protocol):
    """What is written: each of them may be gone through several times, and need not be in memory."""

    @property
    def schools(self) -> Iterable[School]:
        """The schools."""

    @property
    def homerooms(self) -> Iterable[Homeroom]:
        """The classes."""

    @property
    def staff(self) -> Iterable[Staff]:
        """Teachers and administrators."""

    @property
    def students(self) -> Iterable[Student]:
        """The students."""

    @property
    def guardians(self) -> Iterable[Guardian]:
        """The parents whom the schools know."""

    def guardians_of(self, student: Student) -> Iterable[str]:
        """The ids of a student's guardians."""


@dataclass(frozen=True, slots=True)
class Roster:
    """All of it."""

    schools: list[School]
    homerooms: list[Homeroom]
    staff: list[Staff]
    students: list[Student]
    guardians: list[Guardian]

    def guardians_of(self, student: Student) -> Iterable[str]:
        """The ids of a student's guardians."""
        return [guardian.id for guardian in self.guardians if student in guardian.students]

    @property
    def teacher_who_is_parent(self) -> tuple[Staff, Guardian]:
        """A homeroom teacher with a child in the very class, and the same person as the child's guardian."""
        return next(
            (person, guardian)
            for guardian in self.guardians
            for person in self.staff
            if person.national_id == guardian.national_id
        )


#: Name, level, and the classes: title and grade (1 to 12).
SCHOOLS: list[tuple[str, str, list[tuple[str, int]]]] = [
    ("市立內湖國小", "elementary", [("五年一班", 5), ("五年二班", 5), ("三年一班", 3)]),
    ("市立金華國小", "elementary", [("二年一班", 2), ("六年一班", 6)]),
    ("市立中正國小", "elementary", [("一年一班", 1), ("四年三班", 4)]),
    ("市立文心國小", "elementary", [("三年二班", 3), ("五年四班", 5)]),
    ("市立青埔國小", "elementary", [("一年二班", 1), ("六年二班", 6)]),
    ("市立松江國中", "junior_high", [("七年一班", 7), ("八年二班", 8)]),
    ("市立和平國中", "junior_high", [("七年三班", 7), ("九年一班", 9)]),
    ("市立海山國中", "junior_high", [("八年一班", 8), ("九年二班", 9)]),
    ("市立明德高中", "senior_high", [("一年一班", 10), ("二年三班", 11)]),
    ("市立崇文高中", "senior_high", [("一年二班", 10), ("三年一班", 12)]),
    ("市立東港高職", "vocational_high", [("資訊一甲", 10), ("餐飲二甲", 11)]),
    ("市立大安高職", "vocational_high", [("電機一乙", 10), ("商經三甲", 12)]),
]


def make_roster() -> Roster:
    """The roster, made from a fixed seed."""
    chance = random.Random(SEED)  # noqa: S311 - made-up people, the same ones each time
    serials, staff_serials = count(FIRST_SERIAL), count(FIRST_STAFF_SERIAL)
    roster = Roster([], [], [], [], [])

    def staff(id_: str, role: str, school: School) -> Staff:
        number = make_national_id("2", next(staff_serials))
        return Staff(id_, id_.replace("-", ""), *_name(chance), role, school, number)

    for number, (name, level, classes) in enumerate(SCHOOLS, start=1):
        school = School(f"school-{number:02}", f"99{number:04}", name, level)
        roster.schools.append(school)
        roster.staff.append(staff(f"admin-{number:02}", "administrator", school))
        for class_number, (title, grade) in enumerate(classes, start=1):
            label = f"{number:02}{class_number:02}"
            teacher = staff(f"teacher-{label}", "teacher", school)
            homeroom = Homeroom(f"class-{label}", title, grade, school, teacher)
            roster.staff.append(teacher)
            roster.homerooms.append(homeroom)
            roster.students.extend(_students(chance, serials, homeroom, label))
    roster.guardians.extend(_guardians(roster))
    return roster


def _guardians(roster: Roster) -> Iterator[Guardian]:
    """Both parents of the first child, one without an ID number, and the first class's teacher as a mother in it."""
    first, second, third = roster.students[:3]
    other = next(student for student in roster.students if student.homeroom.school != first.homeroom.school)
    serials = count(FIRST_GUARDIAN_SERIAL)
    for number, (family, given, sex, students) in enumerate(
        [("林", "美惠", "2", (first,)), (first.family, "志強", "1", (first, other))], start=1
    ):
        yield _guardian(number, family, given, make_national_id(sex, next(serials)), *students)
    yield _guardian(3, "許", "雅文", "", second)
    teacher = first.homeroom.teacher
    yield _guardian(4, teacher.family, teacher.given, teacher.national_id, third)


def _guardian(number: int, family: str, given: str, national_id: str, *students: Student) -> Guardian:
    email, phone = f"parent{number}@home.example", f"0900-000-{number:03}"
    return Guardian(f"guardian-{number:02}", family, given, "parent", national_id, email, phone, students)


def _students(chance: random.Random, serials: count[int], homeroom: Homeroom, label: str) -> Iterator[Student]:
    for number in range(1, STUDENTS_PER_CLASS + 1):
        national_id = make_national_id(chance.choice("12"), next(serials))
        yield Student(f"student-{label}{number:02}", *_name(chance), national_id, homeroom)


def _name(chance: random.Random) -> tuple[str, str]:
    return chance.choice(SURNAMES), chance.choice(FIRST) + chance.choice(SECOND)


def make_national_id(sex: str, serial: int) -> str:
    """A national ID number with its check digit (the rule is in binding's id_numbers)."""
    digits = f"{sex}{serial:07}"
    total = LETTER_VALUE // 10 + LETTER_VALUE % 10 * 9
    total += sum(int(digit) * weight for digit, weight in zip(digits, range(8, 0, -1), strict=True))
    return f"{LETTER}{digits}{-total % 10}"


def write(roster: Rows, path: Path) -> None:
    """Write the roster as OneRoster 1.2 CSV files: to a zip file where the path ends so, else to a folder."""
    tables: dict[str, Iterable[dict[str, str]]] = {
        "orgs": _orgs(roster),
        "academicSessions": _academic_sessions(),
        "courses": _courses(roster),
        "classes": _classes(roster),
        "users": _users(roster),
        "roles": _roles(roster),
        "enrollments": _enrollments(roster),
    }
    with _opener(path) as opened:
        for name, rows in {"manifest": _manifest(list(tables)), **tables}.items():
            with opened(f"{name}.csv") as output:
                _write_table(output, rows)


@contextmanager
def _opener(path: Path) -> Iterator[Callable[[str], io.TextIOWrapper]]:
    """What opens the files to write, one after the other."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            yield lambda name: io.TextIOWrapper(archive.open(name, "w"), encoding="utf-8", newline="")
    else:
        path.mkdir(parents=True, exist_ok=True)
        yield lambda name: (path / name).open("w", encoding="utf-8", newline="")


def _write_table(output: io.TextIOWrapper, rows: Iterable[dict[str, str]]) -> None:
    rows = iter(rows)
    first = next(rows)
    writer = csv.DictWriter(output, list(first))
    writer.writeheader()
    writer.writerows(chain([first], rows))


def _manifest(bulk: list[str]) -> list[dict[str, str]]:
    properties = {
        "manifest.version": "1.0",
        "oneroster.version": "1.2",
        **{f"file.{name}": "bulk" for name in bulk},
        **{f"file.{name}": "absent" for name in ("demographics", "resources", "userProfiles", "lineItems", "results")},
        "source.systemName": "Kinbind sample roster",
        "source.systemCode": "sample",
    }
    return [{"propertyName": name, "value": value} for name, value in properties.items()]


def _row(sourced_id: str, **fields: str) -> dict[str, str]:
    """A row of a bulk file: status and dateLastModified are blank there."""
    return {"sourcedId": sourced_id, "status": "", "dateLastModified": "", **fields}


def _orgs(roster: Rows) -> Iterator[dict[str, str]]:
    return (
        _row(
            school.id,
            name=school.name,
            type="school",
            identifier=school.code,
            parentSourcedId="",
            **{"metadata.tw.level": school.level},
        )
        for school in roster.schools
    )


def _academic_sessions() -> list[dict[str, str]]:
    dates = {"startDate": "2026-08-01", "endDate": "2027-07-31", "schoolYear": "2027"}
    return [_row(SESSION_ID, title="115 學年度", type="schoolYear", parentSourcedId="", **dates)]


def _courses(roster: Rows) -> Iterator[dict[str, str]]:
    return (
        _row(
            f"course-{school.id}",
            schoolYearSourcedId=SESSION_ID,
            title="導師時間",
            courseCode="HOMEROOM",
            grades="",
            orgSourcedId=school.id,
            subjects="",
            subjectCodes="",
        )
        for school in roster.schools
    )


def _classes(roster: Rows) -> Iterator[dict[str, str]]:
    return (
        _row(
            homeroom.id,
            title=homeroom.title,
            grades=f"{homeroom.grade:02}",
            courseSourcedId=f"course-{homeroom.school.id}",
            classCode="",
            classType="homeroom",
            location="",
            schoolSourcedId=homeroom.school.id,
            termSourcedIds=SESSION_ID,
            subjects="",
            subjectCodes="",
            periods="",
        )
        for homeroom in roster.homerooms
    )


def _users(roster: Rows) -> Iterator[dict[str, str]]:
    staff = (
        _user(
            person.id,
            person.username,
            person.family,
            person.given,
            email=person.email,
            national_id=person.national_id,
            org=person.school.id,
        )
        for person in roster.staff
    )
    guardians = (
        _user(
            person.id,
            person.id,
            person.family,
            person.given,
            email=person.email,
            national_id=person.national_id,
            sms=person.phone,
            org=person.students[0].homeroom.school.id,
        )
        for person in roster.guardians
    )
    students = (
        _user(
            student.id,
            student.id,
            student.family,
            student.given,
            national_id=student.national_id,
            grade=f"{student.homeroom.grade:02}",
            agents=",".join(roster.guardians_of(student)),
            org=student.homeroom.school.id,
        )
        for student in roster.students
    )
    return chain(staff, guardians, students)


def _user(
    sourced_id: str,
    username: str,
    family: str,
    given: str,
    *,
    org: str,
    email: str = "",
    national_id: str = "",
    sms: str = "",
    grade: str = "",
    agents: str = "",
) -> dict[str, str]:
    return _row(
        sourced_id,
        enabledUser="true",
        username=username,
        userIds=f"{{TWID:{national_id}}}" if national_id else "",
        givenName=given,
        familyName=family,
        middleName="",
        identifier="",
        email=email,
        sms=sms,
        phone="",
        agentSourcedIds=agents,
        grades=grade,
        password="",
        userMasterIdentifier="",
        resourceSourcedIds="",
        preferredGivenName="",
        preferredMiddleName="",
        preferredFamilyName="",
        primaryOrgSourcedId=org,
        pronouns="",
    )


def _roles(roster: Rows) -> Iterator[dict[str, str]]:
    people = chain(
        ((person.id, person.role, person.school) for person in roster.staff),
        ((student.id, "student", student.homeroom.school) for student in roster.students),
        ((person.id, person.role, person.students[0].homeroom.school) for person in roster.guardians),
    )
    return (
        _row(
            f"role-{sourced_id}",
            userSourcedId=sourced_id,
            roleType="primary",
            role=role,
            beginDate="",
            endDate="",
            orgSourcedId=school.id,
            userProfileSourcedId="",
        )
        for sourced_id, role, school in people
    )


def _enrollments(roster: Rows) -> Iterator[dict[str, str]]:
    places = chain(
        ((homeroom.teacher.id, "teacher", "true", homeroom) for homeroom in roster.homerooms),
        ((student.id, "student", "", student.homeroom) for student in roster.students),
    )
    return (
        _row(
            f"enrollment-{sourced_id}",
            classSourcedId=homeroom.id,
            schoolSourcedId=homeroom.school.id,
            userSourcedId=sourced_id,
            role=role,
            primary=primary,
            beginDate="",
            endDate="",
        )
        for sourced_id, role, primary, homeroom in places
    )
