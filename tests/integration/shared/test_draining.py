"""A service that is asked to stop says so before it refuses anybody."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import httpx

from support.programs import otp_process
from support.serving import eventually, wait_until_ready

if TYPE_CHECKING:
    from pathlib import Path

    from support.databases import Databases


async def test_a_service_that_stops_is_first_not_ready_and_still_serves(
    databases: Databases, broker_url: str, tmp_path: Path
):
    with otp_process(databases, broker_url, tmp_path, drain_seconds="3") as (child, port):
        url = f"http://127.0.0.1:{port}"
        await eventually(lambda: _listens(url), within=60)
        await wait_until_ready(url)
        os.kill(child.pid, signal.SIGTERM)

        async def says_that_it_stops() -> bool:
            return (await _get(f"{url}/health/ready")).json()["problems"] == ["stopping"]

        await eventually(says_that_it_stops, within=2)
        assert (await _get(f"{url}/health/live")).is_success

        async def refuses() -> bool:
            return not await _listens(url)

        await eventually(refuses)


async def _get(url: str) -> httpx.Response:
    """On a connection of its own, as from a proxy that keeps none."""
    async with httpx.AsyncClient() as client:
        return await client.get(url)


async def _listens(url: str) -> bool:
    try:
        await _get(f"{url}/health/live")
    except httpx.TransportError:
        return False
    return True
