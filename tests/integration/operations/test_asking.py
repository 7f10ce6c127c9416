"""What is asked of the services: facts told again to one consumer, the audit log's chains, and tasks as such."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from review_service.audit.use_cases import note
from review_service.context import OPERATOR
from shared.database import Database
from shared.operations import Task, TaskError, work
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg

    from shared.operations import Result
    from support.databases import Databases
    from support.house import House

LOST = "TRUNCATE review.bindings, review.students, review.classes, review.teachers, review.schools, review.inbox"


@pytest.fixture
async def lived(here: House, db: asyncpg.Connection) -> House:
    """A house in which a child was bound, and review knows of it."""
    await here.town.open_account()
    bound = "SELECT count(*) = 1 FROM review.bindings WHERE state = 'approved' AND names IS NOT NULL"
    await eventually(lambda: db.fetchval(bound), within=60)
    return here


async def test_a_review_that_lost_its_data_is_told_everything_again_and_nobody_else_hears(
    lived: House, db: asyncpg.Connection
) -> None:
    await db.execute(f"{LOST}; TRUNCATE public.trail")
    heard_before = await db.fetchval("SELECT count(*) FROM notify.inbox")
    said = await lived.operator.run("replay", "roster", "--to", "review")
    assert (said.code, said.out.startswith("7 events told again to review")) == (0, True), said
    said = await lived.operator.run("replay", "bindings", "--to", "review")
    assert (said.code, said.out.startswith("2 events told again to review")) == (0, True), said
    await eventually(
        lambda: db.fetchval(
            "SELECT (SELECT count(*) FROM review.schools) = 3 AND (SELECT count(*) FROM review.students) = 3"
            " AND (SELECT count(*) FROM review.bindings WHERE state = 'approved' AND names IS NOT NULL) = 1"
        )
    )
    assert await db.fetchval("SELECT count(*) FROM notify.inbox") == heard_before
    assert await db.fetchval("SELECT count(*) FROM public.trail") == 0, "it went by the outbox, to all who hear it"
    acts = [row["reason"] for row in await db.fetch("SELECT reason FROM operations.acts WHERE act = 'replay'")]
    assert acts == ["roster to review since the beginning", "bindings to review since the beginning"]


async def test_since_a_time_only_what_changed_since_is_told(lived: House, db: asyncpg.Connection) -> None:
    for days in (3, 1):
        await db.execute(
            "INSERT INTO binding.roster_imports (finished_at) VALUES (now() - make_interval(days => $1))",
            days,
        )
    await db.execute("UPDATE binding.schools SET revision = 2 WHERE id = 'S-3'")
    since = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    said = await lived.operator.run("replay", "roster", "--to", "review", "--since", since)
    # The school, and the lists of both classes.
    assert said.out.startswith("3 events told again"), said
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    said = await lived.operator.run("replay", "roster", "--to", "review", "--since", tomorrow)
    assert said.out.startswith("0 events told again"), said
    said = await lived.operator.run("replay", "bindings", "--to", "review", "--since", since)
    assert said.out.startswith("2 events told again"), said
    said = await lived.operator.run("replay", "bindings", "--to", "review", "--since", tomorrow)
    assert said.out.startswith("0 events told again"), said


async def test_who_gets_nothing_again_is_not_offered(here: House) -> None:
    assert (await here.operator.run("replay", "bindings", "--to", "notify")).code == 2
    assert (await here.operator.run("replay", "codes", "--to", "review")).code == 2


async def test_the_audit_log_is_verified_and_a_line_that_was_changed_or_cut_off_is_found(
    here: House, db: asyncpg.Connection, tmp_path: Path
) -> None:
    for number in range(3):
        async with here.review.database.transaction() as connection:
            await note(here.review, connection, OPERATOR, "signed-in", number)
    said = await here.operator.run("audit", "verify", "--json")
    assert (said.code, json.loads(said.out)["chains"][0]["lines"]) == (0, 3)
    (tmp_path / "heads").write_text(said.out, encoding="utf-8")
    await db.execute("SET session_replication_role = replica; ALTER TABLE review.audit DISABLE TRIGGER only_added")
    await db.execute("DELETE FROM review.audit WHERE position = 3")
    assert (await here.operator.run("audit", "verify")).code == 0
    said = await here.operator.run("audit", "verify", "--heads", str(tmp_path / "heads"))
    assert (said.code, said.out) == (1, "(operator): BROKEN at line 3: missing\n1 chains, 2 lines, 1 broken\n")
    await db.execute("UPDATE review.audit SET action = 'account.opened' WHERE position = 1")
    said = await here.operator.run("audit", "verify")
    assert (said.code, "BROKEN at line 1: changed" in said.out) == (1, True)
    (tmp_path / "heads").write_text("[]", encoding="utf-8")
    said = await here.operator.run("audit", "verify", "--heads", str(tmp_path / "heads"))
    assert (said.code, said.err.endswith("is not what audit verify --json printed\n")) == (1, True)
    assert "audit-verify" in (await here.operator.run("tasks")).out


# --- a task, as a service sees it ---


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    database = Database(databases.otp)
    await database.open()
    yield database
    await database.close()


async def ask(db: asyncpg.Connection, kind: str = "count") -> UUID:
    task_id = uuid4()
    await db.execute("INSERT INTO otp.operator_tasks (id, kind) VALUES ($1, $2)", task_id, kind)
    return task_id


async def test_a_task_is_done_once_by_however_many_processes(database: Database, db: asyncpg.Connection) -> None:
    done = []

    async def count(task: Task) -> Result:
        done.append(task.id)
        return {"count": len(done)}

    task_id = await ask(db)
    results = await asyncio.gather(*(work(database, {"count": count}) for _ in range(4)))
    assert (sorted(results), done) == ([False, False, False, True], [task_id])
    assert await db.fetchval("SELECT result FROM otp.operator_tasks") == '{"count": 1}'


async def test_who_finds_nothing_to_do_wakes_nobody(database: Database) -> None:
    database.committed.clear()
    assert not await work(database, {"count": _nothing})
    assert not database.committed.is_set()


async def _nothing(_: Task) -> Result:
    return {}


async def test_what_a_process_left_unfinished_another_does_when_the_lease_is_over(
    database: Database, db: asyncpg.Connection
) -> None:
    async def die(_: Task) -> Result:
        raise ConnectionError

    async def count(_: Task) -> Result:
        return {}

    await ask(db)
    with pytest.raises(ConnectionError):
        await work(database, {"count": die})
    assert not await work(database, {"count": count})
    await db.execute("UPDATE otp.operator_tasks SET lease_until = now()")
    assert await work(database, {"count": count})


async def test_why_it_could_not_be_done_is_a_sentence_that_quotes_no_data(
    database: Database, db: asyncpg.Connection
) -> None:
    words = "not today", "A123456789"

    async def refuse(_: Task) -> Result:
        raise TaskError(words[0])

    async def fail(_: Task) -> Result:
        raise ValueError(words[1])

    await ask(db)
    await work(database, {"count": refuse})
    task_id = await ask(db, "other")
    await work(database, {"other": fail})
    problems = [row["problem"] for row in await db.fetch("SELECT problem FROM otp.operator_tasks ORDER BY asked_at")]
    assert problems == [
        "not today",
        f"it failed (ValueError); the service's log says where, under correlation_id {task_id}",
    ]


async def test_a_task_that_this_version_does_not_know_is_left_to_one_that_does(
    database: Database, db: asyncpg.Connection
) -> None:
    await ask(db, "of a later version")
    assert not await work(database, {})
