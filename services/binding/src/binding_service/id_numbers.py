"""Taiwanese personal ID numbers: their forms, their check digit, how they are masked. Standard library only, no I/O.

Ten characters: a letter for the place of registration, a digit or a letter for the kind and sex, seven digits, a check
digit. Rule: 統一證號編碼原則 of the Ministry of the Interior (內政部).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["national", "resident", "resident_old"]
Problem = Literal["form", "check_digit"]

#: A letter's value is its position here plus 10. The order is historical.
LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
FORMS: dict[Kind, re.Pattern[str]] = {
    "national": re.compile(r"[A-Z][12][0-9]{8}"),  # 身分證
    "resident": re.compile(r"[A-Z][89][0-9]{8}"),  # 居留證, since 2021
    "resident_old": re.compile(r"[A-Z][A-D][0-9]{8}"),  # 居留證 until then, in use until 2031
}
#: Of the letter's two digits, then of each character after it but the last, which counts once.
WEIGHTS = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1)


class IdNumberError(ValueError):
    """Not a valid ID number: its form or its check digit is wrong. It does not quote what was typed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class IdNumber:
    """A valid ID number as it is stored: upper case, half width, no spaces. Its repr does not show it."""

    text: str = field(repr=False)
    kind: Kind


def parse(text: str) -> IdNumber:
    """The ID number that was typed, in whatever case and width, with spaces or without. Raises IdNumberError."""
    half_width = text if text.isascii() else unicodedata.normalize("NFKC", text)
    plain = "".join(half_width.split()).upper()
    kind = next((kind for kind, form in FORMS.items() if form.fullmatch(plain)), None)
    if kind is None:
        raise IdNumberError(problem="form")
    if plain[-1] != check_digit(plain[:-1]):
        raise IdNumberError(problem="check_digit")
    return IdNumber(plain, kind)


def check_digit(first_nine: str) -> str:
    """The tenth character that makes these nine, which have one of the forms, a valid ID number."""
    total = sum([terms[character] for terms, character in zip(_TERMS, first_nine, strict=True)])
    return str(-total % 10)


def mask(text: str) -> str:
    """What may be shown of an ID number to somebody who knows it: ``YA94***61``."""
    return f"{text[:4]}***{text[-2:]}"


def _value(character: str) -> int:
    """A digit's own value, or a letter's; of a second letter only the units digit counts."""
    return int(character) if character.isdigit() else LETTERS.index(character) + 10


#: What each character adds to the sum, by its place: a roster has 300,000 numbers to check.
_TERMS = [
    {letter: _value(letter) // 10 * WEIGHTS[0] + _value(letter) % 10 * WEIGHTS[1] for letter in LETTERS},
    *({character: _value(character) % 10 * weight for character in LETTERS + "0123456789"} for weight in WEIGHTS[2:]),
]
