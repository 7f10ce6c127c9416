"""Who reads events and is no service: comes, hears what it was named for, and goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aio_pika import connect
from aio_pika.exceptions import ProbableAuthenticationError, QueueEmpty

from support.broker import outsider
from support.rights import bring, enough_for_readers, for_readers, reader_name, reader_url

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from local_stack.servers import Servers

    Told = Callable[..., subprocess.CompletedProcess[str]]

APPROVED, REVOKED = "kinbind.binding.approved.v1", "kinbind.binding.revoked.v1"
QUEUE = f"reader-{reader_name()}.events"


@pytest.fixture
def told(servers: Servers, broker_url: str, tmp_path: Path) -> Iterator[Told]:
    """Runs rights.py with what is given as variables."""

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        return bring(servers, enough_for_readers(broker_url), tmp_path, **variables)

    yield run
    run(**for_readers({"warehouse": []}))


async def heard(broker_url: str, password: str = "a%20password") -> Sequence[str]:  # noqa: S107 - of a test's reader
    """Publish one of each kind; what its reader finds in the queue."""
    async with outsider(broker_url) as bus:
        for type_ in (APPROVED, REVOKED):
            await bus.publish(type_.encode(), type_)
    found = []
    async with await connect(reader_url(broker_url, password=password)) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE, ensure=False)
        while True:
            try:
                message = await queue.get(no_ack=True)
            except QueueEmpty:
                return found
            found.append(message.body.decode())


async def test_a_reader_hears_what_it_was_named_for_last(told: Told, broker_url: str) -> None:
    for types in ([APPROVED], [APPROVED, REVOKED], [REVOKED]):
        done = told(**for_readers({"warehouse": types}))
        assert done.returncode == 0, done.stderr
        assert f"reader-{reader_name()}" in done.stdout
        assert await heard(broker_url) == types


async def test_one_that_is_not_named_stays_as_it_is(told: Told, broker_url: str) -> None:
    told(**for_readers({"warehouse": [APPROVED]}))
    assert told().returncode == 0
    assert await heard(broker_url) == [APPROVED]


async def test_run_again_it_sets_the_password_anew(told: Told, broker_url: str) -> None:
    told(**for_readers({"warehouse": [APPROVED]}))
    told(**for_readers({"warehouse": [APPROVED]}, password="another one"))
    assert await heard(broker_url, password="another%20one") == [APPROVED]
    with pytest.raises(ProbableAuthenticationError):
        await heard(broker_url)


async def test_one_without_events_is_taken_away_with_its_queues(told: Told, servers: Servers, broker_url: str) -> None:
    told(**for_readers({"warehouse": [APPROVED]}))
    for _ in range(2):
        done = told(**for_readers({"warehouse": []}))
        assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(ProbableAuthenticationError):
        await heard(broker_url)
    queues: Any = servers.rabbitmq.manage("GET", f"/api/queues/{broker_url.rpartition('/')[2]}")
    assert [queue["name"] for queue in queues if queue["name"].startswith("reader-")] == []


async def test_a_queue_that_is_full_refuses_nobody(told: Told, servers: Servers, broker_url: str) -> None:
    told(**for_readers({"warehouse": [APPROVED]}))
    vhost = broker_url.rpartition("/")[2]
    small = {"pattern": "^reader-", "definition": {"max-length": 2}, "apply-to": "queues"}
    servers.rabbitmq.manage("PUT", f"/api/policies/{vhost}/small", small)
    async with outsider(broker_url) as bus:
        for number in range(20):
            await bus.publish(str(number).encode(), APPROVED)


@pytest.mark.parametrize(
    ("readers", "says"),
    [
        ("warehouse", "must be JSON"),
        ('["warehouse"]', "must be JSON"),
        ('{"warehouse": "kinbind.binding.approved.v1"}', "must be JSON"),
        ('{"warehouse": ["kinbind.#"]}', "no event is called kinbind.#"),
        ('{"The Warehouse": ["kinbind.binding.approved.v1"]}', "small letters"),
        ('{"house": ["kinbind.binding.approved.v1"]}', "READER_HOUSE_RABBITMQ_PASSWORD must be set"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(told: Told, servers: Servers, readers: str, says: str) -> None:
    done = told(OUTSIDE_READERS=readers)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    users: Any = servers.rabbitmq.manage("GET", "/api/users")
    assert "reader-house" not in json.dumps(users)
