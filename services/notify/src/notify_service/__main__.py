"""``notify-service serve | migrate | retention | keys | notices | operator``."""

from __future__ import annotations

import sys

from notify_service.app import make_app
from notify_service.operators.commands import operator_command
from notify_service.rendering import notices_command
from notify_service.retention import make_purges
from notify_service.sealed import make_columns
from notify_service.settings import Settings
from shared.keys import keys_command
from shared.retention import retention_command
from shared.service import run


def main() -> int:
    """Run the command line; the exit code."""
    commands = [retention_command(make_purges), keys_command(make_columns), notices_command(), operator_command()]
    return run("notify_service", Settings, make_app, commands)


if __name__ == "__main__":
    sys.exit(main())
