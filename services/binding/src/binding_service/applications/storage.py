"""SQL of applications and bindings, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    import asyncpg

    from shared.database import Connection

#: Where a binding's child is for who reviews it. Bound, it is where the roster has it; one that waits or has ended
#: stays where it was told to be. Needs bindings and students.
PLACE = """
    CASE WHEN state = 'approved' AND left_on IS NULL THEN students.school_id
        ELSE coalesce(told_school_id, students.school_id) END AS school_id,
    CASE WHEN state = 'approved' AND left_on IS NULL THEN students.class_id
        ELSE coalesce(told_class_id, students.class_id) END AS class_id
"""
BINDING_COLUMNS = f"""
    {PLACE}, bindings.left_on, bindings.id, bindings.application_id,
    applications.number AS application_number, bindings.student_id,
    students.name AS student_name, bindings.school_name, bindings.class_name, bindings.relation,
    bindings.relation_text, bindings.state, bindings.version, bindings.reason_sealed, bindings.submitted_at,
    bindings.changed_at, applications.language, applications.name AS parent_name,
    coalesce(accounts.login, applications.email) AS notice_email,
    coalesce(accounts.opened_by = bindings.id, false) AS opens_account,
    accounts.password_hash IS NOT NULL AS has_signed_in, applications.signed_hash IS NOT NULL AS has_paper_form,
    paper_entries.id IS NOT NULL AS on_paper
"""
BINDING_TABLES = """
    bindings JOIN applications ON applications.id = bindings.application_id
    JOIN students ON students.id = bindings.student_id
    LEFT JOIN accounts ON accounts.person_hash = applications.person_hash
    LEFT JOIN paper_entries ON paper_entries.application_id = applications.id
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

    A refusal or unbinding of the same child is answered by this and shows no longer.
    """
    await connection.execute(
        """
        WITH answered AS (
            UPDATE bindings SET cleared = true
            WHERE person_hash = $2 AND student_id = ANY($4) AND state IN ('refused', 'revoked')
              AND NOT cleared
        )
        INSERT INTO bindings (id, application_id, student_id, person_hash, school_id, school_name, class_name, relation,
                              relation_text, state, version, submitted_at, changed_at, told_school_id, told_class_id)
        SELECT child.id, $1, student_id, $2, child.school_id, school, class, relation, relation_text, 'pending', 1,
               present(), present(), students.school_id, students.class_id
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
             AS child (id, student_id, school_id, school, class, relation, relation_text)
        JOIN students ON students.id = student_id
        """,
        application_id,
        person_hash,
        ids,
        *map(list, zip(*children, strict=True)),
    )


async def bindings_of_contact(connection: Connection, contact_hash: str) -> list[asyncpg.Record]:
    """What this contact sees on its progress page, oldest first: all but withdrawn and cleared ones.

    Children of one application stand as they were named: their bindings' ids are made in that order.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT {BINDING_COLUMNS} FROM {BINDING_TABLES}
        JOIN application_contacts AS reach ON reach.application_id = bindings.application_id
        WHERE reach.contact_hash = $1 AND bindings.state <> 'withdrawn' AND NOT bindings.cleared
        ORDER BY bindings.submitted_at, bindings.id
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


async def bindings_of(connection: Connection, binding_ids: list[UUID]) -> list[asyncpg.Record]:
    """The same of many bindings, in the order of their ids."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT {BINDING_COLUMNS} FROM {BINDING_TABLES} WHERE bindings.id = ANY($1) ORDER BY bindings.id",  # noqa: S608 - constants of ours
        binding_ids,
    )
    return rows


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


async def revoke(connection: Connection, binding_id: UUID, reason_sealed: str, decided_by: str) -> bool:
    """End an approved binding, raising its version; it stays with its school. False where it is not approved."""
    moved = await connection.fetchval(
        """
        UPDATE bindings
        SET state = 'revoked', version = version + 1, changed_at = present(), reason_sealed = $2, decided_by = $3,
            told_school_id = students.school_id, told_class_id = students.class_id
        FROM students
        WHERE bindings.id = $1 AND state = 'approved' AND students.id = student_id RETURNING true
        """,
        binding_id,
        reason_sealed,
        decided_by,
    )
    return bool(moved)


async def raise_version(connection: Connection, binding_id: UUID) -> bool:
    """Make what was decided on a waiting binding until now out of date; False where it no longer waits."""
    raised = await connection.fetchval(
        "UPDATE bindings SET version = version + 1 WHERE id = $1 AND state = 'pending' RETURNING true", binding_id
    )
    return bool(raised)


async def clear_ended(connection: Connection, binding_ids: list[UUID]) -> None:
    """Take refusals and unbindings off the parent's list; the record stays."""
    await connection.execute(
        "UPDATE bindings SET cleared = true WHERE id = ANY($1) AND state IN ('refused', 'revoked')", binding_ids
    )


async def submissions(connection: Connection, binding_ids: list[UUID]) -> list[asyncpg.Record]:
    """What BindingSubmitted tells of these bindings, in their order; ``waits`` says whether they still do.

    One that no longer waits is told as it was at first: every later state has a higher version. Of one that was erased
    there is nothing to tell.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT bindings.id, state = 'pending' AS waits, CASE WHEN state = 'pending' THEN version ELSE 1 END AS version,
               {PLACE}, bindings.student_id, bindings.relation, bindings.relation_text, bindings.submitted_at,
               application_id, number AS application_number,
               students.name AS student_name, applications.national_id_sealed,
               applications.name AS parent_name, coalesce(accounts.login, email) AS email,
               coalesce(accounts.phone, applications.phone) AS phone, statement_version, signature_sealed,
               coalesce(signed_hash, '') AS document_hash, paper_entries.id IS NOT NULL AS on_paper,
               paper_entries.id AS paper_entry_id,
               ARRAY(SELECT contact_hash FROM application_contacts AS reach
                     WHERE reach.application_id = applications.id) AS contact_hashes
        FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place)
        JOIN bindings USING (id)
        JOIN applications ON applications.id = bindings.application_id
        JOIN students ON students.id = bindings.student_id
        LEFT JOIN accounts ON accounts.person_hash = applications.person_hash
        LEFT JOIN paper_entries USING (application_id)
        WHERE applications.erased_at IS NULL
        ORDER BY place
        """,  # noqa: S608 - a constant of ours
        binding_ids,
    )
    return rows


async def guardians(connection: Connection, student_ids: list[str]) -> list[asyncpg.Record]:
    """The guardians of these students in the roster, by student; each is there once for each of its children."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT students.id AS student_id, guardians.id, role, guardians.national_id_hash, email_hash, phone_hashes,
               shown_sealed
        FROM students CROSS JOIN unnest(guardian_ids) AS named (guardian_id)
        JOIN guardians ON guardians.id = guardian_id
        WHERE students.id = ANY($1) AND guardians.active ORDER BY students.id, guardians.id
        """,
        list(set(student_ids)),
    )
    return rows


async def staff_with_national_id(connection: Connection, id_hashes: list[str]) -> list[asyncpg.Record]:
    """The active staff who have one of these ID numbers: id and hash."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, national_id_hash FROM teachers WHERE national_id_hash = ANY($1) AND active ORDER BY id", id_hashes
    )
    return rows


async def has_national_id(connection: Connection, teacher_id: str, id_hashes: list[str]) -> bool:
    """Whether this is, or was, one of the staff with this ID number."""
    is_theirs: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM teachers WHERE id = $1 AND national_id_hash = ANY($2))", teacher_id, id_hashes
    )
    return is_theirs


async def with_contact_of_others(
    connection: Connection, contacts: list[tuple[UUID, str]], people: list[tuple[UUID, str]]
) -> list[UUID]:
    """Those of the applications one of whose contacts reaches an application of another family as well.

    ``contacts`` and ``people`` are pairs of an application and a keyed hash. Another family is another person with no
    child in common. What was withdrawn does not count; a refusal does, also one that was taken off the list.
    """
    rows = await connection.fetch(
        """
        WITH contact AS (SELECT * FROM unnest($1::uuid[], $2::text[]) AS pair (own_id, contact_hash)),
             person AS (SELECT * FROM unnest($3::uuid[], $4::text[]) AS pair (own_id, person_hash))
        SELECT DISTINCT contact.own_id
        FROM contact JOIN application_contacts AS reach ON reach.contact_hash = contact.contact_hash
        JOIN applications AS theirs ON theirs.id = reach.application_id
        WHERE NOT EXISTS (SELECT FROM person
                          WHERE person.own_id = contact.own_id AND person.person_hash = theirs.person_hash)
          AND EXISTS (SELECT FROM bindings WHERE application_id = theirs.id AND state <> 'withdrawn')
          AND NOT EXISTS (SELECT FROM person
                          JOIN bindings AS own ON own.person_hash = person.person_hash
                          JOIN bindings AS other ON other.student_id = own.student_id
                          WHERE person.own_id = contact.own_id AND other.person_hash = theirs.person_hash
                            AND own.state <> 'withdrawn' AND other.state <> 'withdrawn')
        """,
        *_columns(contacts),
        *_columns(people),
    )
    return [row["own_id"] for row in rows]


def _columns(pairs: list[tuple[UUID, str]]) -> tuple[list[UUID], list[str]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


async def lock_paper_entry(connection: Connection, entry_id: UUID) -> asyncpg.Record | None:
    """The answer to what was entered from paper, if there is one; nobody else answers until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 4))", str(entry_id))
    return await connection.fetchrow("SELECT application_id, problems FROM paper_entries WHERE id = $1", entry_id)


async def answer_paper_entry(
    connection: Connection,
    entry_id: UUID,
    entered_by: str,
    signed_on: date,
    *,
    application_id: UUID | None = None,
    problems: dict[str, str] | None = None,
) -> None:
    """Keep the answer to what was entered from paper: the application, or what is wrong with it."""
    await connection.execute(
        "INSERT INTO paper_entries (id, entered_by, signed_on, application_id, problems) VALUES ($1, $2, $3, $4, $5)",
        entry_id,
        entered_by,
        signed_on,
        application_id,
        problems,
    )


async def binding_ids(connection: Connection, application_id: UUID) -> list[UUID]:
    """The bindings of an application; none of one that was erased, since there is nothing to tell of them."""
    rows = await connection.fetch(
        "SELECT bindings.id FROM bindings JOIN applications ON applications.id = application_id"
        " WHERE application_id = $1 AND erased_at IS NULL",
        application_id,
    )
    return [row["id"] for row in rows]


async def is_administrator(connection: Connection, teacher_id: str, school_id: str) -> bool:
    """Whether this is an administrator of the school now."""
    is_one: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM teachers
                       WHERE id = $1 AND school_id = $2 AND role = 'administrator' AND active)
        """,
        teacher_id,
        school_id,
    )
    return is_one


async def lock_applicant(connection: Connection, binding_id: UUID) -> asyncpg.Record | None:
    """Whose application a binding belongs to, with what an account is opened from; the binding is held meanwhile."""
    return await connection.fetchrow(
        """
        SELECT bindings.id AS binding_id, bindings.version, applications.id, applications.person_hash,
               applications.national_id_sealed, applications.name,
               applications.email, applications.phone, applications.language, applications.erased_at,
               students.name AS student_name
        FROM applications JOIN bindings ON bindings.application_id = applications.id
        JOIN students ON students.id = bindings.student_id
        WHERE bindings.id = $1 FOR UPDATE OF bindings
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
