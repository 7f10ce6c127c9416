from __future__ import annotations

import argparse
import io
from typing import TYPE_CHECKING, Any

import structlog

from binding_service.roster import progress, tokens
from binding_service.roster.commands import roster_command
from binding_service.roster.domain import Choices, Progress
from binding_service.roster.importing import Roster
from shared.database import Database
from shared.named_tokens import name_of
from shared.settings import ServiceSettings
from support.serving import eventually

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    Export = Any  # the factory in conftest.py


async def run(roster: Roster, *words: str | Path, choices: Choices | None = None) -> int:
    """The exit code of ``binding-service roster …``; the command opens and closes a database of its own."""
    own = Roster(Database(roster.database.dsn), roster.keys)
    command = roster_command(lambda _: own, lambda _: choices or Choices())
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


# --- what is refused, and how far it is ---


async def test_a_strict_import_with_a_bad_line_prints_its_report_and_has_exit_code_1(
    roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]
):
    export.find("users", sourcedId="P1")["userIds"] = ""
    assert await run(roster, "import", export.write(), "--strict") == 1
    out = capsys.readouterr().out
    assert "users.csv, line 6, userIds: is empty of an ID number" in out
    assert out.endswith("nothing was changed: bad lines: 1, and the import is strict\n")
    assert await students(roster) == 0


async def test_what_would_remove_too_many_stops_goes_on_when_told_to_and_goes_by_the_settings(
    roster: Roster, export: Export, capsys: pytest.CaptureFixture[str]
):
    await run(roster, "import", export.write())
    for file, key in (("users", "sourcedId"), ("roles", "userSourcedId"), ("enrollments", "userSourcedId")):
        export.remove(file, **{key: "P4"})
    strictest = Choices(most_removed_percent=0, least_removed=1)

    assert await run(roster, "import", export.write(), choices=strictest) == 1
    assert "it would remove 1 of 4 students, more than 0 %" in capsys.readouterr().out
    assert await run(roster, "import", export.write(), "--dry-run", choices=strictest) == 1
    assert "dry run: nothing was changed, and nothing would be: it would remove" in capsys.readouterr().out
    assert await run(roster, "import", export.write(), "--allow-removals", choices=strictest) == 0
    assert "students: 0 new, 0 changed, 1 removed" in capsys.readouterr().out


async def test_a_token_is_shown_once_with_the_hash_that_the_setting_takes(
    roster: Roster, capsys: pytest.CaptureFixture[str]
):
    assert await run(roster, "token", "city-school") == 0
    shown, setting = capsys.readouterr().out.splitlines()
    token, entry = shown.rpartition(" ")[2], setting.rpartition(" ")[2]
    assert name_of(token, tokens.parse(entry)) == "city-school"
    assert token not in setting


async def test_a_name_that_the_setting_could_not_hold_gets_no_token(roster: Roster, capsys: pytest.CaptureFixture[str]):
    assert await run(roster, "token", "city:school") == 1
    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    """What keeps what is shown."""

    def isatty(self) -> bool:
        """It says that it is one."""
        return True


async def test_on_a_terminal_one_line_is_renewed_and_cleared(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "ON_TERMINAL_SECONDS", 0.001)
    terminal = Terminal()

    async def says_so() -> bool:
        return "reading users.csv: 4,000 lines" in terminal.getvalue()

    async with progress.shown(terminal) as tell:
        tell(Progress("reading", "users.csv", 4000))
        await eventually(says_so)

    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


async def test_elsewhere_the_log_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "IN_LOG_SECONDS", 0.001)
    with structlog.testing.capture_logs() as lines:

        async def says_so() -> bool:
            return {"event": "roster import", "log_level": "info", "phase": "merging", "file": "", "lines": 0} in lines

        async with progress.shown(io.StringIO()) as tell:
            tell(Progress("merging"))
            await eventually(says_so)
