"""The PostgreSQL and RabbitMQ of a test run: those of the environment, containers, or private instances."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg
import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from local_stack.private import SHORT_LIVED, postgres_programs, private_postgres, private_servers, short_lived_folder
from local_stack.servers import (
    Postgres,
    RabbitMQ,
    Servers,
    StackError,
    postgres_from_environment,
    postgres_image,
    rabbitmq_from_environment,
    rabbitmq_image,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 60
#: What a PostgreSQL that is just starting answers.
STARTING = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
RABBITMQ_PORT = 5672
MANAGEMENT_PORT = 15672


@contextmanager
def test_servers() -> Iterator[Servers]:
    """The servers, until the block ends. KINBIND_TEST_SERVERS (containers, private) leaves no choice."""
    forced = os.environ.get("KINBIND_TEST_SERVERS")
    given = None if forced else _given()
    if given is not None:
        yield given
    elif forced == "containers" or (not forced and _docker_has_images()):
        with _containers() as servers:
            yield servers
    else:
        with private_servers() as servers:
            yield servers


@contextmanager
def postgres_alone() -> Iterator[Postgres]:
    """A PostgreSQL that nobody else uses, for what concerns a whole server, as the names of roles do."""
    password = secrets.token_urlsafe(16)
    if os.environ.get("KINBIND_TEST_SERVERS") != "containers" and postgres_programs() is not None:
        with short_lived_folder() as folder, private_postgres(folder, password, *SHORT_LIVED) as postgres:
            yield postgres
    else:
        with _postgres_container(password) as container:
            postgres = _postgres_of(container, password)
            _try_until(lambda: asyncio.run(_ask(postgres)), STARTING)
            yield postgres


def _given() -> Servers | None:
    postgres, rabbitmq = postgres_from_environment(), rabbitmq_from_environment()
    return Servers(postgres, rabbitmq) if postgres and rabbitmq else None


def _docker_has_images() -> bool:
    """Whether an engine is reachable that has, or can pull, both images."""
    try:
        client = docker.from_env(timeout=START_SECONDS)
    except DockerException:
        return False
    try:
        for image in (postgres_image(), rabbitmq_image()):
            if not client.images.list(image):
                client.images.pull(image)
    except DockerException:
        return False
    finally:
        client.close()
    return True


@contextmanager
def _containers() -> Iterator[Servers]:
    password = secrets.token_urlsafe(16)
    postgres = _postgres_container(password)
    rabbitmq = (
        DockerContainer(rabbitmq_image())
        .with_env("RABBITMQ_DEFAULT_USER", "kinbind")
        .with_env("RABBITMQ_DEFAULT_PASS", password)
        # It writes several lines for each queue.
        .with_env("RABBITMQ_LOG", "error")
        .with_tmpfs_mount("/var/lib/rabbitmq")
        .with_exposed_ports(RABBITMQ_PORT, MANAGEMENT_PORT)
    )
    with postgres, rabbitmq:
        yield _wait_until_up(_addresses(postgres, rabbitmq, password))


def _postgres_container(password: str) -> DockerContainer:
    return (
        DockerContainer(postgres_image())
        .with_env("POSTGRES_PASSWORD", password)
        .with_exposed_ports(5432)
        .with_tmpfs_mount("/var/lib/postgresql/data")
        .with_command(["postgres", *SHORT_LIVED])
    )


def _postgres_of(container: DockerContainer, password: str) -> Postgres:
    host = container.get_container_host_ip()
    return Postgres(f"postgresql://postgres:{password}@{host}:{container.get_exposed_port(5432)}/postgres")


def _addresses(postgres: DockerContainer, rabbitmq: DockerContainer, password: str) -> Servers:
    host = postgres.get_container_host_ip()
    return Servers(
        _postgres_of(postgres, password),
        RabbitMQ(
            f"amqp://kinbind:{password}@{host}:{rabbitmq.get_exposed_port(RABBITMQ_PORT)}/",
            f"http://kinbind:{password}@{host}:{rabbitmq.get_exposed_port(MANAGEMENT_PORT)}",
        ),
    )


def _wait_until_up(servers: Servers) -> Servers:
    _try_until(lambda: asyncio.run(_ask(servers.postgres)), STARTING)
    _try_until(lambda: servers.rabbitmq.manage("GET", "/api/overview"), (StackError,))
    return servers


async def _ask(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.url, timeout=5)
    await connection.close()


def _try_until(ask: Callable[[], object], faults: tuple[type[Exception], ...]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ask()
        except faults:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
