"""An OpenID provider that others wrote: npm's oidc-provider, on Node.js, as a process of its own."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from local_stack.processes import free_port, wait_until
from support.npm import NoNodeError, node_with_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parent / "oidc"
FILES = ("package.json", "package-lock.json", "provider.js")
#: Where the packages are kept from one run to the next.
FOLDER = Path(__file__).resolve().parents[2] / ".run" / "oidc"
START_SECONDS = 30


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
    node = node_with_packages(SOURCE, FOLDER, FILES)
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
