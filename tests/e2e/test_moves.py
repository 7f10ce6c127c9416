"""The roster changes while people look: two teachers between whom a child moves, and the parent of one who left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from e2e.parents import PHONE
from e2e.teachers import sign_in_as
from support.city import CLASS, MEI, MING, NEXT_CLASS, Schools
from support.families import apply

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from support.families import Family
    from support.stack import Stack

pytestmark = pytest.mark.e2e

#: The relay of the running service looks by itself every five seconds for what a command has recorded.
ARRIVES_MS = 20_000


def parents_page(stack: Stack, browser: Browser, family: Family) -> Page:
    """The progress page of a family, on a phone."""
    context = browser.new_context(viewport=PHONE, locale="zh-TW")
    context.add_cookies([{"name": "kinbind-session", "value": family.token, "url": stack.binding}])
    page = context.new_page()
    page.goto(f"{stack.binding}/progress")
    return page


def test_two_teachers_see_a_child_move_between_them_and_a_parent_that_a_child_has_left(
    stack: Stack, browser: Browser, tmp_path: Path
) -> None:
    schools = Schools(tmp_path / "august")
    mei, ming = schools.student(MEI), schools.student(MING)
    moves, leaves = apply(stack, 1, [mei]), apply(stack, 2, [ming])
    old = sign_in_as(stack, browser, schools.homeroom(CLASS).teacher)
    new = sign_in_as(stack, browser, schools.homeroom(NEXT_CLASS).teacher)
    expect(old.locator(".entry")).to_have_count(2, timeout=ARRIVES_MS)
    expect(new.locator(".entry")).to_have_count(0)
    for page in (old, new):
        page.evaluate("window.isTheSame = true")

    schools.move(MEI, NEXT_CLASS)
    schools.leave(MING)
    stack.command("binding", "roster", "import", str(schools.write()))
    expect(old.locator(".entry")).to_have_count(0, timeout=ARRIVES_MS)
    expect(new.locator(".entry strong")).to_have_text([mei.name], timeout=ARRIVES_MS)
    for page in (old, new):
        assert page.evaluate("window.isTheSame")

    new.locator(".entry").click()
    new.get_by_role("button", name="核准").click()
    stack.wait_for_mail(moves.email, "帳號")
    progress = parents_page(stack, browser, moves)
    expect(progress.locator(".state.approved")).to_be_visible()
    expect(progress.locator(".card").first).to_contain_text(schools.homeroom(CLASS).title)

    refused = stack.wait_for_mail(leaves.email, "這位學生已不在學")
    assert "導師" not in str(refused)
    progress = parents_page(stack, browser, leaves)
    expect(progress.locator(".state.refused")).to_be_visible()
    expect(progress.locator(".reason")).to_contain_text("這位學生已不在學")
