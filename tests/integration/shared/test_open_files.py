"""Each open page is an open file; most systems grant a process few of them, unless it asks for more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from local_stack.processes import accepts_connections
from support.programs import otp_process
from support.serving import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from support.databases import Databases


async def test_a_service_takes_as_many_open_files_as_it_is_granted(
    databases: Databases, broker_url: str, tmp_path: Path
):
    few = "ulimit -S -n 256; ulimit -H -n 3000"
    with otp_process(databases, broker_url, tmp_path, in_a_shell_after=few) as (child, port):

        async def listens() -> bool:
            return accepts_connections(port)

        await eventually(listens, within=60)
        assert psutil.Process(child.pid).rlimit(psutil.RLIMIT_NOFILE) == (3000, 3000)
