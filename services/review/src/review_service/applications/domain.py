"""What an application in review can be, and what a decision needs. Standard library only, no I/O."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING

from review_service.errors import ReasonMissingError, ReasonTooLongError

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_REASON = 500
NUMBER = re.compile(r"\b\d{8}-[2-9A-Z]{6}\b")
SHA256_HEX = re.compile(r"\b[0-9a-f]{64}\b")

#: The other relations are guardians, 監護人.
LEGAL_REPRESENTATIVES = frozenset({"father", "mother"})


class State(StrEnum):
    """What binding says of an application. Only binding changes it."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"


class Outcome(StrEnum):
    """What a teacher decides."""

    APPROVE = "approve"
    REFUSE = "refuse"


class Standing(StrEnum):
    """Where an application stands for the teacher who looks at it."""

    WAITING = "waiting"
    HELD = "held"  # decided, and still to be undone
    DECIDED = "decided"  # the decision is on its way, binding has not confirmed it
    APPROVED = "approved"
    UNBINDING = "unbinding"  # bound, and the administrator's word to end that is on its way
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    DELETED = "deleted"  # the parent had the account deleted, and was bound or waited until then


class Flag(StrEnum):
    """What is unusual about an application, so that somebody looks twice."""

    THIRD_GUARDIAN = "third_guardian"
    SAME_RELATION = "same_relation"
    SHARED_CONTACT = "shared_contact"
    DISOWNED = "disowned"


def standing(
    state: str,
    outcome: str | None,
    *,
    has_left: bool = True,
    is_unbinding: bool = False,
    is_deleted: bool = False,
) -> Standing:
    """What is shown: binding's word, once it has spoken; until then whether somebody decided."""
    if state == State.WAITING and outcome is not None:
        return Standing.DECIDED if has_left else Standing.HELD
    if state == State.APPROVED and is_unbinding:
        return Standing.UNBINDING
    if state == State.WITHDRAWN and is_deleted:
        return Standing.DELETED
    return Standing(state)


def parse_scanned(text: str) -> tuple[str, str]:
    """Application number and document hash in what was typed or scanned; empty where it holds none.

    A paper form's QR code is an address that ends with the hash (SHA-256 in hex).
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    number = NUMBER.search(plain.upper())
    found = SHA256_HEX.search(plain.lower())
    return number[0] if number else "", found[0] if found else ""


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
