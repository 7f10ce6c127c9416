"""The rules of passwords. Standard library only, no I/O."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

#: Characters are Unicode's code points, counted after normalisation (NIST SP 800-63B-4, section 3.1.1.2).
FEWEST_CHARACTERS = 12
MOST_CHARACTERS = 256
#: "aaaaaaaaaaaa" and "121212121212" are long and no secret.
FEWEST_DIFFERENT = 5
#: A part of an e-mail address that is shorter than this stands in many words.
SHORTEST_OWN_PART = 4
#: What this service is called is the first that somebody tries here.
SITE_NAMES = frozenset({"kinbind", "親子綁定"})
DIGITS_IN_ORDER = "0123456789" * 26
FIRST_PASSWORD_LENGTH = 6


def is_first_password(typed: str, national_id: str) -> bool:
    """Whether this is the last six characters of the ID number, in whatever case they were typed."""
    return hmac.compare_digest(typed.strip().upper().encode(), national_id[-FIRST_PASSWORD_LENGTH:].encode())


def password_problem(
    password: str, repeated: str, national_id: str, login: str, common: Collection[str]
) -> dict[str, str]:
    """The field that is wrong and the code of its message; empty for a password that can be used.

    Length is what counts, not its letters and digits; ``common`` are those that everybody has, in lower case (NIST
    SP 800-63B-4, section 3.1.1.2).
    """
    if len(password) < FEWEST_CHARACTERS:
        return {"password": "password_short"}
    if len(password) > MOST_CHARACTERS:
        return {"password": "password_long"}
    lowered = password.lower()
    if any(part in lowered for part in _own_parts(national_id, login)):
        return {"password": "password_obvious"}
    if _is_common(lowered, common):
        return {"password": "password_common"}
    return {} if password == repeated else {"repeated": "password_differs"}


def _own_parts(national_id: str, login: str) -> set[str]:
    """What somebody who knows the parent tries: ID number, e-mail and its parts; and the site's name."""
    parts = {part for part in re.split(r"[\W_]+", login.lower()) if len(part) >= SHORTEST_OWN_PART}
    own = {national_id.lower(), national_id[-FIRST_PASSWORD_LENGTH:].lower(), login.lower(), login.partition("@")[0]}
    return parts | {part.lower() for part in own if len(part) >= SHORTEST_OWN_PART} | SITE_NAMES


def _is_common(lowered: str, common: Collection[str]) -> bool:
    """Whether it is a common one, as it stands, twice, or with digits and signs around it."""
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lowered)
    half = lowered[: len(lowered) // 2]
    return (
        len(set(lowered)) < FEWEST_DIFFERENT
        or lowered in DIGITS_IN_ORDER
        or lowered[::-1] in DIGITS_IN_ORDER
        or not {lowered, core, half if half * 2 == lowered else lowered}.isdisjoint(common)
    )
