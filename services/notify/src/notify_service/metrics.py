"""What the notify service counts."""

from __future__ import annotations

from prometheus_client import Counter

from shared.metrics import REGISTRY

#: What becomes of a try: sent, not taken now, failed for good. ``dropped`` came too late to be tried, by no provider.
MESSAGES = Counter(
    "kinbind_messages",
    "Tries to send, by what became of them: sent, postponed, failed; and messages dropped because they came too late.",
    ("kind", "channel", "provider", "outcome"),
    registry=REGISTRY,
)
