"""What the operator's user does in RabbitMQ: looks at every queue's length, and moves dead letters.

Nothing is declared, and nothing is consumed: dead letters are got one by one, held unacknowledged, and go back when
they are not settled, also where this process is killed.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, DeliveryError, PublishError
from aiormq.exceptions import AMQPError as LowerAMQPError
from aiormq.exceptions import ChannelAccessRefused, ProbableAuthenticationError

from kinbind_operations.errors import RefusedError, UnreachableError
from kinbind_operations.settings import SERVICES
from shared.bus import RETRIES_HEADER, RETRY_DELAYS_SECONDS, dead_letter_name, event_queue, retry_queue
from shared.events import HEARD_BY
from shared.requests import ISSUE_CODE, REDEEM_CODE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, HeadersType

TIMEOUT_SECONDS = 10
#: Another process may hold them meanwhile; then nobody waits for longer.
SHOWN_SECONDS = 3
LOOK_SECONDS = 0.05
DEAD = ".dead"
#: RabbitMQ 4 drops what went back to a quorum queue 20 times: what is looked at so often is renewed before that.
RENEWED_AFTER = 10
#: What the broker writes about a death. A message that is sent again begins anew.
TRACES = ("x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count", RETRIES_HEADER)


@dataclass(frozen=True, slots=True)
class QueueState:
    """How long a queue is, and how many consumers it has; both None where it does not exist."""

    name: str
    messages: int | None
    consumers: int | None

    @property
    def is_dead(self) -> bool:
        """Whether it holds dead letters."""
        return self.name.endswith(DEAD)


def event_queues() -> Iterator[str]:
    """The names of the queues that consumers have."""
    for event, consumers in HEARD_BY.items():
        for consumer in consumers:
            yield event_queue(consumer, event).name


def dead_queues() -> list[str]:
    """The names of the queues that dead letters lie in."""
    return sorted(map(dead_letter_name, event_queues()))


def other_queues() -> Iterator[str]:
    """Those of requests and of what is to be tried again."""
    yield from (ISSUE_CODE, REDEEM_CODE)
    for service in SERVICES:
        yield from (retry_queue(service, delay).name for delay in RETRY_DELAYS_SECONDS)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AbstractConnection]:
    """A connection for the time of the block. Raises UnreachableError, or RefusedError where a right is missing."""
    where = urlsplit(url).netloc.rpartition("@")[2]
    try:
        connection = await aio_pika.connect(url, timeout=TIMEOUT_SECONDS)
    except ProbableAuthenticationError:
        msg = f"RabbitMQ at {where} refuses the operator's user: see KINBIND_RABBITMQ_URL"
        raise RefusedError(msg) from None
    except (OSError, AMQPError, LowerAMQPError, TimeoutError) as fault:
        msg = f"RabbitMQ at {where} cannot be reached ({type(fault).__name__})"
        raise UnreachableError(msg) from None
    try:
        yield connection
    except ChannelAccessRefused:
        msg = "RabbitMQ refuses: the operator's user must read queues that end in .dead and write to amq.default"
        raise RefusedError(msg) from None
    except (OSError, AMQPError, LowerAMQPError, TimeoutError) as fault:
        msg = f"RabbitMQ at {where} was lost ({type(fault).__name__}); what was not settled has gone back to its queue"
        raise UnreachableError(msg) from None
    finally:
        await connection.close()


async def state_of(connection: AbstractConnection, name: str) -> QueueState:
    """How one queue stands."""
    # A channel each: one that does not find its queue is closed by the broker.
    channel = await connection.channel()
    try:
        state = await _state_on(channel, name)
    except ChannelNotFoundEntity:
        return QueueState(name, None, None)
    await channel.close()
    return state


async def _state_on(channel: AbstractChannel, name: str) -> QueueState:
    declared = await channel.declare_queue(name, passive=True, timeout=TIMEOUT_SECONDS)
    result = declared.declaration_result
    return QueueState(name, result.message_count or 0, result.consumer_count or 0)


class Held:
    """Dead letters of a queue that were taken to be looked at: this process has them until they are settled."""

    def __init__(self, channel: AbstractChannel, queue: str) -> None:
        self._channel = channel
        self.queue = queue
        self._open: list[AbstractIncomingMessage] = []

    async def take(self, *, once: bool = False) -> AsyncIterator[AbstractIncomingMessage]:
        """One after the other, to the end of the queue.

        With ``once`` the second of one id is held and passed over: it may have been sent back, and have died again.
        """
        found = await self._channel.get_queue(self.queue, ensure=False)
        seen: set[str | bytes] = set()
        while message := await found.get(fail=False, timeout=TIMEOUT_SECONDS):
            self._open.append(message)
            key = message.message_id or message.body
            if not once or key not in seen:
                seen.add(key)
                yield message

    async def send_back(self, message: AbstractIncomingMessage) -> None:
        """To the queue where it died, for another try. Raises RefusedError where that queue does not take it.

        It is acknowledged here once the broker has it there: killed in between, it is in both, and the consumer's
        inbox makes that one in effect.
        """
        await self._publish(message, self.queue.removesuffix(DEAD), _without_traces(message))
        await self.drop(message)

    async def drop(self, message: AbstractIncomingMessage) -> None:
        """It is gone."""
        await message.ack()
        self._open.remove(message)

    async def put_back(self) -> None:
        """All that was not settled; returns when the queue shows it."""
        count = len(self._open)
        for message in list(self._open):
            if int(str(message.headers.get("x-delivery-count", 0))) >= RENEWED_AFTER:
                await self._publish(message, self.queue, dict(message.headers))
                await self.drop(message)
            else:
                await message.nack(requeue=True)
                self._open.remove(message)
        if count:
            await self._until_shown(count)

    async def _until_shown(self, count: int) -> None:
        """A quorum queue counts what went back a moment later, and whoever looks next must find it."""
        end = time.monotonic() + SHOWN_SECONDS
        while ((await _state_on(self._channel, self.queue)).messages or 0) < count and time.monotonic() < end:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(LOOK_SECONDS)

    async def _publish(self, message: AbstractIncomingMessage, queue: str, headers: HeadersType) -> None:
        copy = Message(
            message.body,
            headers=headers,
            content_type=message.content_type,
            correlation_id=message.correlation_id,
            message_id=message.message_id,
            type=message.type,
            app_id=message.app_id,
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        try:
            # By the default exchange, mandatory and confirmed: it comes back where there is no such queue.
            await self._channel.default_exchange.publish(copy, queue, timeout=TIMEOUT_SECONDS)
        except (DeliveryError, PublishError):
            msg = f"{queue} does not take the message (it does not exist, or is full); it stays in {self.queue}"
            raise RefusedError(msg) from None


@asynccontextmanager
async def holding(connection: AbstractConnection, queue: str) -> AsyncIterator[Held]:
    """The dead letters of ``queue`` for the time of the block; what is not settled in it goes back at its end."""
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    held = Held(channel, queue)
    try:
        yield held
    finally:
        await held.put_back()
        # Its answer says that all of that has arrived.
        await channel.close()


def _without_traces(message: AbstractIncomingMessage) -> HeadersType:
    return {name: value for name, value in message.headers.items() if not name.startswith(TRACES)}
