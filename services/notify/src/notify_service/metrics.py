"""What the notify service counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter

from notify_service.domain import Kind
from shared.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notify_service.providers import Provider

#: What becomes of a try: sent, not taken now, failed for good. ``dropped`` came too late to be tried, by no provider.
MESSAGES = Counter(
    "kinbind_messages",
    "Tries to send, by what became of them: sent, postponed, failed; and messages dropped because they came too late.",
    ("kind", "channel", "provider", "outcome"),
    registry=REGISTRY,
)


def expect(providers: Mapping[str, Provider]) -> None:
    """Count from 0: Prometheus sees no increase in a series that begins with its first fault."""
    for kind in Kind:
        for channel, provider in providers.items():
            for outcome in ("sent", "postponed", "failed"):
                MESSAGES.labels(kind, channel, provider.name, outcome)
            MESSAGES.labels(kind, channel, "-", "dropped")
