"""What the notify service counts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from notify_service.domain import Kind
from notify_service.limits import WHOLE_CHANNEL
from shared.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from notify_service.circuits import Circuit
    from notify_service.limits import Limits
    from notify_service.providers import Route
    from shared.events import Channel

#: What becomes of asking a provider: it has sent the message, passed it on to the next one, not taken it now, or for
#: good. ``dropped`` came too late, or over a limit, to be tried, by no provider.
OUTCOMES = ("sent", "passed_on", "postponed", "failed")
MESSAGES = Counter(
    "kinbind_messages",
    "Providers asked, by what became of it: sent, passed_on, postponed, failed; and messages dropped: too late, or over"
    " a limit.",
    ("kind", "channel", "provider", "outcome"),
    registry=REGISTRY,
)
CIRCUIT_OPEN = Gauge(
    "kinbind_provider_circuit_open",
    "1 while this process leaves a provider alone: it failed, or was slow, several times in a row.",
    ("channel", "provider"),
    registry=REGISTRY,
)
UNSURE = Counter(
    "kinbind_messages_unsure",
    "Times that nobody learned whether a provider took a message, so that a second one may go out: its answer was lost,"
    " or a process died before it was written down.",
    ("channel", "why"),
    registry=REGISTRY,
)
OVER_LIMIT = Counter(
    "kinbind_messages_over_limit",
    "Messages that a limit held back, by which: the channel's, that of the named country, or 'country': it is not one"
    " that SMS go to. And by what became of them: codes are dropped, others are waiting for the next hour, or have"
    " failed.",
    ("channel", "limit", "outcome"),
    registry=REGISTRY,
)
RECEIPTS = Counter(
    "kinbind_receipts",
    "What providers told of messages that they had taken: delivered or undelivered.",
    ("provider", "outcome"),
    registry=REGISTRY,
)
COUNTRY = "country"
GIVING_RECEIPTS = ("mitake", "twilio")


def expect(routes: Mapping[Channel, Sequence[Route]], limits: Limits) -> None:
    """Count from 0: Prometheus sees no increase in a series that begins with its first fault."""
    for channel, of_channel in routes.items():
        _expect_messages(channel, [route.provider.name for route in of_channel])
        for route in of_channel:
            CIRCUIT_OPEN.labels(channel, route.provider.name).set_function(partial(_is_open, route.circuit))
    for country in limits.countries:
        _expect_limit("sms", country)
    OVER_LIMIT.labels("sms", COUNTRY, "failed")
    for provider in GIVING_RECEIPTS:
        for outcome in ("delivered", "undelivered"):
            RECEIPTS.labels(provider, outcome)


def _is_open(circuit: Circuit) -> float:
    return float(circuit.is_open)


def _expect_messages(channel: Channel, providers: Sequence[str]) -> None:
    for kind in Kind:
        for outcome in ("postponed", "failed", "dropped"):
            MESSAGES.labels(kind, channel, "-", outcome)
        for provider in providers:
            for outcome in OUTCOMES:
                MESSAGES.labels(kind, channel, provider, outcome)
    for why in ("answer lost", "claim ended"):
        UNSURE.labels(channel, why)
    _expect_limit(channel, WHOLE_CHANNEL)


def _expect_limit(channel: Channel, limit: str) -> None:
    for outcome in ("dropped", "waiting"):
        OVER_LIMIT.labels(channel, limit, outcome)
