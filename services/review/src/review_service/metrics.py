"""What the review service measures."""

from __future__ import annotations

from prometheus_client import Histogram

from shared.metrics import REGISTRY

HOUR, DAY = 3600, 86_400

DECISION_WAIT = Histogram(
    "kinbind_review_decision_wait_seconds",
    "From the parent's sending to the decision's leaving for binding.",
    ("outcome",),
    buckets=(HOUR, 4 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 5 * DAY, 7 * DAY, 14 * DAY, 30 * DAY),
    registry=REGISTRY,
)
