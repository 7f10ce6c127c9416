from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from binding_service.paper.fonts import FAMILIES, FormFonts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def fonts(font_folders: list[Path]) -> FormFonts:
    return FormFonts(font_folders)


def test_nothing_is_missing_where_all_packages_are(fonts: FormFonts) -> None:
    assert fonts.missing() == []


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert FormFonts([tmp_path / "nothing"]).missing() == list(FAMILIES)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("林雅芬", "林雅芬"),
        ("Nguyễn\u3000Thị", "Nguyễn\u3000Thị"),
        ("五年\n一班\u2028", "五年 一班 "),  # one line
        ("林\u202e雅\u200b芬", "林雅芬"),  # nothing turns the text around
        ("葛\U000e0100", "葛\U000e0100"),  # a form of the character
        ("\ue000", "〓(U+E000)"),  # means something else in every font
        ("\U0010fffd", "〓(U+10FFFD)"),
        ("\ud800", "〓(U+D800)"),
    ],
)
def test_a_text_is_put_so_that_it_can_be_printed(fonts: FormFonts, text: str, printed: str) -> None:
    assert fonts.printable(text) == printed


def test_the_whole_of_extensions_b_to_f_is_there(fonts: FormFonts) -> None:
    blocks = [(0x20000, 0x2A6D6), (0x2A700, 0x2B734), (0x2B740, 0x2B81D), (0x2B820, 0x2CEA1), (0x2CEB0, 0x2EBE0)]
    unknown = [code for first, last in blocks for code in range(first, last + 1) if "〓" in fonts.printable(chr(code))]
    assert unknown == []
