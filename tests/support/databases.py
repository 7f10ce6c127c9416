"""A fresh database for each test, copied from one that was migrated once."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import asyncpg

from local_stack.databases import drop_database, make_copy, make_database, migrate_services

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from datetime import timedelta

    from local_stack.servers import Postgres

SERVICES = ("otp", "binding", "review", "notify")
#: Roles belong to the whole server: these are not those of a stack or of another worker that may run on the same one.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "test")
ROLES = {service: (f"kinbind_{WORKER}_{service}", f"kinbind_{WORKER}_{service}") for service in SERVICES}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Databases:
    """One database with the four schemas: the address for each service's role, and for one that may do everything."""

    name: str
    otp: str
    binding: str
    review: str
    notify: str
    superuser: str

    def dsn(self, service: str) -> str:
        """The address for the role of ``service``."""
        return str(getattr(self, service))


@contextmanager
def template_database(postgres: Postgres) -> Iterator[str]:
    """The name of a database in which every service's migrations are applied; dropped when the block ends."""
    name = f"kinbind_test_{uuid4().hex[:12]}"
    wait_for(make_database(postgres, name, ROLES))
    try:
        wait_for(migrate_services({service: addresses(postgres, name).dsn(service) for service in SERVICES}))
        yield name
    finally:
        wait_for(drop_database(postgres, name))


@contextmanager
def fresh_databases(postgres: Postgres, template: str) -> Iterator[Databases]:
    """A copy of the template; dropped when the block ends."""
    name = f"{template}_{uuid4().hex[:12]}"
    wait_for(make_copy(postgres, template, name))
    try:
        yield addresses(postgres, name)
    finally:
        wait_for(drop_database(postgres, name))


def addresses(postgres: Postgres, name: str) -> Databases:
    """Those of a database that was made with ROLES."""
    services = {service: postgres.dsn(*ROLES[service], name) for service in SERVICES}
    return Databases(name, superuser=postgres.of_database(name), **services)


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from synchronous code, on a loop that no test shares."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class Clock:
    """Moves the time that decides, in every schema of a database."""

    def __init__(self, databases: Databases) -> None:
        self._dsn = databases.superuser

    async def shift(self, by: timedelta) -> None:
        """Let ``present()`` be ``by`` away from now."""
        connection = await asyncpg.connect(self._dsn)
        try:
            for schema in SERVICES:
                await connection.execute(
                    f"CREATE OR REPLACE FUNCTION {schema}.present() RETURNS timestamptz LANGUAGE sql STABLE"
                    f" AS 'SELECT now() + make_interval(secs => {by.total_seconds()})'"
                )
        finally:
            await connection.close()
