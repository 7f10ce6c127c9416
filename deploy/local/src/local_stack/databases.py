"""One database with a schema for each service, and roles that own nothing but their schema."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

from shared.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local_stack.servers import Postgres


async def make_database(postgres: Postgres, database: str, roles: Mapping[str, tuple[str, str]]) -> None:
    """Create ``database`` and, for each schema, its role and password; what is there already is brought in line.

    ``roles`` maps a schema to (role, password). A role finds its own schema only; nobody else may connect.
    """
    connection = await asyncpg.connect(postgres.url)
    try:
        for schema, (role, password) in roles.items():
            await _make_role(connection, role, password, schema)
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
            await connection.execute(f"CREATE DATABASE {_name(database)}")
        await _reserve(connection, database, [role for role, _ in roles.values()])
    finally:
        await connection.close()
    connection = await asyncpg.connect(postgres.of_database(database))
    try:
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for schema, (role, _) in roles.items():
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_name(schema)} AUTHORIZATION {_name(role)}")
    finally:
        await connection.close()


async def identity(postgres: Postgres, database: str) -> str:
    """What tells this database from one of the same name made later or elsewhere; empty when there is none."""
    connection = await asyncpg.connect(postgres.url)
    try:
        found = await connection.fetchval(
            "SELECT system_identifier::text || '/' || oid::text FROM pg_database, pg_control_system()"
            " WHERE datname = $1",
            database,
        )
    finally:
        await connection.close()
    return str(found or "")


async def make_copy(postgres: Postgres, template: str, database: str) -> None:
    """A new database like ``template``, which nobody may be connected to."""
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute(f"CREATE DATABASE {_name(database)} TEMPLATE {_name(template)}")
    finally:
        await connection.close()


async def drop_database(postgres: Postgres, database: str) -> None:
    """Delete a database, whoever is connected to it."""
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {_name(database)} WITH (FORCE)")
    finally:
        await connection.close()


async def drop_roles(postgres: Postgres, roles: Iterable[str]) -> None:
    """Delete roles that own nothing any more."""
    connection = await asyncpg.connect(postgres.url)
    try:
        for role in roles:
            await connection.execute(f"DROP ROLE IF EXISTS {_name(role)}")
    finally:
        await connection.close()


async def migrate_services(dsns: Mapping[str, str]) -> None:
    """Apply the migrations of each service to its schema."""
    for service, dsn in dsns.items():
        package = f"{service}_service"
        if (files(package) / "migrations").is_dir():
            await migrate(dsn, package, post=True)


async def _make_role(connection: asyncpg.Connection[asyncpg.Record], role: str, password: str, schema: str) -> None:
    known = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
    action = "ALTER" if known else "CREATE"
    secret = await connection.fetchval("SELECT quote_literal($1::text)", password)
    await connection.execute(f"{action} ROLE {_name(role)} LOGIN PASSWORD {secret}")
    await connection.execute(f"ALTER ROLE {_name(role)} SET search_path = {_name(schema)}")


async def _reserve(connection: asyncpg.Connection[asyncpg.Record], database: str, roles: list[str]) -> None:
    await connection.execute(f"REVOKE ALL ON DATABASE {_name(database)} FROM PUBLIC")
    await connection.execute(
        f"GRANT CONNECT, TEMPORARY ON DATABASE {_name(database)} TO {', '.join(map(_name, roles))}"
    )


def _name(identifier: str) -> str:
    """An identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'
