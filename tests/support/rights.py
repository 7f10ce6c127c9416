"""The users of deploy/rabbitmq on a vhost of a test's own, made by the same program as on a deployed broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from support.databases import WORKER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_stack.servers import Servers

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "rabbitmq"
USERS = ("otp", "binding", "review", "notify", "operator", "autoscaler")


def name_of(user: str) -> str:
    """Users belong to the whole server: these are not those of a stack or another worker that runs on the same one."""
    return f"kinbind_{WORKER}_{user}"


def definitions_for(broker_url: str) -> dict[str, list[dict[str, Any]]]:
    """Those of deploy/rabbitmq, for a vhost and for the tests' users."""
    vhost = urlsplit(broker_url).path[1:]
    definitions = json.loads((FOLDER / "definitions.json").read_text(encoding="utf-8"))
    return {
        kind: [
            {**thing, "vhost": vhost} | ({"user": name_of(thing["user"])} if "user" in thing else {})
            for thing in things
        ]
        for kind, things in definitions.items()
    }


def bring(
    servers: Servers,
    definitions: Mapping[str, list[dict[str, Any]]],
    folder: Path,
    password: str = "a password",  # noqa: S107 - of a vhost that is dropped after the test
    **changes: str,
) -> subprocess.CompletedProcess[str]:
    """Run deploy/rabbitmq/rights.py; every user has the same ``password``. ``changes`` are further variables."""
    path = folder / "definitions.json"
    path.write_text(json.dumps(definitions), encoding="utf-8")
    variables = {f"{name_of(user)}_RABBITMQ_PASSWORD".upper(): password for user in USERS}
    variables["RABBITMQ_MANAGEMENT_URL"] = servers.rabbitmq.management_url
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-I", FOLDER / "rights.py", path],
        check=False,
        capture_output=True,
        text=True,
        env=dict(os.environ) | variables | changes,
    )


def reader_name(name: str = "warehouse") -> str:
    """An outside reader's, apart from those of other workers for the same reason."""
    return f"{WORKER}-{name}"


def for_readers(readers: Mapping[str, Sequence[str]], password: str = "a password") -> dict[str, str]:  # noqa: S107
    """The variables by which rights.py makes these readers, each of which hears events of these types."""
    named = {reader_name(name): types for name, types in readers.items()}
    passwords = {f"READER_{name}_RABBITMQ_PASSWORD".upper().replace("-", "_"): password for name in named}
    return {"OUTSIDE_READERS": json.dumps(named)} | passwords


def enough_for_readers(broker_url: str) -> dict[str, list[dict[str, Any]]]:
    """The exchange of events, two queues of a service, and no service's user."""
    definitions = definitions_for(broker_url)
    queues = {"review.binding.approved.v1", "review.binding.revoked.v1"}
    return {
        "exchanges": [each for each in definitions["exchanges"] if each["name"] == "kinbind.events"],
        "queues": [each for each in definitions["queues"] if each["name"] in queues],
        "bindings": [
            each
            for each in definitions["bindings"]
            if each["source"] == "kinbind.events" and each["destination"] in queues
        ],
        "permissions": [],
        "topic_permissions": [],
    }


def reader_url(broker_url: str, name: str = "warehouse", password: str = "a%20password") -> str:  # noqa: S107 - as above
    """The address for an outside reader."""
    address = urlsplit(broker_url)
    place = address.netloc.rpartition("@")[2]
    return urlunsplit(address._replace(netloc=f"reader-{reader_name(name)}:{password}@{place}"))


def url_of(broker_url: str, user: str, password: str = "a%20password") -> str:  # noqa: S107 - as above
    """The address for one of the users."""
    address = urlsplit(broker_url)
    place = address.netloc.rpartition("@")[2]
    return urlunsplit(address._replace(netloc=f"{name_of(user)}:{password}@{place}"))
