"""Child processes that die with us, stop in bounded time, and leave the end of their log behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from local_stack.servers import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOG_LINES_SHOWN = 15
POLL_SECONDS = 0.1


class Child:
    """A process that we started: its own session, so that Ctrl-C in the terminal reaches us alone."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str],
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self._log = log
        self._stop_signal = stop_signal
        with log.open("ab") as output:
            # The log tells of this run's end, not of an earlier one's.
            self._log_begins = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own command lines
                [*_dies_with_us(stop_signal), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raises StackError with the end of the log when the process is gone."""
        if not self.is_alive:
            msg = f"{self.name} stopped by itself (exit code {self._process.returncode}). The end of its log:\n"
            raise StackError(msg + self.log_end())

    def log_end(self) -> str:
        """The last lines of what it said in this run."""
        with self._log.open("rb") as log:
            log.seek(self._log_begins)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_LINES_SHOWN:])

    def ask_to_stop(self) -> None:
        """Send the signal that stops it gracefully."""
        if self.is_alive:
            self._process.send_signal(self._stop_signal)

    def stop(self, within: float) -> None:
        """Stop it gracefully; after ``within`` seconds it is killed, with whatever it started."""
        self.ask_to_stop()
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def wait_until(done: Callable[[], bool], *, within: float, what: str, children: Sequence[Child] = ()) -> None:
    """Return when ``done()``; raises StackError when time is over or one of ``children`` died."""
    deadline = time.monotonic() + within
    while not done():
        for child in children:
            child.check()
        if time.monotonic() > deadline:
            ends = "".join(f" The end of the log of {child.name}:\n{child.log_end()}" for child in children)
            msg = f"{what} did not become ready within {within:.0f} seconds.{ends}"
            raise StackError(msg)
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether we could listen on this port."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def accepts_connections(port: int) -> bool:
    """Whether somebody listens on this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _dies_with_us(stop_signal: signal.Signals) -> list[str]:
    """Even a kill -9 of this process leaves no server behind, where util-linux is there to see to it."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--"] if setpriv else []
