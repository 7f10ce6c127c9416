"""Debian's Postfix as the relay: a private instance in a temporary folder, else a container.

The instance has its configuration, its queue and its log in the folder; of the system it uses the programs and their
users. Postfix runs for root alone, so where we are not root, or may not install it, a container has it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
from docker.errors import DockerException

from local_stack import packages
from local_stack.servers import StackError
from support.compose import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker.models.containers import Container

    from support.certificates import Certificates

START_SECONDS = 30
PROGRAMS = Path("/usr/lib/postfix/sbin")
IMAGE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")

#: {folder}: of all that the instance has. {sink}: where it takes mails to.
MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.example
mydestination =
mynetworks = 0.0.0.0/0
inet_interfaces = {interfaces}
inet_protocols = ipv4
relayhost = [{sink_host}]:{sink}
smtp_tls_security_level = none
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/key.pem, {folder}/chain.pem
smtpd_relay_restrictions =
    check_recipient_access inline:{{
        {{ nobody@example.org = 550 5.1.1 no such user }},
        {{ greylisted@example.org = 450 4.2.0 greylisted, come back }},
        {{ elsewhere@example.net = 554 5.7.1 Relay access denied }} }}
    permit_mynetworks, reject
smtpd_timeout = {timeout}s
notify_classes =
"""
MASTER = """{listen} inet n - n - - smtpd
{listen_tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
DOCKERFILE = """FROM {image}
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends postfix
"""


@dataclass(frozen=True, slots=True)
class Relay:
    """A running Postfix: its port for STARTTLS, that for TLS, and what it has logged."""

    port: int
    port_tls: int
    log: Callable[[], str]

    def connections(self) -> int:
        """How many were made so far."""
        return len(re.findall(r"smtpd\[\d+\]: connect from", self.log()))


@contextmanager
def postfix(certificates: Certificates, sink: int, *, timeout: int = 60) -> Iterator[Relay]:
    """A relay that shows this certificate and takes mails to ``sink`` on this machine; silent for so long, it hangs up.

    KINBIND_TEST_SERVERS (containers, private) leaves no choice. Where Postfix cannot be had, the test is skipped, and
    says so.
    """
    forced = os.environ.get("KINBIND_TEST_SERVERS")
    if forced != "containers" and os.geteuid() == 0 and (PROGRAMS / "master").exists():
        with _private(certificates, sink, timeout) as relay:
            yield relay
    elif forced != "private" and (client := _engine()) is not None:
        with _container(client, certificates, sink, timeout) as relay:
            yield relay
    elif forced != "containers" and os.geteuid() == 0 and packages.may_install():
        try:
            packages.install("postfix")
        except StackError as fault:
            pytest.skip(f"Postfix cannot be had here: {fault}")
        with _private(certificates, sink, timeout) as relay:
            yield relay
    else:
        pytest.skip("Postfix cannot be had here: it needs root, or a container engine")


@contextmanager
def _private(certificates: Certificates, sink: int, timeout: int) -> Iterator[Relay]:
    with tempfile.TemporaryDirectory(prefix="kinbind-postfix-") as name:
        folder = Path(name)
        # Its own user passes through.
        folder.chmod(0o755)
        ports = free_port(), free_port()
        _configure(folder, folder, certificates, [f"127.0.0.1:{port}" for port in ports], sink, "127.0.0.1", timeout)
        for part in ("queue", "data"):
            (folder / part).mkdir()
        shutil.chown(folder / "data", "postfix")
        _postfix(folder, "start")
        try:
            yield _started(Relay(*ports, log=lambda: _read(folder / "log")))
        finally:
            _postfix(folder, "abort")


def _configure(
    folder: Path,
    inside: Path,
    certificates: Certificates,
    listen: list[str],
    sink: int,
    sink_host: str,
    timeout: int,
) -> None:
    """Write the configuration to ``folder``, which the instance knows as ``inside``."""
    shutil.copy(certificates.chain, folder / "chain.pem")
    shutil.copy(certificates.key, folder / "key.pem")
    interfaces = "127.0.0.1" if inside == folder else "all"
    (folder / "main.cf").write_text(
        MAIN.format(folder=inside, interfaces=interfaces, sink=sink, sink_host=sink_host, timeout=timeout),
        encoding="utf-8",
    )
    (folder / "master.cf").write_text(MASTER.format(listen=listen[0], listen_tls=listen[1]), encoding="utf-8")


def _postfix(folder: Path, command: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["/usr/sbin/postfix", "-c", str(folder), command], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{_read(folder / 'log')}"


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def _started(relay: Relay) -> Relay:
    deadline = time.monotonic() + START_SECONDS
    while "daemon started" not in relay.log():
        assert time.monotonic() < deadline, relay.log()
        time.sleep(0.1)
    return relay


def _log_of(container: Container) -> str:
    said = container.exec_run(["cat", "/relay/log"])
    return said.output.decode("utf-8", "replace") if said.exit_code == 0 else ""


def _engine() -> docker.DockerClient | None:
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except DockerException:
        return None
    return client


@contextmanager
def _container(client: docker.DockerClient, certificates: Certificates, sink: int, timeout: int) -> Iterator[Relay]:
    """With this machine's network, so that it reaches the sink, which listens here alone."""
    with tempfile.TemporaryDirectory(prefix="kinbind-postfix-") as name:
        folder, inside = Path(name), Path("/relay")
        ports = free_port(), free_port()
        _configure(folder, inside, certificates, [f"127.0.0.1:{port}" for port in ports], sink, "127.0.0.1", timeout)
        (folder / "Dockerfile").write_text(DOCKERFILE.format(image=IMAGE), encoding="utf-8")
        image, _ = client.images.build(path=name, tag="kinbind-test-postfix", rm=True)
        start = (
            "mkdir /relay && cp /given/* /relay && mkdir /relay/queue /relay/data && chown postfix /relay/data"
            " && postfix -c /relay start && exec sleep infinity"
        )
        container = client.containers.run(
            image.id,
            ["sh", "-c", start],
            detach=True,
            network_mode="host",
            volumes={name: {"bind": "/given", "mode": "ro"}},
        )
        try:
            yield _started(Relay(*ports, log=lambda: _log_of(container)))
        finally:
            container.remove(force=True)
