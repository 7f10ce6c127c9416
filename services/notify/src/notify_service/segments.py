"""What an SMS costs: the segments that it is sent in (3GPP TS 23.038 and 23.040)."""

from __future__ import annotations

from dataclasses import dataclass

#: The default alphabet, one septet each. 0x09 is the capital letter only: where tables differ, none is missed.
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Its extension: an escape goes before each.
EXTENDED = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, slots=True)
class Size:
    """How long a text is in the units of its encoding, and how many segments that takes; ``room`` is that of one."""

    encoding: str
    units: int
    segments: int
    room: int


def size(text: str) -> Size:
    """The text's size: one letter outside the alphabet makes all of it UCS-2, in units of UTF-16."""
    if all(letter in BASIC or letter in EXTENDED for letter in text):
        units = sum(2 if letter in EXTENDED else 1 for letter in text)
        return _sized("GSM-7", units, alone=160, each=153)
    return _sized("UCS-2", len(text.encode("utf-16-le")) // 2, alone=70, each=67)


def _sized(encoding: str, units: int, *, alone: int, each: int) -> Size:
    """``each`` of several carries a header that says which one it is."""
    segments = 1 if units <= alone else -(-units // each)
    return Size(encoding, units, segments, alone)
