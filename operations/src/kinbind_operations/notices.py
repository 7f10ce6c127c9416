"""The switch of each channel that notices go by: e-mail and SMS, which cost money and may be misused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinbind_operations import tables
from kinbind_operations.console import age, as_json, say, warn
from kinbind_operations.tasks import done

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from kinbind_operations.settings import Settings

CHANNELS = ("email", "sms")


def configure(parser: ArgumentParser) -> None:
    """The arguments of ``notices``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    status = actions.add_parser("status", help="whether each channel is paused, what waits, what went out this hour")
    status.add_argument("--json", action="store_true", help="as JSON")
    pausing = actions.add_parser(
        "pause",
        help="send nothing more by a channel, until it is resumed",
        description="Every process of notify obeys at once; what is being handed over at this moment still goes. What"
        " waits is kept: codes for as long as they live, other notices for days.",
    )
    pausing.add_argument("--reason", required=True, metavar="WORDS", help="for whoever comes next; nothing personal")
    resuming = actions.add_parser("resume", help="send again, what has waited first")
    for each in (pausing, resuming):
        each.add_argument("channel", choices=CHANNELS, metavar="CHANNEL", help="email or sms")


async def run(settings: Settings, arguments: Namespace) -> int:
    """Do it; the exit code. Raises RefusedError or UnreachableError."""
    if arguments.action == "status":
        return await _status(settings, is_json=arguments.json)
    channel: str = arguments.channel
    if arguments.action == "pause":
        await tables.note(settings, f"notices pause {channel}", reason=arguments.reason)
        await done(settings, "notify", "notices-pause", {"channel": channel, "reason": arguments.reason})
        say(f"{channel} is paused; next: kinbind notices resume {channel}")
        return 0
    await tables.note(settings, f"notices resume {channel}")
    result = await done(settings, "notify", "notices-resume", {"channel": channel})
    say(f"{channel} goes again" if result["was_paused"] else f"{channel} was not paused")
    if result["paused_by_settings"]:
        warn(f"but NOTIFY_{channel.upper()}_PAUSED holds it: take that out and restart notify")
    return int(result["paused_by_settings"])


async def _status(settings: Settings, *, is_json: bool) -> int:
    told: dict[str, dict[str, Any]] = (await done(settings, "notify", "notices-status"))["channels"]
    if is_json:
        say(as_json(told))
    else:
        for channel in CHANNELS:
            say(f"{channel}: {_line(told[channel])}")
    return int(any(how["paused_since"] or how["paused_by_settings"] for how in told.values()))


def _line(how: dict[str, Any]) -> str:
    """How one channel is, on one line."""
    state = "sends"
    if how["paused_since"]:
        state = f"PAUSED since {how['paused_since']} ({how['reason']})"
    elif how["paused_by_settings"]:
        state = "PAUSED by its setting"
    countries = ", ".join(f"{country} {count}" for country, count in sorted(how["by_country"].items()) if country)
    waiting = f"{how['waiting']} wait"
    if how["waiting"]:
        waiting += f", the oldest for {age(how['oldest_seconds'])}"
    providers = " then ".join(how["providers"]) or "the development mailbox"
    this_hour = f"{how['this_hour']} this hour" + (f" ({countries})" if countries else "")
    return f"{state}; by {providers}; {this_hour}; {waiting}"
