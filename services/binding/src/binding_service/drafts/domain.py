"""What may stand in a draft. Standard library only, no I/O."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Student:
    """A child as the roster has it, for one who may know."""

    id: str
    name: str
    class_id: str
    class_name: str
    school_id: str
    school_name: str


def clean_name(text: str) -> str | None:
    """A person's name, its spaces put in order; None for an empty or too long one, or with control characters."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > LONGEST_NAME or any(unicodedata.category(letter) == "Cc" for letter in name):
        return None
    return name


def relation_problem(relation: str, relation_text: str) -> dict[str, str]:
    """The field that is wrong and the code of its message; empty when all is right."""
    if relation not in RELATIONS:
        return {"relation": "choose"}
    if relation == "other" and not 0 < len(relation_text.strip()) <= LONGEST_RELATION:
        return {"relation_text": "relation_text"}
    return {}
