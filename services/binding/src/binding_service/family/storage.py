"""SQL of an account's children, of their guardians and of objections; one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
               CASE WHEN state = 'approved' THEN bindings.changed_at ELSE bindings.submitted_at END AS since
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
