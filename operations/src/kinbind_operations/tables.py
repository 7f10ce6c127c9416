"""What the operator's role reads and writes in PostgreSQL, one function a query."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg

from kinbind_operations.errors import RefusedError, UnreachableError
from shared.database import COMMAND_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kinbind_operations.settings import Settings


Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

AWAY = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.InterfaceError)
REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidCatalogNameError,
)


@asynccontextmanager
async def schema_of(settings: Settings, service: str) -> AsyncIterator[Connection]:
    """A connection that finds the tables of a service, or ``operations``. Raises UnreachableError, RefusedError."""
    dsn = settings.database_url.get_secret_value() if service == "operations" else settings.database_of(service)
    where = urlsplit(dsn).netloc.rpartition("@")[2]
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings={"search_path": service},
        )
    except REFUSED as fault:
        msg = f"PostgreSQL at {where} refuses the operator's role ({type(fault).__name__}): see KINBIND_DATABASE_URL"
        raise RefusedError(msg) from None
    except AWAY as fault:
        msg = f"PostgreSQL at {where} cannot be reached ({type(fault).__name__})"
        raise UnreachableError(msg) from None
    try:
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        yield connection
    except asyncpg.InsufficientPrivilegeError:
        msg = f"the operator's role lacks rights in the schema {service}: run deploy/compose/operator.sql there again"
        raise RefusedError(msg) from None
    except asyncpg.UndefinedTableError:
        msg = f"the schema {service} lacks a table: are its migrations, and deploy/compose/operator.sql, applied?"
        raise RefusedError(msg) from None
    except AWAY as fault:
        msg = f"PostgreSQL at {where} was lost ({type(fault).__name__})"
        raise UnreachableError(msg) from None
    finally:
        connection.terminate()


async def migrations(connection: Connection) -> list[asyncpg.Record]:
    """``name`` and ``applied_at`` of each migration, in their order."""
    return list(await connection.fetch("SELECT name, applied_at FROM migrations ORDER BY applied_at, name"))


async def outbox_state(connection: Connection) -> asyncpg.Record:
    """``waiting``, ``refused`` (tried at least once) and ``oldest_seconds`` of the outbox."""
    row = await connection.fetchrow(
        """
        SELECT count(*) AS waiting, count(*) FILTER (WHERE tries > 0) AS refused,
            coalesce(extract(epoch FROM now() - min(recorded_at)), 0)::float AS oldest_seconds
        FROM outbox
        """
    )
    assert row is not None  # noqa: S101 - an aggregate is always there
    return row


async def outbox_rows(connection: Connection, seconds: float, most: int) -> list[asyncpg.Record]:
    """Events that were refused, or have waited for longer than ``seconds``, oldest first."""
    return list(
        await connection.fetch(
            """
            SELECT id, type, correlation_id, recorded_at, due_at, tries, last_error,
                extract(epoch FROM now() - recorded_at)::float AS age_seconds
            FROM outbox WHERE tries > 0 OR recorded_at < now() - make_interval(secs => $1)
            ORDER BY recorded_at LIMIT $2
            """,
            seconds,
            most,
        )
    )


async def retry_outbox(connection: Connection, service: str, event_id: UUID | None) -> int:
    """Let an event, or all that wait for their next try, be tried now; how many that are."""
    status = await connection.execute(
        "UPDATE outbox SET due_at = now() WHERE (id = $1 OR $1 IS NULL AND due_at > now())", event_id
    )
    await wake(connection, service)
    return int(status.rpartition(" ")[2])


async def wake(connection: Connection, service: str) -> None:
    """Let the service's processes look at once instead of after some seconds (shared.wakes)."""
    await connection.execute("SELECT pg_notify($1, '')", f"commits_{service}")


async def ask(connection: Connection, service: str, kind: str, arguments: dict[str, Any]) -> UUID:
    """Ask the service for a task (shared.operations); its id."""
    task_id = uuid4()
    await connection.execute(
        "INSERT INTO operator_tasks (id, kind, arguments) VALUES ($1, $2, $3)", task_id, kind, arguments
    )
    await wake(connection, service)
    return task_id


async def task(connection: Connection, task_id: UUID) -> asyncpg.Record:
    """The task, ``is_under_way`` while a process says that it is at it. Raises RefusedError for one that is gone."""
    row = await connection.fetchrow(
        "SELECT *, coalesce(lease_until > present(), false) AS is_under_way FROM operator_tasks WHERE id = $1", task_id
    )
    if row is None:
        msg = f"there is no task {task_id} any more"
        raise RefusedError(msg)
    return row


async def tasks(connection: Connection, most: int) -> list[asyncpg.Record]:
    """The latest tasks, newest first."""
    return list(
        await connection.fetch(
            "SELECT id, kind, asked_at, ended_at, progress, problem FROM operator_tasks"
            " ORDER BY asked_at DESC LIMIT $1",
            most,
        )
    )


async def resealings(connection: Connection) -> list[asyncpg.Record]:
    """How far each column's change of keys is."""
    return list(await connection.fetch("SELECT place, key_id, resealed, left_over, ended_at FROM resealings"))


async def note(settings: Settings, act: str, *, event_id: str = "", reason: str = "") -> None:
    """Write down for good what the operator does. Raises UnreachableError or RefusedError, and nothing is done then."""
    async with schema_of(settings, "operations") as connection:
        await add_act(connection, settings.operator, act, event_id=event_id, reason=reason)


async def add_act(
    connection: Connection,
    who: str,
    act: str,
    *,
    queue: str = "",
    event_id: str = "",
    event_type: str = "",
    reason: str = "",
) -> None:
    """One more line of what operators did."""
    await connection.execute(
        "INSERT INTO acts (who, act, queue, event_id, event_type, reason) VALUES ($1, $2, $3, $4, $5, $6)",
        *(who, act, queue, event_id, event_type, reason),
    )
