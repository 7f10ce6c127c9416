"""``kinbind support-bundle``: what those need to know who help, in one file and without personal data."""

from __future__ import annotations

import io
import json
import tarfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinbind_operations.console import as_json, say, warn
from kinbind_operations.dead_letters import dead_letters, filled_queues
from kinbind_operations.errors import RefusedError, UnreachableError
from kinbind_operations.masking import is_id, shown_id
from kinbind_operations.outbox import stuck
from kinbind_operations.queues import connected
from kinbind_operations.settings import SERVICES
from kinbind_operations.status import look
from kinbind_operations.tasks import done

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from kinbind_operations.settings import Settings

DEAD_LETTERS = 100
OUTBOX_ROWS = 100
ERRORS = 200
#: A bundle is often made because a service is away: for each it waits no longer.
PATIENCE_SECONDS = 15
LEVELS = frozenset({"warning", "error", "critical"})
#: Of a log line: fixed words of ours, names of faults and frames of code. Anything else might be data.
WORDS = ("timestamp", "level", "service", "event", "fault", "queue", "kind", "column", "task", "again_in")
IDS = ("correlation_id", "message_id")


def configure(parser: ArgumentParser) -> None:
    """The arguments of ``support-bundle``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the bundle, a .tar.gz; it must not exist yet")
    parser.add_argument(
        "--logs",
        type=Path,
        nargs="*",
        default=[],
        metavar="LOG",
        help="files with services' JSON log lines: their latest warnings and errors go along, without what may be data",
    )


async def run(settings: Settings, arguments: Namespace) -> int:
    """Write the bundle. Raises RefusedError; a part that cannot be reached is told in it instead."""
    parts = {
        "status.json": (await look(settings)).as_dict(),
        "versions.json": await _versions(settings),
        "dead-letters.json": await _dead_letters(settings),
        "outbox.json": await _outboxes(settings),
        "errors.json": list(_errors(arguments.logs))[-ERRORS:],
    }
    try:
        with tarfile.open(arguments.file, "x:gz") as bundle:
            for name, part in parts.items():
                _add(bundle, name, part)
    except OSError as fault:
        msg = f"{arguments.file} cannot be written: {fault.strerror}"
        raise RefusedError(msg) from None
    say(f"{arguments.file}: {', '.join(parts)}; no personal data, but read it before you give it away")
    return 0


def _add(bundle: tarfile.TarFile, name: str, part: object) -> None:
    text = as_json(part).encode()
    entry = tarfile.TarInfo(f"kinbind-support/{name}")
    entry.size, entry.mtime = len(text), int(time.time())
    bundle.addfile(entry, io.BytesIO(text))


async def _versions(settings: Settings) -> dict[str, Any]:
    """Of this command and of each service, with the names of the settings that are set there, never a value."""
    told: dict[str, Any] = {
        "kinbind": version("kinbind-operations"),
        "settings": sorted(f"KINBIND_{name}".upper() for name in settings.model_fields_set),
    }
    for service in SERVICES:
        try:
            told[service] = await done(settings, service, "describe", patience=PATIENCE_SECONDS)
        except (UnreachableError, RefusedError) as error:
            told[service] = str(error)
            warn(str(error))
    return told


async def _dead_letters(settings: Settings) -> object:
    try:
        async with connected(settings.rabbitmq_url.get_secret_value()) as connection:
            return [
                asdict(letter)
                for queue in await filled_queues(connection)
                for letter in await dead_letters(connection, queue, DEAD_LETTERS)
            ]
    except (UnreachableError, RefusedError) as error:
        return str(error)


async def _outboxes(settings: Settings) -> dict[str, object]:
    told: dict[str, object] = {}
    for service in SERVICES:
        try:
            told[service] = await stuck(settings, service, OUTBOX_ROWS)
        except (UnreachableError, RefusedError) as error:
            told[service] = str(error)
    return told


def _errors(logs: list[Path]) -> Iterator[dict[str, object]]:
    """Warnings and worse of the services' own lines, cut down to what is never data."""
    for path in logs:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as fault:
            warn(f"{path} cannot be read: {fault.strerror}")
            continue
        for text in lines:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            # A library's line has a logger, and words that are not ours.
            if isinstance(line, dict) and line.get("level") in LEVELS and "logger" not in line:
                yield _cut_down(line)


def _cut_down(line: dict[str, Any]) -> dict[str, object]:
    kept: dict[str, object] = {name: line[name] for name in WORDS if isinstance(line.get(name), str | int)}
    kept |= {name: shown_id(line[name]) for name in IDS if name in line and is_id(str(line[name]))}
    frames = [
        [item.get("exc_type"), *(f"{frame.get('filename')}:{frame.get('lineno')}" for frame in item.get("frames", []))]
        for item in line.get("exception") or []
        if isinstance(item, dict)
    ]
    return {name: value for name, value in kept.items() if value is not None} | (
        {"exception": frames} if frames else {}
    )
