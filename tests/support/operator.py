"""The operator: a role and a user with the rights that are documented and no others, and the command as a process."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from contract.broker import OPERATOR
from support.databases import WORKER

if TYPE_CHECKING:
    from local_stack.servers import Servers
    from support.databases import Databases

ROOT = Path(__file__).resolve().parents[2]
#: Roles and users belong to the whole server: not those of a stack that may run on the same one.
NAME = f"kinbind_{WORKER}_operator"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody with a shell; ``environment`` are the settings."""

    environment: dict[str, str] = field(repr=False)

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """``kinbind WORDS``, as a process."""
        return await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "kinbind",
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith("KINBIND_")}
            | self.environment,
        )

    async def run(self, *words: str) -> Said:
        """The same, to its end."""
        process = await self.start(*words)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    def with_settings(self, **settings: str) -> Operator:
        """The same with other settings."""
        return Operator(self.environment | {f"KINBIND_{name}".upper(): value for name, value in settings.items()})


async def admit(servers: Servers, databases: Databases, broker_url: str) -> Operator:
    """Make the operator known to a database and a vhost, with the documented rights."""
    connection = await asyncpg.connect(databases.superuser)
    try:
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", NAME):
            await connection.execute(f"CREATE ROLE {NAME} LOGIN PASSWORD '{NAME}'")
        await connection.execute(f"GRANT CONNECT ON DATABASE {databases.name} TO {NAME}")
        grants = (ROOT / "deploy" / "compose" / "operator.sql").read_text(encoding="utf-8")
        await connection.execute(grants.replace("TO operator", f"TO {NAME}"))
    finally:
        await connection.close()
    vhost = quote(urlsplit(broker_url).path[1:], safe="")
    servers.rabbitmq.manage("PUT", f"/api/users/{NAME}", {"password": NAME, "tags": "monitoring"})
    servers.rabbitmq.manage("PUT", f"/api/permissions/{vhost}/{NAME}", OPERATOR)
    return Operator(
        {
            "KINBIND_DATABASE_URL": servers.postgres.dsn(NAME, NAME, databases.name),
            "KINBIND_RABBITMQ_URL": _as_operator(broker_url),
            "KINBIND_OPERATOR": "night shift",
            **{f"KINBIND_{name}_URL": "http://127.0.0.1:1" for name in ("OTP", "BINDING", "REVIEW", "NOTIFY")},
        }
    )


def _as_operator(url: str) -> str:
    address = urlsplit(url)
    return urlunsplit(address._replace(netloc=f"{NAME}:{NAME}@{address.netloc.rpartition('@')[2]}"))
