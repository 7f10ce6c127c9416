"""SQL of applications and bindings, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

BINDING_COLUMNS = """
    bindings.id, bindings.application_id, applications.number AS application_number, bindings.student_id,
    students.name AS student_name, bindings.school_name, bindings.class_name, bindings.relation,
    bindings.relation_text, bindings.state, bindings.version, bindings.reason_sealed, bindings.submitted_at,
    bindings.changed_at, applications.language, applications.name AS parent_name,
    coalesce(accounts.login, applications.email) AS notice_email,
    coalesce(accounts.opened_by = bindings.id, false) AS opens_account,
    accounts.password_hash IS NOT NULL AS has_signed_in, applications.signed_hash IS NOT NULL AS has_paper_form
"""
BINDING_TABLES = """
    bindings JOIN applications ON applications.id = bindings.application_id
    JOIN students ON students.id = bindings.student_id
    LEFT JOIN accounts ON accounts.person_hash = applications.person_hash
"""


async def application_sent(connection: Connection, contact_hash: str, idempotency_key: str) -> asyncpg.Record | None:
    """The application that this contact sent under this key: id and number."""
    return await connection.fetchrow(
        "SELECT id, number FROM applications WHERE contact_hash = $1 AND idempotency_key = $2",
        contact_hash,
        idempotency_key,
    )


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


async def insert_application(
    connection: Connection, values: dict[str, Any], proven_contacts: list[str], other_contacts: list[str]
) -> None:
    """A new application, by column, and the contacts (keyed hashes) by which it is reached, proven or only typed."""
    columns = ", ".join(values)
    marks = ", ".join(f"${position}" for position in range(1, len(values) + 1))
    await connection.execute(
        f"INSERT INTO applications ({columns}) VALUES ({marks})",  # noqa: S608 - the columns are ours
        *values.values(),
    )
    await connection.execute(
        """
        INSERT INTO application_contacts (contact_hash, application_id, proven)
        SELECT contact, $3, bool_or(proven)
        FROM (SELECT unnest($1::text[]), true UNION ALL SELECT unnest($2::text[]), false) AS reach (contact, proven)
        GROUP BY contact
        """,
        proven_contacts,
        other_contacts,
        values["id"],
    )


async def proven_with(connection: Connection, contact_hash: str, person_hash: str, email: str) -> bool:
    """Whether this contact was proven in an application of this person under this e-mail."""
    proven: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM applications JOIN application_contacts ON application_id = applications.id
                       WHERE application_contacts.contact_hash = $1 AND proven AND person_hash = $2 AND email = $3)
        """,
        contact_hash,
        person_hash,
        email,
    )
    return proven


async def insert_bindings(
    connection: Connection,
    application_id: UUID,
    person_hash: str,
    ids: list[UUID],
    children: Sequence[tuple[str, str, str, str, str, str]],
) -> None:
    """One pending binding a child: (student id, school id, school, class, relation, relation text).

    A refusal of the same child is answered by this and shows no longer.
    """
    await connection.execute(
        """
        WITH answered AS (
            UPDATE bindings SET cleared = true
            WHERE person_hash = $2 AND student_id = ANY($4) AND state = 'refused' AND NOT cleared
        )
        INSERT INTO bindings (id, application_id, student_id, person_hash, school_id, school_name, class_name, relation,
                              relation_text, state, version, submitted_at, changed_at)
        SELECT id, $1, student_id, $2, school_id, school, class, relation, relation_text, 'pending', 1,
               present(), present()
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
             AS child (id, student_id, school_id, school, class, relation, relation_text)
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


async def shown_to_contacts(connection: Connection, contact_hashes: list[str]) -> list[asyncpg.Record]:
    """What any of these contacts sees on its progress page: contact_hash, and the id and version of each binding."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT reach.contact_hash, bindings.id, bindings.version
        FROM application_contacts AS reach JOIN bindings ON bindings.application_id = reach.application_id
        WHERE reach.contact_hash = ANY($1) AND bindings.state <> 'withdrawn' AND NOT bindings.cleared
        """,
        contact_hashes,
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
        SELECT applications.id, applications.person_hash, applications.national_id_sealed, applications.name,
               applications.email, applications.phone, applications.language, students.name AS student_name
        FROM applications JOIN bindings ON bindings.application_id = applications.id
        JOIN students ON students.id = bindings.student_id
        WHERE bindings.id = $1
        """,
        binding_id,
    )


async def signed_document(connection: Connection, contact_hash: str, application_id: UUID) -> asyncpg.Record | None:
    """What was signed in an application that this contact reaches, and whether the contact was ever proven in it."""
    return await connection.fetchrow(
        """
        SELECT applications.id, signed_sealed, signed_hash, proven
        FROM applications JOIN application_contacts AS reach ON reach.application_id = applications.id
        WHERE reach.contact_hash = $1 AND applications.id = $2 AND signed_sealed IS NOT NULL
        """,
        contact_hash,
        application_id,
    )


async def note_paper_form(connection: Connection, application_id: UUID, file_hash: str) -> None:
    """Remember the SHA-256 of a paper form that was given out."""
    await connection.execute(
        "INSERT INTO paper_forms (file_hash, application_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        file_hash,
        application_id,
    )


async def genuine(connection: Connection, hash_: str) -> asyncpg.Record | None:
    """The application whose signed text, or one of whose paper forms, has this SHA-256; ``is_file`` says which."""
    return await connection.fetchrow(
        """
        SELECT applications.id, number, submitted_at, signed_sealed, signed_hash, is_file
        FROM (SELECT id, false AS is_file FROM applications WHERE signed_hash = $1
              UNION ALL SELECT application_id, true FROM paper_forms WHERE file_hash = $1) AS found
        JOIN applications USING (id)
        """,
        hash_,
    )
