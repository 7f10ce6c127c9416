"""The personal-data statement: versioned texts in each language, each known by the hash of its content.

Article 8 of the Personal Data Protection Act (個人資料保護法) says what it has to tell, article 3 which rights.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.events import Language

#: The version that is asked for now. An older one stays in the folder: applications refer to it.
CURRENT = "2026-12"


@dataclass(frozen=True, slots=True)
class Statement:
    """One version in one language: its text (a heading begins with ``# ``) and the SHA-256 of the text, in hex."""

    version: str
    language: Language
    text: str
    hash: str

    def parts(self) -> list[tuple[str, list[str]]]:
        """Heading and paragraphs of each part."""
        sections = self.text.strip().removeprefix("# ").split("\n# ")
        return [(lines[0], [line for line in lines[1:] if line]) for lines in (part.split("\n") for part in sections)]


def is_known(version: str) -> bool:
    """Whether there is, or was, a statement of that version."""
    names = {file.name for file in (files("binding_service") / "statements").iterdir()}
    return f"{version}.zh-TW.txt" in names


@cache
def statement(version: str = CURRENT, language: Language = "zh-TW") -> Statement:
    """The statement of that version in that language. Raises FileNotFoundError for one that never was."""
    text = (files("binding_service") / "statements" / f"{version}.{language}.txt").read_text(encoding="utf-8")
    return Statement(version, language, text, hashlib.sha256(text.encode()).hexdigest())
