"""``review-service audit``: verify the chains of the audit log, or write one as CSV to standard output."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from review_service.audit import use_cases
from review_service.audit.domain import Head
from review_service.audit.use_cases import Filter
from review_service.context import OPERATOR
from review_service.errors import NotFoundError
from shared.database import DATABASE_FAULTS
from shared.service import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping, Sequence

    from review_service.audit.domain import Report
    from review_service.context import Review
    from review_service.settings import Settings


def audit_command(make_review: Callable[[Settings], Review]) -> Command[Settings]:
    """The command ``audit``; ``make_review`` makes what it works with."""

    async def run(settings: Settings, arguments: Namespace) -> int:
        review = make_review(settings)
        await review.database.open()
        try:
            return await (_verify if arguments.action == "verify" else _export)(review, arguments)
        except DATABASE_FAULTS:
            return _fail("the database is not reachable")
        finally:
            await review.database.close()

    return Command("audit", "verify or export the audit log", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    """The arguments of ``audit``."""
    actions = parser.add_subparsers(dest="action", required=True)
    verify = actions.add_parser("verify", help="check every school's chain; the exit code is 1 where one is broken")
    verify.add_argument("--json", action="store_true", help="print what was found as JSON, which --heads reads")
    verify.add_argument(
        "--heads",
        metavar="FILE",
        type=_heads,
        default={},
        help="what --json printed earlier and was kept elsewhere: lines that were cut off since are found by it",
    )
    export = actions.add_parser("export", help="write a school's lines to standard output, as CSV")
    export.add_argument("--school", required=True, metavar="ID", help="in the roster; '' for the operator's own lines")
    export.add_argument("--from", dest="first_day", type=date.fromisoformat, metavar="DATE", help="the first day")
    export.add_argument("--until", dest="last_day", type=date.fromisoformat, metavar="DATE", help="the last day")


def _heads(path: str) -> Mapping[str, Head]:
    """The heads by school. Raises ArgumentTypeError."""
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        return {chain["school"]: Head(int(chain["position"]), str(chain["hash"])) for chain in told["chains"]}
    except (OSError, ValueError, KeyError, TypeError):
        msg = f"{path} is not what verify --json printed"
        raise ArgumentTypeError(msg) from None


async def _verify(review: Review, arguments: Namespace) -> int:
    reports = await use_cases.verify(review, arguments.heads)
    print(_as_json(reports) if arguments.json else _as_text(reports))  # noqa: T201 - a command line speaks to its user
    return 1 if any(report.fault for report in reports) else 0


def _as_json(reports: Sequence[Report]) -> str:
    return json.dumps({"chains": [report.as_json() for report in reports]}, indent=2)


def _as_text(reports: Sequence[Report]) -> str:
    if not reports:
        return "no lines"
    return "\n".join(
        f"{report.school_id or '(operator)'}: {report.lines} lines, head {report.head.position} {report.head.hash}, "
        + (f"BROKEN: line {report.at} {report.fault}" if report.fault else "ok")
        for report in reports
    )


async def _export(review: Review, arguments: Namespace) -> int:
    wanted = Filter(first_day=arguments.first_day, last_day=arguments.last_day)
    try:
        pieces = await use_cases.export(review, OPERATOR, arguments.school, wanted)
    except NotFoundError:
        return _fail("there is no such school")
    async for piece in pieces:
        sys.stdout.buffer.write(piece.encode())
    sys.stdout.buffer.flush()
    return 0


def _fail(text: str) -> int:
    print(f"stopped: {text}", file=sys.stderr)  # noqa: T201 - a command line speaks to its user
    return 1
