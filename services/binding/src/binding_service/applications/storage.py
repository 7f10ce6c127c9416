"""SQL of drafts, applications and bindings, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

BINDING_COLUMNS = """
    bindings.id, bindings.application_id, applications.number AS application_number, bindings.student_id,
    students.name AS student_name, schools.name AS school_name, classes.name AS class_name, bindings.relation,
    bindings.relation_text, bindings.state, bindings.version, bindings.reason_sealed, bindings.submitted_at,
    bindings.changed_at, applications.language, applications.name AS parent_name,
    coalesce(accounts.login, applications.email) AS notice_email,
    -- Both are the time of one transaction: the approval that opened the account, however often it is told.
    coalesce(accounts.opened_at = bindings.changed_at, false) AS opens_account
"""
BINDING_TABLES = """
    bindings JOIN applications ON applications.id = bindings.application_id
    JOIN students ON students.id = bindings.student_id
    JOIN classes ON classes.id = students.class_id
    JOIN schools ON schools.id = students.school_id
    LEFT JOIN accounts ON accounts.person_hash = applications.person_hash
"""


async def now(connection: Connection) -> datetime:
    """The time that decides."""
    moment: datetime = await connection.fetchval("SELECT present()")
    return moment


# --- the roster, as far as an application looks at it ---


async def schools(connection: Connection) -> list[asyncpg.Record]:
    """Every school that has students now: id, name, level, in the order of a list to choose from."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, name, level FROM schools WHERE active ORDER BY level, name"
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
        WHERE students.id = ANY($1)
        """,
        ids,
    )
    return rows


# --- drafts ---


async def lock_draft(connection: Connection, contact_hash: str) -> asyncpg.Record | None:
    """The contact's draft, held until the transaction ends: id and sealed content."""
    # The lock is on the contact, not the row: two first requests must not both find nothing.
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", contact_hash)
    return await draft(connection, contact_hash)


async def draft(connection: Connection, contact_hash: str) -> asyncpg.Record | None:
    """The contact's draft: id and sealed content."""
    return await connection.fetchrow("SELECT id, sealed FROM drafts WHERE contact_hash = $1", contact_hash)


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


# --- applications ---


async def application_sent(connection: Connection, contact_hash: str, idempotency_key: str) -> asyncpg.Record | None:
    """The application that this contact sent under this key: id and number."""
    return await connection.fetchrow(
        "SELECT id, number FROM applications WHERE contact_hash = $1 AND idempotency_key = $2",
        contact_hash,
        idempotency_key,
    )


async def email_owner_other_than(connection: Connection, email: str, person_hashes: list[str]) -> bool:
    """Whether this e-mail is the login, or will be after an approval, of somebody else.

    Holds the e-mail until the transaction ends, so that two people can't claim it at once.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 2))", email)
    taken: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM accounts WHERE login = $1 AND person_hash <> ALL($2))
            OR EXISTS (SELECT FROM applications JOIN bindings ON bindings.application_id = applications.id
                       WHERE email = $1 AND bindings.state = 'pending' AND applications.person_hash <> ALL($2))
        """,
        email,
        person_hashes,
    )
    return taken


async def lock_person(connection: Connection, person_hash: str) -> None:
    """Let one application at a time be sent in a person's name; held until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 3))", person_hash)


async def students_known_to_person(
    connection: Connection, person_hashes: list[str], student_ids: list[str]
) -> list[str]:
    """Those of the students that are bound to, or wait for, this person."""
    rows = await connection.fetch(
        "SELECT student_id FROM bindings WHERE person_hash = ANY($1) AND student_id = ANY($2)"
        " AND state IN ('pending', 'approved')",
        person_hashes,
        student_ids,
    )
    return [row["student_id"] for row in rows]


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


async def insert_application(connection: Connection, values: dict[str, Any], contact_hashes: list[str]) -> None:
    """A new application, by column, and the contacts by which it is reached."""
    columns = ", ".join(values)
    marks = ", ".join(f"${position}" for position in range(1, len(values) + 1))
    await connection.execute(
        f"INSERT INTO applications ({columns}) VALUES ({marks})",  # noqa: S608 - the columns are ours
        *values.values(),
    )
    await connection.execute(
        "INSERT INTO application_contacts (contact_hash, application_id) SELECT DISTINCT unnest($1::text[]), $2::uuid",
        contact_hashes,
        values["id"],
    )


async def insert_bindings(
    connection: Connection,
    application_id: UUID,
    person_hash: str,
    ids: list[UUID],
    children: Sequence[tuple[str, str, str]],
) -> None:
    """One pending binding a child: (student id, relation, relation text)."""
    await connection.execute(
        """
        INSERT INTO bindings (id, application_id, student_id, person_hash, relation, relation_text, state, version,
                              submitted_at, changed_at)
        SELECT id, $1, student_id, $2, relation, relation_text, 'pending', 1, present(), present()
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) AS child (id, student_id, relation, relation_text)
        """,
        application_id,
        person_hash,
        ids,
        *map(list, zip(*children, strict=True)),
    )


async def bindings_of_contact(connection: Connection, contact_hash: str) -> list[asyncpg.Record]:
    """What this contact sees on its progress page, oldest first: all but withdrawn and cleared ones."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT {BINDING_COLUMNS} FROM {BINDING_TABLES}
        JOIN application_contacts AS reach ON reach.application_id = bindings.application_id
        WHERE reach.contact_hash = $1 AND bindings.state <> 'withdrawn' AND NOT bindings.cleared
        ORDER BY bindings.submitted_at, students.name
        """,  # noqa: S608 - constants of ours
        contact_hash,
    )
    return rows


async def has_applications(connection: Connection, contact_hash: str) -> bool:
    """Whether this contact reaches any application that still shows."""
    return bool(await bindings_of_contact(connection, contact_hash))


async def binding(connection: Connection, binding_id: UUID) -> asyncpg.Record | None:
    """One binding, whatever its state, with what an event about it needs."""
    return await connection.fetchrow(
        f"SELECT {BINDING_COLUMNS} FROM {BINDING_TABLES} WHERE bindings.id = $1",  # noqa: S608 - constants of ours
        binding_id,
    )


async def end_pending(
    connection: Connection,
    binding_id: UUID,
    state: str,
    reason_sealed: str | None = None,
    decided_by: str | None = None,
) -> bool:
    """Move a pending binding to ``state``, raising its version; False where it no longer waits.

    One statement: of a withdrawal and a decision at once, one finds it pending.
    """
    moved = await connection.fetchval(
        """
        UPDATE bindings
        SET state = $2, version = version + 1, changed_at = present(), reason_sealed = $3, decided_by = $4
        WHERE id = $1 AND state = 'pending' RETURNING true
        """,
        binding_id,
        state,
        reason_sealed,
        decided_by,
    )
    return bool(moved)


async def clear_refused(connection: Connection, binding_ids: list[UUID]) -> None:
    """Take refusals off the parent's list; the record stays."""
    await connection.execute("UPDATE bindings SET cleared = true WHERE id = ANY($1) AND state = 'refused'", binding_ids)


async def applicant(connection: Connection, binding_id: UUID) -> asyncpg.Record | None:
    """Whose application a binding belongs to, with what an account is opened from."""
    return await connection.fetchrow(
        """
        SELECT applications.id, applications.person_hash, national_id_sealed, name, email, phone, language
        FROM applications JOIN bindings ON bindings.application_id = applications.id WHERE bindings.id = $1
        """,
        binding_id,
    )
