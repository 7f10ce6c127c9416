"""Liveness and readiness, as Kubernetes asks for them.

``/health/live`` says that the process answers. ``/health/ready`` says that it can do its work: migrations applied, the
database answering, consumers attached, no event waiting in the outbox for longer than it should, and no stop under way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from shared import migrations, outbox
from shared.database import DATABASE_FAULTS

if TYPE_CHECKING:
    from starlette.requests import Request

    from shared.bus import Bus
    from shared.database import Database

#: In the lifespan's state (ASGI) from when the service is asked to stop.
STOPPING = "kinbind.stopping"
OUTBOX_TOO_OLD_SECONDS = 60
CHECK_TIMEOUT_SECONDS = 3


def health_routes(package: str, database: Database, bus: Bus) -> list[Route]:
    """The two routes of a service whose migrations are in ``package``."""

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(request: Request) -> JSONResponse:
        stops = STOPPING in request.scope.get("state", {})
        wrong = ["stopping"] if stops else await problems(package, database, bus)
        return JSONResponse({"status": "not ready" if wrong else "ready", "problems": wrong}, 503 if wrong else 200)

    return [Route("/health/live", live), Route("/health/ready", ready)]


async def problems(package: str, database: Database, bus: Bus) -> list[str]:
    """What keeps the service from working, in words; empty when nothing does."""
    found = [] if await bus.is_consuming() else ["broker: not connected, or a consumer is not attached"]
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS), database.connection() as connection:
            found += [f"migration not applied: {name}" for name in await migrations.pending(connection, package)]
            if not found and await outbox.oldest_age_seconds(connection) > OUTBOX_TOO_OLD_SECONDS:
                found.append("outbox: an event has waited for over a minute")
    except DATABASE_FAULTS:
        found.append("database: not reachable")
    return found
