"""What an application in review can be, and what a decision needs. Standard library only, no I/O."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from review_service.errors import BadUsernameError, ReasonMissingError, ReasonTooLongError, WeakPasswordError

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_REASON = 500
#: NIST SP 800-63B asks for eight characters at least.
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 200
USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")

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


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """How long sessions live and how often a sign-in may be tried."""

    session_hours: int
    idle_minutes: int
    tries: int
    address_tries: int
    window_minutes: int

    @property
    def life(self) -> timedelta:
        """How long a session lives at most."""
        return timedelta(hours=self.session_hours)

    @property
    def idle(self) -> timedelta:
        """How long a session lives unused."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def window(self) -> timedelta:
        """The time in which tries are counted."""
        return timedelta(minutes=self.window_minutes)


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


def parse_username(text: str) -> str:
    """The user name as it is stored: lower case, half width. Raises BadUsernameError."""
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if USERNAME.fullmatch(name) is None:
        raise BadUsernameError
    return name


def check_password(password: str) -> None:
    """Raises WeakPasswordError for a password that no account may have."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise WeakPasswordError


def svg_path(stroke: Sequence[tuple[int, int]]) -> str:
    """One stroke of a signature as the ``d`` of an SVG path; a single point is a line to itself, which is a dot."""
    points = stroke if len(stroke) > 1 else [*stroke, *stroke]
    return "M" + " L".join(f"{x:d} {y:d}" for x, y in points)
