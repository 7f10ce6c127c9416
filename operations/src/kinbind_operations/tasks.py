"""What is asked of the services themselves, which have the keys: replays, changes of keys, the audit log's chains."""

from __future__ import annotations

import asyncio
import json
import time
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinbind_operations import tables
from kinbind_operations.console import as_json, say, warn
from kinbind_operations.errors import RefusedError
from kinbind_operations.settings import SERVICES
from shared.operations import LEASE_SECONDS, REPLAYABLE

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from kinbind_operations.settings import Settings

LOOK_SECONDS = 0.3
#: A running service takes a task within some seconds, and says that it is at it; a dead one's is taken by another.
PATIENCE_SECONDS = 2 * LEASE_SECONDS


async def done(
    settings: Settings,
    service: str,
    kind: str,
    arguments: dict[str, Any] | None = None,
    *,
    patience: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """Ask the service for it and wait; the result.

    Raises RefusedError where it fails, or where nobody is at it for ``patience`` seconds.
    """
    async with tables.schema_of(settings, service) as connection:
        task_id = await tables.ask(connection, service, kind, arguments or {})
        seen, told = time.monotonic(), ""
        while True:
            row = await tables.task(connection, task_id)
            if row["ended_at"]:
                break
            if row["progress"] != told:
                told = row["progress"]
                warn(f"{service}: {told}")
            if row["is_under_way"]:
                seen = time.monotonic()
            if time.monotonic() - seen > patience:
                msg = f"{service} does not take it up: is it running? Task {task_id} stays asked for; see kinbind tasks"
                raise RefusedError(msg)
            await asyncio.sleep(LOOK_SECONDS)
    if row["problem"]:
        msg = f"{service}: {row['problem']}"
        raise RefusedError(msg)
    result: dict[str, Any] = row["result"]
    return result


# --- kinbind tasks ---


def configure_tasks(parser: ArgumentParser) -> None:
    """The arguments of ``tasks``."""
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="of each service at most so many")


async def run_tasks(settings: Settings, arguments: Namespace) -> int:
    """What was asked of the services lately, and how far it is."""
    for service in SERVICES:
        async with tables.schema_of(settings, service) as connection:
            rows = await tables.tasks(connection, arguments.limit)
        for row in rows:
            state = row["problem"] or ("done" if row["ended_at"] else f"not done yet {row['progress']}")
            say(f"{service}  {row['id']}  {row['kind']}  {row['asked_at']:%Y-%m-%d %H:%M:%S} UTC  {state}")
    return 0


# --- kinbind replay ---


def configure_replay(parser: ArgumentParser) -> None:
    """The arguments of ``replay``."""
    parser.add_argument(
        "facts",
        choices=sorted(REPLAYABLE),
        metavar="FACTS",
        help="roster: schools, classes, teachers, students; bindings: how each stands, and what waits",
    )
    consumers = sorted({consumer for _, heard_by in REPLAYABLE.values() for consumer in heard_by})
    parser.add_argument("--to", required=True, choices=consumers, metavar="CONSUMER", help="review: no other gets them")
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="only what has changed since, such as 2026-11-26T03:00:00+08:00 (without a zone: UTC); else everything",
    )


def moment(text: str) -> datetime:
    """A time of the command line; UTC where it names no zone."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text} is no time such as 2026-11-26T03:00:00+08:00"
        raise ArgumentTypeError(msg) from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


async def run_replay(settings: Settings, arguments: Namespace) -> int:
    """Let the owner of the facts tell them again to one consumer. Raises RefusedError or UnreachableError."""
    owner, _ = REPLAYABLE[arguments.facts]
    since = arguments.since.isoformat() if arguments.since else None
    words = f"{arguments.facts} to {arguments.to} since {since or 'the beginning'}"
    await tables.note(settings, "replay", reason=words)
    result = await done(settings, owner, "replay", {"facts": arguments.facts, "to": arguments.to, "since": since})
    say(f"{result['events']} events told again to {arguments.to}; nobody is written to because of them")
    return 0


# --- kinbind keys ---


def configure_keys(parser: ArgumentParser) -> None:
    """The arguments of ``keys``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    status = actions.add_parser("status", help="how many values lie under which key")
    status.add_argument("--json", action="store_true", help="as JSON")
    rotating = actions.add_parser(
        "rotate",
        help="seal and hash anew what is not under the first key of its setting",
        description="Before: put the new key first in the service's setting, keep the old one behind it, and restart"
        " every process of the service. After: when nothing is under the old key any more, take it out."
        " It can be stopped and run again at any moment; services go on meanwhile.",
    )
    for each in (status, rotating):
        each.add_argument("--service", choices=SERVICES, help="of this service only")


async def run_keys(settings: Settings, arguments: Namespace) -> int:
    """Do it; the exit code: 1 where something lies under a former key that a rotation makes anew."""
    services = [arguments.service] if arguments.service else list(SERVICES)
    is_rotating = arguments.action == "rotate"
    if is_rotating:
        await tables.note(settings, "keys rotate", reason=", ".join(services))
    kind = "keys-reseal" if is_rotating else "keys-status"
    told = {service: (await done(settings, service, kind))["settings"] for service in services}
    found = {setting: of_setting for of_service in told.values() for setting, of_setting in of_service.items()}
    if not is_rotating and arguments.json:
        say(as_json(told))
    else:
        say("\n".join(_lines(found)))
    return _judge(found)


def _lines(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What lies under which key, a line a column."""
    for setting, told in found.items():
        for column, by_key in told["columns"].items():
            counts = ", ".join(f"{count} under {key_id}" for key_id, count in by_key.items()) or "none"
            yield f"{setting} (now {told['current']})  {column}: {counts}"


def _judge(found: dict[str, dict[str, Any]]) -> int:
    """Say which former keys are still needed; the exit code."""
    old: list[str] = []
    passing: list[str] = []
    for told in found.values():
        for column, by_key in told["columns"].items():
            if set(by_key) - {told["current"]}:
                (passing if column in told["passing"] else old).append(column)
    if old:
        warn(f"under a former key: {', '.join(old)}; next: kinbind keys rotate")
    if passing:
        warn(f"under a former key until it expires or the roster is imported whole: {', '.join(passing)}")
    if not old and not passing:
        warn("nothing is under a former key: it may leave its setting, but for the audit log's")
    return 1 if old else 0


# --- kinbind audit ---


def configure_audit(parser: ArgumentParser) -> None:
    """The arguments of ``audit``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verifying = actions.add_parser("verify", help="check the audit log's chain of every school")
    verifying.add_argument("--json", action="store_true", help="as JSON; keep it elsewhere, for --heads")
    verifying.add_argument(
        "--heads", type=Path, metavar="FILE", help="what --json printed earlier: finds lines that were cut off since"
    )


async def run_audit(settings: Settings, arguments: Namespace) -> int:
    """Let review go along its chains; the exit code is 1 where one is broken."""
    heads = _heads(arguments.heads) if arguments.heads else {}
    result = await done(settings, "review", "audit-verify", heads)
    broken = [chain for chain in result["chains"] if chain["fault"]]
    if arguments.json:
        say(as_json(result))
    else:
        for chain in broken:
            fault = chain["fault"]
            say(f"{chain['school'] or '(operator)'}: BROKEN at line {fault['position']}: {fault['kind']}")
        lines = sum(chain["lines"] for chain in result["chains"])
        say(f"{len(result['chains'])} chains, {lines} lines, {len(broken)} broken")
    return 1 if broken else 0


def _heads(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"chains": [{name: chain[name] for name in ("school", "position", "hash")} for chain in told["chains"]]}
    except (OSError, ValueError, KeyError, TypeError):
        msg = f"{path} is not what audit verify --json printed"
        raise RefusedError(msg) from None
