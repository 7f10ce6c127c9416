"""Pictures of every page, of a real stack with made-up people: ``make screenshots``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e import teachers_tour, tour
from e2e.parents import DESK, PHONE, Parent
from local_stack.fonts import font_folders
from support.chromium import launched_chromium
from support.databases import fresh_databases, template_database
from support.servers import test_servers
from support.stack import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from playwright.sync_api import Browser, Page, ViewportSize

    from local_stack.servers import Servers
    from shared.events import Language

PROJECT = Path(__file__).parents[2]
PICTURES = PROJECT / "docs" / "screenshots"
LANGUAGES: tuple[Language, ...] = ("zh-TW", "en")
#: Of the teachers' pages, those that differ from one another; the first as many on a phone too.
OF_TEACHERS = ("inbox", "case", "refusal-error", "class", "school", "audit")
ON_A_DESK = (*OF_TEACHERS, "case-flagged", "done", "sheets", "substitute-question", "paper-problems", "staff")


def main() -> None:
    """Walk over the pages of parents, then over those of teachers, a picture at each."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    with test_servers() as servers, template_database(servers.postgres) as template:
        with _stack_and_browser(servers, template) as (stack, browser):
            for number, language in enumerate(LANGUAGES):
                take_parents_pictures(stack, browser, language, number)
        undo_seconds, without_account = teachers_tour.UNDO_SECONDS, teachers_tour.WITHOUT_ACCOUNT
        with _stack_and_browser(servers, template, undo_seconds, without_account) as (stack, browser):
            for number, language in enumerate(LANGUAGES):
                take_teachers_pictures(stack, browser, language, number, DESK, ON_A_DESK)
            take_teachers_pictures(stack, browser, "zh-TW", len(LANGUAGES), PHONE, OF_TEACHERS)
    # The picture of the readme.
    shutil.copy(next((PICTURES / "review-zh-TW").glob("*-case.png")), PICTURES / "review.png")


@contextmanager
def _stack_and_browser(
    servers: Servers, template: str, undo_seconds: int = 1, without_account: Collection[str] = ()
) -> Iterator[tuple[Stack, Browser]]:
    vhost = f"screenshots-{uuid4().hex[:8]}"
    with ExitStack() as stack:
        databases = stack.enter_context(fresh_databases(servers.postgres, template))
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers.rabbitmq.make_vhost(vhost)
        stack.callback(servers.rabbitmq.drop_vhost, vhost)
        running = running_stack(
            databases,
            servers.rabbitmq.of_vhost(vhost),
            logs,
            font_folders(PROJECT / ".run"),
            undo_seconds=undo_seconds,
            without_account=without_account,
        )
        yield stack.enter_context(running), stack.enter_context(launched_chromium())


def take_parents_pictures(stack: Stack, browser: Browser, language: Language, number: int) -> None:
    """Every page, on a phone."""
    page = browser.new_page(viewport=PHONE, locale=language)
    students = stack.roster.students[number], stack.roster.students[-1 - number]
    album = Album(page, PICTURES / language)
    tour.walk(Parent(page, stack, language, number), browser, students, album.take, draws=True)
    page.context.close()


def take_teachers_pictures(
    stack: Stack, browser: Browser, language: Language, number: int, viewport: ViewportSize, wanted: Sequence[str]
) -> None:
    """Those that are ``wanted``, of the walk in one school."""
    people = []
    for _ in range(2):
        page = browser.new_page(viewport=viewport, locale=language)
        album = Album(page, PICTURES / f"review-{language}", wanted, "-phone" if viewport is PHONE else "")
        people.append(teachers_tour.Colleague(page, stack, album.take))
    teachers_tour.walk(teachers_tour.Tour(stack, number, *people))
    for person in people:
        person.page.context.close()


class Album:
    """Pictures of a page as it goes, in a folder: numbered as they come, or as they are ``wanted``.

    With an ``ending`` of their own they show the window only, as what stays at its edge would stand amid the page.
    """

    def __init__(self, page: Page, folder: Path, wanted: Sequence[str] = (), ending: str = "") -> None:
        self._page, self._folder, self._wanted, self._ending = page, folder, wanted, ending
        self._seen: list[str] = []

    def take(self, name: str) -> None:
        """One picture."""
        self._seen.append(name)
        if self._wanted and name not in self._wanted:
            return
        number = 1 + (self._wanted.index(name) if self._wanted else len(self._seen) - 1)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{number:02}-{name}{self._ending}.png"
        self._page.screenshot(path=path, full_page=not self._ending)


if __name__ == "__main__":
    main()
