"""What an application is, and the rules it keeps. Standard library only, no I/O."""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

#: The relations of the guide, by group, in its order.
LEGAL_REPRESENTATIVES = ("father", "mother")
GUARDIANS = (
    "paternal_grandfather",
    "paternal_grandmother",
    "maternal_grandfather",
    "maternal_grandmother",
    "other",
)
RELATIONS = (*LEGAL_REPRESENTATIVES, *GUARDIANS)
LEVELS = ("elementary", "junior_high", "senior_high", "vocational_high")

LONGEST_NAME = 50
LONGEST_RELATION = 20
MAX_SIGNATURE_BYTES = 64 * 1024
#: A dot or a slip of the finger is no signature.
FEWEST_POINTS = 8

#: No 0/O, 1/I/L: an application number is read out on the telephone.
NUMBER_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
NUMBER_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Student:
    """A child as the roster has it, for one who may know."""

    id: str
    name: str
    class_id: str
    class_name: str
    school_id: str
    school_name: str


@dataclass(frozen=True, slots=True)
class BindingView:
    """One child of an application as its parent sees it. ``state`` is pending, approved, refused or withdrawn."""

    id: UUID
    application_id: UUID
    application_number: str
    student_id: str
    student_name: str
    school_name: str
    class_name: str
    relation: str
    relation_text: str
    state: str
    reason: str
    submitted_at: datetime
    changed_at: datetime


def clean_name(text: str) -> str | None:
    """A person's name, its spaces put in order; None for an empty or too long one, or with control characters."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    return None if not name or len(name) > LONGEST_NAME or has_control_characters(name) else name


def has_control_characters(text: str) -> bool:
    """Whether there is a character that no keyboard types; a NUL is one that PostgreSQL can't hold."""
    return any(unicodedata.category(letter) == "Cc" for letter in text)


def mask_name(name: str) -> str:
    """``林○芬``: the first and the last character, for who is not known to be that person."""
    if len(name) <= 2:  # noqa: PLR2004 - nothing stands between the first and the last
        return f"{name[:1]}○"
    return f"{name[0]}{'○' * (len(name) - 2)}{name[-1]}"


def relation_problem(relation: str, relation_text: str) -> dict[str, str]:
    """The field that is wrong and the code of its message; empty when all is right."""
    if relation not in RELATIONS:
        return {"relation": "choose"}
    words = relation_text.strip()
    if relation == "other" and (not 0 < len(words) <= LONGEST_RELATION or has_control_characters(words)):
        return {"relation_text": "relation_text"}
    return {}


def signature_problem(strokes: Sequence[Sequence[object]], typed: str, name: str) -> str | None:
    """The code of what is wrong with a signature of ``name``; None for a good one."""
    if sum(map(len, strokes)) >= FEWEST_POINTS:
        return None
    if not typed.strip():
        return "signature_empty"
    return None if _bare(typed) == _bare(name) else "signature_name_differs"


def application_number(today: date) -> str:
    """``20261124-7K3FQ9``: the day and six letters and digits that are hard to mistake."""
    return f"{today:%Y%m%d}-{''.join(secrets.choice(NUMBER_ALPHABET) for _ in range(NUMBER_LENGTH))}"


def _bare(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()
