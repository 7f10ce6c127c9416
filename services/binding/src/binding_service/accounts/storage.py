"""SQL of accounts, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

#: Rows that mean nothing any more. A browser that no setting can still know is forgotten.
EXPIRED = (
    "DELETE FROM account_notices WHERE expires_at < present() - interval '1 day'",
    "DELETE FROM contact_changes WHERE expires_at < present() - interval '1 day'",
    "DELETE FROM account_devices WHERE used_at < present() - interval '400 days'",
)
COLUMNS = """
    id, person_hash, national_id_sealed, login, name, phone, language, password_hash
"""


async def open_account(
    connection: Connection,
    account_id: UUID,
    person_hash: str,
    national_id_sealed: str,
    login: str,
    name: str,
    phone: str,
    language: str,
    first_password: timedelta,
    opened_by: UUID,
) -> datetime | None:
    """Open the person's account: until when its first password works. None where the person has an account already."""
    until: datetime | None = await connection.fetchval(
        """
        INSERT INTO accounts (id, person_hash, national_id_sealed, login, name, phone, language, first_password_until,
                              opened_at, opened_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, present() + $8::interval, present(), $9)
        ON CONFLICT (person_hash) DO NOTHING RETURNING first_password_until
        """,
        account_id,
        person_hash,
        national_id_sealed,
        login,
        name,
        phone,
        language,
        first_password,
        opened_by,
    )
    return until


async def of_person(connection: Connection, person_hashes: list[str]) -> asyncpg.Record | None:
    """The account of the person with this ID number."""
    return await connection.fetchrow(
        f"SELECT {COLUMNS} FROM accounts WHERE person_hash = ANY($1)",  # noqa: S608 - a constant of ours
        person_hashes,
    )


async def by_login(connection: Connection, login: str) -> asyncpg.Record | None:
    """The account with this login."""
    return await connection.fetchrow(f"SELECT {COLUMNS} FROM accounts WHERE login = $1", login)  # noqa: S608 - the same


async def by_id(connection: Connection, account_id: UUID) -> asyncpg.Record | None:
    """The account of a session."""
    return await connection.fetchrow(f"SELECT {COLUMNS} FROM accounts WHERE id = $1", account_id)  # noqa: S608 - the same


async def hold_account(connection: Connection, account_id: UUID, password_hash: str | None) -> bool:
    """Hold the account until the transaction ends; False where the password was changed while it was compared."""
    held = await connection.fetchval(
        "SELECT true FROM accounts WHERE id = $1 AND password_hash IS NOT DISTINCT FROM $2 FOR UPDATE",
        account_id,
        password_hash,
    )
    return bool(held)


async def count_first_password_try(connection: Connection, account_id: UUID, tries: int) -> int | None:
    """Count a try of the first password; how many they are, None where it is over: by time, by tries, or changed."""
    counted: int | None = await connection.fetchval(
        """
        UPDATE accounts SET first_password_tries = first_password_tries + 1
        WHERE id = $1 AND password_hash IS NULL AND first_password_until > present() AND first_password_tries < $2
        RETURNING first_password_tries
        """,
        account_id,
        tries,
    )
    return counted


async def forgive_first_password_tries(connection: Connection, account_id: UUID) -> None:
    """The first password was right: earlier slips count no more."""
    await connection.execute("UPDATE accounts SET first_password_tries = 0 WHERE id = $1", account_id)


async def set_password(connection: Connection, account_id: UUID, password_hash: str) -> None:
    """The account's password from now on; the first one is over."""
    await connection.execute("UPDATE accounts SET password_hash = $2 WHERE id = $1", account_id, password_hash)


async def knows_device(connection: Connection, account_id: UUID, token_hash: str, life: timedelta) -> bool:
    """Whether the account was signed in to, in this browser, in the last while."""
    known = await connection.fetchval(
        """
        SELECT true FROM account_devices
        WHERE account_id = $1 AND token_hash = $2 AND used_at > present() - $3::interval
        """,
        account_id,
        token_hash,
        life,
    )
    return bool(known)


async def note_device(connection: Connection, account_id: UUID, token_hash: str) -> None:
    """The account is signed in to in this browser."""
    await connection.execute(
        """
        INSERT INTO account_devices (account_id, token_hash, used_at) VALUES ($1, $2, present())
        ON CONFLICT (account_id, token_hash) DO UPDATE SET used_at = excluded.used_at
        """,
        account_id,
        token_hash,
    )


async def rename_device(connection: Connection, former_hash: str, token_hash: str) -> None:
    """The browser has another token, for every account that knew it."""
    await connection.execute(
        "UPDATE account_devices SET token_hash = $2 WHERE token_hash = $1", former_hash, token_hash
    )


async def forget_devices(connection: Connection, account_id: UUID) -> None:
    """The account knows no browser any more."""
    await connection.execute("DELETE FROM account_devices WHERE account_id = $1", account_id)


async def add_notice(
    connection: Connection,
    notice_id: UUID,
    account_id: UUID,
    kind: str,
    token_hash: str,
    email_before: str | None,
    phone_before: str | None,
    life: timedelta,
) -> datetime:
    """What the owner is told; until when it can be undone."""
    until: datetime = await connection.fetchval(
        """
        INSERT INTO account_notices (id, account_id, kind, token_hash, email_before, phone_before, created_at,
                                     expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, present(), present() + $7::interval) RETURNING expires_at
        """,
        notice_id,
        account_id,
        kind,
        token_hash,
        email_before,
        phone_before,
        life,
    )
    return until


async def children(connection: Connection, account_id: UUID) -> list[asyncpg.Record]:
    """The children that are bound to the account: name, school, class, relation, since when."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT students.name, schools.name AS school_name, classes.name AS class_name, bindings.relation,
               bindings.relation_text, bindings.changed_at AS bound_at
        FROM accounts JOIN bindings ON bindings.person_hash = accounts.person_hash AND bindings.state = 'approved'
        JOIN students ON students.id = bindings.student_id
        JOIN classes ON classes.id = students.class_id
        JOIN schools ON schools.id = students.school_id
        WHERE accounts.id = $1 ORDER BY students.name
        """,
        account_id,
    )
    return rows
