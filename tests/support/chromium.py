"""A headless Chromium with Chinese fonts: an installed one, else Playwright's own, else Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from playwright.sync_api import Error, sync_playwright

from local_stack import packages
from local_stack.servers import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

#: Nothing that the browser does on its own leaves this machine.
ARGUMENTS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
DOWNLOAD_SECONDS = 300


class NoChromiumError(Exception):
    """There is no Chromium, and none can be had."""


@contextmanager
def launched_chromium() -> Iterator[Browser]:
    """Chromium for the time of the block. Raises NoChromiumError."""
    if not _has_chinese_font():
        _install("fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = _launch(playwright) or _launch_downloaded(playwright) or _launch_packaged(playwright)
        if browser is None:
            msg = "no Chromium: none is installed, Playwright could download none, and no package could be installed"
            raise NoChromiumError(msg)
        yield browser
        browser.close()


def _launch(playwright: Playwright) -> Browser | None:
    # Chromium's own sandbox does not run as root, which is what a build machine often is.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    installed = shutil.which("chromium") or shutil.which("chromium-browser")
    with suppress(Error):
        return playwright.chromium.launch(executable_path=installed, args=[*ARGUMENTS, *sandbox])
    return None


def _launch_downloaded(playwright: Playwright) -> Browser | None:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    with suppress(subprocess.SubprocessError):
        subprocess.run(command, check=True, capture_output=True, timeout=DOWNLOAD_SECONDS)  # noqa: S603 - our own
        return _launch(playwright)
    return None


def _launch_packaged(playwright: Playwright) -> Browser | None:
    return _launch(playwright) if _install("chromium") else None


def _has_chinese_font() -> bool:
    if shutil.which("fc-list") is None:
        return False
    listed = subprocess.run(["fc-list", ":lang=zh-tw"], check=False, capture_output=True)  # noqa: S607 - wherever it is
    return bool(listed.stdout.strip())


def _install(package: str) -> bool:
    """Install a Debian package, where that is allowed; whether it worked."""
    with suppress(StackError):
        if packages.may_install():
            packages.install(package)
            return True
    return False
