"""Pictures of every page, of a real stack with made-up people: ``make screenshots``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.parents import PHONE, Parent
from e2e.teachers import open_case
from e2e.tour import walk
from local_stack.fonts import font_folders
from support.chromium import launched_chromium
from support.databases import fresh_databases, template_database
from support.servers import test_servers
from support.stack import Stack, running_stack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from shared.events import Language

PROJECT = Path(__file__).parents[2]
PICTURES = PROJECT / "docs" / "screenshots"
LANGUAGES: tuple[Language, ...] = ("zh-TW", "en")


def main() -> None:
    """Walk over the pages once in each language, a picture at each."""
    vhost = f"screenshots-{uuid4().hex[:8]}"
    fonts = font_folders(PROJECT / ".run")
    with (
        test_servers() as servers,
        template_database(servers.postgres) as template,
        fresh_databases(servers.postgres, template) as databases,
        tempfile.TemporaryDirectory() as logs,
        launched_chromium() as browser,
    ):
        servers.rabbitmq.make_vhost(vhost)
        try:
            with running_stack(databases, servers.rabbitmq.of_vhost(vhost), Path(logs), fonts) as stack:
                shutil.rmtree(PICTURES, ignore_errors=True)
                for number, language in enumerate(LANGUAGES):
                    take_pictures(stack, browser, language, number)
        finally:
            servers.rabbitmq.drop_vhost(vhost)


def take_pictures(stack: Stack, browser: Browser, language: Language, number: int) -> None:
    """The parent's pages on a phone; the teacher's, with one of the two applications, on a desk."""
    folder = PICTURES / language
    page = browser.new_page(viewport=PHONE, locale=language)
    students = stack.roster.students[number], stack.roster.students[-1 - number]
    seen: list[str] = []

    def look(name: str) -> None:
        seen.append(name)
        take(page, folder / f"{len(seen):02}-{name}.png")
        if name == "progress-pending" and language == "zh-TW":
            case = open_case(stack, browser, students[0])
            take(case, PICTURES / "review.png")
            case.context.close()

    walk(Parent(page, stack, language, number), browser, students, look, draws=True)
    page.context.close()


def take(page: Page, path: Path) -> None:
    """One picture of the whole page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main()
