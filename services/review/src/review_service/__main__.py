"""``review-service serve | migrate | account | audit | retention | keys``."""

from __future__ import annotations

import sys

from review_service.accounts.commands import account_command
from review_service.app import make_app, make_review
from review_service.audit.commands import audit_command
from review_service.retention import make_purges
from review_service.sealed import make_columns
from review_service.settings import Settings
from shared.keys import keys_command
from shared.retention import retention_command
from shared.service import run


def main() -> int:
    """Run the command line; the exit code."""
    commands = [
        account_command(make_review),
        audit_command(make_review),
        retention_command(make_purges),
        keys_command(lambda settings: make_columns(make_review(settings))),
    ]
    return run("review_service", Settings, make_app, commands)


if __name__ == "__main__":
    sys.exit(main())
