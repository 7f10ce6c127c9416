"""What an application in review can be, and what a decision needs. Standard library only, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from review_service.errors import ReasonMissingError, ReasonTooLongError

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_REASON = 500

#: The other relations are guardians, 監護人.
LEGAL_REPRESENTATIVES = frozenset({"father", "mother"})


class State(StrEnum):
    """What binding says of an application. Only binding changes it."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """What a teacher decides."""

    APPROVE = "approve"
    REFUSE = "refuse"


class Standing(StrEnum):
    """Where an application stands for the teacher who looks at it."""

    WAITING = "waiting"
    DECIDED = "decided"  # the decision is on its way, binding has not confirmed it
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


def standing(state: str, outcome: str | None) -> Standing:
    """What is shown: binding's word, once it has spoken; until then whether somebody decided."""
    if state == State.WAITING and outcome is not None:
        return Standing.DECIDED
    return Standing(state)


def compose_reason(picked: str, written: str) -> str:
    """What the parent reads: the words of the picked reason (empty for none), then the teacher's own.

    Raises ReasonMissingError where there is neither, ReasonTooLongError past LONGEST_REASON characters of own words.
    """
    own = written.replace("\r\n", "\n").strip()
    if len(own) > LONGEST_REASON:
        raise ReasonTooLongError
    parts = [part for part in (picked, own) if part]
    if not parts:
        raise ReasonMissingError
    return "。\n".join(parts)


def svg_path(stroke: Sequence[tuple[int, int]]) -> str:
    """One stroke of a signature as the ``d`` of an SVG path; a single point is a line to itself, which is a dot."""
    points = stroke if len(stroke) > 1 else [*stroke, *stroke]
    return "M" + " L".join(f"{x:d} {y:d}" for x, y in points)
