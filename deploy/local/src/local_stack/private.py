"""PostgreSQL and RabbitMQ as installed on this machine, run as instances of our own beside the system's.

Ports are free ones of 127.0.0.1, data and logs lie in one folder, and nothing of the system's own clusters or nodes is
read or written. PostgreSQL refuses to run as root: there it runs as the user that its package made, else as nobody.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from local_stack.processes import Child, accepts_connections, free_port, wait_until
from local_stack.servers import Postgres, RabbitMQ, Servers, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POSTGRES_HOME = Path("/usr/lib/postgresql")
RABBITMQ_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS = 60
STOP_SECONDS = 20
#: For a data folder whose parents the server's user may not enter.
ELSEWHERE = Path("/var/lib")
#: A folder in memory, and the room that a run may take. A test's database is 300 small files: copied 15× as fast there.
IN_MEMORY, MEMORY_NEEDED = Path("/dev/shm"), 2 << 30  # noqa: S108 - a folder of our own is made in it
#: For a PostgreSQL that outlives nothing: nothing needs to reach a disk, and what is kept for a crash stays small.
SHORT_LIVED = ("-c", "fsync=off", "-c", "max_wal_size=128MB", "-c", "max_connections=300")


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL server on this machine."""
    found = [path.parent for path in POSTGRES_HOME.glob("*/bin/initdb") if (path.parent / "postgres").exists()]
    return max(found, key=lambda folder: float(folder.parent.name), default=None)


def rabbitmq_program() -> Path | None:
    """RabbitMQ's start script, without the system's wrapper, which insists on its own user and folders."""
    return RABBITMQ_SERVER if RABBITMQ_SERVER.exists() and shutil.which("epmd") else None


@contextmanager
def private_servers() -> Iterator[Servers]:
    """Both servers for the time of the block, in a folder that is deleted after it."""
    password = secrets.token_urlsafe(16)
    with (
        short_lived_folder() as folder,
        private_postgres(folder, password, *SHORT_LIVED) as postgres,
        private_rabbitmq(folder, password) as rabbitmq,
    ):
        yield Servers(postgres, rabbitmq)


@contextmanager
def short_lived_folder() -> Iterator[Path]:
    """A folder for servers, deleted after the block; in memory where there is enough of it."""
    roomy = os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free >= MEMORY_NEEDED
    with tempfile.TemporaryDirectory(
        prefix="kinbind-", dir=IN_MEMORY if roomy else None, ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        # The server's user must be able to pass through.
        folder.chmod(0o711)
        yield folder


@contextmanager
def private_postgres(folder: Path, password: str, *options: str) -> Iterator[Postgres]:
    """A PostgreSQL whose data is in ``folder``/postgres, kept from one time to the next. Raises StackError."""
    programs = postgres_programs()
    if programs is None:
        msg = "PostgreSQL's server programs are not installed."
        raise StackError(msg)
    user = _server_user()
    data = _data_folder(folder / "postgres", user) / "cluster"
    if not data.exists():
        _initialise(programs, data, password, user)
    # One that a killed run left behind would hold the data.
    if (data / "postmaster.pid").exists():
        _run_as(user, [str(programs / "pg_ctl"), "stop", "-D", str(data), "-m", "fast"])
    port = free_port()
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    child = Child(
        "PostgreSQL",
        [*_become(user), str(programs / "postgres"), "-D", str(data), *settings, *options],
        _log_file(folder, "postgres"),
        environment=_plain_environment(),
        stop_signal=signal.SIGINT,
    )
    try:
        postgres = Postgres(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres")
        wait_until(lambda: answers(postgres), within=START_SECONDS, what="PostgreSQL", children=[child])
        yield postgres
    finally:
        child.stop(STOP_SECONDS)


def answers(postgres: Postgres) -> bool:
    """Whether the server takes connections. Raises StackError when it refuses our password."""

    async def ask() -> None:
        connection = await asyncpg.connect(postgres.url, timeout=5)
        await connection.close()

    try:
        asyncio.run(ask())
    except asyncpg.InvalidPasswordError:
        msg = f"PostgreSQL at {postgres.place} refuses our password; where the server is ours, make clean begins anew."
        raise StackError(msg) from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


def _initialise(programs: Path, cluster: Path, password: str, user: pwd.struct_passwd | None) -> None:
    """Make the cluster beside its place and move it there when it is whole."""
    secret, fresh = cluster.with_name("password"), cluster.with_name("new")
    shutil.rmtree(fresh, ignore_errors=True)
    secret.touch(0o600)
    secret.write_text(password, encoding="utf-8")
    if user is not None:
        os.chown(secret, user.pw_uid, user.pw_gid)
    made = _run_as(
        user,
        [
            str(programs / "initdb"),
            *("-D", str(fresh), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"),
            *("--auth=scram-sha-256", f"--pwfile={secret}"),
        ],
    )
    secret.unlink()
    if made.returncode:
        msg = f"PostgreSQL's data folder could not be made: {_last_line(made.stderr)}"
        raise StackError(msg)
    fresh.rename(cluster)


def _server_user() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when we are root; None when it runs as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    msg = "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as."
    raise StackError(msg)


def _data_folder(wanted: Path, user: pwd.struct_passwd | None) -> Path:
    """The folder, its owner the server's user; elsewhere, with a link to it, where that user cannot come to it."""
    if user is None:
        wanted.mkdir(0o700, parents=True, exist_ok=True)
        return wanted
    wanted.parent.mkdir(parents=True, exist_ok=True)
    folder = wanted if all(_may_pass(user, parent) for parent in wanted.parents) else _elsewhere(wanted)
    folder.mkdir(0o700, exist_ok=True)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _elsewhere(wanted: Path) -> Path:
    folder = ELSEWHERE / f"kinbind-{hashlib.sha256(str(wanted.absolute()).encode()).hexdigest()[:12]}"
    if not wanted.is_symlink():
        wanted.symlink_to(folder)
    return folder


def _may_pass(user: pwd.struct_passwd, folder: Path) -> bool:
    status = folder.stat()
    bit = (
        stat.S_IXUSR if status.st_uid == user.pw_uid else stat.S_IXGRP if status.st_gid == user.pw_gid else stat.S_IXOTH
    )
    return bool(status.st_mode & bit)


def _become(user: pwd.struct_passwd | None) -> list[str]:
    if user is None:
        return []
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig", "INT", "--"]


def _run_as(user: pwd.struct_passwd | None, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command lines
        [*_become(user), *command], check=False, capture_output=True, text=True, env=_plain_environment(), cwd="/"
    )


@contextmanager
def private_rabbitmq(folder: Path, password: str) -> Iterator[RabbitMQ]:
    """A RabbitMQ node with the management plugin whose data is in ``folder``/rabbitmq. Raises StackError."""
    program = rabbitmq_program()
    if program is None:
        msg = "RabbitMQ's server is not installed."
        raise StackError(msg)
    home = folder / "rabbitmq"
    home.mkdir(0o700, parents=True, exist_ok=True)
    port, management_port, epmd_port = free_port(), free_port(), free_port()
    _configure(home, password, port, management_port)
    environment = _rabbitmq_environment(home, epmd_port)
    log = _log_file(folder, "rabbitmq")
    # Our own name server for Erlang nodes: the system's listens on every address and would outlive us.
    names = Child(
        "epmd", ["epmd", "-address", "127.0.0.1", "-port", str(epmd_port)], log, environment=_plain_environment()
    )
    try:
        wait_until(lambda: accepts_connections(epmd_port), within=START_SECONDS, what="epmd", children=[names])
        node = Child("RabbitMQ", [str(program)], log, environment=environment)
        try:
            rabbitmq = RabbitMQ(
                f"amqp://kinbind:{password}@127.0.0.1:{port}/", f"http://kinbind:{password}@127.0.0.1:{management_port}"
            )
            wait_until(
                lambda: accepts_connections(port) and rabbitmq.is_up(),
                within=START_SECONDS,
                what="RabbitMQ",
                children=[node],
            )
            yield rabbitmq
        finally:
            node.stop(STOP_SECONDS)
    finally:
        names.stop(STOP_SECONDS)


def _configure(home: Path, password: str, port: int, management_port: int) -> None:
    (home / "enabled_plugins").write_text("[rabbitmq_management].\n", encoding="utf-8")
    configuration = home / "rabbitmq.conf"
    configuration.touch(0o600)
    configuration.write_text(
        f"listeners.tcp.default = 127.0.0.1:{port}\n"
        f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management_port}\n"
        f"default_user = kinbind\ndefault_pass = {password}\n"
        "log.console = true\nlog.console.level = warning\nlog.file = false\n",
        encoding="utf-8",
    )


def _rabbitmq_environment(home: Path, epmd_port: int) -> dict[str, str]:
    """Everything that the start script would otherwise take from the system's folders."""
    # The node's name is part of its data; two nodes of one name on a machine would only disturb each other in one epmd.
    return _plain_environment() | {
        "HOME": str(home),
        "RABBITMQ_NODENAME": "kinbind@localhost",
        "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_SCHEMA_DIR": str(home / "schema"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "config"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        # The script becomes the Erlang machine then, and the signal that stops it needs nobody to pass it on.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _plain_environment() -> dict[str, str]:
    """No setting of another PostgreSQL or RabbitMQ that the caller may have in the environment."""
    kept = {name: value for name, value in os.environ.items() if not re.match(r"PG|RABBITMQ_|ERL_", name)}
    return kept | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def _log_file(folder: Path, name: str) -> Path:
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs / f"{name}.log"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]
