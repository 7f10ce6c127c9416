"""``binding-service serve | migrate | roster | bindings | retention | keys``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from binding_service.applications.commands import bindings_command
from binding_service.context import make_keys
from binding_service.retention import make_purges
from binding_service.roster.commands import roster_command
from binding_service.roster.importing import Roster
from binding_service.sealed import make_columns
from binding_service.settings import Settings
from shared.database import Database
from shared.keys import keys_command
from shared.retention import retention_command
from shared.service import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp

    from binding_service.roster.domain import Choices
    from shared.purging import Purge
    from shared.resealing import Column


def main() -> int:
    """Run the command line; the exit code."""
    commands = [
        roster_command(make_roster, choices),
        bindings_command(make_roster),
        retention_command(make_purges_of),
        keys_command(make_columns_of),
    ]
    return run("binding_service", Settings, make_app, commands)


def make_app(settings: Settings) -> ASGIApp:
    """What ``serve`` serves. A command is quicker without it, and it takes a second to import."""
    from binding_service import app  # noqa: PLC0415 - see above

    return app.make_app(settings)


def choices(settings: Settings) -> Choices:
    """How an import is done where nothing else is said."""
    return settings.roster_choices


def make_roster(settings: Settings) -> Roster:
    """What an import or a replay works with. Raises SettingsError."""
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    return Roster(database, make_keys(settings))


def make_purges_of(settings: Settings) -> Sequence[Purge]:
    """What the purge works with. Raises SettingsError."""
    return make_purges(settings, make_keys(settings))


def make_columns_of(settings: Settings) -> Sequence[Column]:
    """What a change of keys goes through. Raises SettingsError."""
    return make_columns(make_keys(settings))


if __name__ == "__main__":
    sys.exit(main())
