"""An OpenID provider that others wrote: npm's oidc-provider, on Node.js, as a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import playwright

from local_stack import packages
from local_stack.processes import free_port, wait_until
from local_stack.servers import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parent / "oidc"
FILES = ("package.json", "package-lock.json", "provider.js")
#: Where the packages are kept from one run to the next.
FOLDER = Path(__file__).resolve().parents[2] / ".run" / "oidc"
INSTALL_SECONDS = 300
START_SECONDS = 30
OLDEST_NODE = 20


class NoNodeError(Exception):
    """There is no Node.js that runs the provider, and none can be had; the text says why."""


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """A running provider."""

    issuer: str
    orders: IO[str]

    def rotate_keys(self) -> None:
        """From now on it signs with another key, and no longer publishes the one before."""
        before = self._keys()
        self._order("rotate")
        wait_until(lambda: self._keys() != before, within=START_SECONDS, what="other keys")

    def _keys(self) -> object:
        with urllib.request.urlopen(f"{self.issuer}/jwks", timeout=5) as answer:  # noqa: S310 - our own process
            return json.load(answer)

    def _order(self, line: str) -> None:
        self.orders.write(line + "\n")
        self.orders.flush()


@contextmanager
def running_provider(clients: list[dict[str, Any]], accounts: dict[str, dict[str, Any]]) -> Iterator[OpenIdProvider]:
    """The provider until the block ends. ``accounts`` are claims by login. Raises NoNodeError."""
    node = _node_with_packages()
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    settings = {"port": port, "issuer": issuer, "clients": clients, "accounts": accounts}
    with subprocess.Popen(  # noqa: S603 - our own program
        [node, "provider.js"],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        provider = OpenIdProvider(issuer, process.stdin)
        try:
            provider._order(json.dumps(settings))
            wait_until(lambda: _answers(issuer, process), within=START_SECONDS, what="the OpenID provider")
            yield provider
        finally:
            process.stdin.close()
            process.wait(START_SECONDS)


def _answers(issuer: str, process: subprocess.Popen[str]) -> bool:
    if process.poll() is not None:
        msg = "Node.js is here, but does not run the OpenID provider"
        raise NoNodeError(msg)
    with suppress(urllib.error.URLError, OSError):
        urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=5).close()  # noqa: S310 - the same
        return True
    return False


def _node_with_packages() -> str:
    """Node.js, with what package-lock.json names beside the program."""
    node = _find_node()
    lock = (SOURCE / "package-lock.json").read_text(encoding="utf-8")
    installed = FOLDER / "installed-lock.json"
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(SOURCE / name, FOLDER / name)
    if not installed.exists() or installed.read_text(encoding="utf-8") != lock:
        _install(_find_npm())
        installed.write_text(lock, encoding="utf-8")
    return node


def _find_node() -> str:
    """A Node.js that is new enough: the machine's, else the one that Playwright brings along."""
    for node in (shutil.which("node"), str(Path(playwright.__file__).parent / "driver" / "node")):
        if node is not None and _version(node) >= OLDEST_NODE:
            return node
    msg = f"the OpenID provider needs Node.js {OLDEST_NODE} or newer"
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


def _install(npm: str) -> None:
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        done = subprocess.run(  # noqa: S603 - found above
            command, cwd=FOLDER, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        msg = "npm took too long to fetch the OpenID provider"
        raise NoNodeError(msg) from None
    if done.returncode:
        msg = f"npm could not fetch the OpenID provider: {(done.stderr.strip().splitlines() or [''])[-1]}"
        raise NoNodeError(msg)
