from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from binding_service.roster.commands import roster_command
from binding_service.roster.importing import Roster
from shared.database import Database
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    Export = Any  # the factory in conftest.py


async def run(roster: Roster, *words: str | Path) -> int:
    """The exit code of ``binding-service roster …``; the command opens and closes a database of its own."""
    own = Roster(Database(roster.database.dsn), roster.keys)
    command = roster_command(lambda _: own)
    parser = argparse.ArgumentParser()
    command.configure(parser)
    settings = ServiceSettings(database_url=roster.database.dsn, port=0)  # type: ignore[arg-type] - pydantic converts it
    return await command.run(settings, parser.parse_args([str(word) for word in words]))


async def students(roster: Roster) -> int:
    async with roster.database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM students"))


async def test_an_import_prints_its_report(roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]):
    assert await run(roster, "import", export.write()) == 0
    assert "guardians: 1 new, 0 changed, 0 removed, 0 unchanged\nimported as revision 1\n" in capsys.readouterr().out
    assert await students(roster) == 4


async def test_a_dry_run_says_that_it_was_one(roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]):
    assert await run(roster, "import", export.write(), "--dry-run") == 0
    assert "students: 4 new" in (out := capsys.readouterr().out)
    assert out.endswith("dry run: nothing was changed\n")
    assert await students(roster) == 0


async def test_a_replay_says_how_many_events_it_recorded(
    roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]
):
    await run(roster, "import", export.write())
    assert await run(roster, "replay") == 0
    assert capsys.readouterr().out.endswith("12 events recorded\n")


async def test_what_cannot_be_read_is_one_sentence_and_exit_code_1(
    roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]
):
    assert await run(roster, "import", export.folder) == 1
    assert capsys.readouterr().err == "the roster was not imported: there is no such folder or zip file\n"


async def test_another_import_under_way_is_one_sentence_and_exit_code_1(
    roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]
):
    async with roster.database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(7402513)")
        assert await run(roster, "import", export.write()) == 1
    assert capsys.readouterr().err == "the roster was not imported: another import is under way\n"


async def test_a_database_that_is_away_is_one_sentence_and_exit_code_1(
    roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]
):
    nowhere = Roster(Database("postgresql://binding@localhost:1/none"), roster.keys)
    assert await run(nowhere, "import", export.write()) == 1
    assert "the database cannot be reached" in capsys.readouterr().err


async def test_a_database_that_refuses_is_one_sentence_that_quotes_no_row(
    roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]
):
    async with roster.database.connection() as connection:
        await connection.execute("ALTER TABLE students ADD CONSTRAINT refuse CHECK (name <> '王小明')")
    assert await run(roster, "import", export.write()) == 1
    assert capsys.readouterr().err == "the database refused (CheckViolationError); nothing was changed\n"
