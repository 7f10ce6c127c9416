"""A change of keys: everything comes under the new one beside the running services, and the old one can go."""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from binding_service.context import make_keys
from binding_service.sealed import CONTACTS, make_columns
from binding_service.settings import Settings as BindingSettings
from shared import resealing
from shared.database import Database
from shared.keys import keys_command
from shared.operations import TaskError
from shared.resealing import count_stale, key_counts, reseal
from support.house import House, house, others, rotated
from support.serving import eventually
from support.town import CHEN, LI, PARENT_ID, TLS, WANG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg

    from binding_service.context import Keys
    from shared.database import Connection
    from shared.resealing import Column
    from support.databases import Databases
    from support.operator import Operator
    from support.town import Town

PARENT = "lin@example.org"
SERVICES = ("otp", "binding", "review", "notify")
#: What seed_roster and the sign-ins put there and nothing makes anew.
STILL = ("attempts.code_hash", "attempts.contact_hash", "guardians.name_hash")
#: Made anew by the next whole import, compared under every key, or gone within a day.
LEFT = {
    *((table, column) for table in ("guardians", "roster_users") for column in ("name_hash", "email_hash")),
    ("rate_limits", "subject"),
    ("attempts", "code_hash"),
    ("attempts", "contact_hash"),
    ("answers", "question"),
    ("audit", "hash"),
    # Sealed for a reader, under the key of the pair.
    ("outbox", "body"),
    ("outbox_sent", "body"),
}


def keys_after(databases: Databases, *, former: bool = True) -> Keys:
    """Binding's, after the change."""
    values = {name: SecretStr(value) for name, value in rotated("binding", former=former).items()}
    return make_keys(BindingSettings(database_url=SecretStr(databases.binding), **values))


async def quiet(_: str) -> None:
    """Nobody listens."""


async def under(db: asyncpg.Connection, schema: str, key_id: str) -> set[tuple[str, str]]:
    """Every text column of every table that holds a value under this key: found by looking, not by our own list."""
    columns = await db.fetch(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = $1 AND (data_type = 'text' OR udt_name = '_text')",
        schema,
    )
    found = set()
    for table, column, kind in columns:
        value = column if kind == "text" else f"array_to_string({column}, ',')"
        if await db.fetchval(f"SELECT EXISTS (SELECT FROM {schema}.{table} WHERE {value} LIKE '{key_id}.%')"):  # noqa: S608
            found.add((table, column))
    return found


async def live(town: Town) -> str:
    """Something in every table: bound, refused, waiting, half-filled; the token of the parent's session."""
    token = await town.apply(PARENT, [LI, WANG])
    bindings = await town.bindings(token)
    await town.decided(bindings[0]["id"])
    await town.decided(bindings[1]["id"], "refuse", "不認識")
    await town.fill_students(await town.sign_in("chen@example.org"), CHEN)
    return token


async def seed_roster(town: Town) -> None:
    """What only an import fills."""
    store, hashes = town.keys.store, town.keys.hashes
    national_id = hashes.digest("national-id", PARENT_ID)
    await town.db.execute(
        "INSERT INTO binding.roster_users (id, gone, id_hash, id_sealed, person_sealed, shown_sealed)"
        " VALUES ('G-1', false, $1, $2, $3, $4)",
        *(national_id, store.seal(PARENT_ID, "students:G-1:national_id")),
        *(store.seal("{}", "roster_users:G-1:person"), store.seal("{}", "guardians:G-1:shown")),
    )
    await town.db.execute(
        "INSERT INTO binding.guardians VALUES ('G-1', 'parent', $1, $2, NULL, '{}', $3, 1, true)",
        *(national_id, hashes.digest("guardian-name", "林淑芬"), store.seal("{}", "guardians:G-1:shown")),
    )
    await town.db.execute(
        "INSERT INTO binding.teachers VALUES ('G-1', 'S-1', 'teacher', '林淑芬', '', $1, 1, true)", national_id
    )


async def test_all_services_change_their_keys_while_they_run_and_then_do_without_the_old_ones(
    operator: Operator, databases: Databases, broker_url: str, db: asyncpg.Connection
) -> None:
    async with house(databases, broker_url, operator) as here:
        token = await live(here.town)
        await seed_roster(here.town)
        told = "SELECT count(*) = 2 FROM review.bindings WHERE state IN ('approved', 'refused') AND names IS NOT NULL"
        await eventually(lambda: db.fetchval(told), within=30)
    assert {name for name, _ in await under(db, "binding", "sample")} >= {"students", "accounts", "bindings", "drafts"}
    async with others(databases, broker_url, operator, **{name: rotated(name) for name in SERVICES}) as (with_both, _):
        said = await with_both.run("keys", "status")
        assert (said.code, "students.national_id_sealed: 3 under sample" in said.out) == (1, True), said
        said = await with_both.run("keys", "rotate")
        # What waits for the next whole import, or expires, is still under the old one, and it says so.
        until = "under a former key until it expires or the roster is imported whole"
        assert (said.code, said.err.splitlines()[-1]) == (0, f"{until}: {', '.join(STILL)}"), said
    for schema in ("binding", "review", "notify"):
        assert await under(db, schema, "sample") - LEFT == set(), schema
    alone = {name: rotated(name, former=False) for name in SERVICES}
    async with others(databases, broker_url, operator, **alone) as (with_new, review):
        url = with_new.environment["KINBIND_BINDING_URL"]
        async with httpx.AsyncClient(base_url=url, verify=TLS) as http:
            answer = await http.get("/api/v1/bindings", headers={"authorization": f"Bearer {token}"})
        assert {binding["state"] for binding in answer.raise_for_status().json()} == {"approved", "refused"}
        async with review.database.connection() as connection:
            assert (await connection.fetchval("SELECT names FROM bindings LIMIT 1")).startswith("k2.")
        told = json.loads((await with_new.run("keys", "status", "--json")).out)
        assert told["binding"]["BINDING_KEY_BINDING_STORE"]["columns"]["students.national_id_sealed"] == {"k2": 3}
    noted = await db.fetchval("SELECT reason FROM operations.acts WHERE act = 'keys rotate'")
    assert noted == "otp, binding, review, notify"


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    database = Database(databases.binding, pool_size=2)
    await database.open()
    yield database
    await database.close()


async def test_stopped_in_the_middle_it_goes_on_where_it_was(
    here: House, databases: Databases, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live(here.town)
    columns = make_columns(keys_after(databases))
    before = sum(count_stale(await key_counts(database, columns)).values())
    monkeypatch.setattr(resealing, "BATCH", 1)
    told = []

    async def stop(words: str) -> None:
        told.append(words)
        if words.startswith("students.national_id_sealed"):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await reseal(database, columns, stop)
    left = count_stale(await key_counts(database, columns))
    assert left["students.national_id_sealed"] == 2
    assert 0 < sum(left.values()) < before
    assert await here.town.value("SELECT resealed FROM binding.resealings WHERE place LIKE 'students.%'") == 1
    assert (await reseal(database, columns, quiet))["students.national_id_sealed"] == {"resealed": 3, "left_over": 0}
    assert count_stale(await key_counts(database, columns)) == {}


async def test_two_at_once_are_one(here: House, databases: Databases, database: Database) -> None:
    columns = make_columns(keys_after(databases))

    async def another(_: str) -> None:
        with pytest.raises(TaskError, match="another process"):
            await reseal(database, columns, quiet)
        told.append(True)

    told: list[bool] = []
    await here.town.sign_in(PARENT)
    await reseal(database, columns, another)
    assert told


async def test_what_no_key_opens_is_left_and_counted(here: House, databases: Databases, database: Database) -> None:
    await here.town.db.execute("UPDATE binding.students SET national_id_sealed = 'gone.AAAA' WHERE id = $1", LI.id)
    columns = make_columns(keys_after(databases))
    done = await reseal(database, columns, quiet)
    assert done["students.national_id_sealed"] == {"resealed": 2, "left_over": 1}
    assert count_stale(await key_counts(database, columns))["students.national_id_sealed"] == 1


async def test_what_a_service_writes_meanwhile_is_not_written_over(
    here: House, databases: Databases, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keys_after(databases)
    later = here.town.keys.store.seal(WANG.national_id, f"students:{LI.id}:national_id")
    write = resealing._renew

    async def write_late(connection: Connection, column: Column, found: Sequence[Any]) -> tuple[int, int]:
        if found and column.name == "students.national_id_sealed":
            await here.town.db.execute(
                "UPDATE binding.students SET national_id_sealed = $1 WHERE id = $2", later, LI.id
            )
        return await write(connection, column, found)  # type: ignore[arg-type]

    monkeypatch.setattr(resealing, "_renew", write_late)
    await reseal(database, make_columns(keys), quiet)
    assert await here.town.value("SELECT national_id_sealed FROM binding.students WHERE id = $1", LI.id) == later
    monkeypatch.setattr(resealing, "_renew", write)
    await reseal(database, make_columns(keys), quiet)
    sealed = await here.town.value("SELECT national_id_sealed FROM binding.students WHERE id = $1", LI.id)
    assert sealed.startswith("k2.")
    assert keys.store.unseal(sealed, f"students:{LI.id}:national_id") == WANG.national_id


async def test_a_contact_that_has_both_hashes_already_does_not_stop_the_others(
    here: House, databases: Databases, database: Database
) -> None:
    token = await live(here.town)
    assert token
    keys = keys_after(databases)
    await here.town.db.execute(
        "INSERT INTO binding.application_contacts SELECT $1, application_id, proven FROM binding.application_contacts"
        " WHERE contact_hash = $2",
        *keys.hashes.digests("contact", PARENT),
    )
    await reseal(database, make_columns(keys), quiet)
    stale = count_stale(await key_counts(database, make_columns(keys)))
    assert stale == {"application_contacts.contact_hash": 1}


async def test_who_signs_in_before_the_tables_were_gone_through_finds_the_own_applications(
    here: House, operator: Operator, databases: Databases, broker_url: str, db: asyncpg.Connection
) -> None:
    await live(here.town)
    async with others(databases, broker_url, operator, binding=rotated("binding")) as (with_both, _):
        here.town.http.base_url = f"{with_both.environment['KINBIND_BINDING_URL']}/api/v1"
        token = await here.town.sign_in(PARENT)
        assert {each["state"] for each in await here.town.bindings(token)} == {"approved", "refused"}
    former = keys_after(databases).hashes.digests("contact", PARENT)[1]
    for table, column in CONTACTS:
        count = f"SELECT count(*) FROM binding.{table} WHERE {column} = $1"  # noqa: S608
        assert await db.fetchval(count, former) == 0, table


async def test_the_service_s_own_command_does_the_same(
    here: House, databases: Databases, capsys: pytest.CaptureFixture[str]
) -> None:
    await live(here.town)
    settings = BindingSettings(database_url=SecretStr(databases.binding))
    command = keys_command(lambda _: make_columns(keys_after(databases)))
    parser = ArgumentParser()
    command.configure(parser)
    for words, said in (
        (("status",), '"current": "k2"'),
        (("reseal", "--dry-run"), "students.national_id_sealed: 3 under another key than the first"),
        (("reseal",), "none still under another key"),
        (("reseal", "--dry-run"), "none under another key than the first"),
    ):
        assert await command.run(settings, parser.parse_args(words)) == 0
        assert said in capsys.readouterr().out, words
