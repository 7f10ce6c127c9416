"""A database with rows in it, brought from one version to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from shared import migrations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.databases import Databases

APPLICATION = UUID(int=1)
STAYED, MOVED = UUID(int=2), UUID(int=3)

ROSTER = """
INSERT INTO schools VALUES ('S-1', '191', '中正國小', 'elementary', 1, true),
                           ('S-3', '193', '大同國小', 'elementary', 1, true);
INSERT INTO classes VALUES ('C-1', 'S-1', '三年一班', '{T-1}', 1, true), ('C-3', 'S-3', '三年二班', '{T-3}', 1, true);
INSERT INTO students VALUES ('P-1', 'S-1', 'C-1', '李小美', 'hash 1', 'sealed', 1, true),
                            ('P-2', 'S-3', 'C-3', '王大同', 'hash 2', 'sealed', 1, true);
"""
#: As a process of the second version writes them.
APPLICATION_ROWS = """
INSERT INTO applications VALUES ($1, $2, 'login', 'key', 'person', 'sealed', '林淑芬', 'lin@example.org', '02-2345',
                                 'zh-TW', '2026-11', 'hash', now(), '192.0.2.7', 'sealed', now());
"""
CONTACT_ROWS = "INSERT INTO application_contacts (contact_hash, application_id) VALUES ('login', $1), ('typed', $1)"
BINDING_ROW = """
INSERT INTO bindings (id, application_id, student_id, person_hash, school_name, class_name, relation, relation_text,
                      state, version, submitted_at, changed_at)
VALUES ($1, $2, $3, 'person', '中正國小', '三年一班', 'mother', '', 'refused', 2, now(), now())
"""
SESSION_ROW = """
INSERT INTO sessions (id, token_hash, contact_hash, contact_sealed, channel, expires_at)
VALUES (gen_random_uuid(), $1, 'login', 'sealed', 'email', now() + interval '1 hour')
"""


@pytest.fixture
async def second_version(databases: Databases) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to a schema as the second version left it, with rows in it."""
    connection = await asyncpg.connect(databases.superuser)
    try:
        await connection.execute("CREATE SCHEMA former; SET search_path = former")
        for name, sql in migrations.migrations("binding_service"):
            if name < "binding_service/0003" or name.startswith("shared/"):
                await connection.execute(sql)
        await connection.execute(ROSTER)
        await write_as_before(connection, APPLICATION, STAYED, MOVED)
        yield connection
    finally:
        await connection.close()


async def write_as_before(
    connection: asyncpg.Connection[asyncpg.Record], application: UUID, stayed: UUID, moved: UUID
) -> None:
    """An application for two children at one school; one of them is at another by now."""
    await connection.execute(APPLICATION_ROWS, application, str(application))
    await connection.execute(CONTACT_ROWS, application)
    for binding, student in ((stayed, "P-1"), (moved, "P-2")):
        await connection.execute(BINDING_ROW, binding, application, student)
    await connection.execute(SESSION_ROW, str(application))


async def to_third_version(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    sql = dict(migrations.migrations("binding_service"))["binding_service/0003_evidence.sql"]
    await connection.execute(sql)


async def test_where_a_child_has_moved_to_is_not_taken_for_the_school_that_was_named(
    second_version: asyncpg.Connection[asyncpg.Record],
) -> None:
    await to_third_version(second_version)
    rows = await second_version.fetch("SELECT id, school_id FROM bindings")
    assert {row["id"]: row["school_id"] for row in rows} == {STAYED: "S-1", MOVED: None}


async def test_only_the_contact_of_the_login_is_taken_for_proven(
    second_version: asyncpg.Connection[asyncpg.Record],
) -> None:
    await to_third_version(second_version)
    rows = await second_version.fetch("SELECT contact_hash, proven FROM application_contacts")
    assert {row["contact_hash"]: row["proven"] for row in rows} == {"login": True, "typed": False}


async def test_a_process_of_the_version_before_still_writes(
    second_version: asyncpg.Connection[asyncpg.Record],
) -> None:
    await to_third_version(second_version)
    await second_version.execute("UPDATE applications SET idempotency_key = 'former'")
    await write_as_before(second_version, UUID(int=4), UUID(int=5), UUID(int=6))
    assert await second_version.fetchval("SELECT count(*) FROM bindings WHERE school_id IS NULL") == 3


async def to_fourth_version(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await to_third_version(connection)
    await connection.execute(dict(migrations.migrations("binding_service"))["binding_service/0004_review.sql"])


async def test_a_process_of_the_version_before_review_still_writes(
    second_version: asyncpg.Connection[asyncpg.Record],
) -> None:
    await to_fourth_version(second_version)
    await second_version.execute("UPDATE applications SET idempotency_key = 'former'")
    await second_version.execute(
        "INSERT INTO students (id, school_id, class_id, name, national_id_hash, national_id_sealed, revision, active)"
        " VALUES ('P-3', 'S-1', 'C-1', '吳大同', 'hash 3', 'sealed', 2, true)"
    )
    await write_as_before(second_version, UUID(int=4), UUID(int=5), UUID(int=6))
    assert await second_version.fetchval("SELECT guardian_ids FROM students WHERE id = 'P-3'") == []
    assert await second_version.fetchval("SELECT count(*) FROM bindings") == 4


@pytest.mark.parametrize("column", ["contact_hash", "consent_address", "signature_sealed"])
async def test_an_application_that_came_online_lacks_nothing_of_it(
    second_version: asyncpg.Connection[asyncpg.Record], column: str
) -> None:
    await to_fourth_version(second_version)
    with pytest.raises(asyncpg.CheckViolationError):
        await second_version.execute(f"UPDATE applications SET {column} = NULL")  # noqa: S608 - the test's own names


async def test_what_review_was_told_of_a_place_is_known_where_the_child_has_not_moved(
    second_version: asyncpg.Connection[asyncpg.Record],
) -> None:
    await to_fourth_version(second_version)
    await second_version.execute(dict(migrations.migrations("binding_service"))["binding_service/0006_moves.sql"])
    rows = await second_version.fetch("SELECT id, told_school_id, told_class_id FROM bindings")
    assert {row["id"]: tuple(row)[1:] for row in rows} == {STAYED: ("S-1", "C-1"), MOVED: (None, None)}
    await second_version.execute("UPDATE applications SET idempotency_key = 'former'")
    await write_as_before(second_version, UUID(int=4), UUID(int=5), UUID(int=6))
