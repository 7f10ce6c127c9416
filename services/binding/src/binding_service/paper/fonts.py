"""The fonts of the paper form, and which characters they hold.

Names in Taiwan hold characters of Unicode's later extensions, and some that stand in CNS 11643 alone. A box in a name's
place says nothing, so a character that no font holds is told by its code point.
"""

from __future__ import annotations

import unicodedata
from functools import cached_property
from typing import TYPE_CHECKING

import uharfbuzz
from typst import Fonts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: What everything but rare characters is set in. Without it there is no form.
TEXT_FAMILY = "Noto Sans CJK TC"
#: In the order in which a character is looked for.
FAMILIES = (
    TEXT_FAMILY,
    "DejaVu Sans",  # Latin letters of other languages' names, Greek, Cyrillic
    "HanaMinB",  # Extensions B to F
    "TW-Sung-Plus",  # CNS 11643 in plane 15, where Unicode has no code point
    "BabelStone Han",  # Extensions G to I as far as they are drawn, compatibility forms
)
#: 〓, the printers' sign for a character that they have no type for.
GETA = "\N{GETA MARK}"


class FormFonts:
    """The fonts among ``folders``; a folder that is not there holds none."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.typst = Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder) for folder in folders]
        )

    def missing(self) -> list[str]:
        """The families that were not found."""
        found = self.typst.families()
        return [family for family in FAMILIES if family not in found]

    def printable(self, text: str) -> str:
        """The text on one line; what no font shows as ``〓(U+323AF)``, without what only steers layout."""
        if text.isascii() and text.isprintable():
            return text
        return "".join(map(self._printable, text))

    def _printable(self, character: str) -> str:
        category = unicodedata.category(character)
        if category in {"Cc", "Zl", "Zp"}:
            return " "
        if category == "Cf":
            return ""
        if _is_variation_selector(character) or self._holds(character):
            return character
        return f"{GETA}(U+{ord(character):04X})"

    def _holds(self, character: str) -> bool:
        # There every font means something else; plane 15 is the one private area with a public table, CNS 11643's.
        if "\ue000" <= character <= "\uf8ff":
            return False
        return any(font.get_nominal_glyph(ord(character)) for font in self._faces)

    @cached_property
    def _faces(self) -> list[uharfbuzz.Font]:
        """One of each family, mapped into memory, not read."""
        files = {font.family: font for font in self.typst.fonts() if font.family in FAMILIES and font.path}
        return [
            uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(font.path), font.index))
            for font in files.values()
        ]


def _is_variation_selector(character: str) -> bool:
    """Whether it asks for a form of the character before it: a font that has no such form shows the usual one."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
