"""SQL of what a notice was about, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

#: A binding, and the school that its child is in.
CONCERNED = "SELECT DISTINCT bindings.id, students.school_id FROM bindings JOIN students ON students.id = student_id"
#: One that waits or is bound.
LIVES = "bindings.state IN ('pending', 'approved')"


async def is_in_time(connection: Connection, moment: datetime, life: timedelta) -> bool:
    """Whether so much time has not yet passed since then."""
    in_time: bool = await connection.fetchval("SELECT present() < $1::timestamptz + $2::interval", moment, life)
    return in_time


async def of_application(connection: Connection, application_id: UUID) -> list[asyncpg.Record]:
    """All bindings of an application, however they stand."""
    return await _concerned(connection, "WHERE application_id = $1", application_id)


async def of_binding(connection: Connection, binding_id: UUID) -> list[asyncpg.Record]:
    """The binding itself."""
    return await _concerned(connection, "WHERE bindings.id = $1", binding_id)


async def of_objection(connection: Connection, objection_id: UUID) -> list[asyncpg.Record]:
    """The binding of the guardian in whose name it was sent."""
    return await _concerned(
        connection, "JOIN objections ON objector_binding_id = bindings.id WHERE objections.id = $1", objection_id
    )


async def of_account(connection: Connection, account_id: UUID) -> list[asyncpg.Record]:
    """What waits for or is bound to an account's person."""
    return await _concerned(
        connection, f"JOIN accounts USING (person_hash) WHERE accounts.id = $1 AND {LIVES}", account_id
    )


async def of_contact(connection: Connection, contact_hashes: list[str], login: str) -> list[asyncpg.Record]:
    """What waits or is bound and is reached by a contact, whether or not that was ever proven."""
    return await _concerned(
        connection,
        f"""
        WHERE {LIVES} AND (
            application_id = ANY(ARRAY(SELECT application_id FROM application_contacts WHERE contact_hash = ANY($1)))
            OR person_hash = ANY(ARRAY(SELECT person_hash FROM accounts WHERE login = $2)))
        """,  # noqa: S608 - a constant of this module
        contact_hashes,
        login,
    )


async def _concerned(connection: Connection, which: str, *values: object) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(f"{CONCERNED} {which} ORDER BY bindings.id", *values)
    return rows


async def end_sessions(connection: Connection, attempt_id: UUID, code_id: UUID, contact_hashes: list[str]) -> None:
    """Who came in by that code is out. What a process of the version before opened is known by attempt and contact."""
    await connection.execute(
        """
        DELETE FROM sessions
        WHERE attempt_id = $1 AND (code_id = $2 OR code_id IS NULL AND contact_hash = ANY($3))
        """,
        attempt_id,
        code_id,
        contact_hashes,
    )
