"""What the binding service counts."""

from __future__ import annotations

from prometheus_client import Counter

from shared.metrics import REGISTRY

NOTICES_DISOWNED = Counter(
    "kinbind_notices_disowned",
    "Notices whose readers said that they are not theirs, by kind, and whether a school was told.",
    ("kind", "told"),
    registry=REGISTRY,
)
