"""What an account shows of a child and its guardians, and what an objection is. Standard library only, no I/O."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Objection:
    """What the guardian who objected sees of it. ``outcome`` is empty while it waits; ``note`` is the school's."""

    id: UUID
    submitted_at: datetime
    outcome: str
    closed_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class Guardian:
    """Another guardian of a child, who was bound later. ``name`` is whole here, and masked wherever it is shown.

    ``is_bound``: no longer, where the school ended it after an objection.
    """

    binding_id: UUID
    own_binding_id: UUID
    student_name: str
    name: str
    relation: str
    relation_text: str
    bound_at: datetime
    is_bound: bool
    objection: Objection | None


@dataclass(frozen=True, slots=True)
class Child:
    """A child of the account: ``state`` is approved or pending; ``since`` is when it was bound, or applied for.

    ``left_on``: since when the school has no such student.
    """

    binding_id: UUID
    name: str
    school: str
    class_name: str
    relation: str
    relation_text: str
    state: str
    since: datetime
    left_on: date | None
    guardians: Sequence[Guardian]


def clean_reason(typed: str) -> str:
    """What was written, its lines kept; without spaces around it and characters that no keyboard types."""
    text = unicodedata.normalize("NFC", typed.replace("\r\n", "\n"))
    return "".join(letter for letter in text if letter == "\n" or unicodedata.category(letter) != "Cc").strip()


def reason_problem(reason: str) -> str | None:
    """The code of what is wrong with a reason; None for a good one."""
    if not reason:
        return "required"
    return "reason_long" if len(reason) > LONGEST_REASON else None


def svg_path(stroke: Sequence[tuple[int, int]]) -> str:
    """One stroke of a signature as the ``d`` of an SVG path; a single point is a line to itself, which is a dot."""
    points = stroke if len(stroke) > 1 else [*stroke, *stroke]
    return "M" + " L".join(f"{x:d} {y:d}" for x, y in points)
