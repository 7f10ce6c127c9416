from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from local_stack.processes import Child, free_port, wait_until

if TYPE_CHECKING:
    from support.databases import Databases

PROGRAM = Path(sys.executable).parent / "notify-service"


def test_a_collector_that_is_away_holds_up_neither_requests_nor_the_stop(
    databases: Databases, broker_url: str, tmp_path: Path
) -> None:
    port, nobody = free_port(), free_port()
    environment = os.environ | {
        "NOTIFY_DATABASE_URL": databases.notify,
        "NOTIFY_RABBITMQ_URL": broker_url,
        "NOTIFY_PORT": str(port),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{nobody}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    child = Child("notify", [str(PROGRAM), "serve"], tmp_path / "log", environment=environment)
    url = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/health/ready").is_success
        return False

    try:
        wait_until(is_ready, within=60, what="notify", children=[child])
        for _ in range(200):
            assert httpx.get(f"{url}/mailbox.json").is_success
    finally:
        began = time.monotonic()
        child.stop(60)
    assert time.monotonic() - began < 20
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
