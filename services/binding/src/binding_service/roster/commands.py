"""``binding-service roster import PATH``, ``roster replay`` and ``roster token NAME``."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from binding_service.roster import tokens
from binding_service.roster.errors import ImportUnderWayError, UnreadableRosterError
from binding_service.roster.importing import import_roster, replay
from binding_service.roster.progress import shown
from shared.database import DATABASE_FAULTS
from shared.named_tokens import NAME, hash_of
from shared.service import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from binding_service.roster.domain import Choices
    from binding_service.roster.importing import Roster
    from shared.settings import S


def roster_command(make_roster: Callable[[S], Roster], choices: Callable[[S], Choices]) -> Command[S]:
    """The command ``roster``, for a service's command line; ``make_roster`` makes what it works with."""

    async def run(settings: S, arguments: Namespace) -> int:
        if arguments.action == "token":
            return _make_token(arguments.name)
        return await _run(make_roster(settings), choices(settings), arguments)

    return Command("roster", "import the schools' roster, or tell the other services of it again", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    importing = actions.add_parser("import", help="bring the roster to what a OneRoster 1.2 CSV export says")
    importing.add_argument("path", type=Path, help="the export: a folder or a zip file")
    importing.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    importing.add_argument("--strict", action="store_true", help="change nothing where a single line is bad")
    importing.add_argument(
        "--allow-removals", action="store_true", help="go on, however many students and classes are removed"
    )
    actions.add_parser(
        "replay", help="publish the present state of all schools, classes, students of classes and teachers again"
    )
    token = actions.add_parser("token", help="make a token for a school's system that sends its roster over HTTP")
    token.add_argument("name", help="who it is for; noted with each of its imports")


async def _run(roster: Roster, choices: Choices, arguments: Namespace) -> int:
    """Do it and say so; the exit code. No message quotes a row: a database's own text may."""
    await roster.database.open()
    try:
        if arguments.action == "replay":
            print(f"{await replay(roster)} events recorded")  # noqa: T201 - a command line speaks to its user
            return 0
        return await _import(roster, choices, arguments)
    except UnreadableRosterError as error:
        return _fail(f"the roster was not imported: {error}")
    except ImportUnderWayError:
        return _fail("the roster was not imported: another import is under way")
    except asyncio.CancelledError:
        _fail("stopped; nothing of it went in, and it can be run again")
        raise
    except DATABASE_FAULTS as fault:
        return _fail(f"the database cannot be reached ({type(fault).__name__}); nothing was changed")
    except asyncpg.PostgresError as fault:
        return _fail(f"the database refused ({type(fault).__name__}); nothing was changed")
    finally:
        await roster.database.close()


async def _import(roster: Roster, choices: Choices, arguments: Namespace) -> int:
    chosen = replace(
        choices, dry_run=arguments.dry_run, strict=arguments.strict, allow_removals=arguments.allow_removals
    )
    async with shown(sys.stderr) as tell:
        report = await import_roster(roster, arguments.path, chosen, tell=tell)
    print(report)  # noqa: T201 - a command line speaks to its user
    return 1 if report.refused else 0


def _make_token(name: str) -> int:
    """Print a new token, which nobody can look up again, and what the setting needs to know of it."""
    if not NAME.fullmatch(name):
        return _fail("a name has letters, digits, dots, dashes and underscores, 60 at most")
    token = tokens.new_token()
    print(f"token, shown this once: {token}")  # noqa: T201 - a command line speaks to its user
    print(f"add to BINDING_ROSTER_TOKENS, after a comma: {name}:{hash_of(token)}")  # noqa: T201 - the same
    return 0


def _fail(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - a command line speaks to its user
    return 1
