"""The support bundle has what helpers need, and nobody's data, however much of it there is everywhere."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shared.bus import event_queue
from shared.events import AccountOpened, BindingApproved, CodeIssued
from support.broker import outsider
from support.serving import eventually
from support.town import CHILDREN, PARENT_ID

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from support.house import House
    from support.operator import Operator

CONTACTS = ("lin@example.org", "0912345678", "+886912345678")
NAMES = ("林淑芬", *(child.name for child in CHILDREN))
PERSONAL = (*CONTACTS, *NAMES, PARENT_ID, *(child.national_id for child in CHILDREN))


def parts_of(path: Path) -> dict[str, Any]:
    """The bundle's files, by name."""
    with tarfile.open(path) as bundle:
        files = [(entry.name, bundle.extractfile(entry)) for entry in bundle.getmembers()]
        return {name.rpartition("/")[2]: json.loads(file.read()) for name, file in files if file}


def text_of(path: Path) -> str:
    """All of the bundle, as text."""
    return json.dumps(parts_of(path), ensure_ascii=False)


async def plant(here: House, broker_url: str, db: asyncpg.Connection) -> None:
    """Real people's data in tables, in events on their way, in dead letters, in their headers."""
    await here.town.open_account()
    queues = [event_queue("notify", AccountOpened).name, event_queue("review", BindingApproved).name]
    async with outsider(broker_url) as outside:
        for queue in queues:
            for person in PERSONAL:
                await outside.publish(
                    json.dumps({"type": person, "data": {"email": person, person: [person]}}).encode(),
                    f"{queue}.dead",
                    exchange="",
                    message_id=person,
                    type=person,
                    headers={"x-note": person},
                )
    for person in PERSONAL:
        await db.execute(
            "INSERT INTO otp.outbox (id, type, body, correlation_id, tries, due_at, last_error)"
            " VALUES ($1, $2, $3, 'x', 1, now() + interval '1 day', 'PublishError')",
            *(uuid4(), CodeIssued.TYPE, json.dumps({"email": person})),
        )


def write_log(path: Path) -> None:
    """Lines with data where it should never be: in odd fields, in texts of libraries, in an exception."""
    good = {"timestamp": "2026-11-26T03:00:00Z", "level": "error", "service": "binding", "event": "purge failed"}
    lines: list[object] = [good | {"fault": "DataError", "message_id": str(uuid4())}]
    for person in PERSONAL:
        lines += [
            good | {"contact": person, "message_id": person, "correlation_id": person},
            good | {"event": f"could not write {person}", "logger": "uvicorn.error"},
            good | {"level": "info", "event": person},
            good | {"exception": [{"exc_type": "ValueError", "exc_value": person, "frames": [{"locals": person}]}]},
            [person],
        ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text(f"{text}\nnot JSON: {PERSONAL[0]}\n", encoding="utf-8")


async def test_nothing_personal_and_no_secret_is_in_it_wherever_that_lies(
    here: House, broker_url: str, db: asyncpg.Connection, tmp_path: Path
) -> None:
    await plant(here, broker_url, db)
    write_log(tmp_path / "binding.log")
    for table, column in (("binding.accounts", "login"), ("binding.students", "name")):
        assert await db.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = ANY($1)", list(PERSONAL))  # noqa: S608
    words = ("support-bundle", str(tmp_path / "b.tar.gz"), "--logs", str(tmp_path / "binding.log"))
    said = await here.operator.run(*words)
    assert said.code == 0, said
    text = text_of(tmp_path / "b.tar.gz") + said.out + said.err
    assert [person for person in PERSONAL if person in text] == []
    passwords = here.operator.environment["KINBIND_DATABASE_URL"].split("@")[:1]
    assert [secret for secret in passwords if secret in text] == []


async def test_it_tells_what_helpers_ask_for(
    here: House, broker_url: str, db: asyncpg.Connection, tmp_path: Path
) -> None:
    await plant(here, broker_url, db)
    write_log(tmp_path / "binding.log")

    async def is_written() -> bool:
        (tmp_path / "b.tar.gz").unlink(missing_ok=True)
        words = ("support-bundle", str(tmp_path / "b.tar.gz"), "--logs", str(tmp_path / "binding.log"))
        return (await here.operator.run(*words)).code == 0

    await eventually(is_written, within=60)
    parts = parts_of(tmp_path / "b.tar.gz")
    assert set(parts) == {"status.json", "versions.json", "dead-letters.json", "outbox.json", "errors.json"}
    assert parts["status.json"]["services"]["review"]["health"] == "ready"
    assert "BINDING_DATABASE_URL" in parts["versions.json"]["binding"]["settings"]
    assert "KINBIND_DATABASE_URL" in parts["versions.json"]["settings"]
    assert len(parts["dead-letters.json"]) == 2 * len(PERSONAL)
    assert {row["last_error"] for row in parts["outbox.json"]["otp"]} == {"PublishError"}
    assert parts["errors.json"][0]["fault"] == "DataError"


async def test_where_nothing_can_be_reached_it_says_so_and_is_written_all_the_same(
    operator: Operator, tmp_path: Path
) -> None:
    away = operator.with_settings(database_url="postgresql://x@127.0.0.1:1/x", rabbitmq_url="amqp://x@127.0.0.1:1/")
    said = await away.run("support-bundle", str(tmp_path / "b.tar.gz"))
    assert said.code == 0, said
    parts = parts_of(tmp_path / "b.tar.gz")
    assert parts["status.json"]["ok"] is False
    assert parts["versions.json"]["otp"] == "PostgreSQL at 127.0.0.1:1 cannot be reached (ConnectionRefusedError)"
    said = await away.run("support-bundle", str(tmp_path / "b.tar.gz"))
    assert (said.code, said.err.splitlines()[-1]) == (
        1,
        f"kinbind: {tmp_path / 'b.tar.gz'} cannot be written: File exists",
    )
