"""``kinbind outbox``: events that are true and have not reached the bus, and those that a broker has lost."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from kinbind_operations import tables
from kinbind_operations.console import age, as_json, say, warn
from kinbind_operations.settings import SERVICES
from kinbind_operations.tasks import done, moment
from shared.resending import CONSUMERS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from kinbind_operations.settings import Settings


def configure(parser: ArgumentParser) -> None:
    """The arguments of ``outbox``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="events that the broker refused, or that have waited too long")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="of each service at most so many")
    listing.add_argument("--json", action="store_true", help="as JSON")
    retrying = actions.add_parser("retry", help="let them be tried now instead of when they are due")
    which = retrying.add_mutually_exclusive_group(required=True)
    which.add_argument("event_id", metavar="EVENT_ID", nargs="?", type=UUID, help="the one with this id")
    which.add_argument("--all", action="store_true", help="all that wait for their next try")
    resending = actions.add_parser(
        "resend",
        help="publish again what a broker that lost its queues had: docs/backup.md",
        description="Consumers do nothing about events that they have had, as long as their database knows of them.",
    )
    resending.add_argument("--since", required=True, type=moment, metavar="TIME", help="what was published since then")
    resending.add_argument("--to", choices=CONSUMERS, metavar="CONSUMER", help="to this service only")
    for each in (listing, retrying, resending):
        each.add_argument("--service", choices=SERVICES, help="of this service only")


async def run(settings: Settings, arguments: Namespace) -> int:
    """Do it; the exit code. Raises RefusedError or UnreachableError."""
    services = [arguments.service] if arguments.service else list(SERVICES)
    act = {"list": _list, "retry": _retry, "resend": _resend}[arguments.action]
    return await act(settings, services, arguments)


async def stuck(settings: Settings, service: str, most: int) -> list[dict[str, object]]:
    """Its events that were refused or have waited too long; never their bodies, which the role cannot read."""
    async with tables.schema_of(settings, service) as connection:
        rows = await tables.outbox_rows(connection, settings.outbox_seconds, most)
    return [{"service": service, **dict(row)} for row in rows]


async def _list(settings: Settings, services: list[str], arguments: Namespace) -> int:
    found = [row for service in services for row in await stuck(settings, service, arguments.limit)]
    if arguments.json:
        say(as_json(found))
        return 0
    for row in found:
        tried = (
            f"{row['tries']} tries, last: {row['last_error']}" if row["tries"] else "never tried: is its relay alive?"
        )
        say(f"{row['service']}  {row['id']}  {row['type']}  {age(float(str(row['age_seconds'])))} old  {tried}")
    if not found:
        say("no event is stuck")
    return 0


async def _retry(settings: Settings, services: list[str], arguments: Namespace) -> int:
    count = 0
    for service in services:
        async with tables.schema_of(settings, service) as connection:
            count += await tables.retry_outbox(connection, service, arguments.event_id)
    if count:
        await tables.note(settings, "outbox retry", event_id=str(arguments.event_id or ""))
    if arguments.event_id and not count:
        warn("no outbox has this event: it has reached the bus, or never was there")
        return 1
    say(f"{count} tried now; kinbind outbox list shows what the broker still refuses")
    return 0


async def _resend(settings: Settings, services: list[str], arguments: Namespace) -> int:
    since = arguments.since.isoformat()
    words = f"{', '.join(services)} to {arguments.to or 'all'} since {since}"
    await tables.note(settings, "outbox resend", reason=words)
    for service in services:
        result = await done(settings, service, "outbox-resend", {"since": since, "to": arguments.to})
        say(f"{service}: {result['events']} events published again")
    return 0
