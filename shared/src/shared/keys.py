"""``<service> keys status`` and ``<service> keys reseal [--dry-run]``, and the same as an operator's tasks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from shared.database import DATABASE_FAULTS, Database
from shared.operations import TaskError, as_json
from shared.resealing import count_stale, key_counts, reseal
from shared.service import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from shared.operations import Handlers, Result, Task
    from shared.resealing import Column
    from shared.settings import S

Columns: TypeAlias = "Sequence[Column]"


def key_tasks(database: Database, columns: Columns) -> Handlers:
    """What an operator may ask of a service about its keys: ``keys-status``, ``keys-reseal``."""

    async def status(_: Task) -> Result:
        return {"settings": await key_counts(database, columns)}

    async def anew(task: Task) -> Result:
        done = await reseal(database, columns, task.tell)
        return {"columns": done, "settings": await key_counts(database, columns)}

    return {"keys-status": status, "keys-reseal": anew}


def keys_command(make_columns: Callable[[S], Columns]) -> Command[S]:
    """The command ``keys``, for a service's command line; ``make_columns`` says what is sealed and hashed there."""

    async def run(settings: S, arguments: Namespace) -> int:
        columns = make_columns(settings)
        database = Database(settings.database_url.get_secret_value(), pool_size=2)
        await database.open()
        try:
            return await _act(database, columns, arguments)
        except TaskError as error:
            return _fail(str(error))
        except (*DATABASE_FAULTS, asyncpg.PostgresError) as fault:
            return _fail(f"not finished ({type(fault).__name__}); run it again, it goes on from there")
        finally:
            await database.close()

    return Command("keys", "how much lies under which key, and sealing it anew under the first one", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("status", help="how many values are under which key, by setting and column, as JSON")
    resealing = actions.add_parser("reseal", help="seal and hash anew what is not under the first key of its setting")
    resealing.add_argument("--dry-run", action="store_true", help="say how many values that are, and change nothing")


async def _act(database: Database, columns: Columns, arguments: Namespace) -> int:
    counts = await key_counts(database, columns)
    if arguments.action == "status":
        _say(as_json(counts))
    elif arguments.dry_run:
        _say(_lines(count_stale(counts), "under another key than the first"))
    else:
        done = await reseal(database, columns, _progress)
        _say(_lines({name: of["resealed"] for name, of in done.items() if of["resealed"]}, "sealed anew"))
        _say(_lines(count_stale(await key_counts(database, columns)), "still under another key"))
    return 0


def _lines(counts: dict[str, int], what: str) -> str:
    return "\n".join(f"{name}: {count} {what}" for name, count in sorted(counts.items())) or f"none {what}"


async def _progress(words: str) -> None:
    print(words, file=sys.stderr)  # noqa: T201 - a command line speaks to its user


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command line speaks to its user


def _fail(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - the same
    return 1
