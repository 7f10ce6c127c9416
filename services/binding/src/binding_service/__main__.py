"""``binding-service serve | migrate | roster | bindings``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from binding_service.app import make_app, make_keys
from binding_service.applications.commands import bindings_command
from binding_service.roster.commands import roster_command
from binding_service.roster.importing import Roster
from binding_service.settings import Settings
from shared.database import Database
from shared.service import run

if TYPE_CHECKING:
    from binding_service.roster.domain import Choices


def main() -> int:
    """Run the command line; the exit code."""
    commands = [roster_command(make_roster, choices), bindings_command(make_roster)]
    return run("binding_service", Settings, make_app, commands)


def choices(settings: Settings) -> Choices:
    """How an import is done where nothing else is said."""
    return settings.roster_choices


def make_roster(settings: Settings) -> Roster:
    """What an import or a replay works with. Raises SettingsError."""
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    return Roster(database, make_keys(settings))


if __name__ == "__main__":
    sys.exit(main())
