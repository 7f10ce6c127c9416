"""``python -m local_stack up | clean``, in the project's folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import asyncpg

from local_stack.servers import StackError
from local_stack.stack import clean, up


def main() -> int:
    """Run the command line; the exit code. What goes wrong is told in a sentence."""
    parser = argparse.ArgumentParser(prog="local_stack")
    parser.add_argument("action", choices=["up", "clean"])
    action = {"up": up, "clean": clean}[parser.parse_args().action]
    try:
        action(Path.cwd())
    except StackError as error:
        return _fail(str(error))
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return _fail(f"PostgreSQL refused: {error}")
    except OSError as error:
        return _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    return 0


def _fail(text: str) -> int:
    print(text, file=sys.stderr)  # noqa: T201 - a command line speaks to its user
    return 1


if __name__ == "__main__":
    sys.exit(main())
