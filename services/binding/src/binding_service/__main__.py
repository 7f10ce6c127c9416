"""``binding-service serve | migrate | roster | retention``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from binding_service.app import make_app, make_keys
from binding_service.retention import make_purges
from binding_service.roster.commands import roster_command
from binding_service.roster.importing import Roster
from binding_service.settings import Settings
from shared.database import Database
from shared.retention import retention_command
from shared.service import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.purging import Purge


def main() -> int:
    """Run the command line; the exit code."""
    commands = [roster_command(make_roster), retention_command(make_purges_of)]
    return run("binding_service", Settings, make_app, commands)


def make_roster(settings: Settings) -> Roster:
    """What an import works with. Raises SettingsError."""
    keys = make_keys(settings)
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    return Roster(database=database, hashes=keys.hashes, store=keys.store, to_review=keys.to_review)


def make_purges_of(settings: Settings) -> Sequence[Purge]:
    """What the purge works with. Raises SettingsError."""
    return make_purges(settings, make_keys(settings))


if __name__ == "__main__":
    sys.exit(main())
