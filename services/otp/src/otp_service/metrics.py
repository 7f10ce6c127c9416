"""What the otp service counts."""

from __future__ import annotations

from prometheus_client import Counter

from shared.metrics import REGISTRY

CODES_ASKED = Counter(
    "kinbind_codes_asked",
    "Requests for a code, by outcome: issued, too_soon, limited, refused.",
    ("channel", "outcome"),
    registry=REGISTRY,
)
CODES_TRIED = Counter(
    "kinbind_codes_tried", "Codes that were typed, by whether they were right.", ("outcome",), registry=REGISTRY
)
