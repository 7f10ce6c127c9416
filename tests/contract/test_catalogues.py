"""Every reader is told the same, in words of their own, and the catalogues are in step with the sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.catalogues import (
    LANGUAGES,
    TRANSLATED,
    Catalogue,
    as_mo,
    as_po,
    catalogues,
    folder,
    messages,
    read,
    refreshed,
)
from contract.glossary import read_glossary
from contract.translation_faults import faults

if TYPE_CHECKING:
    from shared.events import Language

GLOSSARY = read_glossary()
#: Short labels that mean one thing to parents (how an application stands) and another to teachers (where they all are).
HOMONYMS = {"申請"}
each = pytest.mark.parametrize("catalogue", catalogues(), ids=str)


@each
def test_a_catalogue_has_the_words_of_the_sources_and_no_others(catalogue: Catalogue):
    assert catalogue.po.read_bytes() == as_po(refreshed(catalogue)), "run make catalogues"


@each
def test_what_a_service_reads_is_what_was_translated(catalogue: Catalogue):
    assert catalogue.mo.read_bytes() == as_mo(refreshed(catalogue)), "run make catalogues"


@each
def test_nothing_is_wrong_with_a_translation(catalogue: Catalogue):
    words = read(catalogue.po.read_bytes(), catalogue.language)
    assert faults(words, catalogue.language, GLOSSARY) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_same_words_are_translated_the_same_in_every_package(language: Language):
    translated: dict[object, set[object]] = {}
    for catalogue in catalogues():
        if catalogue.language == language:
            for message in messages(read(catalogue.po.read_bytes(), language)):
                translated.setdefault(message.id, set()).add(message.string)

    assert {words: found for words, found in translated.items() if len(found) > 1 and words not in HOMONYMS} == {}


def test_no_catalogue_is_left_of_a_package_or_language_that_is_gone():
    found = {path for package in LANGUAGES for path in Path(folder(package)).rglob("messages.*o")}
    assert found == {path for catalogue in catalogues() for path in (catalogue.po, catalogue.mo)}


def test_the_glossary_knows_each_term_in_every_language():
    for term, forms in GLOSSARY.items():
        assert tuple(forms) == TRANSLATED, term
        assert all(form and form == form.strip() for accepted in forms.values() for form in accepted), term
