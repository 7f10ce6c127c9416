"""The compose file's installation: built, started under a name and at ports of its own, thrown away at the end."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from local_stack import sample_roster
from local_stack.processes import free_port, wait_until
from local_stack.services import SERVICES
from support import operators
from support.stack import TEACHERS_PASSWORD, Sites

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local_stack.sample_roster import Roster

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "docker-compose.yml"
#: Of this folder: the images of another checkout's tests are others.
IMAGE_PREFIX = f"kinbind-test-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
PORTS = {service.name: service.port for service in SERVICES}
READY_SECONDS = 90
#: What the proxy allows one client address, other than by default: sooner reached, and more than the tests need.
CLIENT_REQUESTS, CLIENT_CONNECTIONS = 600, 100
_ASK_READY = "from urllib.request import urlopen; urlopen('http://127.0.0.1:{}/health/ready', timeout=3)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation(Sites):
    """What runs, and the ways to it: the published ports, and Compose itself."""

    project: str
    environment: Mapping[str, str] = field(repr=False)

    def compose(self, *arguments: str, said: str = "") -> str:
        """What a command of Compose prints."""
        return _run(self.environment, *_compose(), "-p", self.project, *_FILES, *arguments, said=said)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers, running or not."""
        labels = {"project": self.project, "service": service, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{label}={value}" for label, value in labels.items()]
        return self.docker("ps", "-aq", *filters).split()

    def docker(self, *arguments: str) -> str:
        """What a command of Docker prints."""
        return _run(self.environment, "docker", *arguments)

    def log(self, container: str) -> str:
        """Everything that a container has said."""
        said = subprocess.run(  # noqa: S603 - our own command line
            ["docker", "logs", container],  # noqa: S607 - the user's own
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return said.stdout

    def state(self, container: str) -> dict[str, Any]:
        """What Docker says of a container's life."""
        described: dict[str, Any] = json.loads(self.docker("inspect", "--format", "{{json .State}}", container))
        return described

    def wait_until_ready(self, *services: str) -> None:
        """Return when every container of these services says that it is ready, and the mailbox is there again.

        Of the web services the proxy holds what comes too early; of the mailbox, which is for development, it does not.
        """
        for service in services:
            for container in self.containers(service):
                wait_until(partial(_is_ready, service, container), within=READY_SECONDS, what=f"{service} to be ready")
        if "notify" in services:
            wait_until(self._has_mailbox, within=READY_SECONDS, what="the proxy to see the mailbox")

    def _has_mailbox(self) -> bool:
        return httpx.get(f"{self.notify}/mailbox.json").is_success


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """Build, start, and load the sample roster, which is written to ``folder``; yields when everything is ready."""
    ports = {name: free_port() for name in ("binding", "review", "notify")}
    choose = SystemRandom()
    environment = os.environ | {
        "IMAGE_PREFIX": IMAGE_PREFIX,
        "FRONT": f"10.{choose.randint(16, 250)}.{choose.randint(0, 255)}",
        **{f"{name}_PORT".upper(): str(port) for name, port in ports.items()},
        "OPERATORS_PORT": str(free_port()),
        "CLIENT_REQUESTS": str(CLIENT_REQUESTS),
        "CLIENT_CONNECTIONS": str(CLIENT_CONNECTIONS),
        "OPERATOR_TOKENS": ",".join(":".join(pair) for pair in operators.known()),
        "PUBLIC_URL": f"https://localhost:{ports['binding']}",
        "REVIEW_PUBLIC_URL": f"https://localhost:{ports['review']}",
    }
    project = f"kinbind-test-{uuid4().hex[:8]}"
    run = partial(_run, environment, *_compose(), "-p", project, *_FILES)
    try:
        run("up", "-d", "--build")
        started = Installation(
            binding=environment["PUBLIC_URL"],
            review=environment["REVIEW_PUBLIC_URL"],
            notify=f"http://localhost:{ports['notify']}",
            roster=sample_roster.make_roster(),
            tls=ssl.create_default_context(cadata=run("exec", "-T", "proxy", "cat", "/certificates/tls.crt")),
            project=project,
            environment=environment,
        )
        started.wait_until_ready(*PORTS)
        _load(started, started.roster, folder)
        yield started
    finally:
        run("down", "-v", "-t", "5")


def is_reachable() -> bool:
    """Whether there is an engine, and Compose."""
    if shutil.which("docker") is None or not _compose():
        return False
    return subprocess.run(["docker", "version"], check=False, capture_output=True).returncode == 0  # noqa: S607 - the user's own


_FILES = ("--env-file", str(ROOT / "deploy" / "development.env"), "-f", str(FILE))


def _compose() -> tuple[str, ...]:
    """Compose's command: a plugin today, a program of its own before; empty where there is none."""
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    plugin = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True)  # noqa: S607 - the same
    return ("docker", "compose") if plugin.returncode == 0 else ()


def _load(started: Installation, roster: Roster, folder: Path) -> None:
    sample_roster.write(roster, folder)
    folder.chmod(0o755)
    started.compose(
        *("run", "--rm", "-T", "--no-deps", "-v", f"{folder}:/roster:ro", "binding", "roster", "import", "/roster")
    )
    accounts = io.StringIO()
    csv.writer(accounts).writerows((person.id, person.username, TEACHERS_PASSWORD) for person in roster.staff)
    opening = ("review-service", "account", "open-many", "--keep-password")
    started.compose("exec", "-T", "review", *opening, said=accounts.getvalue())


def _is_ready(service: str, container: str) -> bool:
    asked = ["docker", "exec", container, "python3", "-c", _ASK_READY.format(PORTS[service])]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0  # noqa: S603 - our own


def _run(environment: Mapping[str, str], *command: str, said: str = "") -> str:
    done = subprocess.run(  # noqa: S603 - our own command lines
        command, check=False, capture_output=True, text=True, input=said, env=dict(environment), cwd=ROOT
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
