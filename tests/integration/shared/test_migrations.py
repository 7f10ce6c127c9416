"""Migrations in two parts, in a schema of the test's own."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from shared import migrations
from shared.database import DATABASE_FAULTS, Database
from shared.migrations import MigrationError, migrate, pending
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.databases import Databases

FIRST = [("probe/0001_things.sql", "CREATE TABLE things (id integer PRIMARY KEY, former text)")]
SECOND = [*FIRST, ("probe/0002_name.sql", "ALTER TABLE things ADD COLUMN name text NOT NULL DEFAULT ''")]
POST = ("probe/0003_former.post.sql", "ALTER TABLE things DROP COLUMN former")
THIRD = [*SECOND, POST]
FOURTH = [*THIRD, ("probe/0004_more.sql", "ALTER TABLE things ADD COLUMN more text")]
CONCURRENTLY = (
    "probe/0002_ways.concurrently.sql",
    """
    -- What is looked for.
    CREATE INDEX CONCURRENTLY IF NOT EXISTS things_former ON things (former);
    CREATE INDEX CONCURRENTLY IF NOT EXISTS things_both ON things (id, former);
    """,
)
WITH_INDEXES = [*FIRST, CONCURRENTLY]
#: All that are ready to be used.
INDEXES = (
    "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'things'::regclass AND indisvalid ORDER BY 1"
)
AN_INDEX_WAITS = """
SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
               WHERE datname = current_database() AND locktype = 'virtualxid' AND NOT granted)
"""
SOMEONE_WAITS = """
SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
               WHERE datname = current_database() AND relation = 'things'::regclass AND NOT granted)
"""


@pytest.fixture
async def dsn(databases: Databases) -> str:
    """Of a role whose schema is empty."""
    superuser = await asyncpg.connect(databases.superuser)
    owner = await superuser.fetchval("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'otp'")
    await superuser.execute(f"DROP SCHEMA otp CASCADE; CREATE SCHEMA otp AUTHORIZATION {owner}")
    await superuser.close()
    return databases.otp


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """To that schema."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Release:
    return Release(monkeypatch)


class Release:
    """Makes the version that runs another one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def of(self, every: list[tuple[str, str]]) -> None:
        """A version with these migrations."""
        self._monkeypatch.setattr(migrations, "migrations", lambda _: every)


async def columns(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'things'::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attname"
    )
    return [row["attname"] for row in rows]


async def test_a_deployment_adds_first_and_takes_away_when_it_is_told_that_nothing_old_is_left(
    dsn: str, connection: asyncpg.Connection, release: Release
) -> None:
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of(THIRD)
    assert await migrate(dsn, "probe") == ["probe/0002_name.sql"]
    assert await migrate(dsn, "probe") == []
    assert await columns(connection) == ["former", "id", "name"]
    assert await pending(connection, "probe") == [POST[0]]
    assert await migrate(dsn, "probe", post=True) == [POST[0]]
    assert (await columns(connection), await pending(connection, "probe")) == (["id", "name"], [])


async def test_in_an_empty_schema_all_are_applied_at_once(
    dsn: str, connection: asyncpg.Connection, release: Release
) -> None:
    release.of(FOURTH)
    assert await migrate(dsn, "probe") == [name for name, _ in FOURTH]
    assert await columns(connection) == ["id", "more", "name"]


async def test_the_next_release_waits_until_the_one_before_is_finished(
    dsn: str, connection: asyncpg.Connection, release: Release
) -> None:
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of(FOURTH)
    with pytest.raises(MigrationError, match=r"0003_former.post.sql ends an earlier release and comes before"):
        await migrate(dsn, "probe")
    assert await columns(connection) == ["former", "id"]
    assert await migrate(dsn, "probe", post=True) == [name for name, _ in FOURTH[1:]]


async def test_a_post_migration_of_everybody_s_holds_up_no_service_s_own(dsn: str, release: Release) -> None:
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of([("another/0001_end.post.sql", "SELECT 1"), *SECOND])
    assert await migrate(dsn, "probe") == ["probe/0002_name.sql"]


async def test_what_was_applied_before_a_faulty_one_stays(
    dsn: str, connection: asyncpg.Connection, release: Release
) -> None:
    release.of([*SECOND, ("probe/0003_fault.sql", "CREATE TABLE half (); SELECT nonsense")])
    with pytest.raises(asyncpg.PostgresError):
        await migrate(dsn, "probe")
    assert await columns(connection) == ["former", "id", "name"]
    assert await connection.fetchval("SELECT to_regclass('half')") is None


async def test_one_that_was_changed_after_it_was_applied_is_refused(dsn: str, release: Release) -> None:
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of([(FIRST[0][0], "CREATE TABLE other ()")])
    with pytest.raises(MigrationError, match="was changed after it was applied"):
        await migrate(dsn, "probe")


async def test_several_at_once_apply_each_once(dsn: str, release: Release) -> None:
    release.of(FOURTH)
    applied = await asyncio.gather(*(migrate(dsn, "probe") for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, len(FOURTH)]


async def test_behind_a_long_transaction_it_lets_others_pass_and_tries_again(
    dsn: str, connection: asyncpg.Connection, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_SECONDS", 1)
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of(SECOND)
    writer = await asyncpg.connect(dsn)
    async with connection.transaction():
        await connection.execute("SELECT * FROM things")  # A lock until this transaction's end.
        migrating = asyncio.create_task(migrate(dsn, "probe"))
        await eventually(partial(writer.fetchval, SOMEONE_WAITS))
        # A second after it has queued at most, whoever comes later is served.
        await writer.execute("INSERT INTO things (id) VALUES (1)", timeout=1.9)
        assert not migrating.done()
    assert await migrating == ["probe/0002_name.sql"]
    await writer.close()


async def indexes(connection: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await connection.fetch(INDEXES)]


async def test_an_index_is_built_while_others_write(dsn: str, connection: asyncpg.Connection, release: Release) -> None:
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of(WITH_INDEXES)
    writer = await asyncpg.connect(dsn)
    async with connection.transaction():
        await connection.execute("INSERT INTO things (id) VALUES (1)")
        migrating = asyncio.create_task(migrate(dsn, "probe"))
        await eventually(partial(writer.fetchval, AN_INDEX_WAITS))
        await writer.execute("INSERT INTO things (id) VALUES (2)", timeout=1.9)
        assert not migrating.done()
    assert await migrating == [CONCURRENTLY[0]]
    assert await indexes(connection) == ["things_both", "things_former", "things_pkey"]
    assert await migrate(dsn, "probe") == []
    await writer.close()


async def test_an_index_that_a_former_run_left_half_built_is_built_anew(
    dsn: str, connection: asyncpg.Connection, release: Release
) -> None:
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of(WITH_INDEXES)
    looker = await asyncpg.connect(dsn)
    async with connection.transaction():
        await connection.execute("INSERT INTO things (id) VALUES (1)")
        migrating = asyncio.create_task(migrate(dsn, "probe"))
        await eventually(partial(looker.fetchval, AN_INDEX_WAITS))
        migrating.cancel()
        await asyncio.gather(migrating, return_exceptions=True)
        assert await looker.fetchval("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = 'things_former'::regclass")
    assert await migrate(dsn, "probe") == [CONCURRENTLY[0]]
    assert await indexes(connection) == ["things_both", "things_former", "things_pkey"]
    await looker.close()


async def test_several_at_once_build_an_index_once(dsn: str, release: Release) -> None:
    """Who waits for the other to be done must not be who the index waits for."""
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of(WITH_INDEXES)
    applied = await asyncio.gather(*(migrate(dsn, "probe") for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, 1]


async def test_an_index_that_waits_for_very_long_is_spoken_of(
    dsn: str, connection: asyncpg.Connection, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_PATIENCE_SECONDS", 1)
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of(WITH_INDEXES)
    async with connection.transaction():
        await connection.execute("INSERT INTO things (id) VALUES (1)")
        with pytest.raises(MigrationError, match=r"0002_ways.concurrently.sql: a long transaction holds a table"):
            await migrate(dsn, "probe")


async def test_who_never_lets_go_is_spoken_of(
    dsn: str, connection: asyncpg.Connection, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(migrations, "LOCK_PATIENCE_SECONDS", 0)
    release.of(FIRST)
    await migrate(dsn, "probe")
    release.of(SECOND)
    async with connection.transaction():
        await connection.execute("SELECT * FROM things")
        with pytest.raises(MigrationError, match=r"0002_name.sql: a long transaction holds a table"):
            await migrate(dsn, "probe")


async def test_a_table_that_changed_under_a_statement_is_a_fault_to_be_tried_again(dsn: str, release: Release) -> None:
    release.of(FIRST)
    await migrate(dsn, "probe")
    database = Database(dsn, pool_size=1)
    await database.open()
    async with database.transaction() as known:
        await known.fetch("SELECT * FROM things")
    release.of(SECOND)
    await migrate(dsn, "probe")
    with pytest.raises(DATABASE_FAULTS):
        async with database.transaction() as known:
            await known.fetch("SELECT * FROM things")
    async with database.transaction() as known:
        await known.fetch("SELECT * FROM things")
    await database.close()


async def test_the_command_says_what_waits_for_the_end_of_the_deployment(databases: Databases) -> None:
    connection = await asyncpg.connect(databases.binding)
    name = "binding_service/0016_person_hash.post.sql"
    await connection.execute("ALTER TABLE roster_users ADD COLUMN person_hash text")
    await connection.execute("DELETE FROM migrations WHERE name = $1", name)
    said = await _said(databases, "migrate")
    assert f"waits for migrate --post, when no process of the version before is left: {name}" in said
    assert await _said(databases, "migrate", "--post") == f"applied {name}\n"
    assert await _said(databases, "migrate") == "nothing to apply\n"
    await connection.close()


async def _said(databases: Databases, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "binding-service",
        *words,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"BINDING_DATABASE_URL": databases.binding},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()
