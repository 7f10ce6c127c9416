"""The languages that people read: which there are, which one a reader gets, and the words in each.

Words are written in zh-TW, the language of the guide, and marked for gettext; a catalogue of another language
translates from it (``<package>/locale/<language>/LC_MESSAGES/messages.po``, compiled beside it by ``make catalogues``).
A reader's language belongs to the request, as its correlation id does: it is set once and read wherever words are made.
"""

from __future__ import annotations

import gettext
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from shared.events import Language

#: Each language by its own name, in the order of a list to choose from.
NAMES: dict[Language, str] = {"zh-TW": "中文", "en": "English", "vi": "Tiếng Việt", "id": "Bahasa Indonesia"}
#: All of them: what is offered where nothing else is said.
ALL: tuple[Language, ...] = tuple(NAMES)
#: The language that the words are written in.
SOURCE: Language = "zh-TW"

_current: ContextVar[Language] = ContextVar("language", default=SOURCE)


def current_language() -> Language:
    """The language of the reader who is answered now."""
    return _current.get()


def speak(language: Language) -> None:
    """Answer in this language from now on, in this request."""
    _current.set(language)


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Answer in this language for the time of the block."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def known_language(text: str, offered: Collection[Language] = ALL) -> Language | None:
    """The language of this tag, where it is offered."""
    return cast("Language", text) if text in offered else None


def best_language(accept_language: str, offered: Collection[Language] = ALL) -> Language:
    """The reader's first choice of those offered, by the header Accept-Language (RFC 9110, section 12.5.4).

    A tag is matched by its primary part: ``en-GB`` is English, every kind of Chinese gets ours. ``in`` is what old
    phones call Indonesian. Who names none that is offered gets zh-TW.
    """
    by_primary: dict[str, Language] = {"zh": SOURCE, "en": "en", "vi": "vi", "id": "id", "in": "id"}
    wishes = [_wish(part) for part in accept_language.split(",")]
    for _, tag in sorted((wish for wish in wishes if wish[0] > 0), key=lambda wish: -wish[0]):
        found = by_primary.get(tag.strip().partition("-")[0].lower())
        if found is not None and found in offered:
            return found
    return SOURCE


def _wish(part: str) -> tuple[float, str]:
    tag, _, parameter = part.partition(";")
    try:
        return float(parameter.strip().removeprefix("q=") or 1), tag
    except ValueError:
        return 0, tag


@cache
def catalogue(package: str, language: Language) -> gettext.NullTranslations:
    """The words of a package in one language; behind them those of the shared templates."""
    found: gettext.NullTranslations = gettext.NullTranslations()
    if language != SOURCE:
        for name in ("shared.web", package):
            file = files(name) / "locale" / language / "LC_MESSAGES" / "messages.mo"
            if file.is_file():
                with as_file(file) as path, path.open("rb") as content:
                    words = gettext.GNUTranslations(content)
                words.add_fallback(found)
                found = words
    return found


class Words:
    """A package's words in the language of the reader who is answered now."""

    def __init__(self, package: str) -> None:
        self._package = package

    def gettext(self, message: str) -> str:
        """The message, translated."""
        return catalogue(self._package, current_language()).gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """The message for this number, translated. In zh-TW both are the same."""
        return catalogue(self._package, current_language()).ngettext(singular, plural, number)


def marked(message: str) -> str:
    """Mark a message for the catalogues where it is written down; it is translated where it is read."""
    return message
