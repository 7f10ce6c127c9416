"""What operators may ask of notify (shared.operations)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notify_service.sealed import make_columns
from shared.keys import key_tasks
from shared.operations import describing

if TYPE_CHECKING:
    from notify_service.settings import Settings
    from shared.database import Database
    from shared.operations import Handlers


def make_tasks(settings: Settings, database: Database) -> Handlers:
    """All of it. Raises SettingsError."""
    return {**describing("notify_service", settings), **key_tasks(database, make_columns(settings))}
