"""``<service> retention report`` and ``<service> retention run [--dry-run]``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shared.database import DATABASE_FAULTS, Database
from shared.purging import due, purge, reports
from shared.service import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping, Sequence

    from shared.purging import Purge
    from shared.settings import S


def retention_command(make_purges: Callable[[S], Sequence[Purge]]) -> Command[S]:
    """The command ``retention``, for a service's command line; ``make_purges`` says what expires there."""

    async def run(settings: S, arguments: Namespace) -> int:
        database = Database(settings.database_url.get_secret_value(), pool_size=1)
        await database.open()
        try:
            return await _act(database, make_purges(settings), arguments)
        except DATABASE_FAULTS as fault:
            return _fail(f"the database cannot be reached ({type(fault).__name__})")
        finally:
            await database.close()

    return Command("retention", "purge what has expired, or say what was purged", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    running = actions.add_parser("run", help="purge now, as the service does once an hour")
    running.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")
    reporting = actions.add_parser("report", help="what the latest runs have purged")
    reporting.add_argument("--last", type=int, default=24, metavar="N", help="how many runs, 24 if not said")


async def _act(database: Database, purges: Sequence[Purge], arguments: Namespace) -> int:
    if arguments.action == "report":
        return await _report(database, arguments.last)
    if arguments.dry_run:
        _say(_counts(await due(database, purges)))
        return 0
    done = await purge(database, purges)
    if done is None:
        return _fail("nothing was purged: another process is at it")
    _say(_counts(done.counts))
    return _fail(f"not purged: {', '.join(done.failed)}; the log says why") if done.failed else 0


async def _report(database: Database, most: int) -> int:
    for report in await reports(database, most):
        end = f"{report.ended_at:%H:%M:%S}" if report.ended_at else "did not end"
        failed = f"; not purged: {', '.join(report.failed)}" if report.failed else ""
        _say(f"{report.began_at:%Y-%m-%d %H:%M:%S} UTC, {end}: {_counts(report.counts, ', ')}{failed}")
    return 0


def _counts(counts: Mapping[str, int], between: str = "\n") -> str:
    return between.join(f"{kind} {count}" for kind, count in sorted(counts.items())) or "nothing"


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command line speaks to its user


def _fail(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - the same
    return 1
