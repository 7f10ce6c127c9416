"""SQL of accounts, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.purging import expired

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

#: Rows that mean nothing any more. A browser that no setting can still know is forgotten.
EXPIRED = (
    expired("account_notices", "expires_at < present() - interval '1 day'"),
    expired("contact_changes", "expires_at < present() - interval '1 day'"),
    expired("account_devices", "used_at < present() - interval '400 days'"),
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


async def notice(connection: Connection, token_hash: str) -> asyncpg.Record | None:
    """The notice of this link, while it works: its kind."""
    return await connection.fetchrow(
        "SELECT kind FROM account_notices WHERE token_hash = $1 AND used_at IS NULL AND expires_at > present()",
        token_hash,
    )


async def use_notice(connection: Connection, token_hash: str) -> asyncpg.Record | None:
    """Use the link of a notice, once; None where it works no longer.

    Its kind and time, and the contacts as they were when it was written, where they were changed since. The links of
    what came after it are over too: who changed the e-mail twice can't have the first change back with the second one's
    link.
    """
    return await connection.fetchrow(
        """
        WITH used AS (
            UPDATE account_notices SET used_at = present()
            WHERE token_hash = $1 AND used_at IS NULL AND expires_at > present()
            RETURNING id, account_id, kind, created_at
        ), since AS (
            SELECT since.* FROM account_notices AS since JOIN used USING (account_id)
            WHERE since.created_at >= used.created_at
        ), ended AS (
            UPDATE account_notices SET used_at = present() FROM used
            WHERE account_notices.id IN (SELECT id FROM since) AND account_notices.id <> used.id
              AND account_notices.used_at IS NULL
        )
        SELECT account_id, kind, created_at,
               (SELECT email_before FROM since WHERE email_before <> '' ORDER BY created_at LIMIT 1) AS email_before,
               (SELECT phone_before FROM since WHERE phone_before <> '' ORDER BY created_at LIMIT 1) AS phone_before
        FROM used
        """,
        token_hash,
    )


async def hold_by_id(connection: Connection, account_id: UUID) -> asyncpg.Record:
    """The account, held until the transaction ends."""
    account = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM accounts WHERE id = $1 FOR UPDATE",  # noqa: S608 - a constant of ours
        account_id,
    )
    assert account is not None  # noqa: S101 - what refers to it keeps it
    return account


# --- contacts ---


async def set_login(connection: Connection, account_id: UUID, email: str) -> None:
    """The account's e-mail from now on."""
    await connection.execute("UPDATE accounts SET login = $2 WHERE id = $1", account_id, email)


async def set_phone(connection: Connection, account_id: UUID, phone: str) -> None:
    """The account's phone from now on."""
    await connection.execute("UPDATE accounts SET phone = $2 WHERE id = $1", account_id, phone)


async def move_reach(
    connection: Connection, person_hashes: list[str], former: list[str], contact_hash: str, *, proven: bool
) -> None:
    """The person's applications are reached by this contact (keyed hash), and by the former one no longer."""
    await connection.execute(
        """
        INSERT INTO application_contacts AS reach (contact_hash, application_id, proven)
        SELECT $2, id, $3 FROM applications WHERE person_hash = ANY($1)
        ON CONFLICT (contact_hash, application_id) DO UPDATE SET proven = reach.proven OR excluded.proven
        """,
        person_hashes,
        contact_hash,
        proven,
    )
    await connection.execute(
        """
        DELETE FROM application_contacts USING applications
        WHERE applications.id = application_id AND person_hash = ANY($1) AND application_contacts.contact_hash = ANY($2)
          AND application_contacts.contact_hash <> $3
        """,
        person_hashes,
        former,
        contact_hash,
    )


async def move_draft(connection: Connection, former: list[str], contact_hash: str) -> None:
    """What was filled in so far goes along to the new contact, unless something was filled in there."""
    await connection.execute(
        """
        UPDATE drafts SET contact_hash = $2
        WHERE contact_hash = ANY($1) AND NOT EXISTS (SELECT FROM drafts AS there WHERE there.contact_hash = $2)
        """,
        former,
        contact_hash,
    )


async def pending_bindings(connection: Connection, person_hashes: list[str]) -> list[UUID]:
    """Those of the person's bindings that wait, each told anew from now on."""
    rows = await connection.fetch(
        "UPDATE bindings SET version = version + 1 WHERE person_hash = ANY($1) AND state = 'pending' RETURNING id",
        person_hashes,
    )
    return [row["id"] for row in rows]


async def contact_change(connection: Connection, account_id: UUID, channel: str) -> asyncpg.Record | None:
    """The contact that is to be the account's; ``…_in`` are seconds."""
    return await connection.fetchrow(
        """
        SELECT id, contact_sealed, tries_left, expires_at,
               greatest(0, ceil(extract(epoch FROM resend_at - present())))::int AS resend_in,
               ceil(extract(epoch FROM expires_at - present()))::int AS expires_in
        FROM contact_changes WHERE account_id = $1 AND channel = $2
        """,
        account_id,
        channel,
    )


async def save_contact_change(
    connection: Connection,
    change_id: UUID,
    account_id: UUID,
    channel: str,
    contact_sealed: str,
    tries_left: int,
    expires_at: datetime,
    resend_at: datetime,
) -> None:
    """A contact to be proven, instead of the one before, or the newest code to it."""
    await connection.execute(
        """
        INSERT INTO contact_changes (id, account_id, channel, contact_sealed, tries_left, expires_at, resend_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (account_id, channel) DO UPDATE SET id = excluded.id, contact_sealed = excluded.contact_sealed,
            tries_left = excluded.tries_left, expires_at = excluded.expires_at, resend_at = excluded.resend_at
        """,
        change_id,
        account_id,
        channel,
        contact_sealed,
        tries_left,
        expires_at,
        resend_at,
    )


async def note_tries_left(connection: Connection, change_id: UUID, tries_left: int) -> None:
    """Remember how many tries otp said are left."""
    await connection.execute("UPDATE contact_changes SET tries_left = $2 WHERE id = $1", change_id, tries_left)


async def end_contact_changes(connection: Connection, account_id: UUID, channel: str | None = None) -> None:
    """Nothing is to be proven any more, for one channel or for both."""
    await connection.execute(
        "DELETE FROM contact_changes WHERE account_id = $1 AND channel = coalesce($2, channel)", account_id, channel
    )
