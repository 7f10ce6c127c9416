"""Brings exchanges, queues, bindings, users and their rights to a RabbitMQ: what definitions.json beside this says.

    RABBITMQ_MANAGEMENT_URL=http://kinbind@rabbitmq:15672 RABBITMQ_PASSWORD=… OTP_RABBITMQ_PASSWORD=… python3 rights.py

Run again it sets the passwords and rights anew and changes nothing else; a queue that is there stays as it is. It
needs Python and nothing more, and an administrator's login. Every password may come from a file, named by the variable
with ``_FILE`` behind it. A user that is no service's (operator, autoscaler) is made where its password is set. Exit
codes: 0 done, 1 refused or not reachable, 2 a variable is wrong.

Who reads events and is no service (docs/events.md) gets a queue and a user of its own:

    OUTSIDE_READERS='{"warehouse": ["kinbind.binding.approved.v1"]}' READER_WAREHOUSE_RABBITMQ_PASSWORD=…

A reader may read what is made for it here, and nothing else: it neither declares nor binds, since a queue of its own
making that is full could refuse an event, and hold it up for everybody. A reader that is not named stays as it is; one
without events (``"warehouse": []``) is taken away, with what is in its queues.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

DEFINITIONS = Path(__file__).with_name("definitions.json")
WAIT_SECONDS = 90
TIMEOUT_SECONDS = 30
#: Users that may be left out, and what else they are at the management API: status counts messages under way there.
OPTIONAL = {"operator": "monitoring", "autoscaler": "monitoring"}
FAILED, MISUSED = 1, 2
EVENTS_EXCHANGE = "kinbind.events"
READER_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
READERS_CONNECTIONS = 10
#: A reader that is away for long loses the oldest events, and never the broker's disk.
READERS_QUEUE = {
    "x-queue-type": "quorum",
    "x-max-length-bytes": 256 * 1024 * 1024,
    "x-overflow": "drop-head",
}
READERS_DELIVERIES = 20


class RightsError(Exception):
    """A variable that is wrong, in one sentence."""


class Management:
    """RabbitMQ's management API (https://www.rabbitmq.com/docs/http-api-reference) as its administrator has it."""

    def __init__(self, url: str, password: str) -> None:
        address = urlsplit(url)
        self._url = f"{address.scheme}://{address.netloc.rpartition('@')[2]}"
        login = f"{unquote(address.username or '')}:{password or unquote(address.password or '')}"
        self._login = base64.b64encode(login.encode()).decode()

    def ask(self, method: str, path: str, content: object = None) -> object:
        """One request; what was answered. Raises HTTPError, URLError or OSError."""
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self._url}/api{path}", body, method=method)  # noqa: S310 - the operator's own address
        request.add_header("Authorization", f"Basic {self._login}")
        request.add_header("Content-Type", "application/json")
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the same
            text = answer.read()
        return json.loads(text) if text else None

    def wait(self) -> None:
        """Until it answers: the broker takes connections before its management does."""
        end = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self.ask("GET", "/overview")
            except HTTPError:
                raise
            except (URLError, OSError):
                if time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                return


def secret(variable: str) -> str:
    """The value of a variable, or of the file that its ``_FILE`` names; empty where neither is set."""
    value, path = os.environ.get(variable, ""), os.environ.get(f"{variable}_FILE", "")
    if value and path:
        msg = f"{variable} and {variable}_FILE are both set: one of them must go"
        raise RightsError(msg)
    if not path:
        return value
    try:
        value = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as fault:
        msg = f"{variable}_FILE names a file that cannot be read ({type(fault).__name__})"
        raise RightsError(msg) from None
    if not value:
        msg = f"{variable}_FILE names a file that is empty"
        raise RightsError(msg)
    return value


def passwords(users: list[str]) -> dict[str, str]:
    """The password of each user. Raises RightsError where one of a service's is missing."""
    found = {user: secret(f"{user}_RABBITMQ_PASSWORD".upper()) for user in users}
    missing = [f"{user}_RABBITMQ_PASSWORD".upper() for user in users if not found[user] and user not in OPTIONAL]
    if missing:
        msg = f"{', '.join(missing)} must be set (or …_FILE)"
        raise RightsError(msg)
    return {user: password for user, password in found.items() if password}


def bring(management: Management, definitions: dict[str, list[dict[str, object]]], known: dict[str, str]) -> None:
    """Everything that ``definitions`` says, with users of these passwords."""
    things = {kind: definitions[kind] for kind in ("exchanges", "queues", "bindings")}
    management.ask("POST", "/definitions", things)
    for user, password in known.items():
        login = {"password": password, "tags": OPTIONAL.get(user, "")}
        management.ask("PUT", f"/users/{quote(user, safe='')}", login)
    for kind in ("permissions", "topic_permissions"):
        for rights in definitions[kind]:
            user, vhost = str(rights["user"]), str(rights["vhost"])
            if user in known:
                said = {name: value for name, value in rights.items() if name not in {"user", "vhost"}}
                where = f"{quote(vhost, safe='')}/{quote(user, safe='')}"
                management.ask("PUT", f"/{kind.replace('_', '-')}/{where}", said)


def outside_readers(definitions: dict[str, list[dict[str, object]]]) -> dict[str, list[str]]:
    """The types of the events that each outside reader is to hear; none: it is taken away. Raises RightsError."""
    try:
        readers = json.loads(os.environ.get("OUTSIDE_READERS") or "{}")
    except ValueError:
        readers = None
    if not isinstance(readers, dict) or not all(isinstance(types, list) for types in readers.values()):
        msg = 'OUTSIDE_READERS must be JSON, as {"warehouse": ["kinbind.binding.approved.v1"]}'
        raise RightsError(msg)
    known = {binding["routing_key"] for binding in definitions["bindings"] if binding["source"] == EVENTS_EXCHANGE}
    for name, types in readers.items():
        unknown = [str(type_) for type_ in types if type_ not in known]
        if not READER_NAME.fullmatch(name) or unknown:
            what = f"no event is called {unknown[0]}" if unknown else "a name has small letters, digits and dashes"
            msg = f"OUTSIDE_READERS, {name}: {what}"
            raise RightsError(msg)
    return readers


def readers_passwords(readers: dict[str, list[str]]) -> dict[str, str]:
    """The password of each that is to hear anything. Raises RightsError where one is missing."""
    found = {}
    for name in (name for name, types in readers.items() if types):
        variable = f"READER_{name}_RABBITMQ_PASSWORD".upper().replace("-", "_")
        found[name] = secret(variable)
        if not found[name]:
            msg = f"{variable} must be set (or …_FILE)"
            raise RightsError(msg)
    return found


def bring_reader(management: Management, vhost: str, name: str, types: list[str], password: str) -> None:
    """A queue with copies of the events of these ``types``, one for what was rejected, and a user that reads both."""
    user, place = f"reader-{name}", quote(vhost, safe="")
    own = {
        "x-delivery-limit": READERS_DELIVERIES,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": f"{user}.rejected",
    }
    for queue, arguments in ((f"{user}.rejected", READERS_QUEUE), (f"{user}.events", READERS_QUEUE | own)):
        management.ask("PUT", f"/queues/{place}/{queue}", {"durable": True, "arguments": arguments})
    bind_reader(management, f"/bindings/{place}/e/{EVENTS_EXCHANGE}/q/{user}.events", set(types))
    management.ask("PUT", f"/users/{user}", {"password": password, "tags": ""})
    management.ask("PUT", f"/user-limits/{user}/max-connections", {"value": READERS_CONNECTIONS})
    read = f"^{re.escape(user)}\\.(events|rejected)$"
    management.ask("PUT", f"/permissions/{place}/{user}", {"configure": "^$", "write": "^$", "read": read})


def bind_reader(management: Management, path: str, types: set[str]) -> None:
    """Let its queue, whose bindings are at ``path``, have the events of these ``types`` and of no others."""
    bindings = cast("list[dict[str, str]]", management.ask("GET", path))
    bound = {binding["routing_key"]: binding["properties_key"] for binding in bindings}
    for type_ in types - set(bound):
        management.ask("POST", path, {"routing_key": type_})
    for type_ in set(bound) - types:
        management.ask("DELETE", f"{path}/{quote(bound[type_], safe='')}")


def drop_reader(management: Management, vhost: str, name: str) -> None:
    """Take away its user, and its queues with what is in them; where they are gone already, nothing happens."""
    user, place = f"reader-{name}", quote(vhost, safe="")
    for path in (f"/users/{user}", f"/queues/{place}/{user}.events", f"/queues/{place}/{user}.rejected"):
        try:
            management.ask("DELETE", path)
        except HTTPError as fault:
            if fault.code != HTTPStatus.NOT_FOUND:
                raise


def main() -> int:
    """Do it; the exit code."""
    try:
        definitions = json.loads((Path(sys.argv[1]) if sys.argv[1:] else DEFINITIONS).read_text(encoding="utf-8"))
        known = passwords([str(rights["user"]) for rights in definitions["permissions"]])
        readers = outside_readers(definitions)
        readers_known = readers_passwords(readers)
        url = os.environ.get("RABBITMQ_MANAGEMENT_URL", "http://guest@localhost:15672")
        management = Management(url, secret("RABBITMQ_PASSWORD"))
        management.wait()
        bring(management, definitions, known)
        vhost = str(definitions["exchanges"][0]["vhost"])
        for name, types in readers.items():
            if types:
                bring_reader(management, vhost, name, types, readers_known[name])
            else:
                drop_reader(management, vhost, name)
    except RightsError as error:
        print(f"rights: {error}", file=sys.stderr)  # noqa: T201 - a command line speaks to its user
        return MISUSED
    except HTTPError as fault:
        where = urlsplit(fault.url).path
        print(f"rights: RabbitMQ answered {fault.code} to {where}", file=sys.stderr)  # noqa: T201 - the same
        return FAILED
    except (URLError, OSError) as fault:
        print(f"rights: RabbitMQ's management cannot be reached ({fault})", file=sys.stderr)  # noqa: T201 - the same
        return FAILED
    print(f"rights of {', '.join([*known, *(f'reader-{name}' for name in readers_known)])} are set")  # noqa: T201 - the same
    return 0


if __name__ == "__main__":
    sys.exit(main())
