"""The services as their users meet them: processes behind ports, and a real browser."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
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
    """Headless Chromium. Where there is none, the test is skipped, and says so."""
    try:
        with launched_chromium() as chromium:
            yield chromium
    except NoChromiumError as missing:
        pytest.skip(str(missing))


class NoChromiumError(Exception):
    """No Chromium, neither installed nor downloaded by Playwright."""


@contextmanager
def launched_chromium() -> Iterator[Browser]:
    """An installed Chromium, else Playwright's own, for the time of the block. Raises NoChromiumError."""
    installed = shutil.which("chromium") or shutil.which("chromium-browser")
    # Chromium's own sandbox does not run as root, which is what a build machine often is.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=installed, args=[*ARGUMENTS, *sandbox])
        except Error as fault:
            msg = "no Chromium, neither installed nor downloaded by Playwright"
            raise NoChromiumError(msg) from fault
        yield chromium
        chromium.close()
