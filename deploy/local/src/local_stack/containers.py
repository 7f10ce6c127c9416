"""PostgreSQL and RabbitMQ in containers that are kept, stopped, between runs, under names of this project folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from local_stack.private import answers
from local_stack.processes import wait_until
from local_stack.servers import Postgres, RabbitMQ, StackError, postgres_image, rabbitmq_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CALL_SECONDS = 30
PULL_SECONDS = 900
START_SECONDS = 90
STOP_SECONDS = 20
POSTGRES_PORT, AMQP_PORT, MANAGEMENT_PORT = 5432, 5672, 15672


class Docker:
    """The Docker engine, by its command line, for the containers of one project folder."""

    def __init__(self, project: Path) -> None:
        self._prefix = f"kinbind-{hashlib.sha256(str(project).encode()).hexdigest()[:8]}"

    def is_reachable(self) -> bool:
        """Whether the client is here and an engine answers it."""
        return shutil.which("docker") is not None and _docker("version", "--format", "{{.Server.Version}}") is not None

    def has(self, image: str) -> bool:
        """Whether the image is here, or could be pulled; says what it does, and what comes of it."""
        if _docker("image", "inspect", image) is not None:
            return True
        print(f"Pulling {image} …", flush=True)  # noqa: T201
        pulled = _docker("pull", "--quiet", image, seconds=PULL_SECONDS) is not None
        if not pulled:
            print(f"Docker cannot pull {image}.", flush=True)  # noqa: T201
        return pulled

    def exists(self, server: str) -> bool:
        """Whether there is a container for this server from an earlier run."""
        return _docker("container", "inspect", self._name(server)) is not None

    @contextmanager
    def postgres(self, password: str) -> Iterator[Postgres]:
        """PostgreSQL, for the time of the block; its container and volume stay."""
        environment = {"POSTGRES_PASSWORD": password}
        with self._running("postgres", postgres_image(), environment, "/var/lib/postgresql/data", POSTGRES_PORT) as at:
            postgres = Postgres(f"postgresql://postgres:{password}@127.0.0.1:{at[POSTGRES_PORT]}/postgres")
            wait_until(lambda: answers(postgres), within=START_SECONDS, what="PostgreSQL's container")
            yield postgres

    @contextmanager
    def rabbitmq(self, password: str) -> Iterator[RabbitMQ]:
        """RabbitMQ, for the time of the block; its container and volume stay."""
        environment = {"RABBITMQ_DEFAULT_USER": "kinbind", "RABBITMQ_DEFAULT_PASS": password}
        with self._running(
            "rabbitmq", rabbitmq_image(), environment, "/var/lib/rabbitmq", AMQP_PORT, MANAGEMENT_PORT
        ) as at:
            login = f"kinbind:{password}@127.0.0.1"
            rabbitmq = RabbitMQ(f"amqp://{login}:{at[AMQP_PORT]}/", f"http://{login}:{at[MANAGEMENT_PORT]}")
            wait_until(rabbitmq.is_up, within=START_SECONDS, what="RabbitMQ's container")
            yield rabbitmq

    def remove(self) -> None:
        """Throw away the containers and volumes of this project folder."""
        for server in ("postgres", "rabbitmq"):
            _docker("rm", "--force", "--volumes", self._name(server))
            _docker("volume", "rm", "--force", self._name(server))

    @contextmanager
    def _running(
        self, server: str, image: str, environment: Mapping[str, str], data: str, *ports: int
    ) -> Iterator[dict[int, int]]:
        """The container, started; yields the ports of this machine that lead to its own."""
        name = self._name(server)
        if self.exists(server):
            started = _docker("start", name)
        else:
            # The host's name is part of a RabbitMQ node's name, and so of its data.
            options = ["--name", name, "--hostname", server, "--volume", f"{name}:{data}"]
            options += [option for port in ports for option in ("--publish", f"127.0.0.1::{port}")]
            options += [option for pair in environment.items() for option in ("--env", "=".join(pair))]
            started = _docker("run", "--detach", *options, image)
        if started is None:
            msg = f"Docker could not start the container {name}; make clean throws it away."
            raise StackError(msg)
        try:
            yield {port: _published(name, port) for port in ports}
        finally:
            _docker("stop", "--time", str(STOP_SECONDS), name, seconds=STOP_SECONDS + CALL_SECONDS)

    def _name(self, server: str) -> str:
        return f"{self._prefix}-{server}"


def _published(name: str, port: int) -> int:
    described: list[dict[str, Any]] = json.loads(_docker("container", "inspect", name) or "[]")
    try:
        return int(described[0]["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"])
    except (LookupError, TypeError):
        msg = f"The container {name} stopped as soon as it was started: docker logs {name} tells why."
        raise StackError(msg) from None


def _docker(*arguments: str, seconds: float = CALL_SECONDS) -> str | None:
    """What the command printed; None when it failed."""
    try:
        done = subprocess.run(  # noqa: S603 - our own command lines
            ["docker", *arguments],  # noqa: S607 - the user's own docker
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
