"""Plain text as mail readers show it: lines that fit every screen, addresses whole on lines of their own."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Columns; a Chinese character takes two. RFC 5322 (section 2.1.1) asks for no more than 78.
WIDTH = 72
#: What a line does not begin with, and does not end with, in Chinese.
NEVER_FIRST = frozenset("，。、；：？！）」』】〉》…")
NEVER_LAST = frozenset("（「『【〈《")
#: What stands before an item or a quoted line. The lines that follow it are set in as far, or quoted too.
BEGINS = re.compile(r"(?:> |[・•] ?|\d+\. )?")


def tidy(text: str) -> str:
    """The text with its lines wrapped. Parts leave blank lines between them; two in a row say nothing more than one."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(wrapped for line in kept for wrapped in wrap(line)) + "\n"


def wrap(line: str) -> list[str]:
    """The line, in as many as it takes. One that is an address stays as it is."""
    if columns(line) <= WIDTH or "://" in line:
        return [line]
    begin = BEGINS.match(line)
    mark = begin[0] if begin else ""
    hang = mark if mark.startswith(">") else " " * columns(mark)
    lines, now = [], mark
    for piece in pieces(line[len(mark) :]):
        if columns(f"{now}{piece}".rstrip()) > WIDTH and now not in {mark, hang}:
            lines.append(now.rstrip())
            now = hang
        now += piece
    return [*lines, now.rstrip()]


def pieces(text: str) -> Iterator[str]:
    """The text in parts between which a line may end: words with the space behind them, and Chinese characters."""
    piece = ""
    for letter in text:
        if piece and may_break(piece[-1], letter):
            yield piece
            piece = ""
        piece += letter
    yield piece


def may_break(before: str, after: str) -> bool:
    """Whether a line may end between these two."""
    if before in NEVER_LAST or after in NEVER_FIRST or after == " ":
        return False
    return before == " " or is_wide(before) or is_wide(after)


def columns(text: str) -> int:
    """How wide the text is where each letter has a place of the same width."""
    return sum(2 if is_wide(letter) else 1 for letter in text)


def is_wide(letter: str) -> bool:
    """Whether it takes the place of two (Unicode Standard Annex 11)."""
    return unicodedata.east_asian_width(letter) in "WF"
