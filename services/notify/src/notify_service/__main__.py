"""``notify-service serve | migrate | retention``."""

from __future__ import annotations

import sys

from notify_service.app import make_app
from notify_service.retention import make_purges
from notify_service.settings import Settings
from shared.retention import retention_command
from shared.service import run


def main() -> int:
    """Run the command line; the exit code."""
    return run("notify_service", Settings, make_app, [retention_command(make_purges)])


if __name__ == "__main__":
    sys.exit(main())
