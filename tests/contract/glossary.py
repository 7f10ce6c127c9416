"""The glossary of ``docs/glossary.csv``: which words a term may be translated with, the same everywhere.

A column a language; several accepted forms are separated by ``|``, the one to prefer first. A form stands for itself
and for words that begin with it (``link`` for *linked*), never for a part inside a word.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from shared.languages import SOURCE

PATH = Path(__file__).parents[2] / "docs" / "glossary.csv"

#: The accepted forms of each term, by language.
Glossary = dict[str, dict[str, tuple[str, ...]]]


def read_glossary(path: Path = PATH) -> Glossary:
    """The glossary as it is written down."""
    with path.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    return {row.pop(SOURCE): {name: tuple(cell.split("|")) for name, cell in row.items()} for row in rows}


def terms_in(text: str, glossary: Glossary) -> list[str]:
    """The terms in a text. Where one contains another, the longer one is meant."""
    if not glossary:
        return []
    longest_first = sorted(glossary, key=len, reverse=True)
    return list(dict.fromkeys(re.findall("|".join(map(re.escape, longest_first)), text)))


def is_said(forms: tuple[str, ...], translation: str) -> bool:
    """Whether a translation has one of the forms in it, in capitals or not."""
    return any(re.search(rf"\b{re.escape(form)}", translation, re.IGNORECASE) for form in forms)
