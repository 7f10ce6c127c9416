"""Every mail as its reader sees it: on phones and desks, light and dark, also where style sheets are dropped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from e2e.test_every_page import STICKING_OUT
from notify_service.domain import Kind
from notify_service.notices import Notices
from notify_service.rendering import forms
from shared.languages import NAMES, SOURCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from shared.events import Language

pytestmark = pytest.mark.e2e

NOTICES = Notices("https://parents.kinbind.tainan.gov.tw/", "https://teachers.kinbind.tainan.gov.tw/")
#: A mail is shown inside a page that has landmarks of its own.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ALSO = {rule: {"enabled": True} for rule in ("heading-order", "page-has-heading-one", "empty-heading")}
PHONE, DESK = {"width": 360, "height": 740}, {"width": 700, "height": 900}

Scheme = Literal["light", "dark"]


def faults(page: Page, letter: str) -> list[str]:
    """What is wrong with a mail as it stands in this window."""
    page.set_content(letter)
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}, "rules": ALSO}).response["violations"]
    wrong = [f"{fault['id']}: {[node['target'] for node in fault['nodes']]}" for fault in found]
    return wrong + [f"sticks out: {words}" for words in page.evaluate(STICKING_OUT)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", list(NAMES))
def test_no_mail_has_a_fault(browser: Browser, language: Language, scheme: Scheme) -> None:
    letters = {name: text for name, text in forms(NOTICES, language) if name.endswith(".html")}
    assert len(letters) == len(Kind)
    wrong: dict[str, list[str]] = {}
    for viewport in (PHONE, DESK) if language == SOURCE else (PHONE,):
        page = browser.new_page(viewport=viewport, color_scheme=scheme)
        wrong |= {f"{name} at {viewport['width']}": found for name in letters if (found := faults(page, letters[name]))}
        page.context.close()
    assert wrong == {}


def test_a_mail_keeps_its_look_where_style_sheets_are_dropped(browser: Browser) -> None:
    page = browser.new_page(viewport=PHONE)
    letters = {name: text for name, text in forms(NOTICES, "zh-TW") if name.endswith(".html")}
    bare = {name: re.sub("(?s)<style>.*?</style>", "", text) for name, text in letters.items()}
    assert {name: found for name in bare if (found := faults(page, bare[name]))} == {}
    page.set_content(bare[f"zh-TW/{Kind.ACCOUNT_OPENED}.html"])
    assert page.get_by_role("link", name="登入帳號").bounding_box()["height"] >= 44  # type: ignore[index]
    page.context.close()


def test_a_mail_in_the_dark_is_dark(browser: Browser) -> None:
    letter = dict(forms(NOTICES, "zh-TW"))[f"zh-TW/{Kind.REFUSED}.html"]
    shades = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type] # one of the two
        page.set_content(letter)
        for part in ("body", ".letter", ".quote"):
            shades[scheme, part] = page.locator(part).evaluate("part => getComputedStyle(part).backgroundColor")
        page.context.close()
    for part in ("body", ".letter", ".quote"):
        assert brightness(shades["light", part]) > 200
        assert brightness(shades["dark", part]) < 70


def brightness(colour: str) -> float:
    """The mean of red, green and blue."""
    parts = [int(part) for part in re.findall(r"\d+", colour)[:3]]
    return sum(parts) / 3
