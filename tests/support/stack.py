"""The four services as processes of their own, on a fresh database and vhost, with the sample roster."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import httpx

from local_stack import sample_roster
from local_stack.processes import Child, free_port, wait_until
from local_stack.services import SERVICES
from support.databases import Clock, wait_for
from support.serving import TLS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Iterator, Sequence
    from datetime import timedelta

    from local_stack.sample_roster import Roster, Student
    from local_stack.services import Service
    from support.databases import Databases

TEACHERS_PASSWORD = "a long walk to school"
#: The services' programs as they stand here.
PROGRAMS = Path(sys.executable).parent
READY_SECONDS = 60
STOP_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """Where parents and teachers go, and the mailbox; whom ``tls`` believes to be them."""

    binding: str
    review: str
    notify: str
    roster: Roster
    tls: ssl.SSLContext = TLS

    @property
    def two_students(self) -> tuple[Student, Student]:
        """Two children of two schools of different levels."""
        first = self.roster.students[0]
        level = first.homeroom.school.level
        return first, next(student for student in self.roster.students if student.homeroom.school.level != level)

    def mail_to(self, contact: str) -> list[dict[str, str]]:
        """What the mailbox holds for a contact, newest first."""
        answer = httpx.get(f"{self.notify}/mailbox.json", params={"to": contact})
        return list(answer.raise_for_status().json())

    def wait_for_mail(self, contact: str, saying: str) -> dict[str, str]:
        """The newest message to a contact with this text, once it is there."""
        found: list[dict[str, str]] = []

        def arrived() -> bool:
            found[:] = [mail for mail in self.mail_to(contact) if saying in str(mail)]
            return bool(found)

        wait_until(arrived, within=20, what=f"a message saying {saying}")
        return found[0]

    def code_for(self, contact: str, other_than: str = "") -> str:
        """The newest code that went to a contact, once it is there; ``other_than`` one that was used."""
        found: list[str] = []

        def arrived() -> bool:
            found[:] = [mail["code"] for mail in self.mail_to(contact) if mail["code"] not in {"", other_than}]
            return bool(found)

        wait_until(arrived, within=20, what=f"a code for {contact}")
        return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(Sites):
    """The services as processes of this test."""

    otp: str
    children: dict[str, Child]
    logs: Path
    ready_after: dict[str, float]
    databases: Databases
    environments: dict[str, dict[str, str]] = field(repr=False)
    programs: Path = PROGRAMS

    def command(self, service: str, *arguments: str) -> str:
        """What a service's command says, with the settings of the one that runs."""
        return run_command(_service(service), self.environments[service], *arguments, programs=self.programs)

    def restart(self, service: str) -> None:
        """Stop a service and start it again, at the same address."""
        self.children[service].stop(STOP_SECONDS)
        self.children[service] = _start(_service(service), self.environments[service], self.logs, self.programs)

    @contextmanager
    def standing_still(self, service: str) -> Iterator[None]:
        """A service that hears nothing and says nothing, for the time of the block."""
        pid = self.children[service].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def shift_time(self, by: timedelta) -> None:
        """Let the time that decides be ``by`` away from now, in every service."""
        wait_for(Clock(self.databases).shift(by))

    def sql(self, statement: str, *arguments: object) -> object:
        """Ask what no page tells, or change what no page changes, as time does; the first value of the answer."""
        return wait_for(_sql(self.databases.superuser, statement, *arguments))


@contextmanager
def running_stack(
    databases: Databases,
    broker_url: str,
    logs: Path,
    font_folders: Sequence[Path],
    *,
    undo_seconds: int = 1,
    without_account: Collection[str] = (),
    programs: Path = PROGRAMS,
    with_roster: bool = True,
) -> Iterator[Stack]:
    """Start everything, as ``make up`` does; yields when all four services are ready.

    A teacher's decision leaves after ``undo_seconds``. Staff ``without_account``, by id, have no local account.
    ``programs`` is where another version's are; without ``with_roster`` the database has it already.
    """
    ports = {service.name: free_port() for service in SERVICES}
    at = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    common = {
        "review_url": at["review"],
        "undo_seconds": str(undo_seconds),
        "parents_url": at["binding"],
        "font_paths": json.dumps([str(folder) for folder in font_folders]),
    }
    environments = {
        service: _environment(
            service,
            ports,
            databases,
            broker_url,
            common | {"public_url": at["review" if service.name == "review" else "binding"]},
        )
        for service in SERVICES
    }
    roster = sample_roster.make_roster()
    if with_roster:
        _load(environments, roster, logs / "roster", without_account, programs)
    with ExitStack() as stack:
        children: dict[str, Child] = {}
        ready_after: dict[str, float] = {}
        for service, environment in environments.items():
            # One after the other, so that each one's time is its own.
            began = time.monotonic()
            children[service.name] = _start(service, environment, logs, programs)
            # Whichever process it is by then.
            stack.callback(lambda name: children[name].stop(STOP_SECONDS), service.name)
            ready_after[service.name] = time.monotonic() - began
        yield Stack(
            **at,
            roster=roster,
            children=children,
            logs=logs,
            ready_after=ready_after,
            databases=databases,
            environments={service.name: environment for service, environment in environments.items()},
            programs=programs,
        )


def _start(service: Service, environment: dict[str, str], logs: Path, programs: Path) -> Child:
    """The service's process, once it is ready."""
    child = Child(
        service.name, [str(programs / service.program), "serve"], logs / f"{service.name}.log", environment=environment
    )
    address = f"http://127.0.0.1:{environment[service.variable('port')]}"
    try:
        wait_until(partial(_is_ready, address), within=READY_SECONDS, what=service.name, children=[child])
    except BaseException:
        child.stop(STOP_SECONDS)
        raise
    return child


def _environment(
    service: Service, ports: dict[str, int], databases: Databases, broker_url: str, common: dict[str, str]
) -> dict[str, str]:
    settings = common | {
        "database_url": databases.dsn(service.name),
        "rabbitmq_url": broker_url,
        "port": str(ports[service.name]),
    }
    return dict(os.environ) | {service.variable(name): value for name, value in settings.items()}


def _load(
    environments: dict[Service, dict[str, str]],
    roster: Roster,
    folder: Path,
    without_account: Collection[str],
    programs: Path,
) -> None:
    sample_roster.write(roster, folder)
    accounts = io.StringIO()
    csv.writer(accounts).writerows(
        (person.id, person.username, TEACHERS_PASSWORD) for person in roster.staff if person.id not in without_account
    )
    for service, environment in environments.items():
        if service.name == "binding":
            run_command(service, environment, "roster", "import", str(folder), programs=programs)
        if service.name == "review":
            opening = ("account", "open-many", "--keep-password")
            run_command(service, environment, *opening, said=accounts.getvalue(), programs=programs)


def run_command(
    service: Service, environment: dict[str, str], *arguments: str, said: str = "", programs: Path = PROGRAMS
) -> str:
    """What a service's command says, which must succeed; ``said`` is what it reads."""
    words = [str(programs / service.program), *arguments]
    done = subprocess.run(  # noqa: S603 - our own programs
        words, check=False, capture_output=True, text=True, input=said, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def _sql(dsn: str, statement: str, *arguments: object) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()


def _service(name: str) -> Service:
    return next(service for service in SERVICES if service.name == name)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready", timeout=5).is_success
    except httpx.TransportError:
        return False
