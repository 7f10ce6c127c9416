"""``kinbind dead-letters``: messages that their consumer could not take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kinbind_operations import tables
from kinbind_operations.console import age, as_json, say, seconds_since, warn
from kinbind_operations.errors import RefusedError
from kinbind_operations.masking import masked_event, shown_id, shown_type
from kinbind_operations.queues import DEAD, Held, connected, dead_queues, holding, state_of
from shared.bus import DELIVERY_LIMIT, RETRIES_HEADER, RETRY_DELAYS_SECONDS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Awaitable, Callable

    from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

    from kinbind_operations.settings import Settings


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What may be said of a dead letter: nothing out of its body."""

    queue: str
    event_id: str
    type: str
    died_at: datetime | None
    reason: str


def configure(parser: ArgumentParser) -> None:
    """The arguments of ``dead-letters``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what lies there: queue, type, age, event id, reason")
    listing.add_argument("--queue", metavar="QUEUE", help="of this consumer's queue only, as list and status name it")
    listing.add_argument(
        "--limit", type=int, default=50, metavar="N", help="of each queue at most so many (default 50)"
    )
    listing.add_argument("--json", action="store_true", help="as JSON")
    showing = actions.add_parser("show", help="one of them, everything masked that may be personal")
    showing.add_argument("event_id", metavar="EVENT_ID")
    showing.add_argument("--queue", metavar="QUEUE", help="of this queue only")
    replaying = actions.add_parser(
        "replay",
        help="send back to the consumer that failed",
        description="Send dead letters back to the queue of the consumer that failed, for another try; other consumers"
        " do not get them again. Safe while services run, and when this command is killed: run it once more.",
    )
    dropping = actions.add_parser(
        "drop",
        help="throw away for good, with a reason that is kept",
        description="Throw dead letters away. Who, when, which and why is kept in operations.acts.",
    )
    for each in (replaying, dropping):
        which = each.add_mutually_exclusive_group(required=True)
        which.add_argument("event_id", metavar="EVENT_ID", nargs="?", help="the one with this id")
        which.add_argument("--all", action="store_true", help="all that lie there now")
        each.add_argument("--queue", metavar="QUEUE", help="of this queue only")
    dropping.add_argument("--reason", required=True, help="why, for those who ask later; without personal data")


async def run(settings: Settings, arguments: Namespace) -> int:
    """Do it; the exit code. Raises RefusedError or UnreachableError."""
    if arguments.action == "drop" and arguments.all and not arguments.queue:
        msg = "drop --all needs --queue: everything of every queue is never thrown away at once"
        raise RefusedError(msg)
    async with connected(settings.rabbitmq_url.get_secret_value()) as connection:
        queues = await filled_queues(connection, arguments.queue)
        actions = {"list": _list, "show": _show, "replay": _replay, "drop": _drop}
        return await actions[arguments.action](settings, connection, queues, arguments)


async def filled_queues(connection: AbstractConnection, queue: str | None = None) -> list[str]:
    """The dead-letter queues that hold something; of one consumer's queue, where it is named."""
    named = None if queue is None else queue.removesuffix(DEAD) + DEAD
    if named is not None and named not in dead_queues():
        msg = f"there is no queue {queue}; it is one of: {', '.join(name.removesuffix(DEAD) for name in dead_queues())}"
        raise RefusedError(msg)
    states = [await state_of(connection, name) for name in ([named] if named else dead_queues())]
    return [state.name for state in states if state.messages]


async def dead_letters(connection: AbstractConnection, queue: str, most: int) -> list[DeadLetter]:
    """The oldest dead letters of a queue, which stay there."""
    found = []
    async with holding(connection, queue) as held:
        async for message in held.take():
            found.append(_described(held, message))
            if len(found) >= most:
                break
    return found


def _described(held: Held, message: AbstractIncomingMessage) -> DeadLetter:
    deaths = message.headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else {}
    died_at = last.get("time") if isinstance(last, dict) else None
    return DeadLetter(
        queue=held.queue.removesuffix(DEAD),
        event_id=shown_id(message.message_id),
        type=shown_type(message.type),
        died_at=died_at if isinstance(died_at, datetime) else None,
        reason=_reason(str(last.get("reason", "")) if isinstance(last, dict) else "", message),
    )


def _reason(reason: str, message: AbstractIncomingMessage) -> str:
    """As far as the broker knows; what the consumer met stands in its service's log, under the message's id."""
    if reason == "delivery_limit":
        return f"its consumer died on it, {DELIVERY_LIMIT} times"
    if reason != "rejected":
        return "unknown"
    if str(message.headers.get(RETRIES_HEADER, 0)) == str(len(RETRY_DELAYS_SECONDS)):
        return f"its consumer failed on it, {len(RETRY_DELAYS_SECONDS) + 1} times"
    return "its consumer cannot read it: malformed, of an unknown version, or under an unknown key"


async def _list(_: Settings, connection: AbstractConnection, queues: list[str], arguments: Namespace) -> int:
    found = [letter for queue in queues for letter in await dead_letters(connection, queue, arguments.limit)]
    if arguments.json:
        say(as_json([asdict(letter) for letter in found]))
        return 0
    for queue in queues:
        name = queue.removesuffix(DEAD)
        say(f"{name}: {(await state_of(connection, queue)).messages} dead letters")
        for letter in (letter for letter in found if letter.queue == name):
            when = "age unknown" if letter.died_at is None else f"{age(seconds_since(letter.died_at))} ago"
            say(f"  {letter.event_id}  {letter.type}  {when}  {letter.reason}")
    say("" if queues else "no dead letters")
    if queues:
        say("What a consumer met stands in its log, under message_id. Next: kinbind dead-letters show EVENT_ID")
    return 0


async def _show(_: Settings, connection: AbstractConnection, queues: list[str], arguments: Namespace) -> int:
    count = 0
    for queue in queues:
        async with holding(connection, queue) as held:
            async for message in held.take():
                if message.message_id == arguments.event_id:
                    count += 1
                    say(as_json(asdict(_described(held, message)) | {"event": masked_event(message.body)}))
    return _found(count, arguments)


async def _replay(settings: Settings, connection: AbstractConnection, queues: list[str], arguments: Namespace) -> int:
    count = await _settle(settings, connection, queues, arguments, Held.send_back)
    for queue in queues:
        name = queue.removesuffix(DEAD)
        if not (await state_of(connection, name)).consumers:
            warn(f"{name} has no consumer: what was sent there waits until its service runs again")
    say(f"{count} sent back")
    return _found(count, arguments)


async def _drop(settings: Settings, connection: AbstractConnection, queues: list[str], arguments: Namespace) -> int:
    count = await _settle(settings, connection, queues, arguments, Held.drop)
    say(f"{count} dropped")
    return _found(count, arguments)


async def _settle(
    settings: Settings,
    connection: AbstractConnection,
    queues: list[str],
    arguments: Namespace,
    settle: Callable[[Held, AbstractIncomingMessage], Awaitable[None]],
) -> int:
    """Do it with those that are meant, each written down first: nothing is ever gone without a line. How many."""
    count = 0
    async with tables.schema_of(settings, "operations") as acts:
        for queue in queues:
            async with holding(connection, queue) as held:
                async for message in held.take(once=arguments.action == "replay"):
                    if not arguments.all and message.message_id != arguments.event_id:
                        continue
                    letter = _described(held, message)
                    await tables.add_act(
                        acts,
                        settings.operator,
                        f"dead-letters {arguments.action}",
                        queue=letter.queue,
                        event_id=letter.event_id,
                        event_type=letter.type,
                        reason=getattr(arguments, "reason", ""),
                    )
                    await settle(held, message)
                    count += 1
    return count


def _found(count: int, arguments: Namespace) -> int:
    if not count and not getattr(arguments, "all", False):
        warn(f"no dead letter has the id {shown_id(arguments.event_id)}; kinbind dead-letters list shows what there is")
        return 1
    return 0
