"""SQL of an account's children, of their guardians and of objections; one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection


async def children(connection: Connection, account_id: UUID) -> list[asyncpg.Record]:
    """The children that are bound to the account's person, then those applied for.

    School and class of a bound child are those of the roster now; of another as the parent named them.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT bindings.id, students.name, bindings.relation, bindings.relation_text, bindings.state,
               CASE WHEN state = 'approved' THEN schools.name ELSE bindings.school_name END AS school_name,
               CASE WHEN state = 'approved' THEN classes.name ELSE bindings.class_name END AS class_name,
               CASE WHEN state = 'approved' THEN bindings.changed_at ELSE bindings.submitted_at END AS since,
               bindings.left_on
        FROM accounts
        JOIN bindings ON bindings.person_hash = accounts.person_hash AND bindings.state IN ('approved', 'pending')
        JOIN students ON students.id = bindings.student_id
        JOIN classes ON classes.id = students.class_id
        JOIN schools ON schools.id = students.school_id
        WHERE accounts.id = $1 ORDER BY state, students.name, bindings.id
        """,
        account_id,
    )
    return rows


async def guardians(connection: Connection, account_id: UUID, binding_id: UUID | None = None) -> list[asyncpg.Record]:
    """Other guardians of the account's children who were bound after the account's person: all, or this binding.

    Each with the last objection of this account to it. One that is bound no longer is there for its objection only.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT other.id, own.id AS own_id, students.name AS student_name,
               coalesce(holders.name, applications.name) AS name,
               other.relation, other.relation_text, other.changed_at AS bound_at, other.state = 'approved' AS is_bound,
               objection.id AS objection_id, objection.submitted_at, coalesce(objection.outcome, '') AS outcome,
               objection.closed_at, objection.note_sealed
        FROM accounts
        JOIN bindings AS own ON own.person_hash = accounts.person_hash AND own.state = 'approved'
        JOIN students ON students.id = own.student_id
        JOIN bindings AS other ON other.student_id = own.student_id AND other.person_hash <> own.person_hash
            AND other.changed_at > own.changed_at
        JOIN applications ON applications.id = other.application_id
        LEFT JOIN accounts AS holders ON holders.person_hash = other.person_hash
        LEFT JOIN LATERAL (
            SELECT * FROM objections WHERE objections.binding_id = other.id AND objector_binding_id = own.id
            ORDER BY submitted_at DESC LIMIT 1
        ) AS objection ON true
        WHERE accounts.id = $1 AND ($2::uuid IS NULL OR other.id = $2)
          AND (other.state = 'approved' OR objection.id IS NOT NULL)
        ORDER BY other.changed_at, other.id
        """,
        account_id,
        binding_id,
    )
    return rows


async def guardians_to_tell(connection: Connection, binding_id: UUID) -> list[asyncpg.Record]:
    """The accounts to which the child of this binding was bound before it, and whom it binds now."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT own.id AS own_id, accounts.login, accounts.name AS parent_name, accounts.language,
               students.name AS student_name, coalesce(holders.name, applications.name) AS guardian_name,
               other.relation, other.relation_text
        FROM bindings AS other
        JOIN applications ON applications.id = other.application_id
        LEFT JOIN accounts AS holders ON holders.person_hash = other.person_hash
        JOIN students ON students.id = other.student_id
        JOIN bindings AS own ON own.student_id = other.student_id AND own.person_hash <> other.person_hash
            AND own.state = 'approved'
        JOIN accounts ON accounts.person_hash = own.person_hash
        WHERE other.id = $1 ORDER BY own.id
        """,
        binding_id,
    )
    return rows


async def add_objection(
    connection: Connection, objection_id: UUID, binding_id: UUID, objector_binding_id: UUID, reason_sealed: str
) -> asyncpg.Record | None:
    """A new objection, with its time; None where this very one, or another that waits, is there already."""
    return await connection.fetchrow(
        """
        INSERT INTO objections (id, binding_id, objector_binding_id, reason_sealed) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING submitted_at
        """,
        objection_id,
        binding_id,
        objector_binding_id,
        reason_sealed,
    )


async def has_objection(connection: Connection, objection_id: UUID, objector_binding_id: UUID) -> bool:
    """Whether this objection was sent by this guardian."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM objections WHERE id = $1 AND objector_binding_id = $2)",
        objection_id,
        objector_binding_id,
    )
    return found


async def close_objections(
    connection: Connection,
    outcome: str,
    *,
    objection_id: UUID | None = None,
    binding_id: UUID | None = None,
    objector_binding_ids: list[UUID] | None = None,
    note_sealed: str | None = None,
    decided_by: str | None = None,
) -> list[asyncpg.Record]:
    """Close what waits: this objection, those to this binding, or those of these guardians. Whom to tell of each."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        UPDATE objections SET outcome = $1, note_sealed = $5, decided_by = $6, closed_at = present()
        FROM bindings AS own JOIN applications ON applications.id = own.application_id
        LEFT JOIN accounts ON accounts.person_hash = own.person_hash
        JOIN students ON students.id = own.student_id
        WHERE own.id = objector_binding_id AND outcome IS NULL
          AND (objections.id = $2 OR objections.binding_id = $3 OR objector_binding_id = ANY($4))
        RETURNING objections.id, objections.binding_id, coalesce(accounts.login, applications.email) AS email,
                  coalesce(accounts.name, applications.name) AS parent_name,
                  coalesce(accounts.language, applications.language) AS language, students.name AS student_name
        """,
        outcome,
        objection_id,
        binding_id,
        objector_binding_ids,
        note_sealed,
        decided_by,
    )
    return rows


# --- what is kept about a person ---


async def account(connection: Connection, account_id: UUID) -> asyncpg.Record | None:
    """The account, whole."""
    return await connection.fetchrow(
        """
        SELECT accounts.*, due_at AS deletion_due FROM accounts LEFT JOIN account_deletions ON account_id = accounts.id
        WHERE accounts.id = $1
        """,
        account_id,
    )


async def applications(connection: Connection, person_hash: str) -> list[asyncpg.Record]:
    """The applications of a person, newest first, with the times at which paper forms were made."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT applications.*, paper_entries.signed_on,
               ARRAY(SELECT made_at FROM paper_forms WHERE paper_forms.application_id = applications.id
                     ORDER BY made_at) AS forms_made
        FROM applications LEFT JOIN paper_entries ON paper_entries.application_id = applications.id
        WHERE person_hash = $1 ORDER BY submitted_at DESC, applications.id
        """,
        person_hash,
    )
    return rows


async def bindings(connection: Connection, person_hash: str) -> list[asyncpg.Record]:
    """The bindings of a person, with the names of the children."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT bindings.*, students.name AS student_name FROM bindings JOIN students ON students.id = student_id
        WHERE person_hash = $1 ORDER BY submitted_at, students.name, bindings.id
        """,
        person_hash,
    )
    return rows


async def objections(connection: Connection, person_hash: str) -> list[asyncpg.Record]:
    """The objections that a person sent."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT objections.*, students.name AS student_name
        FROM objections JOIN bindings ON bindings.id = objector_binding_id JOIN students ON students.id = student_id
        WHERE person_hash = $1 ORDER BY objections.submitted_at
        """,
        person_hash,
    )
    return rows


async def sessions(connection: Connection, account_id: UUID, contact_hashes: list[str]) -> list[asyncpg.Record]:
    """Live sessions of the account, and of logins by a code to its e-mail."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT account_id IS NOT NULL AS by_password, browser, system, proven_at AS signed_in_at, last_used_at,
               expires_at AS ends_at FROM sessions
        WHERE (account_id = $1 OR contact_hash = ANY($2)) AND expires_at > present() ORDER BY proven_at
        """,
        account_id,
        contact_hashes,
    )
    return rows


async def browsers(connection: Connection, account_id: UUID) -> list[asyncpg.Record]:
    """The browsers that are known to the account."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT used_at AS last_used_at FROM account_devices WHERE account_id = $1 ORDER BY used_at", account_id
    )
    return rows


async def notices(connection: Connection, account_id: UUID) -> list[asyncpg.Record]:
    """What the account's owner was told of lately."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT kind, created_at AS told_at, email_before, phone_before FROM account_notices
        WHERE account_id = $1 ORDER BY created_at
        """,
        account_id,
    )
    return rows


async def contact_changes(connection: Connection, account_id: UUID) -> list[asyncpg.Record]:
    """The contacts that are yet to be proven."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT id, channel, contact_sealed, expires_at FROM contact_changes
        WHERE account_id = $1 AND expires_at > present() ORDER BY channel
        """,
        account_id,
    )
    return rows


# --- the end ---

#: What is left of an application is its id and number, states and times, school, class and relation: enough to
#: count. Nobody is found by it: keyed hashes go too. Columns that may not be null are emptied.
ERASED = """
    person_hash = 'erased:' || id, national_id_sealed = '', name = '', email = '', phone = '',
    contact_hash = CASE WHEN contact_hash IS NOT NULL THEN 'erased' END,
    idempotency_key = CASE WHEN idempotency_key IS NOT NULL THEN id::text END,
    consent_address = CASE WHEN consent_address IS NOT NULL THEN '' END,
    signature_sealed = CASE WHEN signature_sealed IS NOT NULL THEN '' END,
    signed_sealed = NULL, signed_hash = NULL, erased_at = present()"""
#: Applications of which nothing waits or is bound, nor was since the period ($1).
CLOSED = """
    applications.erased_at IS NULL AND applications.submitted_at < present() - $1::interval
    AND NOT EXISTS (SELECT FROM bindings WHERE bindings.application_id = applications.id
                    AND (state NOT IN ('refused', 'withdrawn', 'revoked') OR changed_at >= present() - $1::interval))"""


async def count_closed(connection: Connection, period: timedelta) -> int:
    """How many applications have been closed for so long."""
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM applications WHERE {CLOSED}",  # noqa: S608 - a constant of this module
        period,
    )
    return count


async def closed(connection: Connection, period: timedelta, most: int) -> list[UUID]:
    """Applications that have been closed for so long, held until the transaction ends."""
    rows = await connection.fetch(
        f"SELECT id FROM applications WHERE {CLOSED} LIMIT $2 FOR UPDATE SKIP LOCKED",  # noqa: S608 - the same
        period,
        most,
    )
    return [row["id"] for row in rows]


async def erase_applications(connection: Connection, application_ids: list[UUID]) -> None:
    """What is personal in these applications goes, and whatever leads to them; an account keeps its own copies."""
    for statement in (
        "DELETE FROM application_contacts WHERE application_id = ANY($1)",
        "DELETE FROM paper_forms WHERE application_id = ANY($1)",
        """
        UPDATE objections SET reason_sealed = NULL, note_sealed = NULL
        FROM bindings WHERE application_id = ANY($1) AND bindings.id IN (objections.binding_id, objector_binding_id)
        """,
        """
        UPDATE bindings SET person_hash = 'erased:' || application_id, relation_text = '', reason_sealed = NULL,
            cleared = true WHERE application_id = ANY($1)
        """,
        f"UPDATE applications SET {ERASED} WHERE id = ANY($1)",  # noqa: S608 - a constant of this module
    ):
        await connection.execute(statement, application_ids)


async def ask_deletion(connection: Connection, account_id: UUID, wait: timedelta) -> datetime | None:
    """The account is to be deleted when the time is over: when. None where that was asked for before."""
    due: datetime | None = await connection.fetchval(
        """
        INSERT INTO account_deletions (account_id, due_at) VALUES ($1, present() + $2::interval)
        ON CONFLICT DO NOTHING RETURNING due_at
        """,
        account_id,
        wait,
    )
    return due


async def deletion_due(connection: Connection, account_id: UUID) -> datetime | None:
    """When the account will be deleted; None where it will not."""
    due: datetime | None = await connection.fetchval(
        "SELECT due_at FROM account_deletions WHERE account_id = $1", account_id
    )
    return due


async def take_deletion_back(connection: Connection, account_id: UUID) -> None:
    """The account is not to be deleted."""
    await connection.execute("DELETE FROM account_deletions WHERE account_id = $1", account_id)


async def count_deletions_due(connection: Connection) -> int:
    """How many accounts are to be deleted now."""
    count: int = await connection.fetchval("SELECT count(*) FROM account_deletions WHERE due_at <= present()")
    return count


async def deletions_due(connection: Connection, most: int) -> list[asyncpg.Record]:
    """Accounts that are to be deleted now, held until the transaction ends."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT accounts.id, person_hash, login, phone, name, language
        FROM account_deletions JOIN accounts ON accounts.id = account_id
        WHERE due_at <= present() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        most,
    )
    return rows


async def pending_of_person(connection: Connection, person_hash: str) -> list[UUID]:
    """The bindings of a person that wait."""
    rows = await connection.fetch(
        "SELECT id FROM bindings WHERE person_hash = $1 AND state = 'pending' ORDER BY id", person_hash
    )
    return [row["id"] for row in rows]


async def end_bindings(connection: Connection, person_hash: str) -> list[asyncpg.Record]:
    """No child is bound to, or waits for, this person any more: all bindings of the person, with their versions."""
    await connection.execute(
        """
        UPDATE bindings SET state = 'withdrawn', version = version + 1, changed_at = present()
        WHERE person_hash = $1 AND state NOT IN ('refused', 'withdrawn', 'revoked')
        """,
        person_hash,
    )
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, version, application_id FROM bindings WHERE person_hash = $1 ORDER BY id", person_hash
    )
    return rows


async def applications_of_person(connection: Connection, person_hash: str) -> list[UUID]:
    """The applications of a person."""
    rows = await connection.fetch("SELECT id FROM applications WHERE person_hash = $1", person_hash)
    return [row["id"] for row in rows]


async def objections_of(connection: Connection, binding_ids: list[UUID]) -> list[UUID]:
    """The objections that these guardians sent."""
    rows = await connection.fetch("SELECT id FROM objections WHERE objector_binding_id = ANY($1)", binding_ids)
    return [row["id"] for row in rows]


async def delete_account(connection: Connection, account_id: UUID, contact_hashes: list[str]) -> None:
    """The account goes with its sessions and its draft; what belongs to it otherwise goes by the database's rule."""
    await connection.execute(
        "DELETE FROM sessions WHERE account_id = $1 OR contact_hash = ANY($2)", account_id, contact_hashes
    )
    await connection.execute("DELETE FROM drafts WHERE contact_hash = ANY($1)", contact_hashes)
    await connection.execute("DELETE FROM accounts WHERE id = $1", account_id)


async def end_other_sessions(connection: Connection, account_id: UUID, session_id: UUID) -> None:
    """Every session of the account but this one is over."""
    await connection.execute("DELETE FROM sessions WHERE account_id = $1 AND id <> $2", account_id, session_id)
