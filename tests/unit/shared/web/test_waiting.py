from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.languages import speaking
from shared.web.pages import waiting

if TYPE_CHECKING:
    from shared.events import Language


@pytest.mark.parametrize(
    ("language", "span", "words"),
    [
        ("zh-TW", timedelta(seconds=-5), "0 分鐘"),
        ("zh-TW", timedelta(minutes=59, seconds=59), "59 分鐘"),
        ("zh-TW", timedelta(hours=1), "1 小時"),
        ("zh-TW", timedelta(days=3, hours=23), "3 天"),
        ("en", timedelta(minutes=1), "1 min"),
        ("en", timedelta(hours=23), "23 h"),
        ("en", timedelta(days=1), "1 d"),
        ("vi", timedelta(days=2), "2 ngày"),
        ("id", timedelta(hours=2), "2 jam"),
    ],
)
def test_a_wait_is_told_in_its_largest_unit(language: Language, span: timedelta, words: str):
    with speaking(language):
        assert waiting(span) == words
