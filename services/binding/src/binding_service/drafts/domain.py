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
LONGEST_RELATION = 40


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
    return None if not name or len(name) > LONGEST_NAME or has_control_characters(name) else name


def has_control_characters(text: str) -> bool:
    """Whether there is a character that no keyboard types; a NUL is one that PostgreSQL can't hold."""
    return any(unicodedata.category(letter) == "Cc" for letter in text)


def mask_name(name: str) -> str:
    """``林○芬``: the first and the last character, for who is not known to be that person."""
    if len(name) <= 2:  # noqa: PLR2004 - nothing stands between the first and the last
        return f"{name[:1]}○"
    return f"{name[0]}{'○' * (len(name) - 2)}{name[-1]}"


def school_matches(name: str, wanted: str) -> bool:
    """Whether each part of what was typed stands somewhere in the school's name; 台 and 臺 are the same."""
    plain = _plain(name)
    return all(part in plain for part in _plain(wanted).split())


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("臺", "台")


def relation_problem(relation: str, relation_text: str) -> dict[str, str]:
    """The field that is wrong and the code of its message; empty when all is right."""
    if relation not in RELATIONS:
        return {"relation": "choose"}
    words = relation_text.strip()
    if relation == "other" and (not 0 < len(words) <= LONGEST_RELATION or has_control_characters(words)):
        return {"relation_text": "relation_text"}
    return {}
