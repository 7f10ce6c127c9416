"""The personal-data statement: versioned texts, each known by the hash of its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

#: The version that is asked for now. An older one stays in the folder: applications refer to it.
CURRENT = "2026-11"


@dataclass(frozen=True, slots=True)
class Statement:
    """One version: its paragraphs (a heading begins with ``# ``) and the SHA-256 of the text, in hex."""

    version: str
    text: str
    hash: str

    def parts(self) -> list[tuple[str, list[str]]]:
        """Heading and paragraphs of each part."""
        sections = self.text.strip().removeprefix("# ").split("\n# ")
        return [(lines[0], [line for line in lines[1:] if line]) for lines in (part.split("\n") for part in sections)]


@cache
def statement(version: str = CURRENT) -> Statement:
    """The statement of that version. Raises FileNotFoundError for one that never was."""
    text = (files("binding_service") / "statements" / f"{version}.zh-TW.txt").read_text(encoding="utf-8")
    return Statement(version, text, hashlib.sha256(text.encode()).hexdigest())
