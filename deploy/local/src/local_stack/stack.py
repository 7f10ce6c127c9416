"""The four services on this machine, as separate processes, with a sample roster to try them with."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from local_stack import databases, fonts, sample_roster
from local_stack.containers import Docker
from local_stack.keeping import Kept
from local_stack.processes import Child, is_free, wait_until
from local_stack.servers import StackError, postgres_from_environment, rabbitmq_from_environment
from local_stack.services import SERVICES
from local_stack.sources import both_servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local_stack.servers import Servers
    from local_stack.services import Service

DATABASE = "kinbind"
LEVELS = {"elementary": "國小", "junior_high": "國中", "senior_high": "高中", "vocational_high": "高職"}
SPACE_BYTES = 300_000_000
COMMAND_SECONDS = 120
READY_SECONDS = 60
STOP_SECONDS = 30
WATCH_SECONDS = 0.5
HIGHEST_PORT = 65_535


def up(project: Path) -> None:
    """Start everything, say how to try it, and stop it all on Ctrl-C or SIGTERM. Raises StackError."""
    run = project / ".run"
    _check_space(project)
    _stop_on_signals()
    try:
        with _only_one(run):
            kept = Kept(run / "kept.json")
            with both_servers(project, kept) as servers:
                environments = _prepare(servers, kept, run)
                with _services(environments, run / "logs") as children:
                    _greet(environments, kept, run)
                    _watch(children)
    except KeyboardInterrupt:
        print("\nEverything is stopped; the data stays for the next make up.")  # noqa: T201


def clean(project: Path) -> None:
    """Throw away containers, data, passwords and logs; on servers of the environment, only what was made there."""
    run = project / ".run"
    if run.exists():
        with _only_one(run):
            _clean_given(Kept(run / "kept.json"))
            data = run / "private" / "postgres"
            if data.is_symlink():
                shutil.rmtree(data.resolve(), ignore_errors=True)
            shutil.rmtree(run)
    docker = Docker(project)
    if docker.is_reachable():
        docker.remove()
    print("Nothing is left of the local stack.")  # noqa: T201


def _clean_given(kept: Kept) -> None:
    """Drop our database from a server that is not ours, where it is the one that we made."""
    postgres = postgres_from_environment()
    known = kept.note("database")
    if postgres is not None and known and asyncio.run(databases.identity(postgres, DATABASE)) == known:
        asyncio.run(databases.drop_database(postgres, DATABASE))
        asyncio.run(databases.drop_roles(postgres, (role for role, _ in _roles(kept).values())))
    if rabbitmq_from_environment() is not None:
        print("The queues on the RabbitMQ of KINBIND_RABBITMQ_URL are left as they are.")  # noqa: T201


def _check_space(project: Path) -> None:
    free = shutil.disk_usage(project).free
    if free < SPACE_BYTES:
        msg = f"Only {free // 1_000_000} MB are free in {project}; {SPACE_BYTES // 1_000_000} MB are needed."
        raise StackError(msg)


def _stop_on_signals() -> None:
    """The first signal unwinds everything; those after it change nothing about that."""
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(*_: object) -> NoReturn:
        for number in watched:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in watched:
        signal.signal(number, stop)


@contextmanager
def _only_one(run: Path) -> Iterator[None]:
    """Hold the folder for the time of the block. Raises StackError when another run does."""
    run.mkdir(mode=0o711, exist_ok=True)
    with (run / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = "Another make up of this folder is running; stop it first."
            raise StackError(msg) from None
        yield


def _roles(kept: Kept) -> dict[str, tuple[str, str]]:
    return {service.name: (f"kinbind_{service.name}", kept.password(service.name)) for service in SERVICES}


def _prepare(servers: Servers, kept: Kept, run: Path) -> dict[Service, dict[str, str]]:
    """Database, migrations, keys and sample roster; the environment of each service."""
    known = asyncio.run(databases.identity(servers.postgres, DATABASE))
    if known and known != kept.note("database"):
        msg = (
            f"PostgreSQL at {servers.postgres.place} has a database {DATABASE} that this folder did not make,"
            " or whose keys it no longer has: drop it, or run make clean if it is of an earlier make up."
        )
        raise StackError(msg)
    asyncio.run(databases.make_database(servers.postgres, DATABASE, _roles(kept)))
    known = asyncio.run(databases.identity(servers.postgres, DATABASE))
    kept.put("database", known)
    environments = _environments(servers, kept, _font_folders(run))
    for service, environment in environments.items():
        _command(service, environment, "migrate", "--post")  # nothing of an earlier version runs any more
    if kept.note("sample") != known:
        _load_sample(environments, kept, run / "sample-roster")
        kept.put("sample", known)
    return environments


def _font_folders(run: Path) -> list[Path]:
    """The folders with the paper form's fonts; everything else works without them."""
    try:
        return fonts.font_folders(run)
    except StackError as error:
        print(f"Paper forms are not available: {error}.", flush=True)  # noqa: T201
        return []


def _environments(servers: Servers, kept: Kept, font_folders: list[Path]) -> dict[Service, dict[str, str]]:
    roles = _roles(kept)
    ports = _choose_ports()
    at = {name: f"http://localhost:{port}" for name, port in ports.items()}
    return {
        service: dict(os.environ)
        | {service.variable(setting): kept.key(name) for setting, name in service.keys.items()}
        | {
            service.variable("database_url"): servers.postgres.dsn(*roles[service.name], DATABASE),
            service.variable("rabbitmq_url"): servers.rabbitmq.url,
            service.variable("port"): str(ports[service.name]),
            # Parents' pages and notices name the parents' address; teachers have one of their own.
            service.variable("public_url"): at["review" if service.name == "review" else "binding"],
            service.variable("review_url"): at["review"],
            service.variable("parents_url"): at["binding"],
            service.variable("font_paths"): json.dumps([str(folder) for folder in font_folders]),
        }
        for service in SERVICES
    }


def _choose_ports() -> dict[str, int]:
    """The port of each service: the usual one, or the next that is free."""
    chosen: dict[str, int] = {}
    for service in SERVICES:
        wanted = int(os.environ.get(service.variable("port")) or service.port)
        ports = (port for port in range(wanted, HIGHEST_PORT + 1) if port not in chosen.values() and is_free(port))
        port = next(ports, None)
        if port is None:
            msg = f"No port from {wanted} on is free for {service.name}."
            raise StackError(msg)
        if port != wanted:
            print(f"Port {wanted} is in use; {service.name} takes {port}.", flush=True)  # noqa: T201
        chosen[service.name] = port
    return chosen


def _load_sample(environments: Mapping[Service, dict[str, str]], kept: Kept, folder: Path) -> None:
    """Import the sample roster and open its teachers' accounts; both do nothing where it has been done."""
    roster = sample_roster.make_roster()
    sample_roster.write(roster, folder)
    accounts = io.StringIO()
    csv.writer(accounts).writerows((person.id, person.username, kept.password("teachers")) for person in roster.staff)
    for service, environment in environments.items():
        if service.name == "binding":
            _command(service, environment, "roster", "import", str(folder))
        elif service.name == "review":
            _command(
                service, environment, "account", "open-many", "--keep-password", standard_input=accounts.getvalue()
            )


def _command(service: Service, environment: Mapping[str, str], *arguments: str, standard_input: str = "") -> None:
    """Run one of a service's commands to its end. Raises StackError with what it said."""
    try:
        done = subprocess.run(  # noqa: S603 - our own programs
            [_program(service), *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=standard_input,
            env=dict(environment),
            timeout=COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired:
        msg = f"{service.program} {' '.join(arguments)} took longer than {COMMAND_SECONDS} seconds."
        raise StackError(msg) from None
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        msg = f"{service.program} {' '.join(arguments)} failed:\n{said}"
        raise StackError(msg)


def _program(service: Service) -> str:
    return str(Path(sys.executable).parent / service.program)


@contextmanager
def _services(environments: Mapping[Service, dict[str, str]], logs: Path) -> Iterator[list[Child]]:
    """The services as processes, all ready, for the time of the block."""
    logs.mkdir(parents=True, exist_ok=True)
    children: list[Child] = []
    started = time.monotonic()
    try:
        for service, environment in environments.items():
            command = [_program(service), "serve"]
            children.append(Child(service.name, command, logs / f"{service.name}.log", environment=environment))
        for service, child in zip(environments, children, strict=True):
            address = f"http://127.0.0.1:{environments[service][service.variable('port')]}/health/ready"
            wait_until(partial(_is_ready, address), within=READY_SECONDS, what=service.name, children=[child])
        print(f"Four services, ready after {time.monotonic() - started:.1f} s.\n", flush=True)  # noqa: T201
        yield children
    finally:
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            child.stop(max(0, deadline - time.monotonic()))


def _is_ready(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as answer:  # noqa: S310 - our own service
            return bool(json.load(answer)["status"] == "ready")
    except HTTPError as not_yet:
        not_yet.close()
        return False
    except (URLError, OSError):
        return False


def _watch(children: list[Child]) -> NoReturn:
    """Until a signal comes, or a service dies."""
    while True:
        for child in children:
            child.check()
        time.sleep(WATCH_SECONDS)


def _greet(environments: Mapping[Service, dict[str, str]], kept: Kept, run: Path) -> None:
    at = {
        service.name: f"http://localhost:{environment[service.variable('port')]}"
        for service, environment in environments.items()
    }
    roster = sample_roster.make_roster()
    first = roster.students[0]
    second = next(student for student in roster.students if student.homeroom.school != first.homeroom.school)
    lines = [
        f"  parents   {at['binding']}/",
        f"  teachers  {at['review']}/",
        f"  mailbox   {at['notify']}/mailbox  (every e-mail and SMS arrives here)",
        "",
        *_describe("A child to try", first, kept),
        *_describe("A second one, in another school", second, kept),
        *_describe_guardians(roster),
        _describe_administrator(roster),
        "",
        f"  Logs are in {run / 'logs'}. Ctrl-C stops everything and keeps the data; make clean throws it away.",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 - a command line speaks to its user


def _describe(title: str, student: sample_roster.Student, kept: Kept) -> list[str]:
    homeroom = student.homeroom
    school = f"{LEVELS[homeroom.school.level]} {homeroom.school.name} {homeroom.title}"
    sign_in = f"signs in as {homeroom.teacher.username} with the password {kept.password('teachers')}"
    return [
        f"  {title}: {student.name}, ID number {student.national_id}, {school}",
        f"    its teacher {homeroom.teacher.name} {sign_in}",
    ]


def _describe_administrator(roster: sample_roster.Roster) -> str:
    school = roster.schools[0]
    staff = roster.staff
    administrator = next(one for one in staff if one.role == "administrator" and one.school is school)
    who = f"{school.name}, {administrator.name}, signs in as {administrator.username}"
    return f"  The administrator of {who} with the same password"


def _describe_guardians(roster: sample_roster.Roster) -> list[str]:
    known, child = roster.guardians[0], roster.guardians[0].students[0]
    teacher, same = roster.teacher_who_is_parent
    return [
        f"  A parent of {child.name} whom the school knows: {known.name}, ID number {known.national_id}",
        f"  A teacher who is the parent of {same.students[0].name}: {teacher.name}, ID number {teacher.national_id}",
    ]
