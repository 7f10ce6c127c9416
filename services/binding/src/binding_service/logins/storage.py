"""SQL of login attempts and sessions, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.not_mine import LIFE
from shared.purging import expired

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection


#: Rows that mean nothing any more.
EXPIRED = (
    expired("login_attempts", "expires_at < present() - interval '1 day'"),
    # Kept for a day: what was typed on a page when the session ended finds its draft by it.
    expired("sessions", "expires_at < present() - interval '1 day'"),
    expired("sent_codes", "expires_at < present() - $1::interval", LIFE, oldest_by="expires_at"),
)


async def attempt(connection: Connection, token_hash: str) -> asyncpg.Record | None:
    """The login attempt of this token, up to a day after its newest code; ``…_in`` are seconds."""
    return await connection.fetchrow(
        """
        SELECT id, channel, contact_sealed, tries_left, expires_at,
               greatest(0, ceil(extract(epoch FROM resend_at - present())))::int AS resend_in,
               ceil(extract(epoch FROM expires_at - present()))::int AS expires_in
        FROM login_attempts WHERE token_hash = $1 AND expires_at > present() - interval '1 day'
        """,
        token_hash,
    )


async def save_attempt(
    connection: Connection,
    attempt_id: UUID,
    token_hash: str,
    channel: str,
    contact_sealed: str,
    tries_left: int,
    expires_at: datetime,
    resend_at: datetime,
) -> None:
    """A new attempt, or the newest code of a known one. A token that nobody got is replaced."""
    await connection.execute(
        """
        INSERT INTO login_attempts (id, token_hash, channel, contact_sealed, tries_left, expires_at, resend_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (id) DO UPDATE SET token_hash = excluded.token_hash, channel = excluded.channel,
            contact_sealed = excluded.contact_sealed, tries_left = excluded.tries_left,
            expires_at = excluded.expires_at, resend_at = excluded.resend_at
        """,
        attempt_id,
        token_hash,
        channel,
        contact_sealed,
        tries_left,
        expires_at,
        resend_at,
    )


async def note_tries_left(connection: Connection, attempt_id: UUID, tries_left: int) -> None:
    """Remember how many tries otp said are left, to show them again."""
    await connection.execute("UPDATE login_attempts SET tries_left = $2 WHERE id = $1", attempt_id, tries_left)


async def end_attempt(connection: Connection, attempt_id: UUID) -> None:
    """Forget the attempt: its token is worth nothing from now on."""
    await connection.execute("DELETE FROM login_attempts WHERE id = $1", attempt_id)


# --- codes that went out ---


async def note_code(
    connection: Connection,
    code_id: UUID,
    contact_sealed: str,
    contact_hash: str,
    draft_id: UUID | None,
    expires_at: datetime,
    redeemed_by: UUID | None = None,
) -> bool:
    """Note where a code went, and who redeems it, and hold it until the transaction ends; whether it was disowned."""
    disowned: bool = await connection.fetchval(
        """
        INSERT INTO sent_codes AS known (id, contact_sealed, contact_hash, draft_id, expires_at, redeemed_by)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO UPDATE SET contact_sealed = excluded.contact_sealed, contact_hash = excluded.contact_hash,
            draft_id = excluded.draft_id,
            redeemed_by = coalesce(excluded.redeemed_by, known.redeemed_by)
        RETURNING disowned
        """,
        code_id,
        contact_sealed,
        contact_hash,
        draft_id,
        expires_at,
        redeemed_by,
    )
    return disowned


async def code(connection: Connection, code_id: UUID) -> asyncpg.Record | None:
    """Where a code went, sealed for ``place``, and the draft whose e-mail it is to prove."""
    return await connection.fetchrow(
        """
        SELECT contact_sealed, 'sent_codes:' || id || ':contact' AS place, draft_id
        FROM sent_codes WHERE id = $1 AND contact_sealed IS NOT NULL
        """,
        code_id,
    )


async def newest_code(connection: Connection, attempt_id: UUID, expires_at: datetime) -> asyncpg.Record | None:
    """The same of a code that is its attempt's newest one: a process of the version before notes it nowhere else."""
    return await connection.fetchrow(
        """
        SELECT contact_sealed, 'login_attempts:' || id || ':contact' AS place, NULL::uuid AS draft_id
        FROM login_attempts WHERE id = $1 AND expires_at = $2
        UNION ALL
        SELECT contact_sealed, 'contact_changes:' || id || ':contact', NULL
        FROM contact_changes WHERE id = $1 AND expires_at = $2
        """,
        attempt_id,
        expires_at,
    )


async def has_redeemed(connection: Connection, request_id: UUID) -> bool:
    """Whether a code was redeemed by this request."""
    redeemed: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM sent_codes WHERE redeemed_by = $1)", request_id
    )
    return redeemed


async def disown_code(connection: Connection, code_id: UUID, expires_at: datetime) -> None:
    """The code is worth nothing from now on, whether or not it was noted before; held until the transaction ends."""
    await connection.execute(
        """
        INSERT INTO sent_codes (id, expires_at, disowned) VALUES ($1, $2, true)
        ON CONFLICT (id) DO UPDATE SET disowned = true
        """,
        code_id,
        expires_at,
    )


async def forget_codes(connection: Connection, contact_hashes: list[str]) -> None:
    """Forget what went to these contacts."""
    await connection.execute("DELETE FROM sent_codes WHERE contact_hash = ANY($1)", contact_hashes)


# --- sessions ---


async def follow_contact(connection: Connection, former: list[str], present: str) -> None:
    """What was found by a contact's hash under former keys is found by that under the present one from now on.

    So whoever signs in after a change of keys finds their own, whether or not the tables have been gone through yet.
    A draft is left where there is another under the present hash.
    """
    await connection.execute(
        """
        WITH reach AS (
            INSERT INTO application_contacts AS known (contact_hash, application_id, proven)
            SELECT $2, application_id, bool_or(proven) FROM application_contacts
            WHERE contact_hash = ANY($1) GROUP BY application_id
            ON CONFLICT (contact_hash, application_id) DO UPDATE SET proven = known.proven OR excluded.proven
        ), gone AS (
            DELETE FROM application_contacts WHERE contact_hash = ANY($1)
        ), sent AS (
            UPDATE applications SET contact_hash = $2 WHERE contact_hash = ANY($1)
        ), open AS (
            UPDATE sessions SET contact_hash = $2 WHERE contact_hash = ANY($1)
        )
        UPDATE drafts SET contact_hash = $2
        WHERE contact_hash = ANY($1) AND NOT EXISTS (SELECT FROM drafts AS there WHERE there.contact_hash = $2)
        """,
        former,
        present,
    )


async def open_session(
    connection: Connection,
    session_id: UUID,
    token_hash: str,
    channel: str,
    contact_hash: str,
    contact_sealed: str,
    life: timedelta,
    idle: timedelta,
    browser: str,
    system: str,
    *,
    attempt_id: UUID | None = None,
    code_id: UUID | None = None,
    account_id: UUID | None = None,
) -> None:
    """A new session: it ends after ``life``, and before that when it was not used for ``idle``."""
    await connection.execute(
        """
        INSERT INTO sessions (id, token_hash, channel, contact_hash, contact_sealed, ends_at, expires_at, browser,
                              system, attempt_id, code_id, account_id)
        VALUES ($1, $2, $3, $4, $5, present() + $6::interval, present() + least($6::interval, $7::interval), $8, $9,
                $10, $11, $12)
        """,
        session_id,
        token_hash,
        channel,
        contact_hash,
        contact_sealed,
        life,
        idle,
        browser,
        system,
        attempt_id,
        code_id,
        account_id,
    )


async def session(connection: Connection, token_hash: str, *, expired: bool = False) -> asyncpg.Record | None:
    """The live (or the expired) session of this token, and whether its account still has its first password.

    ``unused_for`` is how long ago its use was last written down.
    """
    return await connection.fetchrow(
        """
        SELECT sessions.id, attempt_id, account_id, channel, contact_hash, contact_sealed, proven_at, expires_at,
               account_id IS NOT NULL AND password_hash IS NULL AS password_change_due,
               present() - last_used_at AS unused_for
        FROM sessions LEFT JOIN accounts ON accounts.id = account_id
        WHERE token_hash = $1 AND (expires_at <= present()) = $2
        """,
        token_hash,
        expired,
    )


async def note_use(connection: Connection, session_id: UUID, idle: timedelta) -> datetime | None:
    """The session is used: when it ends now, if it is not used again. None where it has ended meanwhile."""
    ends: datetime | None = await connection.fetchval(
        """
        UPDATE sessions SET last_used_at = present(),
                            expires_at = least(coalesce(ends_at, expires_at), present() + $2::interval)
        WHERE id = $1 AND expires_at > present() RETURNING expires_at
        """,
        session_id,
        idle,
    )
    return ends


async def renew_token(connection: Connection, session_id: UUID, token_hash: str) -> None:
    """The session has another token; the one before is worth nothing."""
    await connection.execute("UPDATE sessions SET token_hash = $2 WHERE id = $1", session_id, token_hash)


async def end_session_of(connection: Connection, token_hash: str) -> None:
    """The session of this token is over, if there is one."""
    await connection.execute("DELETE FROM sessions WHERE token_hash = $1", token_hash)


async def live_sessions(connection: Connection, session_ids: list[UUID]) -> list[UUID]:
    """Those of the sessions that have neither expired nor been ended."""
    rows = await connection.fetch("SELECT id FROM sessions WHERE id = ANY($1) AND expires_at > present()", session_ids)
    return [row["id"] for row in rows]


async def end_session(connection: Connection, session_id: UUID) -> None:
    """The session is over."""
    await connection.execute("DELETE FROM sessions WHERE id = $1", session_id)


async def sessions_of(connection: Connection, account_id: UUID, contact_hashes: list[str]) -> list[asyncpg.Record]:
    """The live sessions in an account, and those by a code to its e-mail, which may set its password; newest first."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT id, account_id IS NULL AS by_code, browser, system, proven_at, last_used_at FROM sessions
        WHERE (account_id = $1 OR account_id IS NULL AND contact_hash = ANY($2)) AND expires_at > present()
        ORDER BY last_used_at DESC, proven_at DESC
        """,
        account_id,
        contact_hashes,
    )
    return rows


async def end_sessions(
    connection: Connection,
    account_id: UUID,
    contact_hashes: list[str],
    *,
    but: UUID | None = None,
    only: UUID | None = None,
) -> int:
    """End those sessions, all but one or only one; how many. A code that began one can't be asked about again."""
    ended: int = await connection.fetchval(
        """
        WITH ended AS (
            DELETE FROM sessions WHERE (account_id = $1 OR account_id IS NULL AND contact_hash = ANY($2))
                AND id IS DISTINCT FROM $3 AND ($4::uuid IS NULL OR id = $4) RETURNING attempt_id
        ), attempts AS (DELETE FROM login_attempts WHERE id IN (SELECT attempt_id FROM ended))
        SELECT count(*) FROM ended
        """,
        account_id,
        contact_hashes,
        but,
        only,
    )
    return ended


async def hold_session(connection: Connection, session_id: UUID) -> bool:
    """Hold the session until the transaction ends; False where it was ended since it was looked up."""
    held = await connection.fetchval("SELECT true FROM sessions WHERE id = $1 FOR UPDATE", session_id)
    return bool(held)


async def enter_account(connection: Connection, session_id: UUID, account_id: UUID) -> None:
    """Who logged in by a code to the account's e-mail is signed in to the account from now on."""
    await connection.execute("UPDATE sessions SET account_id = $2 WHERE id = $1", session_id, account_id)


async def set_contact(connection: Connection, session_id: UUID, contact_hash: str, contact_sealed: str) -> None:
    """The session is that of another contact, because its account is."""
    await connection.execute(
        "UPDATE sessions SET contact_hash = $2, contact_sealed = $3 WHERE id = $1",
        session_id,
        contact_hash,
        contact_sealed,
    )


# --- who has shown before that a contact is theirs ---


async def session_ever(connection: Connection, token_hash: str) -> asyncpg.Record | None:
    """The session of this token, live or ended by time a little while ago: its id and its contact."""
    return await connection.fetchrow("SELECT id, contact_sealed FROM sessions WHERE token_hash = $1", token_hash)


async def accounts_of_device(connection: Connection, token_hash: str, life: timedelta) -> list[asyncpg.Record]:
    """The accounts that were signed in to, in this browser, in the last while."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT id, login, national_id_sealed FROM accounts JOIN account_devices ON account_id = id
        WHERE token_hash = $1 AND used_at > present() - $2::interval
        """,
        token_hash,
        life,
    )
    return rows


async def is_proven_by(connection: Connection, person_hashes: list[str], contact_hashes: list[str]) -> bool:
    """Whether one of these people has proven the contact, for an application of theirs."""
    proven: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM applications JOIN application_contacts ON application_id = id
                       WHERE person_hash = ANY($1) AND application_contacts.contact_hash = ANY($2) AND proven)
        """,
        person_hashes,
        contact_hashes,
    )
    return proven


async def contacts_of_one_application(connection: Connection, one: list[str], other: list[str]) -> bool:
    """Whether both contacts were proven for the same application."""
    together: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM application_contacts AS one JOIN application_contacts AS other USING (application_id)
                       WHERE one.contact_hash = ANY($1) AND one.proven
                         AND other.contact_hash = ANY($2) AND other.proven)
        """,
        one,
        other,
    )
    return together
