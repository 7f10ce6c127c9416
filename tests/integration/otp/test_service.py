"""The otp service as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from otp_service.app import make_app
from otp_service.settings import Settings
from support.serving import serving

if TYPE_CHECKING:
    from support.databases import Databases


async def test_it_becomes_ready(databases: Databases, broker_url: str) -> None:
    settings = Settings(database_url=databases.otp, rabbitmq_url=broker_url, shutdown_seconds=5)
    async with serving(make_app(settings)) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}
