"""Each open page is an open file; most systems grant a process few of them, unless it asks for more."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from local_stack.processes import Child, accepts_connections, free_port
from support.serving import eventually

if TYPE_CHECKING:
    from support.databases import Databases

PROGRAM = Path(sys.executable).parent / "binding-service"


async def test_a_service_takes_as_many_open_files_as_it_is_granted(
    databases: Databases, broker_url: str, tmp_path: Path
):
    port = free_port()
    environment = os.environ | {
        "BINDING_DATABASE_URL": databases.binding,
        "BINDING_RABBITMQ_URL": broker_url,
        "BINDING_PORT": str(port),
    }
    started = f"ulimit -S -n 256; ulimit -H -n 3000; exec {PROGRAM} serve"
    child = Child("binding", ["sh", "-c", started], tmp_path / "log", environment=environment)
    try:

        async def listens() -> bool:
            return accepts_connections(port)

        await eventually(listens, within=60)
        assert psutil.Process(child.pid).rlimit(psutil.RLIMIT_NOFILE) == (3000, 3000)
    finally:
        child.stop(60)
