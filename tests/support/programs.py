"""One service as a process of its own, as its users start it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local_stack.processes import Child, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Databases


@contextmanager
def otp_process(
    databases: Databases, broker_url: str, folder: Path, *, in_a_shell_after: str = "true", **settings: str
) -> Iterator[tuple[Child, int]]:
    """The process of otp and its port, until the block ends; it may not listen yet. ``settings`` have no prefix."""
    port = free_port()
    given = {"database_url": databases.otp, "rabbitmq_url": broker_url, "port": str(port)} | settings
    environment = os.environ | {f"OTP_{name}".upper(): value for name, value in given.items()}
    program = Path(sys.executable).parent / "otp-service"
    command = ["sh", "-c", f"{in_a_shell_after}; exec {program} serve"]
    child = Child("otp", command, folder / "log", environment=environment)
    try:
        yield child, port
    finally:
        child.stop(60)
