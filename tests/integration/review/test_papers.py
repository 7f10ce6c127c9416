"""Applications that came on paper, as the administrator enters them: taken once, sent back, corrected."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from review_service.papers.use_cases import take_rejection
from shared.events import PaperApplicationEntered, PaperApplicationRejected
from shared.inbox import once

if TYPE_CHECKING:
    from httpx import AsyncClient
    from tests.integration.review.conftest import Binding, Query, Visit

TYPED = {
    "class": "C-1",
    "student_id": "ST-1",
    "relation": "mother",
    "parent_name": "林美麗",
    "national_id": "F231104386",
    "email": "lin@example.com",
    "email_again": "lin@example.com",
    "phone": "0912345678",
    "language": "zh-TW",
    "statement_version": "2026-12",
    "signed_on": "2026-11-01",
}


@pytest.fixture
async def browser(binding: Binding, visit: Visit) -> AsyncClient:
    """The administrator's, of a school with a class of two."""
    await binding.class_roster("C-1", {"ST-1": "王大明", "ST-2": "李小美"})
    return await visit("A-1")


async def form(browser: AsyncClient, address: str = "/paper/new?class=C-1") -> dict[str, str]:
    """The form as the page gives it, filled in."""
    (key,) = re.findall(r'name="key" value="([^"]+)"', (await browser.get(address)).text)
    return TYPED | {"key": key}


async def reject(binding: Binding, entry_id: str, **problems: str) -> None:
    """Binding sends an entry back."""
    event = PaperApplicationRejected.of("binding", entry_id, problems=problems)
    await once(binding.review.database, "review", event, take_rejection)


async def sent(query: Query) -> list[str]:
    """The entries that binding is told of."""
    rows = await query("SELECT body FROM outbox WHERE type = $1", PaperApplicationEntered.TYPE)
    return [PaperApplicationEntered.model_validate_json(row["body"]).subject for row in rows]


async def test_a_double_tap_enters_a_paper_once(browser: AsyncClient, query: Query):
    filled = await form(browser)
    answers = [await browser.post("/paper/new", data=filled) for _ in range(2)]
    answers += await asyncio.gather(*(browser.post("/paper/new", data=filled) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await sent(query)) == 1


async def test_what_is_typed_into_a_form_that_the_browser_brought_back_is_another_entry(
    browser: AsyncClient, query: Query
):
    filled = await form(browser)
    await browser.post("/paper/new", data=filled)
    await browser.post("/paper/new", data=filled | {"student_id": "ST-2"})
    assert len(set(await sent(query))) == 2


async def test_a_corrected_entry_stands_for_the_one_that_was_sent_back_however_often_it_is_sent(
    binding: Binding, browser: AsyncClient, query: Query
):
    page = (await browser.post("/paper/new", data=await form(browser))).headers["location"]
    await reject(binding, page.rpartition("/")[2], national_id="bad_id_number")
    filled = await form(browser, page)
    answers = [await browser.post(page, data=filled) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await sent(query)) == 2
    assert len(await query("SELECT 1 FROM paper_entries")) == 1


async def test_a_look_at_what_was_sent_back_goes_to_the_audit_log(binding: Binding, browser: AsyncClient, query: Query):
    page = (await browser.post("/paper/new", data=await form(browser))).headers["location"]
    entry_id = page.rpartition("/")[2]
    looks = "SELECT subject FROM audit WHERE action = 'application.contacts-shown'"
    assert TYPED["national_id"] not in (await browser.get(page)).text
    assert await query(looks) == []
    await reject(binding, entry_id, phone="bad_phone")
    assert TYPED["national_id"] in (await browser.get(page)).text
    assert [row["subject"] for row in await query(looks)] == [entry_id]


async def test_the_list_of_students_to_choose_from_is_a_look_at_them(browser: AsyncClient, query: Query):
    looks = "SELECT teacher_id, subject FROM audit WHERE action = 'students.looked-at'"
    for address in ("/paper/new", "/paper/new?class=C-9"):
        assert "王大明" not in (await browser.get(address)).text
    assert await query(looks) == []
    assert "王大明" in (await browser.get("/paper/new?class=C-1")).text
    assert [tuple(row) for row in await query(looks)] == [("A-1", "C-1")]


async def test_an_entry_for_a_student_who_has_left_can_be_corrected(binding: Binding, browser: AsyncClient):
    page = (await browser.post("/paper/new", data=await form(browser))).headers["location"]
    await binding.class_roster("C-1", {"ST-2": "李小美"}, revision=2)
    await reject(binding, page.rpartition("/")[2], student="no_match")
    answer = await browser.get(page)
    assert answer.status_code == 200
    assert f'action="{page}"' in answer.text
    answer = await browser.get(page, params={"class": "C-1"})
    assert TYPED["parent_name"] in answer.text
    filled = await form(browser, f"{page}?class=C-1")
    assert (await browser.post(page, data=filled | {"student_id": "ST-2"})).status_code == 303


async def test_an_entry_of_another_school_is_neither_read_nor_corrected(
    binding: Binding, browser: AsyncClient, visit: Visit, query: Query
):
    page = (await browser.post("/paper/new", data=await form(browser))).headers["location"]
    await reject(binding, page.rpartition("/")[2], phone="bad_phone")
    await binding.class_roster("C-9", {"ST-9": "張小強"}, school_id="S-2")
    stranger = await visit("A-9")
    assert (await stranger.get(page)).status_code == 404
    filled = await form(stranger, "/paper/new?class=C-9") | {"class": "C-9", "student_id": "ST-9"}
    assert (await stranger.post(page, data=filled)).status_code == 404
    assert (await stranger.post("/paper/new", data=filled | {"student_id": "ST-1"})).status_code == 422
    assert len(await sent(query)) == 1
    assert len(await query("SELECT 1 FROM paper_entries")) == 1
