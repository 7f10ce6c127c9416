from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from binding_service.id_numbers import check_digit
from binding_service.roster import storage
from binding_service.roster.domain import BadLine, Choices, Counts, Report
from binding_service.roster.errors import ImportUnderWayError, UnreadableRosterError
from binding_service.roster.guardians import ShownGuardian
from binding_service.roster.importing import Roster, import_roster, replay
from shared.events import ClassRosterUpdated, StudentsForReview, TeacherForReview, TeacherUpdated

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.database import Database

    Export = Any  # the factory in conftest.py

NOTHING_IN = {"new": 0, "changed": 0, "removed": 0, "held": 0}


def national_id(number: int) -> str:
    first_nine = f"R2{7_000_000 + number:07}"
    return first_nine + check_digit(first_nine)


def counts(**of: int) -> Counts:
    return Counts(**{"unchanged": 0, **NOTHING_IN, **of})


async def rows(database: Database, table: str) -> dict[str, dict[str, Any]]:
    async with database.connection() as connection:
        return {row["id"]: dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")}  # noqa: S608 - a test's


async def all_events(database: Database) -> list[dict[str, Any]]:
    """What stands in the outbox, which is emptied."""
    async with database.connection() as connection:
        bodies = await connection.fetch("DELETE FROM outbox RETURNING body")
    return sorted((json.loads(row["body"]) for row in bodies), key=lambda event: (event["subject"], event["type"]))


async def events(database: Database) -> list[dict[str, Any]]:
    """The same but for who is in a class."""
    return [event for event in await all_events(database) if event["type"] != ClassRosterUpdated.TYPE]


async def class_rosters(roster: Roster) -> dict[str, tuple[int, str, list[str]]]:
    """What was told of who is in a class, by class: revision, school and names."""
    told = {}
    for body in await all_events(roster.database):
        if body["type"] == ClassRosterUpdated.TYPE:
            event = ClassRosterUpdated.model_validate(body)
            place = event.place("for_review")
            part = roster.to_review.unseal_model(StudentsForReview, event.data.for_review, place)
            assert event.subject not in told, "told twice"
            names = [student.name for student in part.students]
            told[event.subject] = (event.data.revision, event.data.school_id, names)
    return told


async def everything(database: Database) -> dict[str, dict[str, dict[str, Any]]]:
    return {table.name: await rows(database, table.name) for table in storage.TABLES}


async def test_a_first_import_brings_schools_classes_staff_and_students(roster: Roster, export: Export):
    report = await import_roster(roster, export.write())

    assert report.bad_lines == []
    assert {name: counted.new for name, counted in report.counts.items()} == {
        "schools": 2,
        "classes": 3,
        "teachers": 4,
        "students": 4,
        "guardians": 1,
    }
    schools = await rows(roster.database, "schools")
    assert {id_: (row["code"], row["name"], row["level"]) for id_, row in schools.items()} == {
        "S1": ("19S1", "中正國小", "elementary"),
        "S2": ("19S2", "海山高工", "vocational_high"),
    }
    classes = await rows(roster.database, "classes")
    assert {id_: (row["school_id"], row["name"], row["teacher_ids"]) for id_, row in classes.items()} == {
        "C1": ("S1", "三年一班", ["T1"]),
        "C2": ("S1", "三年二班", ["T2"]),
        "C3": ("S2", "機械一甲", ["T3"]),
    }
    staff = await rows(roster.database, "teachers")
    assert {id_: (row["school_id"], row["role"], row["name"], row["email"]) for id_, row in staff.items()} == {
        "T1": ("S1", "teacher", "陳怡君", "t1@school.example"),
        "T2": ("S1", "teacher", "林志明", "t2@school.example"),
        "T3": ("S2", "teacher", "黃淑芬", "t3@school.example"),
        "A1": ("S1", "administrator", "張校長", "a1@school.example"),
    }
    students = await rows(roster.database, "students")
    assert {id_: (row["school_id"], row["class_id"], row["name"]) for id_, row in students.items()} == {
        "P1": ("S1", "C1", "王小明"),
        "P2": ("S1", "C1", "李小美"),
        "P3": ("S1", "C2", "吳大同"),
        "P4": ("S2", "C3", "周子瑜"),
    }
    assert all(row["active"] and row["revision"] == report.revision for row in students.values())


async def test_a_student_is_found_by_the_hash_and_the_id_number_opens_at_its_place(roster: Roster, export: Export):
    await import_roster(roster, export.write())

    student = (await rows(roster.database, "students"))["P1"]
    assert student["national_id_hash"] == roster.hashes.digest("national-id", national_id(1))
    assert roster.store.unseal(student["national_id_sealed"], "students:P1:national_id") == national_id(1)


async def test_schools_classes_and_staff_are_told_and_students_only_by_their_classes(roster: Roster, export: Export):
    report = await import_roster(roster, export.write())

    told = await events(roster.database)
    assert [event["subject"] for event in told] == ["A1", "C1", "C2", "C3", "S1", "S2", "T1", "T2", "T3"]
    assert {event["data"]["revision"] for event in told} == {report.revision}
    by_subject = {event["subject"]: event for event in told}
    assert by_subject["S1"]["data"] == {
        "revision": report.revision,
        "code": "19S1",
        "name": "中正國小",
        "level": "elementary",
        "active": True,
    }
    teacher = TeacherUpdated.model_validate(by_subject["T1"])
    assert "陳怡君" not in json.dumps(by_subject["T1"], ensure_ascii=False)
    assert roster.to_review.unseal_model(
        TeacherForReview, teacher.data.for_review, teacher.place("for_review")
    ) == TeacherForReview(name="陳怡君", email="t1@school.example")


async def test_the_report_is_kept_with_its_revision(roster: Roster, export: Export):
    report = await import_roster(roster, export.write())

    async with roster.database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM roster_imports")
    assert row is not None
    assert (row["revision"], row["report"]) == (report.revision, report.as_json())
    assert row["finished_at"] >= row["started_at"]


async def test_importing_again_unchanged_changes_nothing_and_tells_nothing(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    before, _ = await everything(roster.database), await events(roster.database)

    report = await import_roster(roster, export.write())

    assert report.counts == {
        "schools": counts(unchanged=2),
        "classes": counts(unchanged=3),
        "teachers": counts(unchanged=4),
        "students": counts(unchanged=4),
        "guardians": counts(unchanged=1),
    }
    assert await everything(roster.database) == before
    assert await all_events(roster.database) == []


async def test_a_renamed_school_alone_gets_the_new_revision_and_an_event(roster: Roster, export: Export):
    first = await import_roster(roster, export.write())
    await events(roster.database)
    export.find("orgs", sourcedId="S1")["name"] = "中正國民小學"

    second = await import_roster(roster, export.write())

    assert second.counts["schools"] == counts(changed=1, unchanged=1)
    schools = await rows(roster.database, "schools")
    assert (schools["S1"]["revision"], schools["S2"]["revision"]) == (second.revision, first.revision)
    assert [(event["subject"], event["data"]["name"]) for event in await events(roster.database)] == [
        ("S1", "中正國民小學")
    ]


async def test_a_class_with_a_new_homeroom_teacher_is_told(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    await events(roster.database)
    export.find("enrollments", userSourcedId="T1")["primary"] = "false"
    export.enroll("T2", "C1", "teacher", "true")

    report = await import_roster(roster, export.write())

    assert report.counts["classes"] == counts(changed=1, unchanged=2)
    assert [(event["subject"], event["data"]["teacher_ids"]) for event in await events(roster.database)] == [
        ("C1", ["T2"])
    ]


async def test_a_student_who_moved_is_in_the_new_class_and_school(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    await events(roster.database)
    export.find("enrollments", userSourcedId="P3")["classSourcedId"] = "C3"

    report = await import_roster(roster, export.write())

    assert report.counts["students"] == counts(changed=1, unchanged=3)
    student = (await rows(roster.database, "students"))["P3"]
    assert (student["school_id"], student["class_id"], student["revision"]) == ("S2", "C3", report.revision)
    assert await events(roster.database) == []


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda it: it.remove("users", sourcedId="P2"), id="with the user"),
        pytest.param(lambda it: it.find("enrollments", userSourcedId="P2").update(endDate="2020-01-31"), id="by date"),
        pytest.param(lambda it: it.find("users", sourcedId="P2").update(status="tobedeleted"), id="by status"),
    ],
)
async def test_a_student_who_left_is_inactive_and_may_come_back(
    roster: Roster, export: Export, leave: Callable[[Export], None]
):
    await import_roster(roster, export.write())
    before = (await rows(roster.database, "students"))["P2"]
    files = {name: [dict(row) for row in rows] for name, rows in export.files.items()}
    leave(export)
    if not any(row["sourcedId"] == "P2" and not row["status"] for row in export.files["users.csv"]):
        export.remove("roles", userSourcedId="P2")
        export.remove("enrollments", userSourcedId="P2")

    left = await import_roster(roster, export.write())

    assert left.bad_lines == []
    assert left.counts["students"] == counts(removed=1, unchanged=3)
    gone = (await rows(roster.database, "students"))["P2"]
    assert gone == before | {"active": False, "revision": left.revision}

    export.files = files
    back = await import_roster(roster, export.write())

    assert back.counts["students"] == counts(changed=1, unchanged=3)
    again = (await rows(roster.database, "students"))["P2"]
    assert (again["active"], again["revision"]) == (True, back.revision)


async def test_what_the_export_no_longer_has_becomes_inactive_and_is_told(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    await events(roster.database)
    for file, key in (("orgs", "S2"), ("classes", "C3"), ("users", "T3"), ("users", "P4")):
        export.remove(file, sourcedId=key)
    for key in ("T3", "P4"):
        export.remove("roles", userSourcedId=key)
        export.remove("enrollments", userSourcedId=key)

    report = await import_roster(roster, export.write())

    assert [counted.removed for counted in report.counts.values()] == [1, 1, 1, 1, 0]
    assert [(event["subject"], event["data"]["active"]) for event in await events(roster.database)] == [
        ("C3", False),
        ("S2", False),
        ("T3", False),
    ]


async def test_two_students_may_exchange_their_id_numbers(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    one, two = export.find("users", sourcedId="P1"), export.find("users", sourcedId="P2")
    one["userIds"], two["userIds"] = two["userIds"], one["userIds"]

    report = await import_roster(roster, export.write())

    assert report.counts["students"] == counts(changed=2, unchanged=2)
    students = await rows(roster.database, "students")
    assert roster.store.unseal(students["P1"]["national_id_sealed"], "students:P1:national_id") == national_id(2)


async def test_a_student_with_a_new_id_in_the_export_takes_over_the_number(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    for file, key in (("users", "sourcedId"), ("roles", "userSourcedId"), ("enrollments", "userSourcedId")):
        export.find(file, **{key: "P2"})[key] = "P22"

    report = await import_roster(roster, export.write())

    assert report.counts["students"] == counts(new=1, removed=1, unchanged=3)
    students = await rows(roster.database, "students")
    assert (students["P2"]["active"], students["P22"]["active"]) == (False, True)


async def test_a_national_id_may_stand_in_a_column_of_its_own(roster: Roster, export: Export):
    user = export.find("users", sourcedId="P1")
    user["metadata.tw.nationalId"], user["userIds"] = f" {national_id(1).lower()}", "{Fed:77}"

    await import_roster(roster, export.write())

    student = (await rows(roster.database, "students"))["P1"]
    assert student["national_id_hash"] == roster.hashes.digest("national-id", national_id(1))


async def test_a_byte_order_mark_is_tolerated(roster: Roster, export: Export):
    report = await import_roster(roster, export.write(bom=True))
    assert report.counts["students"] == counts(new=4)


async def test_a_zip_file_is_read_like_a_folder(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    report = await import_roster(roster, export.zip())
    assert report.counts["students"] == counts(unchanged=4)


async def test_a_dry_run_reports_and_leaves_nothing(roster: Roster, export: Export):
    report = await import_roster(roster, export.write(), Choices(dry_run=True))

    assert report.dry_run
    assert report.counts["students"] == counts(new=4)
    assert not any((await everything(roster.database)).values())
    assert await events(roster.database) == []
    async with roster.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM roster_imports") == 0


# --- bad lines ---


def set_field(file: str, key: str, column: str, value: str) -> Callable[[Export], int]:
    """A way to spoil an export: it sets one field and returns the line that is to be reported."""

    def spoil(export: Export) -> int:
        name = "userSourcedId" if file in {"roles", "enrollments"} else "sourcedId"
        row = export.find(file, **{name: key})
        row[column] = value
        return int(export.line(file, row))

    return spoil


def repeat(file: str, key: str) -> Callable[[Export], int]:
    def spoil(export: Export) -> int:
        return int(export.line(file, export.add(file, **export.find(file, sourcedId=key))))

    return spoil


def second_homeroom(export: Export) -> int:
    return int(export.line("enrollments", export.enroll("P2", "C2", "student")))


def two_levels(export: Export) -> int:
    export.find("classes", sourcedId="C1")["grades"] = "07,08"
    return int(export.line("orgs", export.find("orgs", sourcedId="S1")))


def no_homeroom(export: Export) -> int:
    export.remove("enrollments", userSourcedId="P2")
    return int(export.line("users", export.find("users", sourcedId="P2")))


def no_role(export: Export) -> int:
    export.remove("roles", userSourcedId="P2")
    return int(export.line("enrollments", export.find("enrollments", userSourcedId="P2")))


def no_staff_role(export: Export) -> int:
    export.find("roles", userSourcedId="T1")["role"] = "aide"
    return int(export.line("enrollments", export.find("enrollments", userSourcedId="T1")))


BAD = [
    (set_field("orgs", "S1", "name", ""), "orgs.csv", "name", "is empty"),
    (set_field("orgs", "S1", "identifier", " "), "orgs.csv", "identifier", "is empty"),
    (set_field("orgs", "S1", "sourcedId", ""), "orgs.csv", "sourcedId", "is empty"),
    (set_field("orgs", "S1", "name", "校" * 256), "orgs.csv", "name", "is longer than 255 characters"),
    (set_field("orgs", "S1", "name", "中\0正"), "orgs.csv", "", "holds a NUL character"),
    (
        set_field("orgs", "S1", "metadata.tw.level", "university"),
        "orgs.csv",
        "metadata.tw.level",
        "is none of elementary, junior_high, senior_high, vocational_high",
    ),
    (
        two_levels,
        "orgs.csv",
        "metadata.tw.level",
        "is empty, and the grades of its classes tell no single level",
    ),
    (repeat("orgs", "S1"), "orgs.csv", "sourcedId", "is the same as in line 3"),
    (repeat("classes", "C1"), "classes.csv", "sourcedId", "is the same as in line 2"),
    (repeat("users", "P1"), "users.csv", "sourcedId", "is the same as in line 6"),
    (set_field("classes", "C1", "title", ""), "classes.csv", "title", "is empty"),
    (
        set_field("classes", "C1", "schoolSourcedId", "S7"),
        "classes.csv",
        "schoolSourcedId",
        "is not a school in orgs.csv",
    ),
    (
        set_field("classes", "C1", "schoolSourcedId", "D1"),
        "classes.csv",
        "schoolSourcedId",
        "is not a school in orgs.csv",
    ),
    (set_field("users", "P2", "status", "gone"), "users.csv", "status", "is neither active nor tobedeleted"),
    (set_field("users", "P2", "userIds", ""), "users.csv", "userIds", "is empty of an ID number"),
    (set_field("users", "P2", "userIds", "{TWID:R2}"), "users.csv", "userIds", "the ID number's form is wrong"),
    (
        set_field("users", "P2", "userIds", "{TWID:F223456780}"),
        "users.csv",
        "userIds",
        "the ID number's check digit is wrong",
    ),
    (
        set_field("users", "T1", "userIds", "{TWID:F223456780}"),
        "users.csv",
        "userIds",
        "the ID number's check digit is wrong",
    ),
    (
        set_field("users", "P2", "userIds", f"{{TWID:{national_id(1)}}}"),
        "users.csv",
        "userIds",
        "is the same ID number as in line 6",
    ),
    (set_field("users", "T1", "email", "t1 at school"), "users.csv", "email", "is not an e-mail address"),
    (set_field("roles", "P2", "userSourcedId", "P7"), "roles.csv", "userSourcedId", "is not in users.csv"),
    (set_field("roles", "P2", "role", ""), "roles.csv", "role", "is empty"),
    (set_field("roles", "A1", "orgSourcedId", "S7"), "roles.csv", "orgSourcedId", "is not in orgs.csv"),
    (set_field("roles", "A1", "endDate", "soon"), "roles.csv", "endDate", "is not a date like 2027-06-30"),
    (
        set_field("enrollments", "P2", "classSourcedId", "C7"),
        "enrollments.csv",
        "classSourcedId",
        "is not in classes.csv",
    ),
    (set_field("enrollments", "P2", "userSourcedId", "P7"), "enrollments.csv", "userSourcedId", "is not in users.csv"),
    (
        set_field("enrollments", "T1", "userSourcedId", "P2"),
        "enrollments.csv",
        "userSourcedId",
        "is not a teacher of a school in roles.csv",
    ),
    (
        set_field("users", "G1", "userIds", "{TWID:F223456780}"),
        "users.csv",
        "userIds",
        "the ID number's check digit is wrong",
    ),
    (set_field("users", "G1", "email", "ming at home"), "users.csv", "email", "is not an e-mail address"),
    (set_field("users", "G1", "familyName", "x" * 256), "users.csv", "familyName", "is longer than 255 characters"),
    (set_field("roles", "G1", "endDate", "soon"), "roles.csv", "endDate", "is not a date like 2027-06-30"),
    (no_role, "enrollments.csv", "userSourcedId", "is not a student in roles.csv"),
    (no_staff_role, "enrollments.csv", "userSourcedId", "is not a teacher of a school in roles.csv"),
    (second_homeroom, "enrollments.csv", "classSourcedId", "is a second homeroom class, after line 6"),
    (no_homeroom, "users.csv", "sourcedId", "is a student without a homeroom class in enrollments.csv"),
]


@pytest.mark.parametrize(("spoil", "told"), [(spoil, told) for spoil, *told in BAD])
async def test_a_bad_line_is_reported_by_file_line_column_and_reason(
    roster: Roster, export: Export, spoil: Callable[[Export], int], told: list[str]
):
    line = spoil(export)
    file, column, reason = told

    report = await import_roster(roster, export.write())

    assert BadLine(file, line, column, reason) in report.bad_lines
    assert (await rows(roster.database, "students"))["P4"]["active"], "the good rest goes in"


@pytest.mark.parametrize("spoil", [spoil for spoil, *_ in BAD])
async def test_a_bad_line_removes_nobody(roster: Roster, export: Export, spoil: Callable[[Export], int]):
    await import_roster(roster, export.write())
    spoil(export)

    report = await import_roster(roster, export.write())

    assert [counted.removed for counted in report.counts.values()] == [0] * 5


async def test_a_bad_line_alone_is_reported_not_what_hangs_on_the_same_person(roster: Roster, export: Export):
    line = set_field("users", "P2", "userIds", "{TWID:R2}")(export)
    report = await import_roster(roster, export.write())
    assert report.bad_lines == [BadLine("users.csv", line, "userIds", "the ID number's form is wrong")]


async def test_what_refers_to_a_bad_line_is_reported_as_such(roster: Roster, export: Export):
    set_field("orgs", "S2", "name", "")(export)

    report = await import_roster(roster, export.write())

    assert [(bad.file, bad.column, bad.reason) for bad in report.bad_lines] == [
        ("classes.csv", "schoolSourcedId", "refers to a school that was not taken"),
        ("enrollments.csv", "classSourcedId", "refers to a class that was not taken"),
        ("enrollments.csv", "classSourcedId", "refers to a class that was not taken"),
        ("orgs.csv", "name", "is empty"),
        ("roles.csv", "orgSourcedId", "refers to a school that was not taken"),
    ]


async def test_the_rows_of_bad_lines_stay_as_they_were(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    before = await everything(roster.database)
    set_field("orgs", "S2", "name", "")(export)
    set_field("users", "T1", "email", "nowhere")(export)

    report = await import_roster(roster, export.write())

    assert await everything(roster.database) == before
    assert [counted.held for counted in report.counts.values()] == [1, 1, 2, 1, 0]


async def test_the_number_of_a_student_whose_own_line_is_bad_goes_to_nobody_else(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    set_field("enrollments", "P1", "classSourcedId", "C7")(export)
    export.student("P9", "趙小龍", national_id(1), "S1", "C2")
    set_field("users", "P1", "userIds", "{TWID:R2}")(export)
    line = export.line("users", export.find("users", sourcedId="P9"))

    report = await import_roster(roster, export.write())

    reason = "is the ID number of a student whose own line was not taken"
    assert BadLine("users.csv", line, "userIds", reason) in report.bad_lines
    assert "P9" not in await rows(roster.database, "students")


async def test_a_line_without_its_id_keeps_all_rows_of_its_kind(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    set_field("users", "P1", "sourcedId", "")(export)
    export.remove("users", sourcedId="P2")
    export.remove("roles", userSourcedId="P2")
    export.remove("enrollments", userSourcedId="P2")

    report = await import_roster(roster, export.write())

    assert report.counts["students"] == counts(unchanged=2, held=2)


async def test_lines_that_are_no_records_are_reported(roster: Roster, export: Export):
    folder = export.write()
    good = (folder / "users.csv").read_bytes()
    (folder / "users.csv").write_bytes(good + b"U7,too,few\r\n\r\n" + b"U8,{x},\xa4\xfd,a,b@school.example,,,\r\n")

    report = await import_roster(roster, folder)

    last = len(good.splitlines())
    assert report.bad_lines == [
        BadLine("users.csv", last + 1, "", "has 3 fields where the header has 8"),
        BadLine("users.csv", last + 3, "", "is not UTF-8"),
    ]
    assert report.counts["students"] == counts(new=4)


async def test_no_id_number_and_no_name_stands_in_a_report_and_no_number_in_a_table(roster: Roster, export: Export):
    for spoil, *_ in BAD[13:20]:
        spoil(export)
    report = await import_roster(roster, export.write())

    dump = ""
    async with roster.database.connection() as connection:
        for table in ("roster_imports", "schools", "classes", "teachers", "students", "outbox"):
            dump += str([dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")])  # noqa: S608 - a test's
    shown = f"{report}\n{json.dumps(report.as_json(), ensure_ascii=False)}"
    numbers = [national_id(number) for number in (1, 2, 3, 4, 90)]
    assert report.bad_lines
    assert not [number for number in [*numbers, "F223456780"] if number[2:] in dump + shown]
    assert not [name for name in ("王小明", "小明", "李小美", "陳怡君", "P2", "T1") if name in shown]


async def test_more_bad_lines_than_are_listed_are_counted(
    roster: Roster, export: Export, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(storage, "BAD_LINES_LISTED", 2)
    for id_ in ("P1", "P2", "P3"):
        set_field("users", id_, "userIds", "")(export)

    report: Report = await import_roster(roster, export.write())

    assert (report.bad_line_count, len(report.bad_lines)) == (3, 2)
    assert "and 1 more" in str(report)


# --- what stops an import ---


def drop(name: str) -> Callable[[Export], None]:
    return lambda it: (it.folder / name).unlink()


def rewrite(name: str, old: str, new: str) -> Callable[[Export], None]:
    def change(export: Export) -> None:
        path = export.folder / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (drop("roles.csv"), "roles.csv is missing"),
        (rewrite("classes.csv", "classType", "kind"), "classes.csv lacks the column classType"),
        (rewrite("manifest.csv", "1.2", "1.1"), "manifest.csv: oneroster.version must be one of 1.2, 1.2.1"),
        (
            rewrite("manifest.csv", "bulk", "delta"),
            "manifest.csv: users.csv has only changes, and no whole one (bulk) has been imported yet",
        ),
        (
            rewrite("classes.csv", "三年二班", '"三年二班'),
            "classes.csv, line 3: the quotation marks are not those of CSV",
        ),
    ],
)
async def test_a_roster_that_cannot_be_read_changes_nothing_and_says_why(
    roster: Roster, export: Export, spoil: Callable[[Export], None], sentence: str
):
    folder = export.write()
    spoil(export)

    with pytest.raises(UnreadableRosterError) as caught:
        await import_roster(roster, folder)

    assert str(caught.value) == sentence
    assert not any((await everything(roster.database)).values())


async def test_a_path_that_is_no_roster_is_told_apart(roster: Roster, export: Export):
    nowhere = export.folder / "nowhere"
    with pytest.raises(UnreadableRosterError, match="there is no such folder or zip file"):
        await import_roster(roster, nowhere)
    path = export.write() / "orgs.csv"
    with pytest.raises(UnreadableRosterError, match="neither a folder nor a whole zip file"):
        await import_roster(roster, path)


async def test_a_second_import_at_the_same_time_is_turned_away(roster: Roster, export: Export):
    async with roster.database.transaction() as connection:
        assert await storage.lock_imports(connection)
        with pytest.raises(ImportUnderWayError):
            await import_roster(roster, export.write())


# --- replay ---


async def test_a_replay_tells_the_present_state_under_new_event_ids(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    first = await all_events(roster.database)

    assert await replay(roster) == len(first)

    second = await all_events(roster.database)
    assert [event["subject"] for event in second] == [event["subject"] for event in first]
    assert {event["id"] for event in second}.isdisjoint(event["id"] for event in first)
    facts = [[{**event["data"], "for_review": ""} for event in told] for told in (first, second)]
    assert facts[0] == facts[1]


# --- whose roles count ---


async def test_a_role_outside_the_schools_concerns_nobody_here(roster: Roster, export: Export):
    export.user("D9", "督學", email="d9@city.example")
    export.role("D9", "teacher", "D1")

    report = await import_roster(roster, export.write())

    assert report.bad_lines == []
    assert "D9" not in await rows(roster.database, "teachers")


async def test_who_teaches_at_two_schools_belongs_to_the_one_of_the_primary_role(roster: Roster, export: Export):
    export.find("roles", userSourcedId="T1")["roleType"] = "secondary"
    export.role("T1", "teacher", "S2")

    await import_roster(roster, export.write())

    assert (await rows(roster.database, "teachers"))["T1"]["school_id"] == "S2"


async def test_an_address_that_is_none_matters_for_staff_only(roster: Roster, export: Export):
    set_field("users", "P1", "email", "none")(export)
    report = await import_roster(roster, export.write())
    assert report.bad_lines == []
    assert report.counts["students"] == counts(new=4)


# --- guardians ---


async def shown(roster: Roster, id_: str = "G1") -> ShownGuardian:
    row = (await rows(roster.database, "guardians"))[id_]
    return roster.store.unseal_model(ShownGuardian, row["shown_sealed"], f"guardians:{id_}:shown")


async def test_a_guardian_is_kept_by_hashes_that_compare_with_applications_and_shown_masked(
    roster: Roster, export: Export
):
    await import_roster(roster, export.write())

    guardian = (await rows(roster.database, "guardians"))["G1"]
    assert guardian["role"] == "parent"
    assert guardian["national_id_hash"] == roster.hashes.digest("national-id", national_id(90))
    assert guardian["email_hash"] == roster.hashes.digest("contact", "ming@example.org")
    assert guardian["phone_hashes"] == [roster.hashes.digest("contact", "+886912345678")]
    assert await shown(roster) == ShownGuardian(
        name="王大明", email_masked="mi***@example.org", phone_masked="09*****678"
    )
    assert (await rows(roster.database, "students"))["P1"]["guardian_ids"] == ["G1"]
    for secret in ("王大明", "ming@example.org", "912345678", national_id(90)):
        assert secret not in str(guardian)


async def test_a_guardian_may_have_several_children_roles_and_telephones(roster: Roster, export: Export):
    export.guardian("G2", "林美惠", "", "P1", "P4", role="relative", sms="0987-654-321", phone="02-2345-6789")
    export.role("G2", "guardian", "S2", "secondary")

    report = await import_roster(roster, export.write())

    assert report.bad_lines == []
    guardian = (await rows(roster.database, "guardians"))["G2"]
    assert (guardian["role"], guardian["national_id_hash"], guardian["email_hash"]) == ("relative", None, None)
    assert guardian["phone_hashes"] == [
        roster.hashes.digest("contact", phone) for phone in ("+886987654321", "+886223456789")
    ]
    students = await rows(roster.database, "students")
    assert (students["P1"]["guardian_ids"], students["P4"]["guardian_ids"]) == (["G1", "G2"], ["G2"])


async def test_a_contact_that_no_application_can_have_is_left_out_without_a_word(roster: Roster, export: Export):
    export.find("users", sourcedId="G1").update(sms="+1 202 555 0143", phone="2345678", email="")

    report = await import_roster(roster, export.write())

    assert report.bad_lines == []
    guardian = (await rows(roster.database, "guardians"))["G1"]
    assert (guardian["email_hash"], guardian["phone_hashes"]) == (None, [])


@pytest.mark.parametrize(
    ("column", "value"),
    [("familyName", "黃"), ("userIds", ""), ("email", "new@example.org"), ("sms", "0987654321"), ("status", "gone")],
)
async def test_what_changes_of_a_guardian_is_taken_over_and_a_bad_line_changes_nothing(
    roster: Roster, export: Export, column: str, value: str
):
    await import_roster(roster, export.write())
    before = await rows(roster.database, "guardians")
    set_field("users", "G1", column, value)(export)

    report = await import_roster(roster, export.write())

    if column == "status":
        assert report.counts["guardians"] == counts(held=1)
        assert await rows(roster.database, "guardians") == before
    else:
        assert report.counts["guardians"] == counts(changed=1)
        assert (await rows(roster.database, "guardians"))["G1"]["revision"] == report.revision
    assert report.counts["students"] == counts(unchanged=4)


async def test_a_bad_line_of_a_guardian_keeps_neither_the_student_out_nor_the_teacher_who_it_is(
    roster: Roster, export: Export
):
    export.role("T1", "parent", "")
    export.find("users", sourcedId="P2")["agentSourcedIds"] = "T1,G9"
    export.find("users", sourcedId="T1").update(sms="ask the office", phone="x" * 300)
    set_field("users", "G1", "userIds", "{TWID:F223456780}")(export)

    report = await import_roster(roster, export.write())

    assert [line.reason for line in report.bad_lines] == ["the ID number's check digit is wrong"]
    assert report.counts["students"] == counts(new=4)
    assert report.counts["teachers"] == counts(new=4)
    assert set(await rows(roster.database, "guardians")) == {"T1"}


async def test_a_guardians_role_of_nobody_is_reported(roster: Roster, export: Export):
    line = export.line("roles", export.role("G7", "parent", "S1"))

    report = await import_roster(roster, export.write())

    assert report.bad_lines == [BadLine("roles.csv", line, "userSourcedId", "is not in users.csv")]


async def test_a_guardian_whom_the_export_no_longer_has_becomes_inactive(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    export.remove("users", sourcedId="G1")
    export.remove("roles", userSourcedId="G1")
    export.find("users", sourcedId="P1")["agentSourcedIds"] = ""

    report = await import_roster(roster, export.write())

    assert report.counts["guardians"] == counts(removed=1)
    assert not (await rows(roster.database, "guardians"))["G1"]["active"]
    assert (await rows(roster.database, "students"))["P1"]["guardian_ids"] == []


# --- who is in a class ---

C1, C2, C3 = ("S1", ["王小明", "李小美"]), ("S1", ["吳大同"]), ("S2", ["周子瑜"])


async def test_a_first_import_tells_who_is_in_each_class_and_nothing_in_the_clear(roster: Roster, export: Export):
    report = await import_roster(roster, export.write())

    async with roster.database.connection() as connection:
        bodies = await connection.fetchval("SELECT string_agg(body, '') FROM outbox")
    assert "王小明" not in bodies
    assert await class_rosters(roster) == {
        "C1": (report.revision, *C1),
        "C2": (report.revision, *C2),
        "C3": (report.revision, *C3),
    }


async def test_a_student_who_moved_changes_both_classes(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    await all_events(roster.database)
    export.find("enrollments", userSourcedId="P2")["classSourcedId"] = "C3"

    report = await import_roster(roster, export.write())

    assert await class_rosters(roster) == {
        "C1": (report.revision, "S1", ["王小明"]),
        "C3": (report.revision, "S2", ["李小美", "周子瑜"]),
    }


async def test_a_renamed_student_and_one_who_left_change_their_class(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    await all_events(roster.database)
    export.find("users", sourcedId="P1")["givenName"] = "曉明"
    export.find("enrollments", userSourcedId="P3")["endDate"] = "2020-01-31"

    report = await import_roster(roster, export.write())

    assert await class_rosters(roster) == {
        "C1": (report.revision, "S1", ["王曉明", "李小美"]),
        "C2": (report.revision, "S1", []),
    }


async def test_an_inactive_class_has_nobody_in_it_even_where_a_student_was_held(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    await all_events(roster.database)
    export.remove("classes", sourcedId="C2")
    export.remove("enrollments", userSourcedId="T2")
    set_field("users", "P3", "userIds", "")(export)

    report = await import_roster(roster, export.write())

    assert (await rows(roster.database, "students"))["P3"]["active"]
    assert await class_rosters(roster) == {"C2": (report.revision, "S1", [])}


async def test_a_dry_run_tells_of_no_class(roster: Roster, export: Export):
    await import_roster(roster, export.write(), Choices(dry_run=True))
    assert await class_rosters(roster) == {}


async def test_a_replay_tells_active_classes_under_the_revision_of_the_newest_import(roster: Roster, export: Export):
    await import_roster(roster, export.write())
    export.remove("classes", sourcedId="C3")
    export.remove("enrollments", userSourcedId="T3")
    export.remove("enrollments", userSourcedId="P4")
    export.remove("users", sourcedId="P4")
    export.remove("roles", userSourcedId="P4")
    newest = await import_roster(roster, export.write())
    await all_events(roster.database)

    await replay(roster)

    assert await class_rosters(roster) == {"C1": (newest.revision, *C1), "C2": (newest.revision, *C2)}
