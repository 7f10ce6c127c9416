"""What a stack or a test run needs of the two servers: their addresses, and a few words with each."""

from __future__ import annotations

import base64
import json
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping

POSTGRES_IMAGE = "postgres:17-alpine"
RABBITMQ_IMAGE = "rabbitmq:4.0-management"
#: A node that is busy deleting queues may take long over one call.
MANAGEMENT_TIMEOUT_SECONDS = 60


class StackError(Exception):
    """Something that the stack needs cannot be had. The message is one sentence for whoever started it."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL server; ``url`` is that of a role that may create roles and databases."""

    url: str = field(repr=False)

    @property
    def place(self) -> str:
        """Host, port: what may be shown."""
        return place(self.url)

    def dsn(self, role: str, password: str, database: str) -> str:
        """The address of ``database`` for ``role``."""
        return _with_login(self.url, role, password, quote(database))

    def of_database(self, database: str) -> str:
        """The address of ``database`` for the role that may do everything."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{quote(database)}"))


@dataclass(frozen=True, slots=True)
class RabbitMQ:
    """A RabbitMQ server: AMQP, and the management plugin's HTTP API with the same login."""

    url: str = field(repr=False)
    management_url: str = field(repr=False)

    @property
    def place(self) -> str:
        """Host, port: what may be shown."""
        return place(self.url)

    def of_vhost(self, vhost: str) -> str:
        """The AMQP address of ``vhost``."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{quote(vhost, safe='')}"))

    def make_vhost(self, vhost: str) -> None:
        """Create a vhost in which our user may do everything."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        user = quote(unquote(urlsplit(self.url).username or "guest"), safe="")
        self.manage("PUT", f"/api/vhosts/{quote(vhost, safe='')}", {})
        self.manage("PUT", f"/api/permissions/{quote(vhost, safe='')}/{user}", everything)

    def drop_vhost(self, vhost: str) -> None:
        """Delete a vhost with everything in it."""
        self.manage("DELETE", f"/api/vhosts/{quote(vhost, safe='')}")

    def listens(self) -> bool:
        """Whether somebody listens where AMQP should be."""
        address = urlsplit(self.url)
        try:
            with socket.create_connection((address.hostname or "", address.port or 5672), timeout=5):
                return True
        except OSError:
            return False

    def is_up(self) -> bool:
        """Whether the management API answers."""
        try:
            self.manage("GET", "/api/overview")
        except StackError:
            return False
        return True

    def manage(self, method: str, path: str, body: Mapping[str, object] | None = None) -> object:
        """One call of the management API; the decoded answer. Raises StackError."""
        address = urlsplit(self.management_url)
        login = f"{unquote(address.username or 'guest')}:{unquote(address.password or 'guest')}"
        request = Request(  # noqa: S310 - the address is the operator's own
            f"{address.scheme}://{address.hostname}:{address.port or 15672}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urlopen(request, timeout=MANAGEMENT_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the same
                text = answer.read()
        except HTTPError as fault:
            # The error holds the open answer; left alone it would warn when it is collected.
            fault.close()
            msg = f"RabbitMQ's management API at {place(self.management_url)} answered {fault.code} to {method}."
            raise StackError(msg) from None
        except (URLError, OSError) as fault:
            reason = fault.reason if isinstance(fault, URLError) else fault
            fault_name = type(reason).__name__
            msg = f"RabbitMQ's management API at {place(self.management_url)} does not answer ({fault_name})."
            raise StackError(msg) from None
        return json.loads(text) if text else None


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers."""

    postgres: Postgres
    rabbitmq: RabbitMQ


def postgres_from_environment() -> Postgres | None:
    """The server that KINBIND_POSTGRES_URL names."""
    url = os.environ.get("KINBIND_POSTGRES_URL")
    return Postgres(url) if url else None


def rabbitmq_from_environment() -> RabbitMQ | None:
    """The server that KINBIND_RABBITMQ_URL names, its management API beside it where nothing else is said."""
    url = os.environ.get("KINBIND_RABBITMQ_URL")
    if not url:
        return None
    address = urlsplit(url)
    login = address.netloc.rpartition("@")[0]
    beside = f"http://{login}{'@' if login else ''}{address.hostname}:15672"
    return RabbitMQ(url, os.environ.get("KINBIND_RABBITMQ_MANAGEMENT_URL") or beside)


def postgres_image() -> str:
    """The image that PostgreSQL runs from."""
    return os.environ.get("POSTGRES_IMAGE") or POSTGRES_IMAGE


def rabbitmq_image() -> str:
    """The image that RabbitMQ runs from; it must have the management plugin."""
    return os.environ.get("RABBITMQ_IMAGE") or RABBITMQ_IMAGE


def place(url: str) -> str:
    """Host and port of an address, without its login."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _with_login(url: str, user: str, password: str, path: str) -> str:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(urlsplit(url)._replace(netloc=f"{login}@{place(url)}", path=f"/{path}"))
