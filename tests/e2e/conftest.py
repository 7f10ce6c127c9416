"""The services as their users meet them: processes behind ports, and a real browser."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, sync_playwright

from support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from support.databases import Databases
    from support.stack import Stack

#: Nothing that the browser does on its own leaves this machine.
ARGUMENTS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@pytest.fixture
def stack(databases: Databases, broker_url: str, tmp_path: Path) -> Iterator[Stack]:
    """Four services with the sample roster."""
    with running_stack(databases, broker_url, tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium: an installed one, else Playwright's own. Where there is none, the test is skipped."""
    installed = shutil.which("chromium") or shutil.which("chromium-browser")
    # Chromium's own sandbox does not run as root, which is what a build machine often is.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=installed, args=[*ARGUMENTS, *sandbox])
        except Error:
            pytest.skip("no Chromium: neither installed nor downloaded by Playwright")
        yield browser
        browser.close()
