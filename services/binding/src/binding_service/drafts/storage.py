"""SQL of drafts, and of what a draft is checked against; one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from shared.database import Connection


async def now(connection: Connection) -> datetime:
    """The time that decides."""
    moment: datetime = await connection.fetchval("SELECT present()")
    return moment


async def schools(connection: Connection) -> list[asyncpg.Record]:
    """Every school that has students now: id, name, level, in the order of a list to choose from: see paging."""
    rows: list[asyncpg.Record] = await connection.fetch(
        'SELECT id, name, level FROM schools WHERE active ORDER BY level COLLATE "C", name COLLATE "C", id COLLATE "C"'
    )
    return rows


async def find_student(
    connection: Connection, id_hashes: list[str], level: str, school_id: str
) -> asyncpg.Record | None:
    """The active student with this ID number in this school of this level."""
    return await connection.fetchrow(
        """
        SELECT students.id, students.name FROM students JOIN schools ON schools.id = students.school_id
        WHERE students.national_id_hash = ANY($1) AND schools.level = $2 AND schools.id = $3
          AND students.active AND schools.active
        """,
        id_hashes,
        level,
        school_id,
    )


async def students(connection: Connection, ids: list[str]) -> list[asyncpg.Record]:
    """The students of these ids, with their classes and schools."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT students.id, students.name, classes.id AS class_id, classes.name AS class_name,
               schools.id AS school_id, schools.name AS school_name
        FROM students JOIN classes ON classes.id = students.class_id JOIN schools ON schools.id = students.school_id
        WHERE students.id = ANY($1) AND students.active
        """,
        ids,
    )
    return rows


async def lock_draft(connection: Connection, contact_hash: str) -> asyncpg.Record | None:
    """The contact's draft, held until the transaction ends: id and sealed content."""
    # The lock is on the contact, not the row: two first requests must not both find nothing.
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", contact_hash)
    return await draft(connection, contact_hash)


async def draft(connection: Connection, contact_hash: str) -> asyncpg.Record | None:
    """The contact's draft: id and sealed content."""
    return await connection.fetchrow("SELECT id, sealed FROM drafts WHERE contact_hash = $1", contact_hash)


async def contact_of_draft(connection: Connection, draft_id: UUID) -> str | None:
    """The keyed hash of whose draft it is; None for one that is gone."""
    contact_hash: str | None = await connection.fetchval("SELECT contact_hash FROM drafts WHERE id = $1", draft_id)
    return contact_hash


async def save_draft(connection: Connection, draft_id: UUID, contact_hash: str, sealed: str) -> None:
    """Keep the draft as it is now."""
    await connection.execute(
        """
        INSERT INTO drafts (id, contact_hash, sealed, updated_at) VALUES ($1, $2, $3, present())
        ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at
        """,
        draft_id,
        contact_hash,
        sealed,
    )


async def delete_draft(connection: Connection, contact_hash: str) -> None:
    """The contact has no draft any more."""
    await connection.execute("DELETE FROM drafts WHERE contact_hash = $1", contact_hash)


async def email_owner_other_than(connection: Connection, email: str, person_hashes: list[str]) -> bool:
    """Whether this e-mail is the login, or will be after an approval, of somebody else, or may be theirs again.

    Holds the e-mail until the transaction ends, so that two people can't claim it at once.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 2))", email)
    taken: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM accounts WHERE login = $1 AND person_hash <> ALL($2))
            OR EXISTS (SELECT FROM applications JOIN bindings ON bindings.application_id = applications.id
                       WHERE email = $1 AND bindings.state = 'pending' AND applications.person_hash <> ALL($2))
            OR EXISTS (SELECT FROM account_notices JOIN accounts ON accounts.id = account_id
                       WHERE email_before = $1 AND used_at IS NULL AND expires_at > present()
                         AND person_hash <> ALL($2))
        """,
        email,
        person_hashes,
    )
    return taken


async def people_of_contact(connection: Connection, contact_hash: str) -> list[asyncpg.Record]:
    """The newest application of each person that this contact is proven to be of: its id and its parent's data.

    A phone that was only typed may be anybody's.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT DISTINCT ON (person_hash) applications.id, national_id_sealed, name, email, phone
        FROM applications JOIN application_contacts AS reach ON reach.application_id = applications.id
        WHERE reach.contact_hash = $1 AND reach.proven ORDER BY person_hash, submitted_at DESC
        """,
        contact_hash,
    )
    return rows


async def refused_of_contact(connection: Connection, contact_hash: str, binding_id: UUID) -> asyncpg.Record | None:
    """A refusal that this contact sees: the child, the relation, the school that was named (empty if not known)."""
    return await connection.fetchrow(
        """
        SELECT student_id, coalesce(school_id, '') AS school_id, relation, relation_text
        FROM bindings JOIN application_contacts USING (application_id)
        WHERE contact_hash = $1 AND bindings.id = $2 AND state = 'refused' AND NOT cleared
        """,
        contact_hash,
        binding_id,
    )


async def student_known_to_contact(connection: Connection, contact_hash: str, student_id: str) -> bool:
    """Whether an application that this contact reaches has the student pending or approved."""
    known: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM bindings JOIN application_contacts USING (application_id)
                       WHERE contact_hash = $1 AND student_id = $2 AND state IN ('pending', 'approved'))
        """,
        contact_hash,
        student_id,
    )
    return known
