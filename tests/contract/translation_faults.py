"""What can be wrong with a translation, as far as a machine can tell. Each check says every fault that it finds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contract.catalogues import messages, translations
from contract.glossary import is_said, terms_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from babel.messages import Catalog, Message

    from contract.glossary import Glossary

#: A language is called by its own name in every other.
MAY_STAY_CHINESE = ("中文",)
#: Characters of Chinese and its punctuation, full-width forms included.
CHINESE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]+")
NAMED = re.compile(r"%\(\w+\)[a-z]|\{\w*\}")
TAG = re.compile(r"</?[a-zA-Z][^>]*>|&#?\w+;")


def faults(words: Catalog, language: str, glossary: Glossary) -> list[str]:
    """Everything that is wrong with the translations of a catalogue, each with the message that it is about."""
    return [
        f"{message.id}: {fault}"
        for message in messages(words)
        for fault in (_unfinished(message, words.num_plurals) or _wrong(message, language, glossary))
    ]


def _unfinished(message: Message, plural_forms: int) -> list[str]:
    if message.fuzzy:
        return ["fuzzy"]
    if not any(translations(message)):
        return ["not translated"]
    expected = plural_forms if message.pluralizable else 1
    if len(translations(message)) != expected or not all(translations(message)):
        return [f"not {expected} plural forms"]
    return []


def _wrong(message: Message, language: str, glossary: Glossary) -> list[str]:
    original = message.id if isinstance(message.id, str) else message.id[0]
    return [
        fault
        for translation in translations(message)
        for check in (_placeholders, _percent_signs, _markup, _chinese, _edges)
        for fault in check(original, translation)
    ] + [
        f"no word of the glossary for {term}"
        for translation in translations(message)
        for term in terms_in(original, glossary)
        if not is_said(glossary[term][language], translation)
    ]


def _placeholders(original: str, translation: str) -> Iterator[str]:
    if set(NAMED.findall(original)) != set(NAMED.findall(translation)):
        yield "other placeholders"


def _percent_signs(original: str, translation: str) -> Iterator[str]:
    """A lone percent sign would be read as the beginning of a placeholder, and fail where the text is shown."""
    lone = [NAMED.sub("", text).replace("%%", "").count("%") > 0 for text in (original, translation)]
    if lone[0] != lone[1]:
        yield "a lone percent sign"


def _markup(original: str, translation: str) -> Iterator[str]:
    if sorted(TAG.findall(original)) != sorted(TAG.findall(translation)):
        yield "other markup"


def _chinese(_: str, translation: str) -> Iterator[str]:
    for name in MAY_STAY_CHINESE:
        translation = translation.replace(name, "")
    yield from (f"Chinese characters left: {found}" for found in CHINESE.findall(translation))


def _edges(original: str, translation: str) -> Iterator[str]:
    """Where words end, what follows is set for the original. A comma alone brings the space that its language wants."""
    if any(map(str.isalnum, original)) and _edges_of(original) != _edges_of(translation):
        yield "other spaces at the edges"


def _edges_of(text: str) -> tuple[str, str]:
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
