from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from local_stack.processes import Child, free_port, wait_until
from support.collector import collecting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Databases

PROGRAM = Path(sys.executable).parent / "notify-service"


@contextmanager
def running(databases: Databases, broker_url: str, log: Path, **more: str) -> Iterator[tuple[str, Child]]:
    """Notify as a process, with these variables besides its own; its address."""
    port = free_port()
    environment = os.environ | {
        "NOTIFY_DATABASE_URL": databases.notify,
        "NOTIFY_RABBITMQ_URL": broker_url,
        "NOTIFY_PORT": str(port),
        **more,
    }
    child = Child("notify", [str(PROGRAM), "serve"], log, environment=environment)
    url = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/health/ready").is_success
        return False

    try:
        wait_until(is_ready, within=60, what="notify", children=[child])
        yield url, child
    finally:
        child.stop(60)


def test_a_collector_that_is_away_holds_up_neither_requests_nor_the_stop(
    databases: Databases, broker_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    nobody = f"http://127.0.0.1:{free_port()}"
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": nobody, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running(databases, broker_url, log, **settings) as (url, child):
        for _ in range(200):
            assert httpx.get(f"{url}/mailbox.json").is_success
        began = time.monotonic()
        child.stop(60)
        assert time.monotonic() - began < 15
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_a_service_that_stops_hands_over_its_last_spans(databases: Databases, broker_url: str, tmp_path: Path) -> None:
    with collecting() as collector:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
        with running(databases, broker_url, tmp_path / "log", **settings) as (url, _):
            assert httpx.get(f"{url}/mailbox.json").is_success
            assert collector.spans == []
        assert collector.named("GET /mailbox.json")
