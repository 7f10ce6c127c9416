"""``otp-service serve | migrate | retention``."""

from __future__ import annotations

import sys

from otp_service.app import make_app
from otp_service.settings import Settings
from otp_service.storage import EXPIRED
from shared.retention import retention_command
from shared.service import run


def main() -> int:
    """Run the command line; the exit code."""
    return run("otp_service", Settings, make_app, [retention_command(lambda _: EXPIRED)])


if __name__ == "__main__":
    sys.exit(main())
