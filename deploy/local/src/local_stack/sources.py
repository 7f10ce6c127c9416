"""Where the two servers come from: the environment, Docker, this machine, Debian's packages; each on its own."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from local_stack import packages
from local_stack.containers import Docker
from local_stack.private import answers, postgres_programs, private_postgres, private_rabbitmq, rabbitmq_program
from local_stack.servers import (
    Servers,
    StackError,
    postgres_from_environment,
    postgres_image,
    rabbitmq_from_environment,
    rabbitmq_image,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from local_stack.keeping import Kept
    from local_stack.servers import Postgres, RabbitMQ

NO_SERVERS = (
    "{missing} can be had neither from the environment (KINBIND_POSTGRES_URL, KINBIND_RABBITMQ_URL), nor from Docker,"
    " nor on this machine, and installing packages is not allowed: apt-get install {packages}"
)


@contextmanager
def both_servers(project: Path, kept: Kept) -> Iterator[Servers]:
    """PostgreSQL and RabbitMQ for the time of the block. Raises StackError."""
    docker = Docker(project)
    containers = docker if docker.is_reachable() else None
    postgres = _given_postgres() or _contained_postgres(containers, kept)
    rabbitmq = _given_rabbitmq() or _contained_rabbitmq(containers, kept)
    _install_missing(postgres is None, rabbitmq is None)
    private = project / ".run" / "private"
    with (
        postgres or _installed_postgres(private, kept) as chosen_postgres,
        rabbitmq or _installed_rabbitmq(private, kept) as chosen_rabbitmq,
    ):
        yield Servers(chosen_postgres, chosen_rabbitmq)


def _given_postgres() -> AbstractContextManager[Postgres] | None:
    given = postgres_from_environment()
    if given is None:
        return None
    if not answers(given):
        msg = f"PostgreSQL at {given.place or 'nowhere'}, as KINBIND_POSTGRES_URL says, does not answer."
        raise StackError(msg)
    _say("PostgreSQL", f"the one of KINBIND_POSTGRES_URL, {given.place}")
    return nullcontext(given)


def _given_rabbitmq() -> AbstractContextManager[RabbitMQ] | None:
    given = rabbitmq_from_environment()
    if given is None:
        return None
    if not given.listens():
        msg = f"RabbitMQ at {given.place or 'nowhere'}, as KINBIND_RABBITMQ_URL says, does not answer."
        raise StackError(msg)
    _say("RabbitMQ", f"the one of KINBIND_RABBITMQ_URL, {given.place}")
    return nullcontext(given)


def _contained_postgres(docker: Docker | None, kept: Kept) -> AbstractContextManager[Postgres] | None:
    if docker is None or not (docker.exists("postgres") or docker.has(postgres_image())):
        return None
    _refuse_lost_passwords(docker, "postgres", kept)
    _say("PostgreSQL", f"a container of {postgres_image()}")
    return docker.postgres(kept.password("postgres"))


def _contained_rabbitmq(docker: Docker | None, kept: Kept) -> AbstractContextManager[RabbitMQ] | None:
    if docker is None or not (docker.exists("rabbitmq") or docker.has(rabbitmq_image())):
        return None
    _refuse_lost_passwords(docker, "rabbitmq", kept)
    _say("RabbitMQ", f"a container of {rabbitmq_image()}")
    return docker.rabbitmq(kept.password("rabbitmq"))


def _refuse_lost_passwords(docker: Docker, server: str, kept: Kept) -> None:
    if kept.is_new and docker.exists(server):
        msg = "There are containers of an earlier run, but .run, which keeps their passwords, is gone: run make clean."
        raise StackError(msg)


def _install_missing(no_postgres: bool, no_rabbitmq: bool) -> None:  # noqa: FBT001 - which of the two is missing
    missing = {}
    if no_postgres and postgres_programs() is None:
        missing["PostgreSQL"] = "postgresql"
    if no_rabbitmq and rabbitmq_program() is None:
        missing["RabbitMQ"] = "rabbitmq-server"
    if not missing:
        return
    if not packages.may_install():
        raise StackError(NO_SERVERS.format(missing=" and ".join(missing), packages=" ".join(missing.values())))
    packages.install(*missing.values())


def _installed_postgres(folder: Path, kept: Kept) -> AbstractContextManager[Postgres]:
    _say("PostgreSQL", f"a private instance of {postgres_programs()}")
    return private_postgres(folder, kept.password("postgres"))


def _installed_rabbitmq(folder: Path, kept: Kept) -> AbstractContextManager[RabbitMQ]:
    _say("RabbitMQ", f"a private instance of {rabbitmq_program()}")
    return private_rabbitmq(folder, kept.password("rabbitmq"))


def _say(server: str, source: str) -> None:
    print(f"{server}: {source}", flush=True)  # noqa: T201 - a command line speaks to its user
