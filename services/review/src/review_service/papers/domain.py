"""What an administrator types from a paper form. Standard library only, no I/O."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

RELATIONS = (
    "father",
    "mother",
    "paternal_grandfather",
    "paternal_grandmother",
    "maternal_grandfather",
    "maternal_grandmother",
    "other",
)
FIELDS = (
    "student_id",
    "relation",
    "relation_text",
    "parent_name",
    "national_id",
    "email",
    "email_again",
    "phone",
    "language",
    "statement_version",
    "signed_on",
)
REQUIRED = frozenset(FIELDS) - {"relation_text"}


def problems(typed: Mapping[str, str], today: date, languages: Collection[str]) -> dict[str, str]:
    """Field and code of what is wrong before binding has looked: missing, differing, not a day. The rest it checks."""
    choices = {"relation": RELATIONS, "language": languages}
    found = {field: "required" for field in FIELDS if field in REQUIRED and not typed.get(field, "").strip()}
    found |= {field: "required" for field, offered in choices.items() if typed.get(field) not in offered}
    if typed.get("relation") == "other" and not typed.get("relation_text", "").strip():
        found["relation_text"] = "relation_text"
    if "email_again" not in found and typed["email_again"].strip().lower() != typed.get("email", "").strip().lower():
        found["email_again"] = "email_differs"
    if "signed_on" not in found and not _is_past_day(typed["signed_on"], today):
        found["signed_on"] = "bad_day"
    return {field: found[field] for field in FIELDS if field in found}


def _is_past_day(text: str, today: date) -> bool:
    try:
        return date.fromisoformat(text) <= today
    except ValueError:
        return False
