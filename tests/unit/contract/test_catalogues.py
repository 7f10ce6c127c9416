from __future__ import annotations

import sys
from gettext import GNUTranslations
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from babel.messages import Catalog

from contract import catalogues
from contract.catalogues import Catalogue, as_mo, as_po, extracted, messages, read, translations, updated

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = """
from shared.languages import Words, marked
words = Words("made_up")
_ = words.gettext
LATER = {"code": marked("稍後 {seconds}")}
def say(count): return _("您好") + words.gettext("再見") + words.ngettext("一位", "%(count)s 位", count)
NOT_WORDS = "不翻譯"
"""
PAGE = """
{% extends "base.html" %}
{% block main %}
<h1 title="{{ _("標題 %(name)s", name=name) }}">{{ _("您好") }}</h1>
{% trans trimmed name=name %}
  一行
  兩行 {{ name }}
{% endtrans %}
{% trans count=count %}一封{% pluralize %}{{ count }} 封{% endtrans %}
{% endblock %}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with words in its code and its templates, known to Python for the time of a test."""
    root = tmp_path / "made_up"
    (root / "templates" / "mailbox").mkdir(parents=True)
    (root / "__init__.py").write_text("", encoding="utf-8")
    (root / "say.py").write_text(PYTHON, encoding="utf-8")
    (root / "templates" / "page.html").write_text(PAGE, encoding="utf-8")
    (root / "templates" / "letter.j2").write_text("{{ _('信') }}", encoding="utf-8")
    (root / "templates" / "mailbox" / "list.html").write_text("{{ _('開發') }}", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "made_up", raising=False)
    monkeypatch.setattr(catalogues, "LANGUAGES", {"made_up": ("vi",)})
    return root


def words_of(*ids: str | tuple[str, str]) -> Catalog:
    """A made-up package's words."""
    words = Catalog()
    for message in ids:
        words.add(message, locations=[("say.py", 0)])
    return words


def test_words_are_found_in_code_and_templates_in_their_order(package: Path):
    assert package.exists()
    assert [message.id for message in messages(extracted("made_up"))] == [
        "稍後 {seconds}",
        "您好",
        "再見",
        ("一位", "%(count)s 位"),
        "信",
        "標題 %(name)s",
        "一行 兩行 %(name)s",
        ("一封", "%(count)s 封"),
    ]


def test_a_template_that_cannot_be_read_is_an_error(package: Path):
    (package / "templates" / "broken.html").write_text("{% if %}{{ _('您好') }}", encoding="utf-8")

    with pytest.raises(Exception, match="Expected an expression"):
        extracted("made_up")


def test_translations_are_kept_new_words_are_empty_and_obsolete_ones_go():
    before = read(b'msgid "\xe7\x94\xb2"\nmsgstr "A"\n\nmsgid "\xe4\xb9\x99"\nmsgstr "B"\n', "en")
    after = updated(words_of("甲", "丙"), before, "en")

    assert [(message.id, translations(message)) for message in messages(after)] == [("甲", ["A"]), ("丙", [""])]


def test_a_changed_sentence_is_not_given_the_translation_of_a_similar_one():
    before = read('msgid "請輸入驗證碼。"\nmsgstr "Please enter the code."\n'.encode(), "en")
    after = updated(words_of("請輸入驗證碼！"), before, "en")

    assert [(translations(message), message.fuzzy) for message in messages(after)] == [([""], False)]


def test_what_a_translator_marked_as_a_guess_stays_marked_and_is_not_read():
    before = read('#, fuzzy\nmsgid "甲"\nmsgstr "A?"\n'.encode(), "en")
    after = updated(words_of("甲"), before, "en")

    assert b"#, fuzzy" in as_po(after)
    assert GNUTranslations(BytesIO(as_mo(after))).gettext("甲") == "甲"


def test_a_word_that_gets_a_plural_is_translated_anew():
    before = read('msgid "甲"\nmsgstr "A"\n'.encode(), "en")
    after = updated(words_of(("甲", "甲")), before, "en")

    assert [message.string for message in messages(after)] == [("", "")]


def test_a_catalogue_is_read_as_it_was_written():
    words = updated(words_of("甲", ("一位", "%(n)s 位")), Catalog(), "en")
    for message in messages(words):
        message.string = ("one", "%(n)s of them") if message.pluralizable else "A"
    again = updated(words_of("甲", ("一位", "%(n)s 位")), read(as_po(words), "en"), "en")

    assert as_po(again) == as_po(words)
    assert GNUTranslations(BytesIO(as_mo(again))).ngettext("一位", "%(n)s 位", 2) == "%(n)s of them"


def test_a_catalogue_holds_no_dates_line_numbers_or_versions():
    text = as_po(updated(words_of("甲"), Catalog(), "vi")).decode()

    assert "#: say.py\n" in text
    assert "fuzzy" not in text
    assert "Date" not in text
    assert "Generated" not in text


def test_make_catalogues_writes_both_forms_and_names_what_is_missing(package: Path, capsys: pytest.CaptureFixture[str]):
    assert catalogues.main() == 0

    kept = Catalogue("made_up", "vi")
    assert kept.po.is_relative_to(package)
    assert kept.mo.exists()
    assert capsys.readouterr().out == f"{kept.po}: 8 to be translated\n"
    first = kept.po.read_bytes(), kept.mo.read_bytes()
    catalogues.main()
    assert (kept.po.read_bytes(), kept.mo.read_bytes()) == first
