"""What the metrics say out of the binding service's tables."""

from __future__ import annotations

from shared.exposition import Figure

FIGURES = (
    Figure(
        "kinbind_binding_pending",
        "Bindings that wait for the school.",
        "SELECT count(*) FROM bindings WHERE state = 'pending'",
    ),
    Figure(
        "kinbind_binding_oldest_pending_seconds",
        "How long the oldest of them has waited.",
        "SELECT extract(epoch FROM present() - min(submitted_at)) FROM bindings WHERE state = 'pending'",
    ),
)
