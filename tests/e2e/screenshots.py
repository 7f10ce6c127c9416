"""Pictures of the pages for the README, of a real stack with made-up people: ``make screenshots``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e import test_whole_path as path
from support.chromium import launched_chromium
from support.databases import fresh_databases, template_database
from support.servers import test_servers
from support.stack import Stack, running_stack

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"


def main() -> None:
    """Walk the path, a picture at each page that matters."""
    vhost = f"screenshots-{uuid4().hex[:8]}"
    with (
        test_servers() as servers,
        template_database(servers.postgres) as template,
        fresh_databases(servers.postgres, template) as databases,
        tempfile.TemporaryDirectory() as logs,
        launched_chromium() as browser,
    ):
        servers.rabbitmq.make_vhost(vhost)
        try:
            with running_stack(databases, servers.rabbitmq.of_vhost(vhost), Path(logs)) as stack:
                take_pictures(stack, browser)
        finally:
            servers.rabbitmq.drop_vhost(vhost)


def take_pictures(stack: Stack, browser: Browser) -> None:
    """The parent's pages on a phone, the teacher's on a desk."""
    first, second = stack.two_students
    parent = browser.new_page(viewport=path.PHONE, locale="zh-TW", device_scale_factor=1.5)
    parent.goto(stack.binding)
    take(parent, "start")
    path.log_in_by_code(parent, stack)
    take(parent, "student")
    path.name_student(parent, first, "父親")
    parent.get_by_role("link", name="新增綁定學生").click()
    path.name_student(parent, second, "其他", "叔叔")
    take(parent, "students")
    parent.get_by_role("link", name="下一步").click()
    path.accept_statement(parent)
    path.give_own_data(parent)
    path.draw_signature(parent)
    take(parent, "check")
    path.send(parent)
    case = path.open_case(stack, browser, first)
    take(case, "review")
    path.decide(stack, browser, first, approve=True)
    path.decide(stack, browser, second, approve=False)
    path.wait_for_state(parent, first, "認證")
    path.wait_for_state(parent, second, "不通過")
    take(parent, "progress")


def take(page: Page, name: str) -> None:
    """One picture of the whole page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


if __name__ == "__main__":
    main()
