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
    from collections.abc import Mapping

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


def url_of(broker_url: str, user: str, password: str = "a%20password") -> str:  # noqa: S107 - as above
    """The address for one of the users."""
    address = urlsplit(broker_url)
    place = address.netloc.rpartition("@")[2]
    return urlunsplit(address._replace(netloc=f"{name_of(user)}:{password}@{place}"))
