"""Each service's user at RabbitMQ may do what the service does, and nothing else."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.exceptions import PublishError
from aiormq.exceptions import ChannelAccessRefused

from contract.documents import SUBSCRIBE, bus_of
from shared.bus import DIRECT_EXCHANGE, EVENTS_EXCHANGE, RETRY_DELAYS_SECONDS, event_queue, retry_exchange
from shared.events import EVENTS, HEARD_BY
from shared.requests import ISSUE_CODE, REDEEM_CODE
from support.rights import bring, definitions_for, for_readers, reader_name, reader_url, url_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from aio_pika.abc import AbstractChannel

    from local_stack.servers import Servers

SERVICES = ("otp", "binding", "review", "notify")
REQUESTS = {ISSUE_CODE, REDEEM_CODE}
QUEUES = {queue.name for service in SUBSCRIBE for queue in bus_of(service).topology().queues}
EXCHANGES = {exchange.name for service in SUBSCRIBE for exchange in bus_of(service).topology().exchanges}
REPLIES = "binding.replies.0123456789abcdef"
#: What the outside reader hears.
READ = "kinbind.binding.approved.v1"
READERS = {f"reader-{reader_name()}.events", f"reader-{reader_name()}.rejected"}

by_service = pytest.mark.parametrize("service", SERVICES)


class User:
    """A connection as one of the users: what it is refused, of what it tries."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection) -> None:
        self._connection = connection

    async def refused(self, names: Iterable[str], act: Callable[[AbstractChannel, str], Awaitable[Any]]) -> set[str]:
        """The names with which ``act`` is refused."""
        return {name for name in names if await self.is_refused(lambda channel, name=name: act(channel, name))}

    async def is_refused(self, act: Callable[[AbstractChannel], Awaitable[Any]]) -> bool:
        """Whether the broker refuses for want of a right; a channel each, since that closes it."""
        channel = await self._connection.channel(on_return_raises=True)
        try:
            await act(channel)
        except ChannelAccessRefused:
            return True
        except PublishError:
            # Allowed, and there was no queue for it.
            return False
        finally:
            if not channel.is_closed:
                await channel.close()
        return False


@pytest.fixture(scope="module")
def ready_url(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a vhost that was made ready for the services; one for all, since nothing here lets it change."""
    vhost = f"test-{uuid4().hex[:12]}"
    servers.rabbitmq.make_vhost(vhost)
    url = servers.rabbitmq.of_vhost(vhost)
    reader = for_readers({"warehouse": [READ]})
    done = bring(servers, definitions_for(url), tmp_path_factory.mktemp("rights"), **reader)
    assert done.returncode == 0, done.stderr
    yield url
    servers.rabbitmq.manage("DELETE", f"/api/users/reader-{reader_name()}")
    servers.rabbitmq.drop_vhost(vhost)


@pytest.fixture
async def user(service: str, ready_url: str) -> AsyncIterator[User]:
    """The user of ``service`` there."""
    async with await aio_pika.connect(url_of(ready_url, service)) as connection:
        yield User(connection)


@pytest.fixture
async def reader(ready_url: str) -> AsyncIterator[User]:
    """The user of an outside reader there."""
    async with await aio_pika.connect(reader_url(ready_url)) as connection:
        yield User(connection)


def publishing(exchange: str) -> Callable[[AbstractChannel, str], Awaitable[None]]:
    """Publish under a routing key, which is the name that is tried."""

    async def act(channel: AbstractChannel, key: str) -> None:
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        await target.publish(aio_pika.Message(b"{}"), key)

    return act


async def reading(channel: AbstractChannel, queue: str) -> None:
    """Get a message of a queue."""
    await (await channel.get_queue(queue, ensure=False)).get(fail=False)


async def consuming(channel: AbstractChannel, queue: str) -> None:
    """Consume a queue."""
    await (await channel.get_queue(queue, ensure=False)).consume(_forget)


def own_queues(service: str) -> set[str]:
    """What a service takes messages from, by the lists of who hears what."""
    heard = {event_queue(service, event).name for event, consumers in HEARD_BY.items() if service in consumers}
    return heard | (REQUESTS if service == "otp" else set())


@by_service
async def test_a_service_reads_its_own_queues_and_no_others(service: str, user: User) -> None:
    others = QUEUES - own_queues(service)
    assert own_queues(service)
    assert len(others) > 60
    assert await user.refused(own_queues(service), reading) == set()
    assert await user.refused(others, reading) == others
    assert await user.refused(sorted(own_queues(service))[:1], consuming) == set()
    assert len(await user.refused(sorted(others)[::20], consuming)) >= 3


@by_service
async def test_a_service_publishes_its_own_events_and_no_others(service: str, user: User) -> None:
    types = {event.TYPE for event in EVENTS}
    foreign = {type_ for type_ in types if type_.split(".")[1] != service}
    assert await user.refused([*types, "anything"], publishing(EVENTS_EXCHANGE.name)) == {*foreign, "anything"}


@pytest.mark.parametrize("service", ["review"])
@pytest.mark.parametrize("header", ["CC", "BCC"])
async def test_a_further_routing_key_in_a_header_counts_too(user: User, servers: Servers, header: str) -> None:
    """RabbitMQ 3 looks at the first one alone, so a broker of its rights' worth is of version 4."""
    overview: Any = servers.rabbitmq.manage("GET", "/api/overview")
    keeps_rights = int(overview["rabbitmq_version"].split(".")[0]) >= 4

    def publishing_to_two(exchange: str, own: str, other: str) -> Callable[[AbstractChannel], Awaitable[None]]:
        async def act(channel: AbstractChannel) -> None:
            target = await channel.get_exchange(exchange, ensure=False)
            await target.publish(aio_pika.Message(b"{}", headers={header: [other]}), own)

        return act

    events = publishing_to_two(EVENTS_EXCHANGE.name, "kinbind.review.decision-made.v1", "kinbind.otp.code-issued.v1")
    later = publishing_to_two("review.retry-in.1s", "review.binding.approved.v1", "binding.review.decision-made.v1")
    assert await user.is_refused(events) == keeps_rights
    assert await user.is_refused(later) == keeps_rights


@by_service
async def test_a_service_puts_nothing_into_a_queue_past_the_events(service: str, user: User) -> None:
    names = QUEUES | {REPLIES, "anything"}
    assert await user.refused(names, publishing("")) == names
    # Operators let it tell again, to one consumer alone, the events that are its own.
    told_again = {name for consumer in SERVICES for name in own_queues(consumer) if name.split(".")[1] == service}
    allowed = {"binding": REQUESTS, "otp": {REPLIES}}.get(service, set())
    assert await user.refused(names, publishing(DIRECT_EXCHANGE.name)) == names - allowed - told_again


@by_service
async def test_what_is_sent_back_for_later_comes_back_to_its_own_queue_alone(service: str, user: User) -> None:
    own = {event_queue(service, event).name for event in EVENTS if service in HEARD_BY[event]}
    assert await user.refused(QUEUES, publishing(f"{service}.retry-in.1s")) == QUEUES - own
    some = {*sorted(own)[:1], "review.binding.approved.v1", "binding.review.decision-made.v1", "otp.issue-code"}
    for owner, delay in product(SERVICES, RETRY_DELAYS_SECONDS):
        exchange = retry_exchange(owner, delay).name
        allowed = own if owner == service else set()
        assert await user.refused(some, publishing(exchange)) == some - allowed, exchange


@by_service
async def test_a_service_neither_makes_nor_takes_away_anything(service: str, user: User) -> None:
    new = {"anything", "amq.gen-anything", f"{service}.anything", "binding.replies.", "binding.replies.x.dead"}
    for names, act in (
        (QUEUES | new, lambda channel, name: channel.declare_queue(name, exclusive=True)),
        (QUEUES, lambda channel, name: channel.queue_delete(name)),
        (EXCHANGES | new, lambda channel, name: channel.declare_exchange(name)),
        (EXCHANGES, lambda channel, name: channel.exchange_delete(name)),
    ):
        assert await user.refused(names, act) == names
    purged = {name for name in QUEUES if name not in own_queues(service)}
    assert await user.refused(purged, lambda channel, name: _queue(channel, name, "purge")) == purged


@by_service
async def test_a_service_hears_no_more_by_binding_its_queues(service: str, user: User) -> None:
    for queue in own_queues(service):
        assert await user.is_refused(lambda channel, queue=queue: _bind(channel, queue, "kinbind.#"))
        assert await user.is_refused(lambda channel, queue=queue: _bind(channel, queue, EVENTS[0].TYPE))
        assert await user.is_refused(lambda channel, queue=queue: _unbind(channel, queue, EVENTS[0].TYPE))


@pytest.mark.parametrize("service", ["binding"])
async def test_who_asks_makes_a_queue_for_the_answers_and_hears_nothing_else_there(user: User) -> None:
    def bind(exchange: str, key: str) -> Callable[[AbstractChannel], Awaitable[None]]:
        async def act(channel: AbstractChannel) -> None:
            queue = await channel.declare_queue(REPLIES, exclusive=True, auto_delete=True)
            await queue.bind(exchange, key)
            await queue.delete(if_unused=False, if_empty=False)

        return act

    assert not await user.is_refused(bind(DIRECT_EXCHANGE.name, REPLIES))
    for exchange, key in (
        (EVENTS_EXCHANGE.name, "kinbind.otp.code-issued.v1"),
        (EVENTS_EXCHANGE.name, "#"),
        (DIRECT_EXCHANGE.name, "#"),
        (DIRECT_EXCHANGE.name, ISSUE_CODE),
        ("binding.retry-in.1s", "#"),
        ("review.retry-in.1s", "#"),
    ):
        assert await user.is_refused(bind(exchange, key)), (exchange, key)


@pytest.mark.parametrize("service", ["operator"])
async def test_the_operator_moves_dead_letters_and_nothing_else(user: User) -> None:
    dead = {name for name in QUEUES if name.endswith(".dead")}
    assert await user.refused(QUEUES, reading) == QUEUES - dead
    assert await user.refused(QUEUES, publishing("")) == set()
    for exchange in EXCHANGES:
        assert await user.refused([EVENTS[0].TYPE], publishing(exchange)) == {EVENTS[0].TYPE}
    assert await user.refused(QUEUES, lambda channel, name: channel.queue_delete(name)) == QUEUES
    assert await user.refused({*QUEUES, "x"}, lambda channel, name: channel.declare_queue(name)) == {*QUEUES, "x"}


async def test_an_outside_reader_reads_its_own_two_queues_and_no_others(reader: User) -> None:
    assert await reader.refused(QUEUES | READERS, reading) == QUEUES
    assert await reader.refused(READERS, consuming) == set()
    assert await reader.refused(QUEUES | READERS, lambda channel, name: _queue(channel, name, "purge")) == QUEUES


async def test_an_outside_reader_says_nothing(reader: User) -> None:
    for exchange in EXCHANGES:
        assert await reader.is_refused(lambda channel, exchange=exchange: publishing(exchange)(channel, READ)), exchange
    assert await reader.refused(QUEUES | READERS, publishing("")) == QUEUES | READERS


async def test_an_outside_reader_neither_makes_nor_binds_nor_takes_away_anything(reader: User) -> None:
    new = {"anything", "amq.gen-anything", f"reader-{reader_name()}.more"}
    some = {*sorted(QUEUES)[::20], *READERS, *new}
    for names, act in (
        (some, lambda channel, name: channel.declare_queue(name, exclusive=True)),
        (some, lambda channel, name: channel.queue_delete(name)),
        (EXCHANGES | new, lambda channel, name: channel.declare_exchange(name)),
        (EXCHANGES, lambda channel, name: channel.exchange_delete(name)),
        (READERS, lambda channel, name: _bind(channel, name, "kinbind.otp.code-issued.v1")),
        (READERS, lambda channel, name: _bind(channel, name, READ)),
        (READERS, lambda channel, name: _unbind(channel, name, READ)),
    ):
        assert await reader.refused(names, act) == names


async def _forget(_: object) -> None:
    """Leave a message where it is: it goes back with the channel."""


async def _queue(channel: AbstractChannel, name: str, what: str, *arguments: object) -> None:
    await getattr(await channel.get_queue(name, ensure=False), what)(*arguments)


async def _bind(channel: AbstractChannel, queue: str, key: str) -> None:
    await _queue(channel, queue, "bind", EVENTS_EXCHANGE.name, key)


async def _unbind(channel: AbstractChannel, queue: str, key: str) -> None:
    await _queue(channel, queue, "unbind", EVENTS_EXCHANGE.name, key)
