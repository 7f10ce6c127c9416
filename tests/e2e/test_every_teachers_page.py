"""Every page of teachers and administrators, on phones and desks, in every language, with and without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e import teachers_tour
from e2e.parents import DESK, PHONE
from e2e.teachers_tour import Colleague, Tour, walk
from e2e.test_every_page import Eyes, Witness

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from support.stack import Stack

pytestmark = pytest.mark.e2e

UNDO_SECONDS = teachers_tour.UNDO_SECONDS
WITHOUT_ACCOUNT = teachers_tour.WITHOUT_ACCOUNT
PAGES = 109
#: What only scripts show.
WITH_SCRIPTS = {"keys", "case-stale"}
EVERYBODY = [
    Eyes(0, "zh-TW", PHONE),
    Eyes(1, "zh-TW", PHONE, has_scripts=False),
    Eyes(2, "en", DESK),
    Eyes(3, "zh-TW", DESK, scheme="dark"),
    Eyes(4, "en", PHONE),
]


@pytest.mark.parametrize("eyes", EVERYBODY, ids=str)
def test_no_teachers_page_has_a_fault(shared_stack: Stack, shared_browser: Browser, eyes: Eyes) -> None:
    witnesses = [Witness(eyes.open_page(shared_browser), eyes, shared_stack, shared_stack.review) for _ in range(2)]
    teacher, administrator = (
        Colleague(witness.page, shared_stack, witness.look, has_scripts=eyes.has_scripts) for witness in witnesses
    )
    walk(Tour(shared_stack, eyes.number, teacher, administrator))
    for witness in witnesses:
        witness.page.context.close()
    faults = [fault for witness in witnesses for fault in witness.faults]
    assert not faults, "\n".join(faults)
    seen = {name for witness in witnesses for name in witness.seen}
    assert seen >= WITH_SCRIPTS or not eyes.has_scripts
    assert len(seen | WITH_SCRIPTS) == PAGES
