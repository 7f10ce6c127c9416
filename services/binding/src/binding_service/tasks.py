"""What operators may ask of binding (shared.operations): its keys, and telling one consumer facts again."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from binding_service.applications.replaying import replay_to
from binding_service.retelling import retell
from binding_service.sealed import make_columns
from shared.keys import key_tasks
from shared.operations import REPLAYABLE, TaskError, deliver, describing

if TYPE_CHECKING:
    from binding_service.roster.importing import Roster
    from binding_service.settings import Settings
    from shared.bus import Bus
    from shared.operations import Handlers, Result, Task


def make_tasks(settings: Settings, roster: Roster, bus: Bus) -> Handlers:
    """All of it."""
    return {
        **describing("binding_service", settings),
        **key_tasks(roster.database, make_columns(roster.keys)),
        "replay": partial(_replay, roster, bus),
    }


async def _replay(roster: Roster, bus: Bus, task: Task) -> Result:
    """Tell ``facts`` of the time ``since`` again, to the consumer ``to`` alone."""
    facts, consumer = task.arguments.get("facts"), task.arguments.get("to")
    if facts not in REPLAYABLE or consumer not in REPLAYABLE[facts][1]:
        msg = "binding does not tell these facts to that consumer again"
        raise TaskError(msg)
    since = task.arguments.get("since")
    tell_again = {"roster": retell, "bindings": replay_to}[facts]
    count = await tell_again(
        roster,
        datetime.fromisoformat(since) if since else None,
        partial(deliver, bus, consumer),
        task.tell,
    )
    return {"events": count}
