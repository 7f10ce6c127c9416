"""``kinbind``, the operator's command."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kinbind_operations import bundle, dead_letters, notices, outbox, status, tasks
from kinbind_operations.console import warn
from kinbind_operations.errors import RefusedError, UnreachableError
from kinbind_operations.settings import Settings
from shared.interrupts import INTERRUPTED, run_until_interrupted
from shared.settings import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

FAILED, MISUSED, UNREACHABLE = 1, 2, 3
DESCRIPTION = """See how the services are, and mend what cannot mend itself. It works with the operator's own role in
PostgreSQL and user in RabbitMQ (KINBIND_DATABASE_URL, KINBIND_RABBITMQ_URL; all settings: docs/configuration.md), and
shows no personal data."""
EXIT_CODES = """exit codes:
  0  done, and nothing is wrong
  1  something is wrong, or could not be done: the text says what
  2  the command line or a setting is wrong
  3  PostgreSQL or RabbitMQ cannot be reached

At night begin with: kinbind status"""


class Command(NamedTuple):
    """One thing that kinbind can do."""

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Settings, argparse.Namespace], Coroutine[None, None, int]]


COMMANDS = {
    "status": Command("how all parts are, and what is wrong", status.configure, status.run),
    "dead-letters": Command(
        "messages that a consumer could not take: list, show, replay, drop", dead_letters.configure, dead_letters.run
    ),
    "outbox": Command(
        "events that do not reach the bus: list, retry; or that it lost: resend", outbox.configure, outbox.run
    ),
    "replay": Command("let facts be told again to one consumer", tasks.configure_replay, tasks.run_replay),
    "keys": Command("which keys are in use, and changing one: status, rotate", tasks.configure_keys, tasks.run_keys),
    "notices": Command(
        "stop e-mail or SMS, and let them go again: status, pause, resume", notices.configure, notices.run
    ),
    "audit": Command("check the audit log's chains: verify", tasks.configure_audit, tasks.run_audit),
    "tasks": Command("what the services were asked for, and how far it is", tasks.configure_tasks, tasks.run_tasks),
    "support-bundle": Command("write what helpers need to a file, without personal data", bundle.configure, bundle.run),
}


def main(words: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = argparse.ArgumentParser(
        prog="kinbind",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.configure(choices.add_parser(name, help=command.help))
    arguments = parser.parse_args(words)
    # The libraries' own lines say again, and in more words, what ours do.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    try:
        code = run_until_interrupted(COMMANDS[arguments.command].run(load(Settings), arguments))
    except SettingsError as error:
        warn(f"kinbind: {error}")
        return MISUSED
    except UnreachableError as error:
        warn(f"kinbind: {error}")
        return UNREACHABLE
    except RefusedError as error:
        warn(f"kinbind: {error}")
        return FAILED
    except Exception as fault:  # noqa: BLE001 - its text might quote data, so it is not shown
        frame = traceback.extract_tb(fault.__traceback__)[-1]
        warn(f"kinbind: a fault of its own, {type(fault).__name__} at {Path(frame.filename).name}:{frame.lineno}")
        return FAILED
    if code == INTERRUPTED:
        warn("kinbind: stopped; it can be run again")
        return FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
