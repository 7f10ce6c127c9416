"""From a message that is due to a provider that takes it, and what is written down about it.

One try goes along the channel's providers, in the order of the settings, past those whose circuit is open: what is one
provider's own fault (technical) goes to the next at once. What the recipient's side asks to wait for is tried later.

A provider is asked only after the try was written down, and its answer is written down before anything else is done. So
a process that dies in between leaves a try without an end, and the message counts as unsure: a second one may go out.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID, uuid4

import structlog

from notify_service import domain, storage
from notify_service.domain import Kind
from notify_service.errors import (
    DeliveryError,
    NotByThisOneError,
    OurFaultError,
    PermanentError,
    TechnicalError,
    UnknownOutcomeError,
)
from notify_service.limits import country_of_message
from notify_service.metrics import COUNTRY, MESSAGES, OVER_LIMIT, UNSURE
from notify_service.providers import ASKING_SECONDS, Letter, Message, able, choices, seconds_to_probe
from notify_service.use_cases import place
from shared import tracing
from shared.database import DATABASE_FAULTS
from shared.logs import start_correlation
from shared.observing import use_case
from shared.sealing import UnsealError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    import asyncpg

    from notify_service.providers import Route
    from notify_service.use_cases import Notify
    from shared.database import Connection
    from shared.events import Channel

#: As many providers as a channel can have.
MOST_ASKED = 3
#: Longer than an adapter's own limit, which it keeps by itself.
ASKING = timedelta(seconds=ASKING_SECONDS + 5)
#: A message waits for so long for its turn at a provider, all of whose connections are in use by others.
TURN = timedelta(seconds=10)
#: What has to be written down before a provider is asked is so within this time, or it is not asked.
BEGINNING = timedelta(seconds=5)
#: The outcome of a try is written down within this time, database away or not.
WRITING_DOWN = timedelta(seconds=60)
#: How long a claimed message is nobody else's. Longer than all of it together, so no two processes send it at once.
#: A lease, not a row lock held meanwhile: a lock would keep a connection and a transaction open for as long as a mail
#: server likes to think, and eight slow ones would stop the consumers too.
LEASE = MOST_ASKED * (TURN + ASKING + 2 * BEGINNING) + WRITING_DOWN + timedelta(seconds=15)
DATABASE_AWAY_SECONDS = 1.0
#: As many as a statement writes well within its time limit. One notice over the hour's limit holds back so many others.
HELD_AT_ONCE = 1000

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sending:
    """A claimed message that is being sent; ``row`` is what :func:`notify_service.storage.claim_due` gave."""

    row: asyncpg.Record
    letter: Letter

    @property
    def id(self) -> UUID:
        """Of the message."""
        value: UUID = self.row["id"]
        return value

    @property
    def kind(self) -> Kind:
        """What it tells."""
        return Kind(self.row["kind"])

    @property
    def channel(self) -> Channel:
        """By which it goes."""
        value: Channel = self.row["channel"]
        return value

    @property
    def tries(self) -> int:
        """This one included."""
        value: int = self.row["tries"]
        return value

    @property
    def until(self) -> datetime:
        """When its claim ends."""
        value: datetime = self.row["due_at"]
        return value

    @property
    def asked(self) -> str:
        """The provider that may have it, because its answer was lost; nothing where there is none."""
        value: str = self.row["asked"]
        return value

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether others than that one may be asked."""
        return domain.may_go_elsewhere(self.kind, timedelta(seconds=self.row["unsure_for"]))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said in a try: ``fault`` is None where it has taken the message."""

    provider: str
    try_id: UUID
    fault: DeliveryError | None
    provider_id: str = ""
    #: Whether the provider is well again by it: what waits because of it need not wait for its turn any more.
    closes_circuit: bool = False

    @property
    def outcome(self) -> str:
        """As the try's row says it."""
        return self.fault.kind if self.fault else "accepted"

    @property
    def reason(self) -> str | None:
        """The fault's name and code, where there is one."""
        return self.fault.reason if self.fault else None


class _NothingSentError(Exception):
    """Nothing is sent by this claim; what there is to say about it has been said."""


class _DatabaseAwayError(Exception):
    """What has to be written down before a provider is asked could not be."""


async def claim_due(notify: Notify, most: int) -> tuple[list[asyncpg.Record], float | None]:
    """Claim what is to be sent now, after dropping what came too late; also the seconds until more is due.

    Nothing of a channel that is paused; and where all of its providers are left alone, however much waits, but a probe.
    """
    claimed: list[asyncpg.Record] = []
    async with notify.database.connection() as connection:
        await _drop_expired(connection)
        off = notify.limits.off | await storage.paused(connection)
        probes = {channel: seconds_to_probe(routes) for channel, routes in notify.routes.items() if channel not in off}
        alone = {channel: seconds for channel, seconds in probes.items() if seconds is not None}
        # All or nothing: what was claimed before the database went away would wait out its lease.
        async with connection.transaction():
            for channel in (channel for channel, seconds in alone.items() if not seconds):
                claimed += await storage.claim_due(connection, min(1, most - len(claimed)), LEASE, [channel])
            well = notify.routes.keys() - off - alone.keys()
            claimed += await storage.claim_due(connection, most - len(claimed), LEASE, well)
            until_due = await storage.seconds_until_due(connection, well)
    waits = [seconds for seconds in alone.values() if seconds]
    return claimed, min(waits if until_due is None else [until_due, *waits], default=None)


async def _drop_expired(connection: Connection) -> None:
    for row in await storage.drop_expired(connection):
        MESSAGES.labels(row["kind"], row["channel"], "-", "dropped").inc()
        log.warning("message dropped: too late", message=str(row["id"]), kind=row["kind"], tries=row["tries"])


async def deliver(notify: Notify, row: asyncpg.Record) -> None:
    """Try once to send a claimed message, in the trace that called for it, and write down what became of it."""
    with tracing.continued(row["traceparent"]):
        await _deliver(notify, row)


@use_case
async def _deliver(notify: Notify, row: asyncpg.Record) -> None:
    start_correlation(row["correlation_id"], message=str(row["id"]), kind=row["kind"], channel=row["channel"])
    if row["lost"]:
        UNSURE.labels(row["channel"], "claim ended").inc(row["lost"])
        log.warning("a former try has no known outcome; a second copy may go out", unsure=row["unsure"])
    try:
        letter = notify.store.unseal_model(Letter, row["letter"], place(row["id"]))
    except UnsealError as fault:
        unopened = Answer("-", uuid4(), TechnicalError(type(fault).__name__))
        await _later(notify, Sending(row, Letter(to="", text="")), unopened)
        return
    sending = Sending(row, letter)
    with suppress(_NothingSentError):
        answer = await _hand_over(notify, sending)
        await _settle(notify, sending, answer)
        if answer is not None and answer.closes_circuit:
            await _write_down(notify, lambda c: storage.hurry(c, sending.channel))


# --- limits ---


async def _count_in(notify: Notify, sending: Sending) -> None:
    """Count a message that is about to be handed over.

    Raises _NothingSentError where a limit forbids it, and _DatabaseAwayError.
    """
    country = country_of_message(sending.channel, sending.letter.to)
    if not notify.limits.admits(country):
        await _refuse(notify, sending, "failed", "CountryNotAllowed", COUNTRY)
    limit = await _begin(notify, lambda c: notify.limits.count(c, sending.kind, sending.channel, country))
    if limit is None:
        return
    if not domain.waits_for_the_next_hour(sending.kind):
        await _refuse(notify, sending, "dropped", "LimitReached", limit)
    await _write_down(notify, lambda c: _hold_back(c, sending, limit, is_countrys=limit == country))
    raise _NothingSentError


async def _hold_back(connection: Connection, sending: Sending, limit: str, *, is_countrys: bool) -> None:
    """A notice waits for the next hour; where it met its channel's limit, others do too without being tried."""
    await storage.give_back(connection, sending.id, sending.until, None, fault="limit", last_error="LimitReached")
    others = 0 if is_countrys else await storage.hold_back(connection, sending.channel, HELD_AT_ONCE)
    OVER_LIMIT.labels(sending.channel, limit, "waiting").inc(1 + others)
    log.warning("messages wait: the hour's limit is reached", limit=limit, messages=1 + others)


async def _refuse(notify: Notify, sending: Sending, state: str, reason: str, limit: str) -> None:
    """End a message that a limit forbids. Raises _NothingSentError."""
    OVER_LIMIT.labels(sending.channel, limit, state).inc()
    MESSAGES.labels(sending.kind, sending.channel, "-", state).inc()
    log.error("message not sent: a limit forbids it", state=state, reason=reason)
    await _write_down(
        notify, lambda c: storage.settle(c, sending.id, sending.until, state, fault="limit", last_error=reason)
    )
    raise _NothingSentError


# --- along the providers ---


async def _hand_over(notify: Notify, sending: Sending) -> Answer | None:
    """Ask one provider after the other; the last one's answer, or None where there was nobody to ask.

    Raises _NothingSentError.
    """
    answer = None
    try:
        for route in choices(_able(notify, sending), sending.asked):
            async with _turn(route) as has_come:
                if not has_come:
                    continue
                await (_count_in(notify, sending) if answer is None else _pass_on(notify, sending, answer))
                answer = await _ask(notify, sending, route)
            if not _goes_on(sending, answer.fault):
                break
    except _DatabaseAwayError:
        if answer is None:
            await _write_down(notify, lambda c: storage.give_back(c, sending.id, sending.until, timedelta()))
            raise _NothingSentError from None
    return answer


def _able(notify: Notify, sending: Sending) -> list[Route]:
    """Whom it may go by, be their circuits open or not."""
    only = "" if sending.may_go_elsewhere else sending.asked
    return able(notify.routes[sending.channel], sending.letter.to, only)


def _goes_on(sending: Sending, fault: DeliveryError | None) -> bool:
    """Whether the next provider is asked at once."""
    unsure = isinstance(fault, UnknownOutcomeError) and sending.may_go_elsewhere
    return unsure or isinstance(fault, TechnicalError | NotByThisOneError)


@asynccontextmanager
async def _turn(route: Route) -> AsyncIterator[bool]:
    """The message's turn at a provider that takes so many at once; False where it does not come in time.

    It is waited for before the try begins: our own crowding is not the provider's slowness.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(TURN.total_seconds()):
                await stack.enter_async_context(route.provider.turn())
            has_come = True
        except TimeoutError:
            log.warning("provider not asked: all its connections are in use", provider=route.provider.name)
            has_come = False
        yield has_come


async def _ask(notify: Notify, sending: Sending, route: Route) -> Answer:
    """Ask one provider, after writing down that it is asked. Raises _NothingSentError and _DatabaseAwayError."""
    try_id, provider = uuid4(), route.provider
    await _begin_try(notify, sending, try_id, provider.name)
    message = Message(
        sending.id, sending.kind, sending.row["created_at"], sending.letter, try_id, sending.row["seconds_left"]
    )
    began = time.monotonic()
    fault, provider_id = await _send(route, message)
    if isinstance(fault, UnknownOutcomeError):
        UNSURE.labels(sending.channel, "answer lost").inc()
    failed = isinstance(fault, TechnicalError | UnknownOutcomeError) and not isinstance(fault, OurFaultError)
    change = route.circuit.note(failed=failed, seconds=time.monotonic() - began)
    if change:
        log.warning("provider's circuit", change=change, provider=provider.name, reason=fault.reason if fault else None)
    return Answer(provider.name, try_id, fault, provider_id, change == "closed")


async def _begin_try(notify: Notify, sending: Sending, try_id: UUID, provider: str) -> None:
    try:
        begun = await _begin(notify, lambda c: storage.begin_try(c, try_id, sending.id, sending.until, provider))
    except _DatabaseAwayError:
        # It may have been written down all the same.
        await _write_down(notify, lambda c: storage.drop_try(c, try_id))
        raise
    if not begun:
        log.warning("nothing is sent: the claim has ended")
        raise _NothingSentError


async def _send(route: Route, message: Message) -> tuple[DeliveryError | None, str]:
    """What went wrong, if anything, and what the provider calls the message."""
    try:
        async with asyncio.timeout(ASKING.total_seconds()):
            return None, await route.provider.send(message)
    except DeliveryError as fault:
        return fault, ""
    except TimeoutError as fault:
        return UnknownOutcomeError(type(fault).__name__), ""
    except Exception as fault:  # a fault of ours: the message is tried again, and no other suffers
        log.exception("a provider's adapter failed", provider=route.provider.name)
        return OurFaultError(type(fault).__name__), ""


async def _pass_on(notify: Notify, sending: Sending, answer: Answer) -> None:
    """The next provider is asked instead. Raises _DatabaseAwayError."""
    await _begin(notify, lambda c: _end_try(c, answer))
    _count(sending, answer, "passed_on")
    log.warning("message passed on", provider=answer.provider, fault=answer.outcome, reason=answer.reason)


# --- what became of it ---


async def _settle(notify: Notify, sending: Sending, answer: Answer | None) -> None:
    """Write down what the last provider said, and what is to be done now."""
    if answer is None:
        await _wait_for_a_provider(notify, sending)
    elif answer.fault is None:
        log.info("message sent", tries=sending.tries, provider=answer.provider)
        _count(sending, answer, "sent")
        await _write_down(notify, lambda c: _end(c, sending, answer, "sent"))
    elif isinstance(answer.fault, PermanentError):
        await _fail(notify, sending, answer)
    else:
        await _later(notify, sending, answer)


async def _wait_for_a_provider(notify: Notify, sending: Sending) -> None:
    """Nobody could be asked: each circuit is open, no turn has come, or nobody serves the recipient's country."""
    routes = _able(notify, sending)
    if not routes:
        nobody = Answer("-", uuid4(), PermanentError("NoProviderForCountry"))
        await _fail(notify, sending, nobody)
        return
    seconds = min(route.circuit.opens_in for route in routes)
    why = {"fault": "technical", "last_error": "CircuitsOpen"} if seconds else {}
    log.warning("message waits: no provider can be asked", again_in=round(seconds), reason=why.get("last_error"))
    wait = timedelta(seconds=seconds + random.random())  # noqa: S311 - spreads tries only
    await _write_down(notify, lambda c: storage.give_back(c, sending.id, sending.until, wait, **why))


async def _later(notify: Notify, sending: Sending, answer: Answer) -> None:
    """Not taken for now: it is tried again, where that was not the last try."""
    fault = answer.fault
    assert fault is not None  # noqa: S101 - what was taken is not tried again
    wait = domain.wait_after(sending.kind, sending.tries, random.random())  # noqa: S311 - spreads tries, guards nothing
    if wait is None:
        await _fail(notify, sending, answer)
        return
    _count(sending, answer, "postponed")
    log.warning(
        "message not taken",
        tries=sending.tries,
        provider=answer.provider,
        fault=fault.kind,
        reason=fault.reason,
        again_in=round(wait.total_seconds()),
    )

    async def write(connection: Connection) -> None:
        async with connection.transaction():
            await _end_try(connection, answer)
            await storage.postpone(
                connection,
                sending.id,
                sending.until,
                wait,
                provider=answer.provider,
                fault=fault.kind,
                last_error=fault.reason,
            )

    await _write_down(notify, write)


async def _fail(notify: Notify, sending: Sending, answer: Answer) -> None:
    """That was the end of it."""
    log.error(
        "message failed",
        tries=sending.tries,
        provider=answer.provider,
        fault=answer.outcome,
        reason=answer.reason,
    )
    _count(sending, answer, "failed")
    keeps = notify.keeps_failed and domain.is_kept_when_failed(sending.kind)
    await _write_down(notify, lambda c: _end(c, sending, answer, "failed", keeps_letter=keeps))


async def _end(
    connection: Connection, sending: Sending, answer: Answer, state: str, *, keeps_letter: bool = False
) -> None:
    """The try's end and the message's, in one transaction."""
    async with connection.transaction():
        await _end_try(connection, answer)
        await storage.settle(
            connection,
            sending.id,
            sending.until,
            state,
            provider=answer.provider,
            fault=answer.fault.kind if answer.fault else None,
            last_error=answer.reason,
            keeps_letter=keeps_letter,
        )


async def _end_try(connection: Connection, answer: Answer) -> None:
    await storage.end_try(connection, answer.try_id, answer.outcome, answer.reason, answer.provider_id)


def _count(sending: Sending, answer: Answer, outcome: str) -> None:
    MESSAGES.labels(sending.kind, sending.channel, answer.provider, outcome).inc()
    tracing.describe(kind=sending.kind, channel=sending.channel, provider=answer.provider, outcome=outcome)


# --- the database, which may be away ---


async def _begin(notify: Notify, work: Callable[[Connection], Awaitable[T]]) -> T:
    """What has to be done before a provider is asked. Raises _DatabaseAwayError where the database stays away."""
    try:
        async with asyncio.timeout(BEGINNING.total_seconds()):
            return await _patiently(notify, work)
    except TimeoutError:
        log.warning("nobody is asked: the database stays away")
        raise _DatabaseAwayError from None


async def _write_down(notify: Notify, work: Callable[[Connection], Awaitable[None]]) -> None:
    """Write an outcome down, waiting for a database that is away: an outcome lost may be a second copy sent."""
    try:
        async with asyncio.timeout(WRITING_DOWN.total_seconds()):
            await _patiently(notify, work)
    except TimeoutError:
        log.error("the outcome could not be written down; the message goes again when its claim ends")  # noqa: TRY400 - the time limit is all there is to say


async def _patiently(notify: Notify, work: Callable[[Connection], Awaitable[T]]) -> T:
    while True:
        try:
            async with notify.database.connection() as connection:
                return await work(connection)
        except DATABASE_FAULTS as fault:
            log.warning("sending waits for the database", fault=type(fault).__name__)
        await asyncio.sleep(DATABASE_AWAY_SECONDS)
