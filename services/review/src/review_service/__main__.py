"""``review-service serve | migrate | account``."""

from __future__ import annotations

import sys

from review_service.app import make_app
from review_service.commands import ACCOUNT
from review_service.settings import Settings
from shared.service import run


def main() -> int:
    """Run the command line; the exit code."""
    return run("review_service", Settings, make_app, [ACCOUNT])


if __name__ == "__main__":
    sys.exit(main())
