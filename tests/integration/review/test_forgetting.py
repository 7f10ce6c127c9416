"""A parent whose account was deleted is forgotten here too; so is who applied where that ended long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from review_service.retention import make_purges
from shared.events import BindingApproved, BindingRefused, BindingRevoked, BindingWithdrawn, PersonForgotten
from shared.purging import due, purge

if TYPE_CHECKING:
    from tests.integration.review.conftest import Binding, Query, Visit

    from review_service.context import Review
    from support.databases import Clock

PARENT = "林淑芬"
PERSONAL = (PARENT, "F2******86", "wa***@example.com", "09*****678")


def forgotten(*bindings: tuple[UUID, int], objections: tuple[UUID, ...] = ()) -> PersonForgotten:
    return PersonForgotten.of(
        "binding",
        uuid4(),
        bindings=[{"id": id_, "version": version} for id_, version in bindings],
        application_ids=[],
        objection_ids=objections,
        language="zh-TW",
    )


async def opened(review: Review, query: Query, id_: UUID) -> str:
    """Everything that the row holds, with its seals opened."""
    (row,) = await query("SELECT * FROM bindings WHERE id = $1", id_)
    sealed = ("names", "details", "contacts", "reason", "revoked_reason")
    return str(dict(row)) + "".join(
        review.store.unseal(row[column], f"bindings:{id_}:{column}") for column in sealed if row[column]
    )


async def bound(binding: Binding, *, number: int = 2) -> UUID:
    id_ = await binding.submit(details=binding.details(parent_name=PARENT, national_id="F223456786", email="l@x.tw"))
    if number > 1:
        await binding.end(BindingApproved, id_)
    return id_


@pytest.mark.parametrize("number", [1, 2])
async def test_nothing_personal_is_left_and_the_child_is_bound_no_longer(
    binding: Binding, visit: Visit, review: Review, query: Query, number: int
):
    await binding.tell_students("C-1", {"ST-1": "王大明"})
    id_ = await bound(binding, number=number)
    browser = await visit("T-1")
    assert PARENT in (await browser.get("/classes/C-1")).text
    await binding.tell(forgotten((id_, number + 1)))
    page = (await browser.get("/classes/C-1")).text
    assert PARENT not in page
    assert "家長已刪除帳號" in page
    assert "已綁定</span>" not in page
    page = (await browser.get(f"/applications/{id_}")).text
    assert "家長刪除帳號，綁定結束" in page
    held = await opened(review, query, id_)
    for personal in (*PERSONAL, "F223456786", "l@x.tw", "[[(10"):
        assert personal not in page
        assert personal not in held
    assert "王大明" in page


@pytest.mark.parametrize("before", [True, False])
async def test_what_comes_late_or_again_brings_nothing_back(
    binding: Binding, review: Review, query: Query, *, before: bool
):
    event = binding.submission(details=binding.details(parent_name=PARENT))
    id_ = UUID(event.subject)
    if before:
        await binding.tell(event)
    end = forgotten((id_, 3))
    await binding.tell(end)
    await binding.tell(binding.submission(id_, details=binding.details(parent_name=PARENT), version=2))
    await binding.end(BindingApproved, id_)
    assert PARENT not in await opened(review, query, id_)
    await binding.tell(forgotten((id_, 3)))
    (row,) = await query("SELECT state, version FROM bindings WHERE id = $1", id_)
    assert tuple(row) == ("withdrawn", 3)
    assert PARENT not in await opened(review, query, id_)


async def test_a_refusal_stays_one_without_its_words(binding: Binding, visit: Visit, review: Review, query: Query):
    id_ = await binding.submit(details=binding.details(parent_name=PARENT))
    browser = await visit("T-1")
    await browser.post(f"/applications/{id_}/refuse", data={"written": "和戶籍不符的祕密"})
    await binding.end(BindingRefused, id_)
    await binding.tell(forgotten((id_, 2)))
    (row,) = await query("SELECT state FROM bindings WHERE id = $1", id_)
    assert row["state"] == "refused"
    page = (await browser.get(f"/applications/{id_}")).text
    held = await opened(review, query, id_)
    for personal in (PARENT, "和戶籍不符的祕密"):
        assert personal not in page
        assert personal not in held


async def test_other_parents_of_the_child_stay(binding: Binding, visit: Visit):
    id_, other = await bound(binding), await binding.bind(details=binding.details(parent_name="王曉明"))
    await binding.tell(forgotten((id_, 3)))
    assert "王曉明" in (await (await visit("T-1")).get(f"/applications/{other}")).text


async def test_what_the_parent_objected_goes_also_when_it_comes_late(binding: Binding, visit: Visit, query: Query):
    mine, theirs = await bound(binding), await binding.bind()
    known, late = await binding.object_to(theirs, mine), binding.objection(theirs, mine)
    await binding.tell(forgotten((mine, 3), objections=(known, UUID(late.subject))))
    await binding.tell(late)
    rows = await query("SELECT state, reason FROM objections")
    assert [tuple(row) for row in rows] == [("withdrawn", None)] * 2
    page = (await (await visit("A-1")).get(f"/objections/{known}")).text
    assert "提出的監護人已刪除帳號" in page
    assert PARENT not in page


@pytest.mark.parametrize("kind", [BindingRefused, BindingWithdrawn, BindingRevoked])
async def test_what_ended_long_ago_loses_what_is_personal_and_what_is_bound_does_not(
    binding: Binding, review: Review, query: Query, clock: Clock, kind: type
):
    ended, living = await bound(binding, number=1), await bound(binding)
    await binding.end(kind, ended)
    purges = make_purges(review.settings)
    await clock.shift(timedelta(days=364))
    assert "closed applications" not in await due(review.database, purges)
    await clock.shift(timedelta(days=366))
    done = await purge(review.database, purges)
    assert done is not None
    assert (done.counts["closed applications"], done.failed) == (1, [])
    assert PARENT not in await opened(review, query, ended)
    assert PARENT in await opened(review, query, living)
    assert "closed applications" not in await due(review.database, purges)
