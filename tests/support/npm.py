"""Programs of npm's, as their authors publish them: what a package-lock.json names, fetched once and kept."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import playwright

from local_stack import packages
from local_stack.servers import StackError

if TYPE_CHECKING:
    from collections.abc import Iterable

INSTALL_SECONDS = 300
OLDEST_NODE = 20


class NoNodeError(Exception):
    """There is no Node.js that is new enough, or the packages can't be had; the text says why."""


def node_with_packages(source: Path, folder: Path, files: Iterable[str]) -> str:
    """Node.js; in ``folder`` are the ``files`` of ``source``, and what its package-lock.json names. Raises NoNodeError.

    The packages are kept from one run to the next.
    """
    node = _find_node()
    lock = (source / "package-lock.json").read_text(encoding="utf-8")
    installed = folder / "installed-lock.json"
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        shutil.copy(source / name, folder / name)
    if not installed.exists() or installed.read_text(encoding="utf-8") != lock:
        _install(_find_npm(), folder)
        installed.write_text(lock, encoding="utf-8")
    return node


def _find_node() -> str:
    """A Node.js that is new enough: the machine's, else the one that Playwright brings along."""
    for node in (shutil.which("node"), str(Path(playwright.__file__).parent / "driver" / "node")):
        if node is not None and _version(node) >= OLDEST_NODE:
            return node
    msg = f"Node.js {OLDEST_NODE} or newer is needed"
    raise NoNodeError(msg)


def _version(node: str) -> int:
    with suppress(OSError):
        said = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout  # noqa: S603
        return int(said.strip().lstrip("v").partition(".")[0] or 0)
    return 0


def _find_npm() -> str:
    """npm; its Debian package is installed where there is none. It runs on an older Node.js too."""
    if shutil.which("npm") is None and packages.may_install():
        with suppress(StackError):
            packages.install("npm")
    npm = shutil.which("npm")
    if npm is None:
        msg = "no npm: none is installed, and its package could not be"
        raise NoNodeError(msg)
    return npm


def _install(npm: str, folder: Path) -> None:
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        done = subprocess.run(  # noqa: S603 - found above
            command, cwd=folder, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        msg = "npm took too long to fetch its packages"
        raise NoNodeError(msg) from None
    if done.returncode:
        msg = f"npm could not fetch its packages: {(done.stderr.strip().splitlines() or [''])[-1]}"
        raise NoNodeError(msg)
