"""``binding-service bindings replay``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import asyncpg

from binding_service.applications.replaying import replay
from shared.database import DATABASE_FAULTS
from shared.service import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from binding_service.roster.importing import Roster
    from shared.settings import S


def bindings_command(make_roster: Callable[[S], Roster]) -> Command[S]:
    """The command ``bindings``, for a service's command line; ``make_roster`` makes what it works with."""

    async def run(settings: S, _: Namespace) -> int:
        return await _run(make_roster(settings))

    return Command("bindings", "tell the review service of every binding again", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("replay", help="publish how every binding stands, and what was applied for, again")


async def _run(roster: Roster) -> int:
    """Do it and say so; the exit code."""
    await roster.database.open()
    try:
        print(f"{await replay(roster)} events recorded")  # noqa: T201 - a command line speaks to its user
    except (*DATABASE_FAULTS, asyncpg.PostgresError) as fault:
        message = f"not all bindings were told again ({type(fault).__name__}); run it once more"
        print(message, file=sys.stderr)  # noqa: T201 - the same
        return 1
    finally:
        await roster.database.close()
    return 0
