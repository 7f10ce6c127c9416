"""The service's words in the reader's language: ``_("下一步")``."""

from __future__ import annotations

from shared.languages import Words

WORDS = Words("binding_service")
_ = WORDS.gettext
