"""Every page, on phones and desks, in every language, with and without scripts, as it stands in a browser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from e2e.parents import DESK, PHONE, Parent
from e2e.tour import walk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, ViewportSize

    from shared.events import Language
    from support.stack import Stack

pytestmark = pytest.mark.e2e

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGES = 57
#: What Chinese is written with; names and schools of the roster are left out where it is looked for.
CHINESE = re.compile(r"[\u3000-\u303f\uff00-\uffef\u4e00-\u9fff]")
#: What parents write of themselves.
MADE_UP = frozenset({"叔叔", "王曉明", "林淑芬", "紙本家長"})
BIGGEST_FIRST_VISIT = 60_000
#: Whose text sticks out of the window. What is hidden on purpose does not count, or stands in a part that scrolls.
STICKING_OUT = """() => [...document.querySelectorAll('body *')]
    .filter(e => !e.closest('.visually-hidden, .skip, .label, .name, details:not([open])'))
    .filter(e => {
        for (let part = e; part; part = part.parentElement)
            if (getComputedStyle(part).clipPath !== 'none') return false;
        return true;
    })
    .map(e => [e, e.getBoundingClientRect()])
    .filter(([_, box]) => box.width && (box.right > innerWidth + 1 || box.left < -1))
    .map(([e, _]) => `${e.tagName} ${e.textContent.trim().slice(0, 40)}`)"""


@dataclass(frozen=True)
class Eyes:
    """How somebody looks at the pages."""

    number: int
    language: Language
    viewport: ViewportSize
    has_scripts: bool = True
    scheme: Literal["light", "dark"] = "light"

    def __str__(self) -> str:
        """The test's name."""
        scripts = "" if self.has_scripts else "-no-scripts"
        scheme = "" if self.scheme == "light" else f"-{self.scheme}"
        return f"{self.language}-{self.viewport['width']}{scripts}{scheme}"

    def open_page(self, browser: Browser) -> Page:
        """A page that is looked at in this way, of a visitor of its own."""
        return browser.new_page(
            viewport=self.viewport,
            locale=self.language,
            java_script_enabled=self.has_scripts,
            color_scheme=self.scheme,
        )


EVERYBODY = [
    Eyes(1, "zh-TW", PHONE),
    Eyes(2, "zh-TW", PHONE, has_scripts=False),
    Eyes(3, "en", DESK),
    Eyes(4, "vi", PHONE, scheme="dark"),
    Eyes(5, "id", PHONE),
    Eyes(6, "zh-TW", DESK, has_scripts=False),
]


class Witness:
    """Looks at the pages of one ``site`` and remembers what is wrong with them."""

    def __init__(self, page: Page, eyes: Eyes, stack: Stack, site: str) -> None:
        self.page, self.eyes, self.stack, self.site = page, eyes, stack, site
        self._copy: Page | None = None
        self.seen: list[str] = []
        self.faults: list[str] = []
        page.on("pageerror", lambda fault: self.note(f"script: {fault}"))
        page.on("console", lambda said: said.type == "error" and self._note_console(said.text))
        page.on("request", self._note_request)

    def note(self, fault: str) -> None:
        """Something is wrong here."""
        self.faults.append(f"{self.seen[-1] if self.seen else 'before'}: {fault}")

    def _note_console(self, text: str) -> None:
        # That a form was refused (422) is no fault of the page.
        if "Failed to load resource" not in text:
            self.note(text)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self.site, "data:", "blob:")):
            self.note(f"goes elsewhere: {request.url}")

    def look(self, name: str) -> None:
        """Look at the page by this name, once all of it is there: a click waits for the new page's first byte only."""
        self.page.wait_for_load_state()
        self.seen.append(name)
        for violation in Axe().run(self._inspectable(), options={"runOnly": RULES}).response["violations"]:
            targets = [node["target"] for node in violation["nodes"]]
            self.note(f"axe {violation['id']}: {violation['help']} {targets}")
        for fault in self.page.evaluate(STICKING_OUT):
            self.note(f"sticks out: {fault}")
        self._look_at_words()

    def _inspectable(self) -> Page:
        """The page; where it may run no scripts, axe neither, so the same markup beside it, without the page's own."""
        if self.eyes.has_scripts:
            return self.page
        if self._copy is None:
            assert self.page.context.browser is not None
            self._copy = self.page.context.browser.new_page(viewport=self.eyes.viewport, color_scheme=self.eyes.scheme)
        markup = re.sub(r"<script.*?</script>", "", self.page.content())
        self._copy.unroute_all()
        self._copy.route("**/copy", lambda route: route.fulfill(body=markup, content_type="text/html"))
        self._copy.goto(f"{self.site}/copy")
        return self._copy

    def _look_at_words(self) -> None:
        tag = self.page.locator("html").get_attribute("lang")
        if tag != {"zh-TW": "zh-Hant-TW"}.get(self.eyes.language, self.eyes.language):
            self.note(f"lang is {tag}")
        if self.eyes.language == "zh-TW":
            return
        text = self.page.locator("body").inner_text()
        # What somebody wrote, or what is for others, says so.
        said_in_chinese = self.page.locator('[lang|="zh"]:not(html), .words').all_inner_texts()
        for name in sorted({*MADE_UP, *known_names(self.stack), *said_in_chinese}, key=len, reverse=True):
            text = text.replace(name, "")
        left = [line for line in text.splitlines() if CHINESE.search(re.sub(r"\w○\w|中文", "", line))]
        if left:
            self.note(f"Chinese is left: {left}")


def known_names(stack: Stack) -> set[str]:
    """What stands in the roster."""
    roster = stack.roster
    people = [*roster.staff, *roster.students, *roster.guardians]
    return (
        {school.name for school in roster.schools}
        | {room.title for room in roster.homerooms}
        | {one.name for one in people}
    )


@pytest.mark.parametrize("eyes", EVERYBODY, ids=str)
def test_no_page_has_a_fault(shared_stack: Stack, shared_browser: Browser, eyes: Eyes) -> None:
    page = eyes.open_page(shared_browser)
    witness = Witness(page, eyes, shared_stack, shared_stack.binding)
    parent = Parent(page, shared_stack, eyes.language, eyes.number)
    roster = shared_stack.roster.students
    students = roster[eyes.number], roster[-eyes.number]
    walk(parent, shared_browser, students, witness.look, draws=eyes.has_scripts)
    page.context.close()
    assert not witness.faults, "\n".join(witness.faults)
    assert len(set(witness.seen)) == PAGES


def test_the_first_visit_is_light(shared_stack: Stack, shared_browser: Browser) -> None:
    page = shared_browser.new_page(viewport=PHONE, locale="zh-TW")
    sizes: dict[str, int] = {}
    page.on("response", lambda response: sizes.update({response.url: len(response.body())}))
    page.goto(shared_stack.binding, wait_until="networkidle")
    page.context.close()
    assert len(sizes) >= 3
    assert sum(sizes.values()) < BIGGEST_FIRST_VISIT, sizes
