"""What the metrics say out of the review service's tables."""

from __future__ import annotations

from shared.exposition import Figure

#: As the indexes of what waits for a decision have it.
UNDECIDED = "state = 'waiting' AND decided_outcome IS NULL AND submission_version IS NOT NULL"

FIGURES = (
    Figure(
        "kinbind_review_waiting",
        "Applications that wait for a decision.",
        f"SELECT count(*) FROM bindings WHERE {UNDECIDED}",  # noqa: S608 - constants of our own
    ),
    Figure(
        "kinbind_review_oldest_waiting_seconds",
        "How long the oldest of them has waited.",
        f"SELECT extract(epoch FROM present() - min(submitted_at)) FROM bindings WHERE {UNDECIDED}",  # noqa: S608 - the same
    ),
)
