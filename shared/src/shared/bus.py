"""The bus: FastStream on RabbitMQ, with the topology and the manners that every service keeps.

::

    kinbind.events (topic) ──type──▶ review.binding.submitted.v1 ──▶ handler ──fails──▶ review.retry.10s
                                            │        ▲                                        │
                                   bad, or too often └───────── when the delay is over ───────┘
                                            ▼
                                review.binding.submitted.v1.dead

- One quorum queue for each consumer and event, named ``<consumer>.<event type>``, and a dead-letter queue for each.
- One queue for each service and delay holds what is to be tried again. It dead-letters to the default exchange under
  the routing key that the message came with, which is the name of the queue that it goes back to.
- A message that can never succeed (malformed, an unknown version, not to be unsealed) is dead-lettered at once. One
  that failed for another reason is tried again after each delay, then dead-lettered. One that only met a database that
  was away is tried again until it is back.
- ``kinbind.direct`` knows every queue by its name, as the default exchange does: requests, their answers and what is
  told to one consumer again travel by it. What a service may write there its topic rights say; on the default exchange
  RabbitMQ knows no such rights, so who may publish there at all reaches every queue.
- Everything is declared at startup; nothing is assumed to exist. Where services have users of their own with the least
  rights (deploy/rabbitmq), a job has declared it before, and a service only looks.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog
from aio_pika import exceptions as pika_errors
from aio_pika.channel import Channel as PlainChannel
from aiormq import exceptions as amqp_errors
from faststream import BaseMiddleware
from faststream.exceptions import AckMessage, NackMessage, RejectMessage
from faststream.middlewares import AckPolicy
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.opentelemetry import RabbitTelemetryMiddleware
from faststream.rabbit.prometheus import RabbitPrometheusMiddleware
from faststream.rabbit.response import RabbitResponse

from shared import tracing
from shared.database import DATABASE_FAULTS
from shared.events import HEARD_BY
from shared.logs import start_correlation
from shared.metrics import MESSAGES_DEAD_LETTERED, MESSAGES_REDELIVERED, MESSAGES_RETRIED, REGISTRY, expect_queue
from shared.outbox import BrokerAwayError
from shared.sealing import UnsealError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from aio_pika.abc import AbstractChannel
    from faststream.message import StreamMessage
    from faststream.rabbit.subscriber import RabbitSubscriber
    from pydantic import BaseModel

    from shared.events import Event

CONTENT_TYPE = "application/cloudevents+json"
EVENTS_EXCHANGE = RabbitExchange("kinbind.events", type=ExchangeType.TOPIC, durable=True)
DIRECT_EXCHANGE = RabbitExchange("kinbind.direct", type=ExchangeType.TOPIC, durable=True)
RETRY_DELAYS_SECONDS = (1, 10, 60, 600)
DATABASE_RETRY_DELAY_SECONDS = 10
RETRIES_HEADER = "x-kinbind-retries"
#: Milliseconds since 1970 after which nobody waits for the answer to a request.
DEADLINE_HEADER = "x-kinbind-deadline"
#: A request's chain of causes; an event has its own as its AMQP correlation id.
CAUSE_HEADER = "x-kinbind-cause"
#: After so many deliveries without an answer (the process died each time) the broker dead-letters by itself.
DELIVERY_LIMIT = 20
RECONNECT_SECONDS = 1
SEND_BACK_TIMEOUT_SECONDS = 5
#: A frozen node takes connections and says nothing.
CONNECT_TIMEOUT_SECONDS = 10
#: aiormq gives a connection up after three of them and three seconds. RabbitMQ advises against less than five.
HEARTBEAT_SECONDS = 5

#: A broker that is away; RuntimeError is aiormq's for a connection that is just being replaced.
BROKER_FAULTS = (OSError, RuntimeError, TimeoutError, pika_errors.AMQPError, amqp_errors.AMQPError)
UNREADABLE = (ValueError, RecursionError, UnsealError, asyncpg.DataError)

log = structlog.get_logger(__name__)

E = TypeVar("E", bound="Event")


def event_queue(consumer: str, event: type[Event]) -> RabbitQueue:
    """The queue in which ``consumer`` finds its copies of ``event``."""
    name = f"{consumer}.{event.TYPE.removeprefix('kinbind.')}"
    return RabbitQueue(
        name,
        queue_type=QueueType.QUORUM,
        durable=True,
        routing_key=event.TYPE,
        arguments={
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead_letter_name(name),
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def dead_letter_name(queue: str) -> str:
    """Where the queue's lost causes lie until an operator reads them."""
    return f"{queue}.dead"


def _dead_letter_queue(queue: RabbitQueue) -> RabbitQueue:
    return RabbitQueue(dead_letter_name(queue.name), queue_type=QueueType.QUORUM, durable=True)


def request_queue(name: str) -> RabbitQueue:
    """The queue of a request/reply endpoint. What nobody took within its deadline the broker forgets.

    A quorum queue too: a classic one lives on one node of a cluster, and dies with it.
    """
    return RabbitQueue(name, queue_type=QueueType.QUORUM, durable=True)


def with_heartbeat(url: str) -> str:
    """The address with our heartbeat, unless it names another: a machine that dies closes no connection."""
    query = urlsplit(url).query
    if "heartbeat" in parse_qs(query):
        return url
    return f"{url}{'&' if query else '?'}heartbeat={HEARTBEAT_SECONDS}"


@dataclass(frozen=True, slots=True)
class Topology:
    """What there must be on a broker for a service to work with it; a binding is (queue, exchange, routing key)."""

    exchanges: tuple[RabbitExchange, ...]
    queues: tuple[RabbitQueue, ...]
    bindings: tuple[tuple[str, str, str], ...]


class Bus:
    """One service's connection to RabbitMQ: what it consumes, what it answers, what it publishes.

    With ``declares`` it makes what it needs there; without, it insists that all of it is there.
    """

    def __init__(
        self, url: str, service: str, *, prefetch: int = 20, graceful_timeout: float = 15, declares: bool = True
    ) -> None:
        self.service = service
        self.consumed: list[type[Event]] = []
        self.published: list[type[Event]] = []
        self.answered: list[str] = []
        self.asked: list[str] = []
        self._prefetch = prefetch
        self._declares = declares
        self._declaring: AbstractChannel | None = None
        self._answering: list[RabbitQueue] = []
        self._ready = asyncio.Event()
        self._channels: list[Channel] = []
        self.broker = RabbitBroker(
            with_heartbeat(url),
            timeout=CONNECT_TIMEOUT_SECONDS,
            app_id=service,
            default_channel=Channel(on_return_raises=True),
            graceful_timeout=graceful_timeout,
            reconnect_interval=RECONNECT_SECONDS,
            middlewares=(*_observers(), Deliveries),
            decoder=_decode,
            logger=None,
            on_reconnected=[lambda _: self._ready.set()],
            on_close=[lambda *_: self._ready.clear()],
        )

    def consume(self, event: type[E]) -> Callable[[Callable[[E], Awaitable[None]]], Any]:
        """Decorator: the function gets each copy of ``event``. It must be idempotent (see shared.inbox)."""
        queue = event_queue(self.service, event)
        self.consumed.append(event)
        expect_queue(queue.name)
        return self._subscriber(queue, EVENTS_EXCHANGE, AckPolicy.REJECT_ON_ERROR)

    def publishes(self, *events: type[Event]) -> None:
        """Name the events that the outbox hands over: for the AsyncAPI document, and so that queues wait for them."""
        self.published.extend(events)
        exchange = self._met(EVENTS_EXCHANGE)
        for event in events:
            self.broker.publisher(routing_key=event.TYPE, exchange=exchange, schema=event, title=event.__name__)

    def _met(self, exchange: RabbitExchange) -> RabbitExchange:
        """The exchange as this service meets it: made where that is its part, else insisted on."""
        return RabbitExchange(exchange.name, type=exchange.type, durable=True, declare=self._declares)

    def answer(self, name: str) -> Callable[[Callable[..., Awaitable[RabbitResponse]]], Any]:
        """Decorator: the function answers requests sent to ``name``; see :func:`reply`."""
        queue = request_queue(name)
        self.answered.append(name)
        self._answering.append(queue)
        return self._subscriber(queue, DIRECT_EXCHANGE, AckPolicy.ACK)

    def asks(self, *names: str) -> None:
        """Name the queues that requests go to (see shared.requests): they are there before who answers them is."""
        self.asked.extend(names)

    def _subscriber(self, queue: RabbitQueue, exchange: RabbitExchange, ack_policy: AckPolicy) -> RabbitSubscriber:
        # A channel each: an error that closes it leaves every other consumer alone.
        channel = Channel(prefetch_count=self._prefetch)
        self._channels.append(channel)
        queue.declare = self._declares
        return self.broker.subscriber(queue, exchange, channel=channel, ack_policy=ack_policy)

    @property
    def is_connected(self) -> bool:
        """Whether the broker is there."""
        return self._ready.is_set()

    async def is_consuming(self) -> bool:
        """Whether the broker is there and the channel of every consumer is open."""
        if not self._ready.is_set():
            return False
        channels = [await self.broker.config.channel_manager.get_channel(channel) for channel in self._channels]
        return not any(channel.is_closed for channel in channels)

    async def start(self) -> None:
        """Connect, declare everything, consume. Tries for ever, so that a service may start before its broker."""
        while True:
            try:
                await self.broker.connect()
                if self._declares:
                    await self._declare()
                # FastStream publishes on the channel by which it has first met the exchange: not a consumer's, which
                # takes an event that came back for one that arrived.
                for exchange in (EVENTS_EXCHANGE, DIRECT_EXCHANGE):
                    await self.broker.declare_exchange(self._met(exchange))
                await self.broker.start()
            # A lost heartbeat raises CancelledError from within, and a connection that is just being replaced
            # RuntimeError; only a cancellation of this very task ends it.
            except (*BROKER_FAULTS, asyncio.CancelledError) as fault:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                lacking = isinstance(fault, amqp_errors.AMQPChannelError)
                words = "the broker lacks a queue or exchange, or a right" if lacking else "broker not reachable yet"
                log.warning(words, fault=type(fault).__name__)
                await self.broker.stop()
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                self._ready.set()
                return

    async def stop_consuming(self) -> None:
        """Take no new messages and let handlers finish within the graceful timeout; publishing goes on."""
        await asyncio.gather(*(subscriber.stop() for subscriber in self.broker.subscribers))

    async def stop(self) -> None:
        """Stop consuming and close the connection."""
        self._ready.clear()
        await self.broker.stop()

    async def publish_event(self, *, event_id: UUID, type_: str, body: bytes, correlation_id: str) -> None:
        """Hand one event to the broker; returns when it is confirmed. The outbox relay's ``Publish``."""
        if not self._ready.is_set():
            raise BrokerAwayError
        try:
            await self.broker.publish(
                body,
                exchange=EVENTS_EXCHANGE,
                routing_key=type_,
                persist=True,
                message_id=str(event_id),
                correlation_id=correlation_id,
                content_type=CONTENT_TYPE,
                message_type=type_,
            )
        except (
            ConnectionError,
            TimeoutError,
            amqp_errors.ChannelInvalidStateError,
            amqp_errors.AMQPConnectionError,
        ) as fault:
            raise BrokerAwayError from fault

    def topology(self) -> Topology:
        """All that this service works with: its own, and what those need who hear what it publishes.

        An event that is published before one of its consumers was ever started waits for it in its queue.
        """
        exchanges, queues = [EVENTS_EXCHANGE, DIRECT_EXCHANGE], []
        bindings: list[tuple[str, str, str]] = []
        for delay in RETRY_DELAYS_SECONDS:
            exchanges.append(retry_exchange(self.service, delay))
            queues.append(retry_queue(self.service, delay))
            bindings.append((queues[-1].name, exchanges[-1].name, "#"))
        heard = [(self.service, event) for event in self.consumed]
        heard += [(consumer, event) for event in self.published for consumer in HEARD_BY[event]]
        for consumer, event in heard:
            queue = event_queue(consumer, event)
            queues += [_dead_letter_queue(queue), queue]
            bindings += [(queue.name, EVENTS_EXCHANGE.name, event.TYPE), (queue.name, DIRECT_EXCHANGE.name, queue.name)]
        for name in (*self.answered, *self.asked):
            queues.append(request_queue(name))
            bindings.append((name, DIRECT_EXCHANGE.name, name))
        return Topology(tuple(exchanges), tuple(queues), tuple(bindings))

    async def _declare(self) -> None:
        """All of the topology, on a channel that makes it anew when the broker comes back without it."""
        connection = await self.broker.connect()
        self._declaring = channel = await connection.channel()
        topology = self.topology()
        requests = {name: request_queue(name) for name in (*self.answered, *self.asked)}
        kept = {name for name, queue in requests.items() if await self._is_of_an_earlier_kind(queue)}
        for answered in self._answering:
            answered.declare = answered.name not in kept
        for exchange in topology.exchanges:
            await channel.declare_exchange(exchange.name, exchange.type.value, durable=True)
        queues = {
            queue.name: await channel.get_queue(queue.name, ensure=False)
            if queue.name in kept
            else await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
            for queue in topology.queues
        }
        for queue, source, key in topology.bindings:
            await queues[queue].bind(source, key)

    async def _is_of_an_earlier_kind(self, queue: RabbitQueue) -> bool:
        """Whether the broker has the queue as an earlier version declared it, and refuses to see it declared otherwise.

        It is used as it is then, by processes of both versions, and is of the new kind once somebody has deleted it.
        """
        # A channel of its own, because the refusal closes it, and not one that would ask again after each reconnection.
        channel = await PlainChannel(await self.broker.connect())
        try:
            await channel.declare_queue(queue.name, durable=queue.durable, arguments=queue.arguments)
        except pika_errors.ChannelPreconditionFailed:
            log.warning("a queue of an earlier version is used as it is", queue=queue.name)
            return True
        await channel.close()
        return False


def reply(model: BaseModel) -> RabbitResponse:
    """What an answering function returns. Not mandatory: a caller that has gone away is no fault of ours."""
    return RabbitResponse(model.model_dump_json().encode(), content_type="application/json", mandatory=False)


def retry_exchange(service: str, delay: int) -> RabbitExchange:
    """Takes what is to come back after ``delay`` seconds; the routing key is the queue that it comes back to."""
    # A topic exchange, because RabbitMQ knows rights by routing key for those alone: without, whoever may send its own
    # messages back could send anything into anybody's queue.
    return RabbitExchange(f"{service}.retry-in.{delay}s", type=ExchangeType.TOPIC, durable=True)


def retry_queue(service: str, delay: int) -> RabbitQueue:
    """Where it waits for so many seconds."""
    return RabbitQueue(
        f"{service}.retry.{delay}s",
        queue_type=QueueType.QUORUM,
        durable=True,
        arguments={
            "x-message-ttl": delay * 1000,
            "x-dead-letter-exchange": "",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


async def _decode(message: StreamMessage[Any]) -> Any:  # noqa: ANN401 - whatever JSON holds
    return json.loads(message.body)


def _observers() -> list[Any]:
    """FastStream's own metrics and traces, around :class:`Deliveries`: they see what it decided, no fault's text."""
    measuring = RabbitPrometheusMiddleware(registry=REGISTRY, app_name="kinbind", metrics_prefix="kinbind_bus")
    return [measuring, RabbitTelemetryMiddleware()] if tracing.is_on() else [measuring]


class Deliveries(BaseMiddleware):
    """What becomes of a message that a handler could not take, and the correlation id of the ones it could."""

    async def consume_scope(
        self, call_next: Callable[[StreamMessage[Any]], Awaitable[Any]], msg: StreamMessage[Any]
    ) -> Any:  # noqa: ANN401 - FastStream's
        """Answer every fault here: one that left this would be logged with its text, which may quote data."""
        queue: str = self.context.get_local("handler_").queue.name
        start_correlation(msg.headers.get(CAUSE_HEADER) or msg.correlation_id, message_id=msg.message_id, queue=queue)
        if msg.raw_message.redelivered:
            MESSAGES_REDELIVERED.labels(queue).inc()
        deadline = msg.headers.get(DEADLINE_HEADER)
        if deadline is not None and time.time() * 1000 > int(deadline):
            log.info("request dropped: nobody waits for its answer any more")
            raise AckMessage
        try:
            return await call_next(msg)
        except Exception as fault:
            if deadline is not None:
                log.exception("request failed; its caller will time out")
                raise AckMessage from None
            delay = _delay(msg, fault)
            log.warning(
                "message not handled", fault=type(fault).__name__, again_in=delay, exc_info=not _is_foreseen(fault)
            )
            if delay is None:
                MESSAGES_DEAD_LETTERED.labels(queue, "unreadable" if isinstance(fault, UNREADABLE) else "failed").inc()
                raise RejectMessage(requeue=False) from None
            counts = not isinstance(fault, DATABASE_FAULTS)
            MESSAGES_RETRIED.labels(queue, "fault" if counts else "database").inc()
            try:
                async with asyncio.timeout(SEND_BACK_TIMEOUT_SECONDS):
                    await self._send_back(msg, queue, delay, counts=counts)
            except Exception as lost:  # noqa: BLE001 - whatever it was, the message must not be lost
                # The broker keeps it; its own delivery limit bounds how often this can happen.
                log.warning("message not sent back; the broker has it again", fault=type(lost).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)
                raise NackMessage(requeue=True) from None
            raise AckMessage from None

    async def _send_back(self, msg: StreamMessage[Any], queue: str, delay: int, *, counts: bool) -> None:
        broker: RabbitBroker = self.context.get("broker")
        service = queue.partition(".")[0]
        await broker.publish(
            msg.body,
            exchange=retry_exchange(service, delay),
            routing_key=queue,
            persist=True,
            message_id=msg.message_id,
            correlation_id=msg.correlation_id,
            content_type=msg.content_type,
            headers={**msg.headers, RETRIES_HEADER: int(msg.headers.get(RETRIES_HEADER, 0)) + counts},
        )


def _delay(msg: StreamMessage[Any], fault: Exception) -> int | None:
    """Seconds until the message is tried again; None when it is to be dead-lettered."""
    # pydantic's and json's errors are ValueErrors, endless nesting is a RecursionError, a value that no column holds a
    # DataError: no later try will read the same bytes differently.
    if isinstance(fault, UNREADABLE):
        return None
    if isinstance(fault, DATABASE_FAULTS):
        return DATABASE_RETRY_DELAY_SECONDS
    retries = int(msg.headers.get(RETRIES_HEADER, 0))
    return RETRY_DELAYS_SECONDS[retries] if retries < len(RETRY_DELAYS_SECONDS) else None


def _is_foreseen(fault: Exception) -> bool:
    return isinstance(fault, (*UNREADABLE, *DATABASE_FAULTS))
