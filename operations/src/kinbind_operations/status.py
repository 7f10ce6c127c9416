"""``kinbind status``: everything at a glance, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import aiohttp

from kinbind_operations import tables
from kinbind_operations.console import age, as_json, say
from kinbind_operations.errors import RefusedError, UnreachableError
from kinbind_operations.queues import QueueState, connected, dead_queues, event_queues, other_queues, state_of
from kinbind_operations.settings import SERVICES

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from kinbind_operations.settings import Settings

TIMEOUT = aiohttp.ClientTimeout(total=8)
ANSWERS = {200, 503}


@dataclass
class Report:
    """What was seen, part by part, and what is wrong with it, in words."""

    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    queues: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": not self.problems, "problems": self.problems, "services": self.services, "queues": self.queues}


def configure(parser: ArgumentParser) -> None:
    """The arguments of ``status``."""
    parser.add_argument("--json", action="store_true", help="as JSON")


async def run(settings: Settings, arguments: Namespace) -> int:
    """Say it; the exit code is 1 where something is wrong."""
    report = await look(settings)
    say(as_json(report.as_dict()) if arguments.json else _text(report))
    return 1 if report.problems else 0


async def look(settings: Settings) -> Report:
    """All parts; one that cannot be reached is a problem, and hides no other."""
    report = Report()
    async with aiohttp.ClientSession(timeout=TIMEOUT) as http:
        for service in SERVICES:
            seen = report.services[service] = {}
            await _health(settings, service, http, seen, report.problems)
            await _tables(settings, service, seen, report.problems)
        await _queues(settings, report)
        await _managed(settings, http, report)
    return report


async def _health(
    settings: Settings, service: str, http: aiohttp.ClientSession, seen: dict[str, Any], problems: list[str]
) -> None:
    address = settings.health_of(service)
    try:
        async with http.get(address) as answer:
            told = await answer.json(content_type=None) if answer.status in ANSWERS else {}
            seen["health"] = str(told.get("status", f"answered {answer.status}"))
            seen["post_migrations"] = told.get("post_migrations", [])
            problems += [f"{service} is not ready: {words}" for words in told.get("problems", [])]
            if answer.status not in ANSWERS:
                problems.append(f"{service} answered {answer.status} at {address}")
    except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError):
        seen["health"] = "not reachable"
        problems.append(f"{service} does not answer at {address}: is it running?")


async def _tables(settings: Settings, service: str, seen: dict[str, Any], problems: list[str]) -> None:
    try:
        async with tables.schema_of(settings, service) as connection:
            applied = await tables.migrations(connection)
            seen["migrations"] = [row["name"] for row in applied]
            seen["outbox"] = outbox = dict(await tables.outbox_state(connection))
    except (UnreachableError, RefusedError) as error:
        problems.append(f"{service}: {error}")
        return
    if outbox["refused"]:
        problems.append(f"{service}'s outbox: the broker refuses {outbox['refused']} events; see kinbind outbox list")
    elif outbox["oldest_seconds"] > settings.outbox_seconds:
        problems.append(f"{service}'s outbox: the oldest event has waited for {age(outbox['oldest_seconds'])}")


async def _queues(settings: Settings, report: Report) -> None:
    try:
        async with connected(settings.rabbitmq_url.get_secret_value()) as connection:
            states = [await state_of(connection, name) for name in (*event_queues(), *dead_queues(), *other_queues())]
    except (UnreachableError, RefusedError) as error:
        report.problems.append(str(error))
        return
    report.queues = [{"name": state.name, "messages": state.messages, "consumers": state.consumers} for state in states]
    report.problems += [*_missing(states), *_unheard(states), *_long(settings, states)]


def _missing(states: list[QueueState]) -> Iterator[str]:
    """Queues that are not there, a line for each service."""
    for service in SERVICES:
        names = [state.name for state in states if state.messages is None and state.name.startswith(f"{service}.")]
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield f"{service}: queue {names[0]}{more} do not exist: has it ever started on this broker?"


def _unheard(states: list[QueueState]) -> Iterator[str]:
    """Queues that nobody consumes, a line for each service."""
    consumed = set(event_queues())
    for service in SERVICES:
        unheard = [
            state
            for state in states
            if state.name in consumed and state.name.startswith(f"{service}.") and state.consumers == 0
        ]
        if unheard:
            waiting = sum(state.messages or 0 for state in unheard)
            yield f"{service} consumes {len(unheard)} of its queues not at all, and {waiting} messages wait in them"


def _long(settings: Settings, states: list[QueueState]) -> Iterator[str]:
    """Dead letters, and queues in which too much waits."""
    for state in states:
        if state.is_dead and state.messages:
            yield f"{state.messages} dead letters in {state.name}; see kinbind dead-letters list"
        elif (state.messages or 0) > settings.queue_length:
            yield f"{state.messages} messages wait in {state.name}"


async def _managed(settings: Settings, http: aiohttp.ClientSession, report: Report) -> None:
    """What only the management API knows: messages under way, and queues that nobody of us has declared."""
    url = settings.rabbitmq_management_url.get_secret_value()
    if not url:
        return
    address = urlsplit(url)
    vhost = quote(unquote(urlsplit(settings.rabbitmq_url.get_secret_value()).path[1:]) or "/", safe="")
    login = aiohttp.BasicAuth(unquote(address.username or ""), unquote(address.password or ""))
    where = f"{address.scheme}://{address.hostname}:{address.port or 15672}"
    try:
        async with http.get(f"{where}/api/queues/{vhost}", auth=login) as answer:
            if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
                report.problems.append(f"RabbitMQ's management API at {where} answered {answer.status}")
                return
            found = {queue["name"]: queue for queue in await answer.json()}
    except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
        report.problems.append(f"RabbitMQ's management API at {where} cannot be reached ({type(fault).__name__})")
        return
    for queue in report.queues:
        queue["under_way"] = found.pop(queue["name"], {}).get("messages_unacknowledged")
    report.queues += [
        {"name": name, "messages": queue.get("messages"), "consumers": queue.get("consumers"), "unknown": True}
        for name, queue in found.items()
        if not name.startswith("amq.")
    ]


def _text(report: Report) -> str:
    lines = []
    for service, seen in report.services.items():
        outbox = seen.get("outbox")
        waits = "outbox not seen" if outbox is None else f"outbox {outbox['waiting']}"
        if outbox and outbox["waiting"]:
            waits += f", oldest {age(outbox['oldest_seconds'])}"
        applied = seen.get("migrations", [])
        lines.append(
            f"{service:8} {seen['health']:14} {waits}; {len(applied)} migrations, last {''.join(applied[-1:])}"
        )
        lines += [f"  waits for {service}-service migrate --post: {name}" for name in seen.get("post_migrations", [])]
    busy = [queue for queue in report.queues if queue["messages"]]
    lines.append(f"{len(report.queues)} queues, {len(busy)} with messages")
    lines += [f"  {queue['name']}: {queue['messages']} messages, {queue['consumers']} consumers" for queue in busy]
    if report.problems:
        lines += ["", f"{len(report.problems)} things are wrong:", *(f"- {problem}" for problem in report.problems)]
    else:
        lines.append("all is well")
    return "\n".join(lines)
