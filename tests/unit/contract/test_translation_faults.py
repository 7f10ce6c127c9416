from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.catalogues import read
from contract.glossary import Glossary, is_said, read_glossary, terms_in
from contract.translation_faults import faults

if TYPE_CHECKING:
    from pathlib import Path

GLOSSARY: Glossary = {
    "祖父": {"en": ("paternal grandfather",)},
    "外祖父": {"en": ("maternal grandfather",)},
    "綁定": {"en": ("link", "connect")},
}


def faults_of(entry: str) -> list[str]:
    """What is found in an English catalogue with this entry, without the message that it is about."""
    header = 'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    found = faults(read((header + entry).encode(), "en"), "en", GLOSSARY)
    return [fault.partition(": ")[2] for fault in found]


@pytest.mark.parametrize(
    ("original", "translation"),
    [
        ("您好", "Hello"),
        ("%(name)s 您好：", "Dear %(name)s,"),
        ("請等 {seconds} 秒。", "Please wait {seconds} seconds."),
        ("%m/%d %H:%M", "%Y-%m-%d %H:%M"),
        ("<b>請</b>看", "Please <b>look</b>"),
        ("語言：中文", "Language: 中文"),
        ("外祖父", "Maternal grandfather"),
        ("已綁定", "Linked"),
        ("已綁定", "Connected"),
        ("、", ", "),
    ],
)
def test_a_good_translation_has_no_fault(original: str, translation: str):
    assert faults_of(f'msgid "{original}"\nmsgstr "{translation}"\n') == []


@pytest.mark.parametrize(
    ("original", "translation", "fault"),
    [
        ("您好", "", "not translated"),
        ("%(name)s 您好", "Hello", "other placeholders"),
        ("%(name)s 您好", "Hello %(nome)s", "other placeholders"),
        ("您好", "Hello %(name)s", "other placeholders"),
        ("等 {seconds} 秒", "Wait {second} seconds", "other placeholders"),
        ("%(name)s 您好", "Hello 100 % %(name)s", "a lone percent sign"),
        ("<b>請</b>看", "Please look", "other markup"),
        ("請看", "Please <b>look</b>", "other markup"),
        ("甲&amp;乙", "A and B", "other markup"),
        ("您好", "Hello 您", "Chinese characters left: 您"),
        ("您好。", "Hello。", "Chinese characters left: 。"),
        ("您好：", "Hello：", "Chinese characters left: ："),
        ("（選填）", "（optional）", "Chinese characters left: （"),
        ("「清除」", "Press 「Clear", "Chinese characters left: 「"),
        ("還好？", "Well？", "Chinese characters left: ？"),
        ("您好！", "Hello！", "Chinese characters left: ！"),
        ("甲、乙", "A、B", "Chinese characters left: 、"),
        ("您好 ", "Hello", "other spaces at the edges"),
        ("您好", " Hello", "other spaces at the edges"),
        ("外祖父", "Paternal grandfather", "no word of the glossary for 外祖父"),
        ("祖父", "Grandfather", "no word of the glossary for 祖父"),
        ("已綁定", "Bound", "no word of the glossary for 綁定"),
    ],
)
def test_a_fault_is_found(original: str, translation: str, fault: str):
    assert fault in faults_of(f'msgid "{original}"\nmsgstr "{translation}"\n')


def test_a_guess_is_found():
    assert faults_of('#, fuzzy\nmsgid "您好"\nmsgstr "Hello"\n') == ["fuzzy"]


@pytest.mark.parametrize(
    ("forms", "expected"),
    [
        ('msgstr[0] "one"\nmsgstr[1] "many"\n', []),
        ('msgstr[0] "one"\n', ["not 2 plural forms"]),
        ('msgstr[0] "one"\nmsgstr[1] ""\n', ["not 2 plural forms"]),
        ('msgstr[0] ""\nmsgstr[1] ""\n', ["not translated"]),
        ('msgstr[0] "one"\nmsgstr[1] "many。"\n', ["Chinese characters left: 。"]),
    ],
)
def test_a_missing_or_faulty_plural_form_is_found(forms: str, expected: list[str]):
    assert faults_of(f'msgid "一位"\nmsgid_plural "多位"\n{forms}') == expected


def test_longer_terms_win_over_those_inside_them():
    assert terms_in("外祖父與祖父，外祖父", GLOSSARY) == ["外祖父", "祖父"]
    assert terms_in("外祖父", GLOSSARY) == ["外祖父"]
    assert terms_in("外祖父", {}) == []


def test_a_form_begins_a_word():
    assert is_said(("link",), "You are LINKED now.")
    assert not is_said(("link",), "He is blinking.")
    assert not is_said(("SD",), "Rabu dan Kamisd")


def test_the_glossary_is_a_table_with_a_column_for_each_language(tmp_path: Path):
    table = tmp_path / "glossary.csv"
    table.write_text("zh-TW,en,vi\n導師,homeroom teacher|class teacher,giáo viên chủ nhiệm\n", encoding="utf-8")

    forms = {"en": ("homeroom teacher", "class teacher"), "vi": ("giáo viên chủ nhiệm",)}
    assert read_glossary(table) == {"導師": forms}
