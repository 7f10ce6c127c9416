"""An import that is refused, stopped or killed leaves nothing, and one that runs is in nobody's way."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import psutil
import pytest

from binding_service.roster import importing, storage
from binding_service.roster.domain import Choices, Progress
from binding_service.roster.importing import Roster, import_roster
from support.serving import eventually
from support.town import LI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from shared.database import Database
    from support.town import Town

    Export = Any  # the factory in conftest.py

PROGRAM = Path(sys.executable).with_name("binding-service")


async def counts(database: Database) -> list[int]:
    """Rows of every table that an import writes."""
    tables = ("roster_imports", "roster_users", "roster_roles", "schools", "classes", "students", "outbox")
    async with database.connection() as connection:
        return [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608 - a test's


async def is_free(database: Database) -> bool:
    """Whether an import could begin."""
    async with database.transaction() as connection:
        return await storage.lock_imports(connection)


# --- refused ---


@pytest.fixture
def crowd(export: Export) -> Export:
    """The usual export, with 40 more students in a class of its own."""
    export.homeroom("C8", "四年一班", "S1", "04")
    for number in range(40):
        export.student(f"M{number}", f"陳第{number}", national_id(200 + number), "S1", "C8")
    return export


def national_id(number: int) -> str:
    from binding_service.id_numbers import check_digit  # noqa: PLC0415 - here alone

    first_nine = f"R2{7_000_000 + number:07}"
    return first_nine + check_digit(first_nine)


def take_out(export: Export, count: int) -> None:
    for number in range(count):
        export.remove("users", sourcedId=f"M{number}")
        export.remove("roles", userSourcedId=f"M{number}")
        export.remove("enrollments", userSourcedId=f"M{number}")


async def test_a_strict_import_with_a_bad_line_reports_it_and_changes_nothing(roster: Roster, export: Export):
    export.find("users", sourcedId="P1")["userIds"] = "{TWID:R2}"

    report = await import_roster(roster, export.write(), Choices(strict=True))

    assert report.refused == "bad lines: 1, and the import is strict"
    assert [line.reason for line in report.bad_lines] == ["the ID number's form is wrong"]
    assert str(report).endswith("nothing was changed: bad lines: 1, and the import is strict")
    assert not any(await counts(roster.database))


async def test_a_strict_import_without_bad_lines_goes_in(roster: Roster, export: Export):
    report = await import_roster(roster, export.write(), Choices(strict=True))
    assert report.refused == ""
    assert any(await counts(roster.database))


async def test_an_import_that_removes_too_many_stops_and_says_how_many(roster: Roster, crowd: Export):
    await import_roster(roster, crowd.write())
    stood = await counts(roster.database)
    take_out(crowd, 20)

    report = await import_roster(roster, crowd.write())

    assert report.refused == "it would remove 20 of 44 students, more than 5 %, and removals were not allowed"
    assert await counts(roster.database) == stood


async def test_a_dry_run_says_that_it_would_stop(roster: Roster, crowd: Export):
    await import_roster(roster, crowd.write())
    take_out(crowd, 20)

    report = await import_roster(roster, crowd.write(), Choices(dry_run=True))

    assert str(report).endswith("dry run: nothing was changed, and nothing would be: " + report.refused)
    assert "20 of 44 students" in report.refused


async def test_it_goes_on_where_removals_are_allowed(roster: Roster, crowd: Export):
    await import_roster(roster, crowd.write())
    take_out(crowd, 20)

    report = await import_roster(roster, crowd.write(), Choices(allow_removals=True))

    assert (report.refused, report.counts["students"].removed) == ("", 20)


async def test_a_handful_is_not_too_many_in_a_small_roster(roster: Roster, crowd: Export):
    await import_roster(roster, crowd.write())
    take_out(crowd, 19)
    assert (await import_roster(roster, crowd.write())).refused == ""


async def test_classes_count_too_and_the_share_is_a_setting(roster: Roster, crowd: Export):
    await import_roster(roster, crowd.write())
    crowd.remove("classes", sourcedId="C3")
    crowd.remove("enrollments", userSourcedId="T3")
    crowd.find("enrollments", userSourcedId="P4")["classSourcedId"] = "C1"

    report = await import_roster(roster, crowd.write(), Choices(most_removed_percent=20, least_removed=1))

    assert report.refused == "it would remove 1 of 4 classes, more than 20 %, and removals were not allowed"
    assert (await import_roster(roster, crowd.write(), Choices(most_removed_percent=25, least_removed=1))).refused == ""


# --- stopped and killed ---


@asynccontextmanager
async def importing_process(dsn: str, path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, as an operator runs it."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        "roster",
        "import",
        path,
        env={**os.environ, "BINDING_DATABASE_URL": dsn},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def is_waiting(database: Database, sql: str) -> bool:
    """Whether the import's statement that begins so is under way."""
    async with database.connection() as connection:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE $1 AND state = 'active'"
                " AND pid <> pg_backend_pid() AND datname = current_database()",
                f"{sql}%",
            )
        )


@asynccontextmanager
async def held_in_the_merge(database: Database) -> AsyncIterator[Callable[[], Any]]:
    """An import gets as far as the students, and waits there."""
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE students IN ACCESS EXCLUSIVE MODE")
        yield lambda: _waits_for_lock(database)


async def _waits_for_lock(database: Database) -> bool:
    async with database.connection() as connection:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
                " WHERE datname = current_database() AND NOT granted AND relation = 'students'::regclass"
            )
        )


@pytest.fixture
def endless_users(export: Export) -> Iterator[Path]:
    """A folder whose users.csv comes slowly, through a pipe: the import reads its first lines and waits for more."""
    folder: Path = export.write()
    first_lines = (folder / "users.csv").read_bytes()
    (folder / "users.csv").unlink()
    os.mkfifo(folder / "users.csv")
    stop = threading.Event()

    def feed() -> None:
        with (folder / "users.csv").open("wb") as pipe:
            pipe.write(first_lines)
            pipe.flush()
            stop.wait(60)

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    yield folder
    stop.set()
    feeding.join(10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_an_import_that_is_killed_while_it_reads_leaves_nothing_and_can_be_run_again(
    roster: Roster, export: Export, endless_users: Path, number: signal.Signals
):
    async with importing_process(roster.database.dsn, endless_users) as process:
        await eventually(lambda: is_waiting(roster.database, "COPY"), within=30)
        assert not await is_free(roster.database)
        process.send_signal(number)
        await process.wait()

    await eventually(lambda: is_free(roster.database))
    assert not any(await counts(roster.database))
    (endless_users / "users.csv").unlink()
    assert (await import_roster(roster, export.write())).counts["students"].new == 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_an_import_that_is_killed_while_it_merges_leaves_nothing_and_no_lock(
    roster: Roster, export: Export, number: signal.Signals
):
    async with importing_process(roster.database.dsn, export.write()) as process:
        async with held_in_the_merge(roster.database) as is_held:
            await eventually(is_held, within=30)
            process.send_signal(number)
            _, said = await process.communicate()
            # Its server process finds out by itself, though it still waits for the table.
            await eventually(lambda: is_free(roster.database))
        assert process.returncode != 0
        if number == signal.SIGINT:
            assert "stopped; nothing of it went in, and it can be run again" in said.decode()

    assert not any(await counts(roster.database))
    assert (await import_roster(roster, export.write())).counts["students"].new == 4


async def test_an_import_is_interrupted_whichever_of_its_threads_gets_the_signal(roster: Roster, export: Export):
    async with (
        importing_process(roster.database.dsn, export.write()) as process,
        held_in_the_merge(roster.database) as is_held,
    ):
        await eventually(is_held, within=30)
        other = next(thread.id for thread in psutil.Process(process.pid).threads() if thread.id != process.pid)
        os.kill(other, signal.SIGINT)
        _, said = await asyncio.wait_for(process.communicate(), 30)
    assert said.decode().splitlines()[-1] == "stopped; nothing of it went in, and it can be run again"
    assert process.returncode == 128 + signal.SIGINT


async def test_a_killed_reader_ends_the_import_with_nothing_changed(
    roster: Roster, export: Export, monkeypatch: pytest.MonkeyPatch
):
    from binding_service.roster import reading  # noqa: PLC0415 - its constants are changed

    monkeypatch.setattr(reading, "BYTES_WORTH_A_PROCESS", 0)
    monkeypatch.setattr(reading.os, "cpu_count", lambda: 2)
    began = reading._processes

    @reading.contextmanager
    def killed(export: Any, count: int) -> Iterator[Any]:  # noqa: ANN401 - as the original
        with began(export, count) as pipes:
            for child in psutil.Process().children():
                if "binding_service.roster.reader" in child.cmdline():
                    child.kill()
            yield pipes

    monkeypatch.setattr(reading, "_processes", killed)
    with pytest.raises(RuntimeError, match="a process that reads was ended"):
        await import_roster(roster, export.write())
    assert not any(await counts(roster.database))


async def test_a_student_whose_class_did_not_go_in_ends_the_import_with_nothing_changed(roster: Roster, export: Export):
    async with roster.database.connection() as connection:
        await connection.execute("""
            CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER skip BEFORE INSERT ON classes FOR EACH ROW WHEN (new.id = 'C2') EXECUTE FUNCTION skip();
        """)
    try:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await import_roster(roster, export.write())
    finally:
        async with roster.database.connection() as connection:
            await connection.execute("DROP TRIGGER skip ON classes; DROP FUNCTION skip()")
    assert not any(await counts(roster.database))


# --- in nobody's way ---


async def test_a_parent_applies_while_an_import_of_the_child_is_not_committed(
    town: Town, export: Export, monkeypatch: pytest.MonkeyPatch
):
    export.files = {"manifest.csv": export.files["manifest.csv"]}
    export.school("S-1", "中正國民小學", metadata__tw__level="elementary")
    export.homeroom("C-1", "三年一班", "S-1", "03")
    export.student(LI.id, "李改名", LI.national_id, "S-1", "C-1")
    for row in (*export.files["classes.csv"], *export.files["users.csv"]):
        row["status"] = ""
    merged, go_on = asyncio.Event(), asyncio.Event()
    finish = storage.finish_import

    async def finish_later(*arguments: Any) -> None:  # noqa: ANN401 - as the original
        merged.set()
        await go_on.wait()
        await finish(*arguments)

    monkeypatch.setattr(importing.storage, "finish_import", finish_later)
    roster = make_town_roster(town)
    await roster.database.open()
    task = asyncio.create_task(import_roster(roster, export.write(), Choices(allow_removals=True)))
    try:
        await merged.wait()
        async with asyncio.timeout(10):
            token = await town.apply()
        assert [binding["state"] for binding in await town.bindings(token)] == ["pending"]
        assert not task.done()
        go_on.set()
        assert (await task).counts["students"].changed == 1
    finally:
        go_on.set()
        await asyncio.gather(task, return_exceptions=True)
        await roster.database.close()
    assert await town.value("SELECT name FROM binding.students WHERE id = $1", LI.id) == "李改名"


def make_town_roster(town: Town) -> Roster:
    from shared.database import Database  # noqa: PLC0415 - here alone

    database = Database(town.settings.database_url.get_secret_value(), pool_size=2)
    return Roster(database, town.keys)


# --- how far it is ---


async def test_an_import_tells_how_far_it_is(roster: Roster, export: Export):
    heard: list[Progress] = []
    await import_roster(roster, export.write(), tell=heard.append)

    assert Progress("reading", "users.csv", 9) in heard
    phases = list(dict.fromkeys(each.phase for each in heard))
    assert phases == ["reading", "checking", "merging", "telling the other services", "committing"]


async def test_shares_that_processes_read_make_the_same_roster(
    roster: Roster, export: Export, monkeypatch: pytest.MonkeyPatch
):
    from binding_service.roster import oneroster, reading  # noqa: PLC0415 - their constants are changed

    await import_roster(roster, export.write())
    bad = export.line("users", export.user("U9", "無名"))
    export.role("U9", "student", "S1")
    monkeypatch.setattr(reading, "BYTES_WORTH_A_PROCESS", 0)
    monkeypatch.setattr(reading.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(oneroster, "BLOCK_LINES", 2)

    report = await import_roster(roster, export.write())

    assert [(line.line, line.reason) for line in report.bad_lines] == [(bad, "is empty of an ID number")]
    assert [counted.unchanged for counted in report.counts.values()] == [2, 3, 4, 4, 1]
