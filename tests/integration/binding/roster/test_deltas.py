"""Delta files: an export's changes, one after the other, end where its whole final state does."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

import pytest

from binding_service.id_numbers import check_digit
from binding_service.roster import oneroster, storage
from binding_service.roster.domain import BadLine, Choices, Counts
from binding_service.roster.errors import UnreadableRosterError
from binding_service.roster.importing import Roster, import_roster
from binding_service.roster.oneroster import STAFF_ROLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared.database import Database

    Export = Any  # the factory in conftest.py
    Rows = dict[str, dict[str, dict[str, str]]]

FILES = ("orgs", "classes", "users", "roles", "enrollments")
EMPTY = (
    "TRUNCATE roster_orgs, roster_classes, roster_users, roster_roles, roster_enrollments, roster_imports, guardians,"
    " students, teachers, classes, schools, outbox CASCADE"
)
#: Differ at each writing, or from one path of imports to the other.
NOT_COMPARED = ("revision", "national_id_sealed", "shown_sealed")


@pytest.fixture
def records(export: Export) -> Export:
    """The usual export, each of whose records has an id."""
    for file in ("roles", "enrollments"):
        for number, row in enumerate(export.files[f"{file}.csv"]):
            row["sourcedId"] = f"{file}-{number}"
    for file in FILES:
        for row in export.files[f"{file}.csv"]:
            row.setdefault("status", "")
            row.setdefault("dateLastModified", "")
    return export


def by_id(export: Export) -> Rows:
    return {file: {row["sourcedId"]: dict(row) for row in export.files[f"{file}.csv"]} for file in FILES}


def delta(before: Rows, after: Rows, moment: str) -> Rows:
    """What a school's system tells of the changes between two states."""
    told: Rows = {}
    for file in FILES:
        changed = {id_: row | {"status": "active"} for id_, row in after[file].items() if before[file].get(id_) != row}
        gone = {id_: row | {"status": "tobedeleted"} for id_, row in before[file].items() if id_ not in after[file]}
        told[file] = {id_: row | {"dateLastModified": moment} for id_, row in (changed | gone).items()}
    return told


def write(export: Export, rows: Rows, *, mode: str = "delta", absent: tuple[str, ...] = ()) -> Path:
    """Write an export of these rows; files without any are absent, or empty of rows."""
    it = copy.copy(export)
    columns = {file: dict.fromkeys(key for row in export.files[f"{file}.csv"] for key in row) for file in FILES}
    it.files = {"manifest.csv": [{"propertyName": "oneroster.version", "value": "1.2"}]}
    for file in FILES:
        it.add("manifest", propertyName=f"file.{file}", value="absent" if file in absent else mode)
    path: Path = it.write()
    for file in FILES:
        it.files = {f"{file}.csv": [{name: row.get(name, "") for name in columns[file]} for row in rows[file].values()]}
        text = it.text(f"{file}.csv") if rows[file] else ",".join(columns[file]) + "\r\n"
        (path / f"{file}.csv").write_text(text, encoding="utf-8", newline="")
    return path


async def tables(database: Database) -> dict[str, list[dict[str, Any]]]:
    """What stands in the tables, but for what differs at each writing."""
    async with database.connection() as connection:
        return {
            table.name: [
                {name: value for name, value in row.items() if name not in NOT_COMPARED}
                for row in await connection.fetch(f"SELECT * FROM {table.name} WHERE active ORDER BY id")  # noqa: S608 - a test's
            ]
            for table in storage.TABLES
        }


def moment(number: int) -> str:
    return f"2026-11-{1 + number:02}T08:00:00.000Z"


# --- one change at a time ---


def leave(rows: Rows, user: str) -> None:
    rows["users"].pop(user)
    for file in ("roles", "enrollments"):
        for id_ in [id_ for id_, row in rows[file].items() if row["userSourcedId"] == user]:
            rows[file].pop(id_)


def move(rows: Rows, user: str, class_: str) -> None:
    for row in rows["enrollments"].values():
        if row["userSourcedId"] == user and row["classSourcedId"] != "C9":
            row["classSourcedId"] = class_


def hire(rows: Rows) -> None:
    """The father of a student becomes a teacher: only his role is new, and a class's assignment."""
    rows["roles"]["new"] = dict(rows["roles"]["roles-0"]) | {"sourcedId": "new", "userSourcedId": "G1"}
    assigned = next(dict(row) for row in rows["enrollments"].values() if row["userSourcedId"] == "T1")
    rows["enrollments"]["new"] = assigned | {"sourcedId": "new", "userSourcedId": "G1", "classSourcedId": "C2"}


def become_guardian(rows: Rows) -> None:
    """A teacher becomes a guardian: only the role is new, and the child."""
    role = {"sourcedId": "new", "userSourcedId": "T2", "role": "parent", "orgSourcedId": ""}
    rows["roles"]["new"] = dict(rows["roles"]["roles-0"]) | role
    rows["users"]["P2"]["agentSourcedIds"] = "T2"


def turn_homeroom(rows: Rows) -> None:
    """A subject's class becomes a homeroom class, and its students are those whom it had."""
    rows["classes"]["C9"] |= {"classType": "homeroom"}
    rows["enrollments"] = {
        id_: row
        for id_, row in rows["enrollments"].items()
        if row["userSourcedId"] != "P1" or row["classSourcedId"] == "C9"
    }


CHANGES: dict[str, Callable[[Rows], object]] = {
    "a student moves": lambda rows: move(rows, "P2", "C3"),
    "a student leaves": lambda rows: leave(rows, "P2"),
    "a student's place ends": lambda rows: rows["enrollments"]["enrollments-4"].update(endDate="2026-01-31"),
    "a teacher leaves": lambda rows: leave(rows, "T2"),
    "a role ends": lambda rows: (rows["roles"]["roles-1"].update(endDate="2026-01-31"), tidy(rows)),
    "a school is renamed": lambda rows: rows["orgs"]["S1"].update(name="中正國民小學"),
    "a class changes its grade": lambda rows: rows["classes"]["C1"].update(title="四年一班", grades="04"),
    "a guardian's number changes": lambda rows: rows["users"]["G1"].update(sms="0987-654-321"),
    "a guardian leaves": lambda rows: (leave(rows, "G1"), rows["users"]["P1"].update(agentSourcedIds="")),
    "a guardian is hired": hire,
    "a teacher becomes a guardian": become_guardian,
    "a subject's class becomes a homeroom": turn_homeroom,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_told_alone_ends_where_the_whole_export_does(
    roster: Roster, records: Export, change: Callable[[Rows], object]
):
    before = by_id(records)
    after = copy.deepcopy(before)
    change(after)
    assert after != before
    await import_roster(roster, write(records, before, mode="bulk"))
    started = await tables(roster.database)
    report = await import_roster(roster, write(records, delta(before, after, moment(1))))
    by_delta = await tables(roster.database)

    async with roster.database.connection() as connection:
        await connection.execute(EMPTY)
    await import_roster(roster, write(records, after, mode="bulk"))

    assert by_delta == await tables(roster.database)
    assert by_delta != started
    assert report.bad_lines == []


def tidy(rows: Rows) -> None:
    """Nobody but staff has a class: one who is no longer there would be told as a bad line, and stay as before."""
    staff = {
        row["userSourcedId"] for row in rows["roles"].values() if row["role"] in STAFF_ROLES and not row["endDate"]
    }
    rows["enrollments"] = {
        id_: row
        for id_, row in rows["enrollments"].items()
        if row["role"] == "student" or row["userSourcedId"] in staff
    }


# --- any changes ---


def change_at_random(chance: random.Random, rows: Rows, number: int) -> None:
    """One thing that happens at schools."""
    students = [row["userSourcedId"] for row in rows["roles"].values() if row["role"] == "student"]
    classes = [id_ for id_, row in rows["classes"].items() if row["classType"] == "homeroom"]
    match chance.randrange(7):
        case 0 if students:
            move(rows, chance.choice(students), chance.choice(classes))
        case 1 if len(students) > 1:
            leave(rows, chance.choice(students))
        case 2:
            join(rows, f"N{number}", chance.choice(classes))
        case 3:
            rows["users"][chance.choice(list(rows["users"]))]["givenName"] = f"名{number}"
        case 4:
            rows["classes"][chance.choice(classes)]["title"] = f"{number}班"
        case 5 if students:
            rows["users"][chance.choice(students)]["agentSourcedIds"] = chance.choice(["", "G1", "G1,T2"])
        case _:
            role = chance.choice(["parent", "teacher", "administrator", "aide"])
            id_ = chance.choice(["roles-0", "roles-1", f"more-{number}"])
            like = dict(next(row for row in rows["roles"].values() if row["role"] != "student"))
            rows["roles"][id_] = like | {"sourcedId": id_, "role": role, "userSourcedId": chance.choice(["T1", "G1"])}


def join(rows: Rows, id_: str, class_: str) -> None:
    first_nine = f"R2{7_100_000 + int(id_[1:]):07}"
    like = next(dict(row) for row in rows["users"].values())
    user = {"sourcedId": id_, "userIds": f"{{TWID:{first_nine}{check_digit(first_nine)}}}", "givenName": "新生"}
    rows["users"][id_] = like | user | {"email": "", "agentSourcedIds": ""}
    role = {"sourcedId": f"r{id_}", "userSourcedId": id_, "role": "student", "endDate": ""}
    rows["roles"][f"r{id_}"] = dict(next(iter(rows["roles"].values()))) | role
    place = {"sourcedId": f"e{id_}", "userSourcedId": id_, "classSourcedId": class_, "role": "student", "endDate": ""}
    rows["enrollments"][f"e{id_}"] = dict(next(iter(rows["enrollments"].values()))) | place | {"primary": ""}


@pytest.mark.parametrize("seed", range(6))
async def test_any_changes_in_any_order_and_repeated_end_where_the_whole_export_does(
    roster: Roster, records: Export, seed: int
):
    chance = random.Random(seed)  # noqa: S311 - the same changes at each run
    before = by_id(records)
    state, deltas = before, []
    for number in range(1, 6):
        after = copy.deepcopy(state)
        for step in range(chance.randint(1, 4)):
            change_at_random(chance, after, 10 * number + step)
        tidy(after)
        deltas.append(delta(state, after, moment(number)))
        state = after
    await import_roster(roster, write(records, before, mode="bulk"))
    order = [*deltas, chance.choice(deltas)]
    chance.shuffle(order)
    for each in order:
        await import_roster(roster, write(records, each))
    by_deltas = await tables(roster.database)

    async with roster.database.connection() as connection:
        await connection.execute(EMPTY)
    whole = await import_roster(roster, write(records, state, mode="bulk"))

    assert whole.bad_lines == []
    assert by_deltas == await tables(roster.database)


@pytest.mark.parametrize("seed", range(6))
async def test_whole_exports_one_after_the_other_end_where_the_last_alone_does(
    roster: Roster, records: Export, seed: int
):
    chance = random.Random(seed)  # noqa: S311 - the same changes at each run
    state = by_id(records)
    for number in range(1, 6):
        await import_roster(roster, write(records, state, mode="bulk"), Choices(allow_removals=True))
        state = copy.deepcopy(state)
        for step in range(chance.randint(1, 4)):
            change_at_random(chance, state, 10 * number + step)
        tidy(state)
    last = await import_roster(roster, write(records, state, mode="bulk"), Choices(allow_removals=True))
    step_by_step = await tables(roster.database)

    async with roster.database.connection() as connection:
        await connection.execute(EMPTY)
    await import_roster(roster, write(records, state, mode="bulk"))

    assert last.bad_lines == []
    assert step_by_step == await tables(roster.database)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_of_a_whole_export_only_the_lines_that_are_new_are_read(
    roster: Roster, records: Export, change: Callable[[Rows], object], monkeypatch: pytest.MonkeyPatch
):
    before = by_id(records)
    after = copy.deepcopy(before)
    change(after)
    await import_roster(roster, write(records, before, mode="bulk"))
    looked_at: list[tuple[str, dict[str, str]]] = []
    read = oneroster.read

    def note(file: oneroster.File, line: oneroster.Line, mode: oneroster.Mode) -> object:
        looked_at.append((file.table, line.fields))
        return read(file, line, mode)

    monkeypatch.setattr(oneroster, "read", note)
    await import_roster(roster, write(records, after, mode="bulk"))
    by_change = await tables(roster.database)

    new = [(file, id_) for file in FILES for id_, row in after[file].items() if before[file].get(id_) != row]
    assert [(file, fields["sourcedId"]) for file, fields in looked_at] == new
    async with roster.database.connection() as connection:
        await connection.execute(EMPTY)
    await import_roster(roster, write(records, after, mode="bulk"))
    assert by_change == await tables(roster.database)


async def test_a_teacher_whose_own_line_stays_is_kept_sealed_once_a_guardian(roster: Roster, records: Export):
    before = by_id(records)
    await import_roster(roster, write(records, before, mode="bulk"))
    after = copy.deepcopy(before)
    become_guardian(after)
    await import_roster(roster, write(records, after, mode="bulk"))

    async with roster.database.connection() as connection:
        kept = await connection.fetchrow("SELECT * FROM roster_users WHERE id = 'T2'")
    assert "林志明" not in str(dict(kept))
    assert kept["shown_sealed"] is not None


async def test_a_record_that_was_taken_away_and_comes_back_as_it_was_counts_again(roster: Roster, records: Export):
    before = by_id(records)
    for rows in before.values():
        for row in rows.values():
            row["dateLastModified"] = moment(0)
    await import_roster(roster, write(records, before, mode="bulk"))
    stood = await tables(roster.database)
    without = copy.deepcopy(before)
    leave(without, "P2")
    await import_roster(roster, write(records, without, mode="bulk"))
    assert await tables(roster.database) != stood

    report = await import_roster(roster, write(records, before, mode="bulk"))

    assert report.bad_lines == []
    assert await tables(roster.database) == stood


# --- how files are told ---


async def test_a_delta_counts_what_it_names_and_leaves_the_rest(roster: Roster, records: Export):
    before = by_id(records)
    after = copy.deepcopy(before)
    move(after, "P2", "C3")
    await import_roster(roster, write(records, before, mode="bulk"))

    report = await import_roster(roster, write(records, delta(before, after, moment(1))))

    assert report.counts["students"] == Counts(new=0, changed=1, removed=0, unchanged=3, held=0)
    assert report.counts["teachers"] == Counts(new=0, changed=0, removed=0, unchanged=4, held=0)


async def test_an_absent_file_changes_nothing(roster: Roster, records: Export):
    before = by_id(records)
    await import_roster(roster, write(records, before, mode="bulk"))
    stood = await tables(roster.database)
    path = write(records, before, mode="bulk", absent=("users", "roles", "orgs"))
    for file in ("users", "roles", "orgs"):
        (path / f"{file}.csv").unlink()

    report = await import_roster(roster, path)

    assert report.bad_lines == []
    assert await tables(roster.database) == stood


async def test_a_whole_file_beside_a_delta_takes_away_what_it_no_longer_has(roster: Roster, records: Export):
    before = by_id(records)
    await import_roster(roster, write(records, before, mode="bulk"))
    after = copy.deepcopy(before)
    leave(after, "P2")
    told = delta(before, after, moment(1)) | {"enrollments": after["enrollments"]}
    path = write(records, told)
    manifest = (path / "manifest.csv").read_text()
    (path / "manifest.csv").write_text(manifest.replace("file.enrollments,delta", "file.enrollments,bulk"))

    report = await import_roster(roster, path)

    assert report.bad_lines == []
    assert report.counts["students"].removed == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "file.users,bulk",
            "file.users,delta",
            "users.csv has only changes, and no whole one (bulk) has been imported",
        ),
        ("file.roles,bulk", "file.roles,absent", "roles.csv is absent, and no whole one (bulk) has been imported yet"),
        ("file.roles,bulk", "file.roles,some", "file.roles must be bulk, delta or absent"),
    ],
)
async def test_parts_of_what_was_never_whole_are_refused(
    roster: Roster, records: Export, old: str, new: str, sentence: str
):
    path = write(records, by_id(records), mode="bulk")
    manifest = (path / "manifest.csv").read_text()
    (path / "manifest.csv").write_text(manifest.replace(old, new))

    with pytest.raises(UnreadableRosterError) as caught:
        await import_roster(roster, path)

    assert sentence in str(caught.value)


async def test_nothing_but_absent_files_is_refused(roster: Roster, records: Export):
    with pytest.raises(UnreadableRosterError, match="every file that counts here is absent"):
        await import_roster(roster, write(records, by_id(records), absent=FILES))


async def test_an_older_delta_after_a_newer_one_is_passed_over_and_said(roster: Roster, records: Export):
    before = by_id(records)
    later = copy.deepcopy(before)
    leave(later, "P2")
    await import_roster(roster, write(records, before, mode="bulk"))
    await import_roster(roster, write(records, delta(before, later, moment(5))))
    stood = await tables(roster.database)
    moved = copy.deepcopy(before)
    move(moved, "P2", "C3")

    report = await import_roster(roster, write(records, delta(before, moved, moment(2))))

    assert report.passed_over == {"enrollments.csv": 1}
    assert "lines of enrollments.csv older than what is known: 1" in str(report)
    assert await tables(roster.database) == stood


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("dateLastModified", "", "is empty"),
        ("dateLastModified", "yesterday", "is not a time like 2026-11-24T09:30:00Z"),
        ("status", "", "is empty"),
        ("sourcedId", "", "is empty"),
    ],
)
async def test_a_line_of_a_delta_that_does_not_say_what_it_must_is_bad(
    roster: Roster, records: Export, column: str, value: str, reason: str
):
    before = by_id(records)
    await import_roster(roster, write(records, before, mode="bulk"))
    stood = await tables(roster.database)
    after = copy.deepcopy(before)
    after["users"]["P2"]["givenName"] = "大美"
    told = delta(before, after, moment(1))
    told["users"]["P2"][column] = value

    report = await import_roster(roster, write(records, told))

    assert report.bad_lines == [BadLine("users.csv", 2, column, reason)]
    assert await tables(roster.database) == stood


async def test_a_bad_line_of_a_whole_file_is_no_reason_to_forget_its_record(roster: Roster, records: Export):
    before = by_id(records)
    await import_roster(roster, write(records, before, mode="bulk"))
    stood = await tables(roster.database)
    spoiled = copy.deepcopy(before)
    spoiled["users"]["P2"]["status"] = "gone"
    await import_roster(roster, write(records, spoiled, mode="bulk"))

    report = await import_roster(roster, write(records, {file: {} for file in FILES}))

    assert report.bad_lines == []
    assert await tables(roster.database) == stood


async def test_what_is_bad_together_with_an_earlier_file_is_said_so(roster: Roster, records: Export):
    before = by_id(records)
    await import_roster(roster, write(records, before, mode="bulk"))
    after = copy.deepcopy(before)
    after["classes"].pop("C3")

    report = await import_roster(roster, write(records, delta(before, after, moment(1))))

    assert {(line.file, line.line, line.reason) for line in report.bad_lines} == {
        ("enrollments.csv", 0, "is not in classes.csv")
    }
    assert "enrollments.csv, in an earlier import, classSourcedId: is not in classes.csv" in str(report)


async def test_what_is_kept_of_the_records_has_no_id_number_and_no_guardian_in_the_open(
    roster: Roster, records: Export
):
    before = by_id(records)
    await import_roster(roster, write(records, before, mode="bulk"))
    after = copy.deepcopy(before)
    hire(after)
    become_guardian(after)
    await import_roster(roster, write(records, delta(before, after, moment(1))))
    guardian = copy.deepcopy(after)
    guardian["users"]["G1"]["sms"] = "0987654321"
    told = delta(after, guardian, moment(2))
    await import_roster(roster, write(records, told))

    async with roster.database.connection() as connection:
        kept = str([dict(row) for row in await connection.fetch("SELECT * FROM roster_users")])
    for secret in ("R2700", "王大明", "ing@example.org", "0912", "987654321"):
        assert secret not in kept


async def test_a_record_that_a_whole_file_took_away_does_not_come_back_by_an_older_delta(
    roster: Roster, records: Export
):
    before = by_id(records)
    await import_roster(roster, write(records, before, mode="bulk"))
    renamed = copy.deepcopy(before)
    renamed["orgs"]["S1"]["name"] = "中正國民小學"
    renamed["classes"]["C9"]["title"] = "國語"
    renamed["users"]["P2"]["givenName"] = "大美"
    await import_roster(roster, write(records, delta(before, renamed, moment(5))))
    without = copy.deepcopy(renamed)
    without["classes"].pop("C9")
    without["enrollments"].pop("enrollments-7")
    leave(without, "P2")
    await import_roster(roster, write(records, without, mode="bulk"))
    stood = await tables(roster.database)

    report = await import_roster(roster, write(records, delta(without, before, moment(3))))

    # The school too: the whole file said the same as the delta before it, and that had a time.
    assert report.passed_over == {"orgs.csv": 1, "classes.csv": 1, "users.csv": 1}
    assert {line.reason for line in report.bad_lines} == {"is not in users.csv", "is not in classes.csv"}
    assert await tables(roster.database) == stood


async def test_a_guardian_who_is_staff_too_has_name_and_address_there_by_either_kind_of_file(
    roster: Roster, records: Export
):
    before = by_id(records)
    after = copy.deepcopy(before)
    hire(after)
    await import_roster(roster, write(records, before, mode="bulk"))
    for path in (write(records, delta(before, after, moment(1))), write(records, after, mode="bulk")):
        await import_roster(roster, path)
        async with roster.database.connection() as connection:
            row = await connection.fetchrow("SELECT name, email FROM teachers WHERE id = 'G1'")
        assert row is not None
        assert tuple(row) == ("王大明", "ming@example.org")
