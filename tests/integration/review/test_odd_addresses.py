"""Addresses and forms that no page of ours makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.review.conftest import Binding, Visit


@pytest.mark.parametrize(
    "address",
    [
        "/classes/%00",
        "/classes/C-1%00/invitations",
        "/classes/%00/move",
        "/students/%00/custody",
        "/staff/%00/open",
        "/paper/new?class=%00",
        "/documents/%00",
    ],
)
async def test_an_id_that_the_database_cannot_hold_is_nobodys(binding: Binding, visit: Visit, address: str):
    assert binding
    assert (await (await visit("A-1")).get(address)).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "class=%00",
        "class=C-1' OR true--",
        "show=ended&state=approved' OR true--",
        "show=ended&state=%00",
        "after=0001-01-01T00:00:00%2B00:00~00000000-0000-0000-0000-000000000000",
        "after=9999-12-31T23:59:59.999999%2B00:00~ffffffff-ffff-ffff-ffff-ffffffffffff",
        "after=9999-12-31T23:59:59-23:59~ffffffff-ffff-ffff-ffff-ffffffffffff",
        "after=now~x",
        "done=%00",
        "undone=%3Cb%3E&skipped=%3Cb%3E",
    ],
)
async def test_a_filter_that_is_none_is_left_out(binding: Binding, visit: Visit, query: str):
    await binding.submit()
    answer = await (await visit("T-1")).get(f"/?{query}")
    assert answer.status_code == 200
    assert "<b>" not in answer.text


async def test_a_form_with_an_id_that_the_database_cannot_hold_does_nothing(binding: Binding, visit: Visit):
    await binding.submit()
    browser = await visit("A-1")
    for address, data in {
        "/classes/C-1/move": {"teacher": "T-3\0", "confirmed": "00000000-0000-0000-0000-000000000000"},
        "/paper/new": {"student_id": "\0"},
        "/approve": {"id": "\0", "how": "all"},
        "/find": {"sought": "\0"},
        "/audit/export": {"who": "\0", "from": "0001-01-01", "until": "9999-12-31"},
    }.items():
        assert (await browser.post(address, data=data)).status_code < 500
