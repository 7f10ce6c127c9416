"""One look says how everything is, and what is wrong, each thing in words."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from kinbind_operations.__main__ import COMMANDS
from shared.bus import Bus, event_queue
from shared.events import AccountOpened, BindingApproved
from support.broker import outsider
from support.operator import NAME
from support.serving import eventually

if TYPE_CHECKING:
    from local_stack.servers import Servers
    from support.house import House
    from support.operator import Operator


async def test_where_all_is_well_it_says_so_and_what_there_is(here: House) -> None:
    async def is_well() -> bool:
        return (await here.operator.run("status")).code == 0

    await eventually(is_well, within=60)
    said = await here.operator.run("status")
    assert said.out.endswith("all is well\n")
    seen = json.loads((await here.operator.run("status", "--json")).out)
    assert (seen["ok"], {service["health"] for service in seen["services"].values()}) == (True, {"ready"})
    assert all("shared/0001_messaging.sql" in service["migrations"] for service in seen["services"].values())
    queues = {queue["name"]: queue for queue in seen["queues"]}
    assert queues[event_queue("review", BindingApproved).name]["consumers"] == 1
    assert "review.retry.10s" in queues


async def test_a_deployment_that_is_not_finished_is_told_and_is_nothing_wrong(
    here: House, db: asyncpg.Connection
) -> None:
    name = "binding_service/0016_person_hash.post.sql"
    await db.execute("DELETE FROM binding.migrations WHERE name = $1", name)

    async def is_told() -> bool:
        said = await here.operator.run("status")
        return said.code == 0 and f"  waits for binding-service migrate --post: {name}\n" in said.out

    await eventually(is_told, within=60)


async def test_each_thing_that_is_wrong_is_said(here: House, broker_url: str, db: asyncpg.Connection) -> None:
    queue = event_queue("notify", AccountOpened).name
    async with outsider(broker_url) as outside:
        await outside.publish(b"{", AccountOpened.TYPE, message_id=str(uuid4()))
    await db.execute(
        "INSERT INTO review.outbox (id, type, body, correlation_id, tries, due_at, last_error)"
        " VALUES ($1, 'kinbind.review.nothing.v1', '{}', '', 3, now() + interval '1 hour', 'PublishError')",
        uuid4(),
    )
    operator = here.operator.with_settings(
        otp_url="http://127.0.0.1:1", notify_database_url="postgresql://127.0.0.1:1/x"
    )

    async def all_said() -> bool:
        said = await operator.run("status")
        return said.code == 1 and all(
            words in said.out
            for words in (
                "otp does not answer at http://127.0.0.1:1/health/ready: is it running?",
                "notify: PostgreSQL at 127.0.0.1:1 cannot be reached (ConnectionRefusedError)",
                f"1 dead letters in {queue}.dead; see kinbind dead-letters list",
                "review's outbox: the broker refuses 1 events; see kinbind outbox list",
            )
        )

    await eventually(all_said, within=60)


async def test_a_queue_that_is_not_there_is_wrong(operator: Operator) -> None:
    said = await operator.run("status")
    assert said.code == 1
    assert "- review: queue review." in said.out
    assert "do not exist: has it ever started on this broker?" in said.out
    assert "binding does not answer" in said.out


async def test_a_queue_that_nobody_consumes_or_that_is_too_long_is_wrong(operator: Operator, broker_url: str) -> None:
    queue = event_queue("review", BindingApproved)
    bus = Bus(broker_url, "review")
    bus.consume(BindingApproved)(_ignore)
    await bus.start()
    await bus.stop()
    async with outsider(broker_url) as outside:
        for _ in range(3):
            await outside.publish(b"{}", BindingApproved.TYPE)
    said = await operator.with_settings(queue_length="2").run("status")
    assert "- review consumes 1 of its queues not at all, and 3 messages wait in them" in said.out
    assert f"- 3 messages wait in {queue.name}" in said.out


async def _ignore(_: BindingApproved) -> None:
    """Never called."""


async def test_with_the_management_api_messages_under_way_are_seen_too(here: House, servers: Servers) -> None:
    address = servers.rabbitmq.management_url
    login, _, host = address.partition("://")[2].rpartition("@")
    assert login
    with_it = here.operator.with_settings(rabbitmq_management_url=f"http://{NAME}:{NAME}@{host}")

    async def is_seen() -> bool:
        seen = json.loads((await with_it.run("status", "--json")).out)
        return {queue.get("under_way") for queue in seen["queues"]} == {0} and not any(
            "management" in problem for problem in seen["problems"]
        )

    # The API's own figures come some seconds late.
    await eventually(is_seen, within=60)


async def test_events_that_the_broker_refuses_are_listed_without_bodies_and_tried_again_at_once(
    here: House, db: asyncpg.Connection
) -> None:
    event_id = uuid4()
    await db.execute(
        "INSERT INTO otp.outbox (id, type, body, correlation_id, recorded_at, tries, due_at, last_error)"
        " VALUES ($1, 'kinbind.otp.code-issued.v1', '{\"who\": \"A123456789\"}', 'x', now() - $2::interval, 3,"
        " now() + interval '1 hour', 'PublishError')",
        event_id,
        timedelta(hours=5),
    )
    said = await here.operator.run("outbox", "list")
    assert (said.code, "A123456789" in said.out) == (0, False)
    assert all(words in said.out for words in (str(event_id), "5 h old", "3 tries, last: PublishError"))
    assert json.loads((await here.operator.run("outbox", "list", "--json")).out)[0]["id"] == str(event_id)
    assert (await here.operator.run("outbox", "retry", str(event_id))).code == 0

    async def is_gone() -> bool:
        return (await here.operator.run("outbox", "list")).out == "no event is stuck\n"

    await eventually(is_gone, within=20)
    assert (await here.operator.run("outbox", "retry", str(event_id))).code == 1
    assert await db.fetchval("SELECT act FROM operations.acts") == "outbox retry"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT body FROM binding.outbox",
        "SELECT body FROM binding.outbox_sent",
        "SELECT * FROM binding.accounts",
        "SELECT * FROM review.audit",
        "SELECT * FROM notify.messages",
        "DELETE FROM binding.outbox",
        "UPDATE binding.outbox SET body = ''",
        "UPDATE operations.acts SET reason = ''",
        "DELETE FROM operations.acts",
        "UPDATE review.operator_tasks SET problem = ''",
        "CREATE TABLE binding.mine ()",
    ],
)
async def test_the_operator_s_role_can_do_what_it_needs_and_nothing_else(operator: Operator, statement: str) -> None:
    connection = await asyncpg.connect(operator.environment["KINBIND_DATABASE_URL"])
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_command_explains_itself(operator: Operator) -> None:
    said = await operator.run("--help")
    assert said.code == 0
    assert all(f"  {name}" in said.out for name in COMMANDS)
    assert "exit codes:" in said.out
    said = await operator.with_settings(queue_length="many").run("status")
    assert (said.code, said.err.startswith("kinbind: KINBIND_QUEUE_LENGTH: ")) == (2, True)
