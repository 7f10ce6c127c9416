"""Debian's own server packages, installed where that is allowed, without starting what they would start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local_stack.servers import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POLICY = Path("/usr/sbin/policy-rc.d")
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/kinbind.conf")
INSTALL_SECONDS = 900


def may_install() -> bool:
    """Whether apt is here and we are root, or become it without a password."""
    if shutil.which("apt-get") is None:
        return False
    if os.geteuid() == 0:
        return True
    return shutil.which("sudo") is not None and _run(["sudo", "-n", "true"]).returncode == 0


def install(*packages: str) -> None:
    """Install Debian packages; says so first. Raises StackError, in one sentence, when that fails."""
    print(f"Installing {' and '.join(packages)} with apt-get; no service is started.", flush=True)  # noqa: T201
    with _starting_nothing():
        _as_root("apt-get", "update", "-qq")
        done = _as_root(
            *("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends"),
            *packages,
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        msg = f"apt-get could not install {' and '.join(packages)}: {reason}"
        raise StackError(msg)
    if "rabbitmq-server" in packages and shutil.which("systemctl"):
        # Nor is it to start with the machine.
        _as_root("systemctl", "disable", "--quiet", "rabbitmq-server")


def unpack(folder: Path, *packages: str) -> None:
    """Unpack Debian packages into a folder, without installing them; says so first. Raises StackError."""
    print(f"Unpacking {' and '.join(packages)} into {folder}.", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="kinbind-") as name:
        done = _run(["apt-get", "download", "-qq", *packages], Path(name))
        archives = sorted(Path(name).glob("*.deb"))
        if done.returncode or not archives:
            msg = f"apt-get could not download {' and '.join(packages)}"
            raise StackError(msg)
        for archive in archives:
            if _run(["dpkg-deb", "-x", str(archive), str(folder)]).returncode:
                msg = f"dpkg-deb could not unpack {archive.name}"
                raise StackError(msg)


@contextmanager
def _starting_nothing() -> Iterator[None]:
    """While the block runs, packages start no service (policy-rc.d) and PostgreSQL's make no cluster."""
    with tempfile.TemporaryDirectory(prefix="kinbind-") as name:
        folder = Path(name)
        kept = folder / "kept"
        if POLICY.exists():
            _as_root("cp", "-p", str(POLICY), str(kept))
        (folder / "policy").write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        (folder / "no-cluster").write_text("create_main_cluster = false\n", encoding="utf-8")
        _as_root("install", "-m", "755", str(folder / "policy"), str(POLICY))
        _as_root("install", "-D", "-m", "644", str(folder / "no-cluster"), str(NO_CLUSTER))
        try:
            yield
        finally:
            _as_root("rm", "-f", str(NO_CLUSTER), *(() if kept.exists() else (str(POLICY),)))
            if kept.exists():
                _as_root("cp", "-p", str(kept), str(POLICY))


def _as_root(*command: str) -> subprocess.CompletedProcess[str]:
    return _run([*(["sudo", "-n"] if os.geteuid() != 0 else []), *command])


def _run(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - our own command lines
            command,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=INSTALL_SECONDS,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"it took longer than {INSTALL_SECONDS} seconds")


if __name__ == "__main__":
    try:
        install(*sys.argv[1:])
    except StackError as error:
        sys.exit(str(error))
