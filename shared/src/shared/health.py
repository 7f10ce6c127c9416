"""Liveness and readiness, as Kubernetes asks for them.

``/health/live`` says that the process answers. ``/health/ready`` says that it can do its work: migrations applied, the
database answering, consumers attached, no event waiting in the outbox for longer than it should. Post migrations that
wait for the end of a deployment are named beside: the service works without them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from shared import migrations, outbox
from shared.database import DATABASE_FAULTS

if TYPE_CHECKING:
    from starlette.requests import Request

    from shared.bus import Bus
    from shared.database import Database

OUTBOX_TOO_OLD_SECONDS = 60
CHECK_TIMEOUT_SECONDS = 3


def health_routes(package: str, database: Database, bus: Bus) -> list[Route]:
    """The two routes of a service whose migrations are in ``package``."""

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(_: Request) -> JSONResponse:
        wrong = await problems(package, database, bus)
        status = "not ready" if wrong else "ready"
        told = {"status": status, "problems": wrong, "post_migrations": await _post_migrations(package, database)}
        return JSONResponse(told, 503 if wrong else 200)

    return [Route("/health/live", live), Route("/health/ready", ready)]


async def problems(package: str, database: Database, bus: Bus) -> list[str]:
    """What keeps the service from working, in words; empty when nothing does."""
    found = [] if await bus.is_consuming() else ["broker: not connected, or a consumer is not attached"]
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS), database.connection() as connection:
            pending = await migrations.pending(connection, package)
            found += [f"migration not applied: {name}" for name in pending if not migrations.is_post(name)]
            if not found and await outbox.oldest_age_seconds(connection) > OUTBOX_TOO_OLD_SECONDS:
                found.append("outbox: an event has waited for over a minute")
    except DATABASE_FAULTS:
        found.append("database: not reachable")
    return found


async def _post_migrations(package: str, database: Database) -> list[str]:
    """Those that wait; none where nobody can say."""
    with suppress(*DATABASE_FAULTS):
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS), database.connection() as connection:
            return [name for name in await migrations.pending(connection, package) if migrations.is_post(name)]
    return []
