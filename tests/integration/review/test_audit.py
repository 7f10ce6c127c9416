"""The audit log: whole, only ever added to, readable by the right ones, and harmless in a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from argparse import ArgumentParser
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest
from pydantic import SecretStr

from review_service.app import make_review
from review_service.applications import decisions as applications
from review_service.applications.domain import Outcome
from review_service.audit import commands, use_cases
from review_service.audit.actions import ACTIONS
from review_service.audit.domain import Fault
from review_service.audit.use_cases import note
from review_service.context import OPERATOR
from shared import migrations

if TYPE_CHECKING:
    from pathlib import Path

    from httpx import AsyncClient
    from tests.integration.review.conftest import AsTeacher, Binding, Query, Visit

    from review_service.audit.domain import Report
    from review_service.context import Review, Teacher
    from review_service.settings import Settings
    from support.databases import Databases

ATTACK = '=HYPERLINK("http://evil.example","林")'


async def act(review: Review, teacher: Teacher, action: str = "signed-in", subject: str = "", times: int = 1) -> None:
    """So many acts, each in a transaction of its own."""
    for _ in range(times):
        async with review.database.transaction() as connection:
            await note(review, connection, teacher, action, subject or teacher.id)


async def tamper(databases: Databases, *statements: str) -> None:
    """What somebody could do who is the database's administrator, and means it."""
    connection = await asyncpg.connect(databases.superuser)
    try:
        await connection.execute("SET search_path = review")
        await connection.execute("ALTER TABLE audit DISABLE TRIGGER only_added")
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("ALTER TABLE audit ENABLE ALWAYS TRIGGER only_added")
    finally:
        await connection.close()


async def report_on(review: Review, school_id: str = "S-1") -> Report:
    (report,) = [report for report in await use_cases.verify(review, {}) if report.school_id == school_id]
    return report


async def command(settings: Settings, capsysbinary: pytest.CaptureFixture[bytes], *line: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    parser = ArgumentParser()
    command = commands.audit_command(make_review)
    command.configure(parser)
    code = await command.run(settings, parser.parse_args(line))
    return code, capsysbinary.readouterr().out.decode()


# --- writing ---


async def test_a_line_says_who_what_when_and_from_where(review: Review, as_teacher: AsTeacher, query: Query):
    await act(review, as_teacher("T-1"), "application.approve", "B-1")
    (line,) = await query("SELECT * FROM audit")
    assert (line["teacher_id"], line["role"], line["school_id"]) == ("T-1", "teacher", "S-1")
    assert (line["action"], line["subject"], line["address"]) == ("application.approve", "B-1", "203.0.113.7")
    assert (line["position"], line["happened_at"] is not None) == (1, True)


async def test_what_is_undone_leaves_no_line(review: Review, as_teacher: AsTeacher, query: Query):
    async def fail() -> None:
        async with review.database.transaction() as connection:
            await note(review, connection, as_teacher("T-1"), "signed-in", "T-1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await query("SELECT 1 FROM audit") == []


async def test_several_lines_of_one_transaction_follow_each_other(review: Review, as_teacher: AsTeacher, query: Query):
    async with review.database.transaction() as connection:
        for subject in "abc":
            await note(review, connection, as_teacher("T-1"), "application.approve", subject)
    rows = await query("SELECT position, subject FROM audit ORDER BY position")
    assert [tuple(row) for row in rows] == [(1, "a"), (2, "b"), (3, "c")]
    assert (await report_on(review)).fault is None


async def test_a_transaction_that_takes_long_after_its_note_holds_up_nobody(review: Review, as_teacher: AsTeacher):
    async with asyncio.timeout(5), review.database.transaction() as connection:
        await note(review, connection, as_teacher("T-1"), "signed-in", "T-1")
        await act(review, as_teacher("T-2"))
    report = await report_on(review)
    assert (report.lines, report.fault) == (2, None)


async def test_many_at_once_make_one_chain_a_school(review: Review, as_teacher: AsTeacher):
    elsewhere = replace(as_teacher("T-9"), school_id="S-2")
    await asyncio.gather(*(act(review, who, times=5) for who in [as_teacher("T-1"), elsewhere, OPERATOR] * 4))
    reports = await use_cases.verify(review, {})
    assert [(report.school_id, report.lines, report.head.position, report.fault) for report in reports] == [
        ("", 20, 20, None),
        ("S-1", 20, 20, None),
        ("S-2", 20, 20, None),
    ]


# --- only ever added ---


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET teacher_id = 'T-2'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "CREATE TRIGGER t BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TABLE t (s text, p bigint, FOREIGN KEY (s, p) REFERENCES audit)",
        "UPDATE audit_before SET teacher_id = 'T-2'",
        "INSERT INTO audit_before (teacher_id, action, subject) VALUES ('T-1', 'signed-in', 'T-1')",
    ],
)
async def test_the_service_may_only_add(review: Review, as_teacher: AsTeacher, query: Query, statement: str):
    await act(review, as_teacher("T-1"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for table audit"):
        await query(statement)
    assert (await report_on(review)).lines == 1


@pytest.mark.parametrize("statement", ["UPDATE audit SET teacher_id = 'T-2'", "DELETE FROM audit", "TRUNCATE audit"])
@pytest.mark.parametrize("role", ["origin", "replica"])
async def test_a_superuser_changes_nothing_by_mistake(
    review: Review, as_teacher: AsTeacher, databases: Databases, statement: str, role: str
):
    await act(review, as_teacher("T-1"))
    connection = await asyncpg.connect(databases.superuser)
    await connection.execute(f"SET search_path = review; SET session_replication_role = {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added"):
        await connection.execute(statement)
    await connection.close()
    assert (await report_on(review)).fault is None


async def test_lines_of_before_the_chain_survive_and_come_into_it(
    databases: Databases, settings: Settings, as_teacher: AsTeacher, monkeypatch: pytest.MonkeyPatch
):
    superuser = await asyncpg.connect(databases.superuser)
    owner = await superuser.fetchval("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'review'")
    await superuser.execute(f"DROP SCHEMA review CASCADE; CREATE SCHEMA review AUTHORIZATION {owner}")
    await superuser.close()
    every = migrations.migrations("review_service")
    before = [(name, sql) for name, sql in every if name < "review_service/0004" or name.startswith("shared/")]
    monkeypatch.setattr(migrations, "migrations", lambda _: before)
    await migrations.migrate(databases.review, "review_service")
    connection = await asyncpg.connect(databases.review)
    await connection.execute(
        "INSERT INTO teachers (id, school_id, role, details, revision, active)"
        " VALUES ('T-1', 'S-1', 'teacher', '', 1, true);"
        "INSERT INTO audit (teacher_id, action, subject)"
        " VALUES ('operator', 'account.opened', 'T-1'), ('T-1', 'signed-in', 'T-1'), ('T-1', 'signed-out', 'T-1')"
    )
    monkeypatch.setattr(migrations, "migrations", lambda _: every)
    await migrations.migrate(databases.review, "review_service")
    review = make_review(settings)
    await review.database.open()
    await act(review, as_teacher("T-1"), times=2)
    await act(review, OPERATOR)
    rows = await connection.fetch("SELECT school_id, position, role, action FROM audit ORDER BY school_id, position")
    reports = await use_cases.verify(review, {})
    ids = await connection.fetch("SELECT id FROM audit ORDER BY id")
    await connection.close()
    await review.database.close()
    assert [tuple(row) for row in rows] == [
        ("", 1, "operator", "account.opened"),
        ("", 2, "operator", "signed-in"),
        ("S-1", 1, "teacher", "signed-in"),
        ("S-1", 2, "teacher", "signed-out"),
        ("S-1", 3, "teacher", "signed-in"),
        ("S-1", 4, "teacher", "signed-in"),
    ]
    assert [report.fault for report in reports] == [None, None]
    assert [row["id"] for row in ids] == [1, 2, 3, 4, 5, 6]


# --- verifying ---

INSERTED = (
    "UPDATE audit SET position = position + 1000 WHERE position >= 3",
    "INSERT INTO audit SELECT 99, 'S-1', 3, happened_at, 'T-1', '', 'x', '', '', hash FROM audit WHERE position = 2",
    "UPDATE audit SET position = position - 999 WHERE position > 1000",
)


@pytest.mark.parametrize(
    ("statements", "fault", "at"),
    [
        *(
            ((f"UPDATE audit SET {change} WHERE position = 3",), Fault.CHANGED, 3)  # noqa: S608 - ours
            for change in (
                "id = 99",
                "happened_at = happened_at + interval '1 microsecond'",
                "teacher_id = 'T-2'",
                "role = 'administrator'",
                "action = 'signed-out'",
                "subject = 'T-2'",
                "address = '203.0.113.8'",
            )
        ),
        (("UPDATE audit SET hash = 'sample.x' WHERE position = 3",), Fault.CHANGED, 3),
        (("UPDATE audit SET teacher_id = 'T-2' WHERE position = 6",), Fault.CHANGED_OR_INSERTED, 6),
        (("DELETE FROM audit WHERE position = 1",), Fault.MISSING, 1),
        (("DELETE FROM audit WHERE position IN (3, 4)",), Fault.MISSING, 3),
        (INSERTED, Fault.INSERTED, 3),
        (
            ("INSERT INTO audit VALUES (99, 'S-1', 7, now(), 'T-1', '', '', '', '', 'x')",),
            Fault.CHANGED_OR_INSERTED,
            7,
        ),
        (("INSERT INTO audit VALUES (99, 'S-1', 0, now(), 'T-1', '', '', '', '', 'x')",), Fault.INSERTED, 0),
    ],
)
async def test_the_first_broken_line_is_found_and_what_was_done_to_it(
    review: Review, as_teacher: AsTeacher, databases: Databases, statements: tuple[str, ...], fault: Fault, at: int
):
    await act(review, as_teacher("T-1"), times=6)
    assert (await report_on(review)).fault is None
    await tamper(databases, *statements)
    report = await report_on(review)
    assert (report.fault, report.at) == (fault, at)


async def test_lines_moved_to_another_school_break_both_chains(
    review: Review, as_teacher: AsTeacher, databases: Databases
):
    await act(review, as_teacher("T-1"), times=3)
    await act(review, replace(as_teacher("T-9"), school_id="S-2"), times=3)
    await tamper(databases, "DELETE FROM audit WHERE school_id = 'S-2'", "UPDATE audit SET school_id = 'S-2'")
    report = await report_on(review, "S-2")
    assert (report.fault, report.at) == (Fault.CHANGED, 1)


async def test_after_a_change_of_keys_old_lines_still_hold(settings: Settings, review: Review, as_teacher: AsTeacher):
    await act(review, as_teacher("T-1"), times=2)
    new, other = (b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    sample = b64encode(next(iter(review.audit_keys._keys.values()))).decode()
    for keys, fault in (
        (f"k2:{new},sample:{sample}", None),
        (f"k2:{other},sample:{sample}", Fault.CHANGED_OR_INSERTED),
    ):
        rotated = replace(review, audit_keys=settings.hash_keys("REVIEW_KEY_AUDIT", SecretStr(keys)))
        if fault is None:
            await act(rotated, as_teacher("T-1"))
        assert (await report_on(rotated)).fault == fault


async def test_the_command_says_whether_every_chain_is_whole(
    settings: Settings,
    review: Review,
    as_teacher: AsTeacher,
    databases: Databases,
    capsysbinary: pytest.CaptureFixture[bytes],
):
    assert await command(settings, capsysbinary, "verify") == (0, "no lines\n")
    await act(review, as_teacher("T-1"), times=3)
    await act(review, OPERATOR)
    code, said = await command(settings, capsysbinary, "verify")
    assert code == 0
    assert re.fullmatch(
        r"\(operator\): 1 lines, head 1 sample\.\S{44}, ok\nS-1: 3 lines, head 3 sample\.\S{44}, ok\n", said
    )
    await tamper(databases, "UPDATE audit SET subject = 'T-7' WHERE school_id = 'S-1' AND position = 2")
    code, said = await command(settings, capsysbinary, "verify")
    assert code == 1
    assert "BROKEN: line 2 changed" in said


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM audit WHERE position > 2 AND school_id = 'S-1'", {"position": 3, "kind": "missing"}),
        ("DELETE FROM audit WHERE school_id = 'S-1'", {"position": 1, "kind": "missing"}),
    ],
)
async def test_earlier_heads_tell_of_lines_cut_off_at_the_end(
    settings: Settings,
    review: Review,
    as_teacher: AsTeacher,
    databases: Databases,
    capsysbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
    statement: str,
    fault: dict[str, object],
):
    await act(review, as_teacher("T-1"), times=3)
    _, heads = await command(settings, capsysbinary, "verify", "--json")
    (tmp_path / "heads").write_text(heads)
    await act(review, as_teacher("T-1"))
    assert (await command(settings, capsysbinary, "verify", "--heads", str(tmp_path / "heads")))[0] == 0
    await tamper(databases, statement)
    assert (await command(settings, capsysbinary, "verify"))[0] == 0
    code, said = await command(settings, capsysbinary, "verify", "--json", "--heads", str(tmp_path / "heads"))
    assert code == 1
    assert json.loads(said)["chains"][0]["fault"] == fault


async def test_earlier_heads_tell_of_a_chain_written_anew_with_the_key(
    settings: Settings,
    review: Review,
    as_teacher: AsTeacher,
    databases: Databases,
    capsysbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
):
    await act(review, as_teacher("T-1"), times=3)
    (tmp_path / "heads").write_text((await command(settings, capsysbinary, "verify", "--json"))[1])
    await tamper(databases, "DELETE FROM audit")
    await act(review, as_teacher("T-2"), times=4)
    assert (await command(settings, capsysbinary, "verify"))[0] == 0
    code, said = await command(settings, capsysbinary, "verify", "--heads", str(tmp_path / "heads"))
    assert (code, "BROKEN: line 3 changed" in said) == (1, True)


def test_heads_that_are_none_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    parser = ArgumentParser()
    commands.audit_command(make_review).configure(parser)
    (tmp_path / "heads").write_text("{}")
    with pytest.raises(SystemExit):
        parser.parse_args(["verify", "--heads", str(tmp_path / "heads")])
    assert "is not what verify --json printed" in capsys.readouterr().err


# --- exporting ---


def rows_of(text: str) -> list[list[str]]:
    """The cells of a CSV export, without its first line."""
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))[1:]


@pytest.mark.usefixtures("binding")
async def test_the_command_exports_a_school_between_two_days(
    settings: Settings,
    review: Review,
    as_teacher: AsTeacher,
    databases: Databases,
    capsysbinary: pytest.CaptureFixture[bytes],
):
    await act(review, as_teacher("T-1"), times=3)
    await act(review, replace(as_teacher("T-9"), school_id="S-2"))
    await tamper(
        databases,
        # The first moment of a day in Taipei, and the last moment of the day before it.
        "UPDATE audit SET happened_at = '2026-11-23T15:59:59.999Z' WHERE position = 1",
        "UPDATE audit SET happened_at = '2026-11-23T16:00:00Z' WHERE position = 2",
        "UPDATE audit SET happened_at = '2026-11-24T15:59:59.999Z' WHERE position = 3",
    )
    line = ["export", "--school", "S-1", "--from", "2026-11-24", "--until", "2026-11-24"]
    code, said = await command(settings, capsysbinary, *line)
    assert code == 0
    assert [(row[0], row[1], row[2], row[3]) for row in rows_of(said)] == [
        ("2", "2026-11-24 00:00:00", "老師T-1", "T-1"),
        ("3", "2026-11-24 23:59:59", "老師T-1", "T-1"),
    ]
    everything = rows_of((await command(settings, capsysbinary, "export", "--school", "S-1"))[1])
    assert [row[6] for row in everything] == ["signed-in"] * 3 + ["audit.exported"] * 2
    assert everything[-1][3:8] == ["operator", "系統維運", "匯出紀錄", "audit.exported", "S-1"]


async def test_a_school_that_is_none_is_not_exported(
    settings: Settings, query: Query, capsysbinary: pytest.CaptureFixture[bytes]
):
    assert await command(settings, capsysbinary, "export", "--school", "S-x") == (1, "")
    assert await query("SELECT 1 FROM audit") == []


async def test_an_export_is_complete_however_long_it_is(
    review: Review, as_teacher: AsTeacher, visit: Visit, binding: Binding, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(use_cases, "BATCH", 7)
    await binding.tell(binding.teacher("T-1", revision=2, name=ATTACK))
    await act(review, as_teacher("T-1"), "application.approve", "@SUM(1)", times=20)
    browser = await visit("A-1")
    answer = await browser.post("/audit/export", data={"who": "T-1"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="kinbind-audit-[\d-]{10}\.csv"', answer.headers["content-disposition"])
    rows = rows_of(answer.text)
    assert [row[0] for row in rows] == [str(number) for number in range(1, 21)]
    assert {(row[2], row[8]) for row in rows} == {("'" + ATTACK, "'@SUM(1)")}
    for row in rows_of((await browser.post("/audit/export")).text):
        assert not any(cell[:1] in "=+-@\t\r" for cell in row if cell)


# --- the page ---


async def lines_of(browser: AsyncClient, address: str = "/audit") -> list[str]:
    """The text of each line on the page."""
    page = (await browser.get(address)).text
    items = re.findall(r'(?s)<li>(\s*<span class="doer".*?)</li>', page)
    return [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in items]


async def test_the_administrator_reads_of_the_own_school_newest_first(
    binding: Binding, review: Review, as_teacher: AsTeacher, visit: Visit
):
    id_ = await binding.submit()
    await applications.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await act(review, replace(as_teacher("T-9"), school_id="S-2"))
    await act(review, as_teacher("T-1"), "something.new", "<script>")
    lines = await lines_of(await visit("A-1"))
    assert [re.sub(r"[\d-]{10} [\d:]{8}", "(time)", line) for line in lines] == [
        "老師A-1 學校管理者 登入 (time) 來自 127.0.0.1",
        "老師T-1 老師 something.new &lt;script&gt; (time) 來自 203.0.113.7",
        "老師T-1 老師 核准申請 申請 20261120-7K3FQ9 (time) 來自 203.0.113.7",
    ]


async def test_a_look_at_the_log_and_an_export_of_it_are_in_it(binding: Binding, visit: Visit, query: Query):
    del binding
    browser = await visit("A-1")
    await browser.get("/audit")
    await browser.post("/audit/export")
    rows = await query("SELECT action, teacher_id, subject FROM audit WHERE school_id = 'S-1' ORDER BY id")
    assert [tuple(row) for row in rows[1:]] == [("audit.looked-at", "A-1", "S-1"), ("audit.exported", "A-1", "S-1")]


@pytest.mark.parametrize("teacher", ["T-1", "T-9"])
@pytest.mark.usefixtures("binding")
async def test_a_teacher_reads_no_log(visit: Visit, query: Query, teacher: str):
    browser = await visit(teacher)
    assert (await browser.get("/audit")).status_code == 403
    assert (await browser.post("/audit/export")).status_code == 403
    assert ">紀錄</a>" not in (await browser.get("/")).text
    assert await query("SELECT 1 FROM audit WHERE action LIKE 'audit.%'") == []


@pytest.mark.usefixtures("binding")
async def test_another_school_is_never_in_it_whatever_is_asked(review: Review, as_teacher: AsTeacher, visit: Visit):
    await act(review, as_teacher("T-1"))
    browser = await visit("A-9")
    for address in ("/audit", "/audit?who=T-1", "/audit?school=S-1", "/audit?before=1"):
        assert "老師T-1" not in (await browser.get(address)).text
    for form in ({}, {"who": "T-1"}, {"school": "S-1"}):
        assert "T-1" not in (await browser.post("/audit/export", data=form)).text.replace("A-9", "")


@pytest.mark.usefixtures("binding")
async def test_lines_are_filtered_by_who_action_and_day(
    review: Review, as_teacher: AsTeacher, visit: Visit, query: Query
):
    await act(review, as_teacher("T-1"), "signed-in")
    await act(review, as_teacher("T-2"), "signed-in")
    await act(review, as_teacher("T-1"), "signed-out")
    browser = await visit("A-1")
    (row,) = await query("SELECT (present() AT TIME ZONE 'Asia/Taipei')::date AS today")
    for address, count in (
        ("?who=T-1", 2),
        ("?who=T-1&action=signed-in", 1),
        (f"?who=T-1&from={row['today']}&until={row['today']}", 2),
        ("?who=T-1&until=2020-01-01", 0),
        ("?who=T-1&from=2999-01-01", 0),
        ("?who=T-1&from=yesterday&before=x", 2),
        ("?who=%00T-1", 2),
        (f"?who=T-1&before={10**30}", 2),
    ):
        answer = await browser.get(f"/audit{address}")
        assert answer.status_code == 200
        assert len(await lines_of(browser, f"/audit{address}")) == count


@pytest.mark.usefixtures("binding")
async def test_pages_follow_each_other_without_a_gap(
    review: Review, as_teacher: AsTeacher, visit: Visit, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(use_cases, "PAGE", 4)
    for number in range(10):
        await act(review, as_teacher("T-1"), "application.approve", f"B-{number}")
    browser = await visit("A-1")
    address, seen = "/audit?who=T-1", []
    while address:
        seen += [line.split()[3] for line in await lines_of(browser, address)]
        page = (await browser.get(address)).text
        found = re.search(r'href="([^"]+)">較舊的紀錄', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert seen == [f"B-{number}" for number in reversed(range(10))]


@pytest.mark.usefixtures("binding")
async def test_every_act_has_words(review: Review, as_teacher: AsTeacher, visit: Visit):
    for action in ACTIONS:
        await act(review, as_teacher("T-1"), action)
    lines = await lines_of(await visit("A-1"), "/audit?who=T-1")
    assert [line.split()[2] for line in lines] == list(reversed(ACTIONS.values()))
