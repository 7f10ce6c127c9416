"""``binding-service serve | migrate | roster``."""

from __future__ import annotations

import sys

from binding_service.app import make_app
from binding_service.settings import Settings
from shared.service import run


def main() -> int:
    """Run the command line; the exit code."""
    return run("binding_service", Settings, make_app)


if __name__ == "__main__":
    sys.exit(main())
