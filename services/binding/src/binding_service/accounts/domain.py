"""The rules of passwords. Standard library only, no I/O."""

from __future__ import annotations

import hmac

FEWEST_CHARACTERS = 12
MOST_CHARACTERS = 256
FIRST_PASSWORD_LENGTH = 6


def is_first_password(typed: str, national_id: str) -> bool:
    """Whether this is the last six characters of the ID number, in whatever case they were typed."""
    return hmac.compare_digest(typed.strip().upper().encode(), national_id[-FIRST_PASSWORD_LENGTH:].encode())


def password_problem(password: str, repeated: str, national_id: str, login: str) -> dict[str, str]:
    """The field that is wrong and the code of its message; empty for a password that can be used.

    Length is what counts, not its letters and digits (NIST SP 800-63B-4, section 3.1.1.2).
    """
    if not FEWEST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        return {"password": "password_short"}
    lowered = password.lower()
    if any(part.lower() in lowered for part in (national_id, national_id[-FIRST_PASSWORD_LENGTH:], login)):
        return {"password": "password_obvious"}
    return {} if password == repeated else {"repeated": "password_differs"}
