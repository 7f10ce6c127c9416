from __future__ import annotations

import asyncio
import gettext
from typing import TYPE_CHECKING

import pytest

from shared import languages
from shared.languages import (
    NAMES,
    SOURCE,
    Words,
    best_language,
    catalogue,
    current_language,
    known_language,
    marked,
    speak,
    speaking,
)
from shared.web.pages import HTML_TAGS

if TYPE_CHECKING:
    from shared.events import Language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("vi", "vi"),
        ("en-GB", "en"),
        ("EN-us", "en"),
        ("id-ID", "id"),
        ("in", "id"),
        ("in-ID;q=0.9", "id"),
        ("zh", "zh-TW"),
        ("zh-CN", "zh-TW"),
        ("zh-Hant-HK", "zh-TW"),
        ("vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("en;q=0.4, vi;q=0.8", "vi"),
        ("en;q=0.8, vi;q=0.8", "en"),
        ("en ; q=0.1 , id ; q=0.2", "id"),
        ("de, en;q=0.5", "en"),
        ("en;q=0, vi;q=0.1", "vi"),
        ("en;q=0.0", "zh-TW"),
        ("*", "zh-TW"),
        ("de, fr", "zh-TW"),
        ("", "zh-TW"),
        (",,;", "zh-TW"),
        ("en;q=many", "zh-TW"),
        ("en;q=many, vi;q=0.1", "vi"),
        ("english", "zh-TW"),
        ("\x00;q=\x00", "zh-TW"),
    ],
)
def test_the_first_choice_among_ours_is_spoken(header: str, language: Language):
    assert best_language(header) == language


@pytest.mark.parametrize("text", list(NAMES))
def test_our_own_tags_are_known(text: str):
    assert known_language(text) == text


@pytest.mark.parametrize("text", ["", "EN", "en-GB", "zh", "de", "../en", "en "])
def test_other_tags_are_not(text: str):
    assert known_language(text) is None


def test_every_language_has_a_tag_for_html():
    assert set(HTML_TAGS) == set(NAMES)


def test_speaking_ends_with_its_block():
    with speaking("vi"):
        with speaking("id"):
            assert current_language() == "id"
        assert current_language() == "vi"
    assert current_language() == SOURCE


def test_speaking_ends_with_a_block_that_fails():
    with pytest.raises(ZeroDivisionError), speaking("vi"):
        _ = 1 / 0
    assert current_language() == SOURCE


async def test_one_readers_language_is_no_others():
    async def answer(language: Language) -> Language:
        speak(language)
        await asyncio.sleep(0)
        return current_language()

    assert await asyncio.gather(answer("vi"), answer("en")) == ["vi", "en"]
    assert current_language() == SOURCE


@pytest.mark.parametrize(
    ("language", "words"), [("zh-TW", "跳到主要內容"), ("en", "Skip to main content"), ("id", "Lewati ke konten utama")]
)
def test_words_are_in_the_readers_language(language: Language, words: str):
    with speaking(language):
        assert Words("shared.web").gettext("跳到主要內容") == words


def test_a_package_speaks_the_shared_templates_words_too():
    assert catalogue("notify_service", "vi").gettext("跳到主要內容") == "Chuyển đến nội dung chính"
    assert catalogue("notify_service", "vi").gettext("怎麼登入") == "Cách đăng nhập"


def test_a_package_without_a_catalogue_speaks_the_shared_words_only():
    assert catalogue("otp_service", "en").gettext("（選填）") == "(optional)"
    assert catalogue("otp_service", "en").gettext("怎麼登入") == "怎麼登入"


def test_an_unknown_word_stays_as_it_was_written():
    assert catalogue("notify_service", "en").gettext("沒有翻譯") == "沒有翻譯"


def test_the_source_needs_no_catalogue():
    assert type(catalogue("notify_service", SOURCE)) is gettext.NullTranslations


def test_a_number_is_said_in_the_readers_plural(monkeypatch: pytest.MonkeyPatch):
    class Plural(gettext.NullTranslations):
        def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
            return f"{msgid1 if n == 1 else msgid2} {n} {current_language()}"

    monkeypatch.setattr(languages, "catalogue", lambda _package, _language: Plural())
    with speaking("en"):
        assert Words("made_up").ngettext("child", "children", 2) == "children 2 en"


def test_a_mark_changes_nothing():
    assert marked("稍後翻譯") == "稍後翻譯"
