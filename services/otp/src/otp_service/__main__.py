"""``otp-service serve | migrate | retention | keys``."""

from __future__ import annotations

import sys

from otp_service.app import make_app
from otp_service.sealed import make_columns
from otp_service.settings import Settings
from otp_service.storage import EXPIRED
from shared.keys import keys_command
from shared.retention import retention_command
from shared.service import run


def main() -> int:
    """Run the command line; the exit code."""
    return run("otp_service", Settings, make_app, [retention_command(lambda _: EXPIRED), keys_command(make_columns)])


if __name__ == "__main__":
    sys.exit(main())
