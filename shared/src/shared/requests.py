"""Request/reply over RabbitMQ: the only way in which one service asks another.

The caller keeps one channel open for all of its requests, with a queue of its own for the answers, which goes when
the channel does. Not RabbitMQ's direct reply-to: such an answer travels by the default exchange, and whoever may write
there may write into every queue. A request carries an id and a deadline: the answering side drops what comes too late
and gives a repeated id its first answer again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import UUID, uuid4

import structlog
from aio_pika import Message
from aio_pika.channel import Channel as PlainChannel
from opentelemetry.trace import SpanKind
from pydantic import AwareDatetime

from shared import tracing
from shared.bus import BROKER_FAULTS, CAUSE_HEADER, DEADLINE_HEADER, DIRECT_EXCHANGE
from shared.events import Channel, Language, Model, Sealed
from shared.logs import correlation_id

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

    from shared.bus import Bus


log = structlog.get_logger(__name__)

A = TypeVar("A", bound=Model)


class NoAnswerError(Exception):
    """No answer in time: what was asked may or may not have been done. Ask again with the same id."""


class Requester:
    """Asks other services over the bus."""

    def __init__(self, bus: Bus, *, timeout_seconds: float = 5) -> None:
        self._bus = bus
        self._timeout = timeout_seconds
        self._opening = asyncio.Lock()
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None
        self._reply_to = ""
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def ask(self, queue: str, request_id: UUID, request: Model, answer: type[A]) -> A:
        """The answer of whoever answers ``queue``. Raises NoAnswerError within the time limit."""
        # The id of this exchange is not the request's: two tries of one request may be under way at once.
        exchange_id = f"{request_id}/{time.monotonic_ns()}"
        future = self._waiting[exchange_id] = asyncio.get_running_loop().create_future()
        try:
            with tracing.span(f"ask {queue}", SpanKind.CLIENT):
                async with asyncio.timeout(self._timeout):
                    exchange = await self._open()
                    await exchange.publish(self._message(exchange_id, request), queue)
                    return answer.model_validate_json(await future)
        except BROKER_FAULTS as fault:
            log.warning("no answer", queue=queue, fault=type(fault).__name__)
            raise NoAnswerError from fault
        finally:
            del self._waiting[exchange_id]

    def _message(self, exchange_id: str, request: Model) -> Message:
        return Message(
            request.model_dump_json().encode(),
            content_type="application/json",
            # AMQP's correlation id finds the way back to this call; the chain of causes travels beside it.
            correlation_id=exchange_id,
            reply_to=self._reply_to,
            expiration=self._timeout,
            headers={
                DEADLINE_HEADER: int((time.time() + self._timeout) * 1000),
                CAUSE_HEADER: correlation_id(),
                **tracing.headers(),
            },
        )

    async def _open(self) -> AbstractExchange:
        """The exchange that requests go to, on a channel where their answers are waited for."""
        async with self._opening:
            if self._exchange is None or self._channel is None or self._channel.is_closed:
                if not self._bus.is_connected:
                    # A robust connection remembers each channel that it was asked for while away, for ever.
                    raise ConnectionError
                connection = await self._bus.broker.connect()
                # Not one of the connection's own channels: those come back by themselves after the broker was away, and
                # would ask for a queue that the broker may still keep for the lost connection.
                self._channel = await PlainChannel(connection, on_return_raises=True)
                replies = await self._channel.declare_queue(
                    f"{reply_prefix(self._bus.service)}{uuid4().hex}", exclusive=True, auto_delete=True
                )
                await replies.bind(DIRECT_EXCHANGE.name)
                await replies.consume(self._take, no_ack=True)
                # As FastStream, which answers, reads it: queue and exchange.
                self._reply_to = f"{replies.name}|{DIRECT_EXCHANGE.name}"
                self._exchange = await self._channel.get_exchange(DIRECT_EXCHANGE.name, ensure=False)
            return self._exchange

    async def _take(self, message: AbstractIncomingMessage) -> None:
        future = self._waiting.get(message.correlation_id or "")
        if future is not None and not future.done():
            future.set_result(message.body)


def reply_prefix(service: str) -> str:
    """How the names of a service's queues for answers begin."""
    return f"{service}.replies."


# --- what otp answers ---

ISSUE_CODE = "otp.issue-code"
REDEEM_CODE = "otp.redeem-code"


class ContactToVerify(Model):
    """For otp: where the code goes (e-mail address or E.164), and the address of the client that asked."""

    contact: str
    client_address: str


class IssueCode(Model):
    """Issue a code for a login attempt; a former code of the same attempt dies.

    ``deliver`` is False where nobody is to get a code but the answer must not show it. ``acquainted`` says that who
    asks has shown before that the contact is theirs: such codes are counted apart, so that no stranger uses them up.
    """

    request_id: UUID
    attempt_id: UUID
    channel: Channel
    language: Language
    deliver: bool = True
    acquainted: bool = False
    for_otp: Sealed


class IssueCodeAnswer(Model):
    """``issued`` has times, ``too_soon`` and ``limited`` seconds to wait; ``refused``: no code for such a contact."""

    outcome: Literal["issued", "too_soon", "limited", "refused"]
    retry_after: int = 0
    expires_at: AwareDatetime | None = None
    resend_at: AwareDatetime | None = None
    tries_left: int = 0


class CodeToRedeem(Model):
    """For otp: the contact that the code went to, as it was sent then, and the code as it was typed, digits only."""

    contact: str
    code: str


class RedeemCode(Model):
    """Try a code in the login attempt that asked for it. The same request id gets the same answer, uncounted."""

    request_id: UUID
    attempt_id: UUID
    for_otp: Sealed


class RedeemCodeAnswer(Model):
    """Whether the contact is proven. Wrong, used, expired and unknown look the same.

    ``expires_at`` is that of the code that was redeemed: by it and the attempt a code is known. An otp of the version
    before does not tell.
    """

    redeemed: bool
    tries_left: int
    expires_at: AwareDatetime | None = None


def request_place(request_id: UUID) -> str:
    """The place (see shared.sealing) of the sealed part of a request."""
    return f"{request_id}:for_otp"
