"""The four services as a deployed broker has them: users of their own, and nothing that they may declare."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aio_pika
import pytest
from aiormq.exceptions import ProbableAuthenticationError
from structlog.testing import capture_logs

from contract.documents import SUBSCRIBE
from notify_service.app import make_app as make_notify
from notify_service.settings import Settings as NotifySettings
from review_service.app import make_app as make_review
from review_service.applications import cases, decisions
from review_service.applications.domain import Outcome, Standing
from review_service.context import Teacher
from review_service.settings import Settings as ReviewSettings
from shared.bus import Bus, event_queue
from shared.events import ClassUpdated
from support.broker import outsider
from support.city import MEI, MING, city_of
from support.factories import make_class_updated
from support.operator import admit
from support.rights import bring, definitions_for, name_of, url_of
from support.serving import eventually, serving
from support.town import PARENT_ID, town

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping
    from pathlib import Path

    from local_stack.servers import Servers
    from review_service.context import Review
    from support.city import City
    from support.databases import Databases
    from support.operator import Operator
    from support.town import Town

TEACHER = Teacher("teacher-0101", "", "teacher", "school-01", "")
SOON = 60
#: What describes a queue, exchange or binding, and no counter.
STABLE = ("name", "type", "durable", "arguments", "source", "destination", "routing_key")


@dataclass
class World:
    """Everybody, each with no more rights than they need."""

    town: Town
    review: Review
    city: City
    operator: Operator

    async def standing(self, binding: UUID) -> Standing | None:
        """How an application stands in review."""
        async with self.review.database.connection() as connection:
            row = await connection.fetchrow("SELECT * FROM bindings WHERE id = $1", binding)
        return cases.standing_of(row) if row is not None and row["details"] is not None else None

    async def until(self, binding: UUID, standing: Standing) -> None:
        """Wait until it stands so."""

        async def stands() -> bool:
            return await self.standing(binding) is standing

        await eventually(stands, within=SOON)

    async def until_told(self, *kinds: str) -> None:
        """Wait until notify has written notices of these kinds."""

        async def told() -> bool:
            rows = await self.town.rows("SELECT DISTINCT kind FROM notify.messages")
            return set(kinds) <= {row["kind"] for row in rows}

        await eventually(told, within=SOON)


@pytest.fixture
async def world(servers: Servers, databases: Databases, broker_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """All four services and the operator, with the users of deploy/rabbitmq."""
    # Before it is given what a deployed broker gives.
    operator = await admit(servers, databases, broker_url)
    done = bring(servers, definitions_for(broker_url), tmp_path)
    assert done.returncode == 0, done.stderr
    operator = operator.with_settings(rabbitmq_url=url_of(broker_url, "operator"))

    def of(user: str) -> dict[str, Any]:
        return {"rabbitmq_url": url_of(broker_url, user), "rabbitmq_declares": False, "shutdown_seconds": 5}

    review = make_review(ReviewSettings(database_url=databases.review, undo_seconds=0, **of("review")))
    notify = make_notify(NotifySettings(database_url=databases.notify, **of("notify")))
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(town(databases, broker_url, otp=of("otp"), binding=of("binding")))
        for app in (review, notify):
            await stack.enter_async_context(serving(app))
        city = await stack.enter_async_context(city_of(here, tmp_path / "export"))
        yield World(here, review.state.site.review, city, operator)


async def test_everything_works_with_the_least_rights(world: World) -> None:
    token = await world.town.apply(
        "lin@example.org", [world.city.child(MEI), world.city.child(MING)], PARENT_ID, phone="0912345678"
    )
    first, second = (UUID(binding["id"]) for binding in await world.town.bindings(token))
    await world.until(first, Standing.WAITING)
    await world.until(second, Standing.WAITING)
    await decisions.decide(world.review, TEACHER, first, Outcome.APPROVE, "")
    await decisions.decide(world.review, TEACHER, second, Outcome.REFUSE, "監護權已變更")
    await world.until(first, Standing.APPROVED)
    await world.until(second, Standing.REFUSED)
    await world.until_told("code", "application_received", "account_opened", "refused")
    for facts in ("roster", "bindings"):
        said = await world.operator.run("replay", facts, "--to", "review")
        assert said.code == 0, said
    said = await world.operator.run("status", "--json")
    assert [
        problem for problem in json.loads(said.out)["problems"] if "queue" in problem or "RabbitMQ" in problem
    ] == []


async def test_a_fault_is_tried_again_and_what_is_lost_reaches_the_operator(
    servers: Servers, databases: Databases, broker_url: str, tmp_path: Path
) -> None:
    operator = (await admit(servers, databases, broker_url)).with_settings(rabbitmq_url=url_of(broker_url, "operator"))
    assert bring(servers, definitions_for(broker_url), tmp_path).returncode == 0
    bus = Bus(url_of(broker_url, "review"), "review", declares=False)
    taken: list[str] = []

    @bus.consume(ClassUpdated)
    async def take(event: ClassUpdated) -> None:
        taken.append(event.subject)
        if len(taken) == 1:
            raise ZeroDivisionError

    async def tried_again() -> bool:
        return len(taken) == 2

    async def is_dead() -> bool:
        said = await operator.run("dead-letters", "list", "--queue", event_queue("review", ClassUpdated).name)
        return said.code == 0 and ClassUpdated.TYPE in said.out

    await bus.start()
    try:
        async with outsider(broker_url) as outside:
            await outside.publish(make_class_updated().model_dump_json().encode(), ClassUpdated.TYPE)
            await eventually(tried_again)
            await outside.publish(b"{", ClassUpdated.TYPE, message_id=str(uuid4()), type=ClassUpdated.TYPE)
        await eventually(is_dead, within=SOON)
        said = await operator.run("dead-letters", "replay", "--all")
        assert said.code == 0, said
    finally:
        await bus.stop()


async def test_a_service_without_its_queues_says_so_and_waits(
    servers: Servers, broker_url: str, tmp_path: Path
) -> None:
    definitions = definitions_for(broker_url)
    assert bring(servers, definitions | {"queues": [], "bindings": []}, tmp_path).returncode == 0
    bus = Bus(url_of(broker_url, "otp"), "otp", declares=False)
    SUBSCRIBE["otp"](bus)
    starting = asyncio.create_task(bus.start())
    try:
        with capture_logs() as lines:
            await eventually(lambda: _said(lines, "the broker lacks a queue or exchange, or a right"), within=SOON)
        assert not bus.is_connected
        assert bring(servers, definitions, tmp_path).returncode == 0
        await asyncio.wait_for(starting, SOON)
        assert await bus.is_consuming()
    finally:
        starting.cancel()
        await bus.stop()


async def _said(lines: list[MutableMapping[str, Any]], words: str) -> bool:
    return any(words in line["event"] for line in lines)


def test_a_second_time_only_passwords_and_rights_are_set_anew(
    servers: Servers, broker_url: str, tmp_path: Path
) -> None:
    definitions = definitions_for(broker_url)
    assert bring(servers, definitions, tmp_path, "the first").returncode == 0
    vhost = urlsplit(broker_url).path[1:]
    parts = ("exchanges", "queues", "bindings")

    def there() -> list[list[dict[str, Any]]]:
        everything = [servers.rabbitmq.manage("GET", f"/api/{part}/{vhost}") for part in parts]
        return [[{name: thing.get(name) for name in STABLE} for thing in some] for some in everything]

    before = there()
    assert bring(servers, definitions, tmp_path, "the second").returncode == 0
    assert there() == before
    asked = servers.rabbitmq.manage("GET", f"/api/permissions/{vhost}/{name_of('otp')}")
    wanted = next(rights for rights in definitions["permissions"] if rights["user"] == name_of("otp"))
    assert asked == wanted
    assert asyncio.run(_connects(url_of(broker_url, "otp", "the%20second")))
    assert not asyncio.run(_connects(url_of(broker_url, "otp", "the%20first")))


async def _connects(url: str) -> bool:
    try:
        await (await aio_pika.connect(url)).close()
    except ProbableAuthenticationError:
        return False
    return True


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OTP_RABBITMQ_PASSWORD": ""}, "OTP_RABBITMQ_PASSWORD must be set"),
        (
            {"OTP_RABBITMQ_PASSWORD_FILE": "/nowhere"},
            "OTP_RABBITMQ_PASSWORD and OTP_RABBITMQ_PASSWORD_FILE are both set",
        ),
        (
            {"OTP_RABBITMQ_PASSWORD": "", "OTP_RABBITMQ_PASSWORD_FILE": "/nowhere"},
            "OTP_RABBITMQ_PASSWORD_FILE names a file that cannot be read",
        ),
        (
            {"OTP_RABBITMQ_PASSWORD": "", "OTP_RABBITMQ_PASSWORD_FILE": "/dev/null"},
            "OTP_RABBITMQ_PASSWORD_FILE names a file that is empty",
        ),
    ],
)
def test_a_password_that_is_missing_is_said(
    servers: Servers, broker_url: str, tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    renamed = {f"{name_of('x')[:-1]}{name}".upper(): value for name, value in variables.items()}
    done = bring(servers, definitions_for(broker_url), tmp_path, **renamed)
    assert done.returncode == 2
    prefix = name_of("x")[:-1].upper()
    assert words in done.stderr.replace(prefix, "")
