"""``binding-service roster import PATH [--dry-run]`` and ``binding-service roster replay``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from binding_service.roster.domain import Choices
from binding_service.roster.errors import ImportUnderWayError, UnreadableRosterError
from binding_service.roster.importing import import_roster, replay
from shared.database import DATABASE_FAULTS
from shared.service import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from binding_service.roster.importing import Roster
    from shared.settings import S


def roster_command(make_roster: Callable[[S], Roster]) -> Command[S]:
    """The command ``roster``, for a service's command line; ``make_roster`` makes what it works with."""

    async def run(settings: S, arguments: Namespace) -> int:
        return await _run(make_roster(settings), arguments)

    return Command("roster", "import the schools' roster, or tell the other services of it again", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    importing = actions.add_parser("import", help="bring the roster to what a OneRoster 1.2 CSV export says")
    importing.add_argument("path", type=Path, help="the export: a folder or a zip file")
    importing.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    actions.add_parser(
        "replay", help="publish the present state of all schools, classes, students of classes and teachers again"
    )


async def _run(roster: Roster, arguments: Namespace) -> int:
    """Do it and say so; the exit code. No message quotes a row: a database's own text may."""
    await roster.database.open()
    try:
        print(await _act(roster, arguments))  # noqa: T201 - a command line speaks to its user
    except UnreadableRosterError as error:
        return _fail(f"the roster was not imported: {error}")
    except ImportUnderWayError:
        return _fail("the roster was not imported: another import is under way")
    except DATABASE_FAULTS as fault:
        return _fail(f"the database cannot be reached ({type(fault).__name__}); nothing was changed")
    except asyncpg.PostgresError as fault:
        return _fail(f"the database refused ({type(fault).__name__}); nothing was changed")
    finally:
        await roster.database.close()
    return 0


async def _act(roster: Roster, arguments: Namespace) -> str:
    if arguments.action == "replay":
        return f"{await replay(roster)} events recorded"
    return str(await import_roster(roster, arguments.path, Choices(dry_run=arguments.dry_run)))


def _fail(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - a command line speaks to its user
    return 1
