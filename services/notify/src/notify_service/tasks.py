"""What operators may ask of notify (shared.operations)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notify_service import storage
from notify_service.sealed import make_columns
from shared.events import CHANNELS
from shared.keys import key_tasks
from shared.operations import TaskError, describing

if TYPE_CHECKING:
    from notify_service.settings import Settings
    from shared.database import Database
    from shared.events import Channel
    from shared.operations import Handlers, Result, Task


def make_tasks(settings: Settings, database: Database) -> Handlers:
    """All of it. Raises SettingsError."""
    return {
        **describing("notify_service", settings),
        **key_tasks(database, make_columns(settings)),
        **channel_tasks(settings, database),
    }


def channel_tasks(settings: Settings, database: Database) -> Handlers:
    """``notices-status``, ``notices-pause``, ``notices-resume``: the switch of each channel, for all processes."""

    async def status(_: Task) -> Result:
        """How each channel is. Numbers, countries and an operator's own words."""
        async with database.connection() as connection:
            rows = await storage.channels(connection)
        off = settings.limits().off
        return {
            "channels": {
                row["channel"]: {
                    **{name: row[name] for name in ("reason", "this_hour", "by_country", "waiting", "oldest_seconds")},
                    "paused_since": row["paused_at"] and row["paused_at"].isoformat(),
                    "paused_by_settings": row["channel"] in off,
                    "providers": settings.providers()[row["channel"]],
                }
                for row in rows
            }
        }

    async def pause(task: Task) -> Result:
        """Nothing more goes by the channel from now on; what is being handed over at this moment still does."""
        async with database.connection() as connection:
            await storage.pause(connection, _channel(task), str(task.arguments["reason"]))
        return {}

    async def resume(task: Task) -> Result:
        """It goes again, what has waited first."""
        channel = _channel(task)
        async with database.connection() as connection:
            was_paused = await storage.resume(connection, channel)
        return {"was_paused": was_paused, "paused_by_settings": channel in settings.limits().off}

    return {"notices-status": status, "notices-pause": pause, "notices-resume": resume}


def _channel(task: Task) -> Channel:
    for channel in CHANNELS:
        if channel == task.arguments.get("channel"):
            return channel
    msg = "there is no such channel: email or sms"
    raise TaskError(msg)
