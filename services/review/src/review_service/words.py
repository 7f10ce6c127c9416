"""The service's words in the reader's language: ``_("核准")``; and the languages that there are of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.languages import Words

if TYPE_CHECKING:
    from shared.events import Language

#: Who reviews works at a school in Taipei: those who read no Chinese there read English.
LANGUAGES: tuple[Language, ...] = ("zh-TW", "en")
WORDS = Words("review_service")
_ = WORDS.gettext
