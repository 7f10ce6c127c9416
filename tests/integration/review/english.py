"""Pages for who reads English: what may be left of Chinese on them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx import AsyncClient
    from tests.integration.review.conftest import Visit

ENGLISH = {"accept-language": "en-GB,en;q=0.9"}
CHINESE = re.compile(r"[\u3000-\u303f\uff00-\uffef\u4e00-\u9fff]")
NAMES = re.compile("王大明|李小美|陳子瑜|王曉明|繼母|班級C-[12]|學校S-1|老師[TA]-[123]")
#: What may be Chinese: the name of the language, what parents are told in it, and what a choice sends unseen.
TOLD_IN_CHINESE = re.compile(
    r'<(\w+)[^>]* lang="zh-Hant-TW"[^>]*>.*?</\1>|(?<=<input type="radio" name="picked") value="[^"]*"', re.DOTALL
)


def chinese_in(text: str) -> list[str]:
    """The lines with Chinese in them that is no name."""
    return [line.strip() for line in NAMES.sub("", text).splitlines() if CHINESE.search(line)]


def assert_english(page: str) -> None:
    """No Chinese on it but names, and what is marked as Chinese."""
    assert '<html lang="en">' in page
    left = chinese_in(TOLD_IN_CHINESE.sub("", page))
    assert not left, left


async def in_english(visit: Visit, teacher: str = "") -> AsyncClient:
    """The browser of somebody who reads English."""
    browser = await visit(teacher)
    browser.headers.update(ENGLISH)
    return browser
