"""A guardian objects to another one: the school is asked, answers, and the guardian learns of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.events import (
    GuardianObjected,
    ObjectionAnswer,
    ObjectionAnswered,
    ObjectionClosed,
    ObjectionOutcome,
    ObjectionToReview,
)
from support.accounts import MOTHER, father, guardian, mother
from support.school import ADMINISTRATOR, hear, unbind
from support.town import CHEN, LI, national_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.town import Town

REASON = "法院裁定由我單獨監護。\n請查明 <b>"
NOTE = "已向戶政事務所查證，並與雙方聯絡。"


async def two(town: Town) -> tuple[str, str, str]:
    """Sessions of the first guardian and of the second, and the second's binding."""
    mothers, fathers = await mother(town), await father(town)
    (child,) = await town.do("GET", "/account/family", mothers)
    return mothers, fathers, child["guardians"][0]["binding_id"]


async def send(town: Town, token: str, binding_id: str, reason: str = REASON, key: str | None = None) -> str:
    """Object; the objection's id."""
    path = f"/account/guardians/{binding_id}/objections"
    answer = await town.call("POST", path, token, key=key or str(uuid4()), reason=reason)
    assert answer.status_code == 201, answer.text
    return (await town.events(GuardianObjected))[-1].subject


def answer_of(town: Town, objection_id: str, note: str = NOTE) -> ObjectionAnswered:
    """The school's answer, as review tells it."""
    event = ObjectionAnswered.of("review", objection_id, decided_by=ADMINISTRATOR)
    return event.sealed(town.keys.from_review, for_binding=ObjectionAnswer(note=note))


async def closed(town: Town) -> list[tuple[ObjectionClosed, ObjectionOutcome]]:
    """What was told of closed objections."""
    return [
        (event, town.keys.to_notify.unseal_model(ObjectionOutcome, event.data.for_notify, event.place("for_notify")))
        for event in await town.events(ObjectionClosed)
    ]


async def state(town: Town, token: str) -> dict[str, object]:
    """The objection as its sender sees it."""
    child = (await town.do("GET", "/account/family", token))[0]
    sent: dict[str, object] = child["guardians"][0]["objection"]
    return sent


async def test_an_objection_goes_to_the_school_sealed_and_is_shown_as_sent(town: Town) -> None:
    mothers, _, binding_id = await two(town)
    objection_id = await send(town, mothers, binding_id)
    (event,) = await town.events(GuardianObjected)
    part = town.keys.to_review.unseal_model(ObjectionToReview, event.data.for_review, event.place("for_review"))
    assert part.reason == REASON
    assert str(event.data.binding_id) == binding_id
    assert (await state(town, mothers))["state"] == "open"
    row = (await town.rows("SELECT objections::text AS text, reason_sealed FROM binding.objections"))[0]
    assert "監護" not in row["text"]
    assert town.keys.store.unseal(row["reason_sealed"], f"objections:{objection_id}:reason") == REASON
    async with town.browser(mothers) as browser:
        assert "您的異議：已送出，等學校處理" in (await browser.get("/account")).text
        page = (await browser.get(f"/account/children/{binding_id}/objection")).text
    assert "已送出，等學校處理" in page
    assert "<textarea" not in page
    assert "監護。" not in page


async def test_the_page_sends_it_once_and_keeps_what_was_written_when_it_is_refused(town: Town) -> None:
    mothers, _, binding_id = await two(town)
    path = f"/account/children/{binding_id}/objection"
    async with town.browser(mothers) as browser:
        assert "<textarea" in (await browser.get(path)).text
        empty = await browser.post(path, data={"reason": " \n ", "key": "k"})
        assert empty.status_code == 422
        assert 'id="reason-error"' in empty.text
        long = await browser.post(path, data={"reason": "長" * 1001, "key": "k"})
        assert long.status_code == 422
        assert "長" * 1001 in long.text
        other = await browser.post(path, data={"reason": REASON, "key": "k", "language": "en"})
        assert "請查明 &lt;b&gt;" in other.text
        assert await town.events(GuardianObjected) == []
        for _ in range(2):
            sent = await browser.post(path, data={"reason": REASON, "key": "k"})
            assert (sent.status_code, sent.headers["location"]) == (303, path)
    assert len(await town.events(GuardianObjected)) == 1


async def test_a_double_tap_is_one_objection_and_another_one_waits_for_the_first(town: Town) -> None:
    mothers, _, binding_id = await two(town)
    path = f"/account/guardians/{binding_id}/objections"
    taps = await asyncio.gather(*(town.call("POST", path, mothers, key="one", reason=REASON) for _ in range(4)))
    assert {tap.status_code for tap in taps} == {201}
    another = await town.call("POST", path, mothers, key="two", reason="還有")
    assert (another.status_code, another.json()["code"]) == (409, "objection_open")
    assert len(await town.events(GuardianObjected)) == 1


async def test_the_school_answers_and_who_objected_is_told_with_its_note(town: Town) -> None:
    mothers, _, binding_id = await two(town)
    objection_id = await send(town, mothers, binding_id)
    answer = answer_of(town, objection_id)
    await hear(town, answer)
    await hear(town, answer, answer_of(town, objection_id, "另一個"))
    ((event, part),) = await closed(town)
    assert (event.subject, event.data.outcome) == (objection_id, "answered")
    assert (part.email, part.note, part.student_name) == (MOTHER, NOTE, LI.name)
    sent = await state(town, mothers)
    assert (sent["state"], sent["note"]) == ("answered", NOTE)
    async with town.browser(mothers) as browser:
        page = (await browser.get(f"/account/children/{binding_id}/objection")).text
    assert "學校已處理" in page
    assert NOTE in page
    assert "<textarea" in page
    await send(town, mothers, binding_id, "又有新的情況")
    assert (await state(town, mothers))["state"] == "open"


async def test_unbinding_the_other_guardian_closes_it(town: Town) -> None:
    mothers, _, binding_id = await two(town)
    objection_id = await send(town, mothers, binding_id)
    await unbind(town, binding_id)
    ((event, part),) = await closed(town)
    assert (event.data.outcome, part.note, part.email) == ("unbound", "", MOTHER)
    await hear(town, answer_of(town, objection_id))
    assert len(await closed(town)) == 1
    assert (await state(town, mothers))["state"] == "unbound"
    async with town.browser(mothers) as browser:
        page = (await browser.get(f"/account/children/{binding_id}/objection")).text
    assert "已不再綁定這位學生" in page
    assert "<textarea" not in page
    again = await town.call("POST", f"/account/guardians/{binding_id}/objections", mothers, reason="x")
    assert again.status_code == 404


@pytest.mark.parametrize("who", ["the later guardian", "a guardian of another child", "by code", "about oneself"])
async def test_nobody_else_objects(town: Town, who: str) -> None:
    mothers, fathers, binding_id = await two(town)
    mine = (await town.do("GET", "/account/family", mothers))[0]["binding_id"]
    if who == "the later guardian":
        token, about = fathers, mine
    elif who == "a guardian of another child":
        token, about = await guardian(town, "c@example.org", national_id(508), CHEN, name="陳先生"), binding_id
    elif who == "by code":
        token, about = await town.sign_in(MOTHER), binding_id
    else:
        token, about = mothers, mine
    answer = await town.call("POST", f"/account/guardians/{about}/objections", token, reason=REASON)
    assert answer.status_code == (401 if who == "by code" else 404)
    async with town.browser(token) as browser:
        page = await browser.get(f"/account/children/{about}/objection")
        assert page.status_code == (303 if who == "by code" else 404)
    assert await town.events(GuardianObjected) == []


async def test_objections_of_an_account_are_limited(open_town: Callable[..., Awaitable[Town]]) -> None:
    town = await open_town(binding={"objections_per_account_day": 1})
    mothers, _, binding_id = await two(town)
    await hear(town, answer_of(town, await send(town, mothers, binding_id)))
    answer = await town.call("POST", f"/account/guardians/{binding_id}/objections", mothers, reason="又")
    assert (answer.status_code, answer.json()["code"]) == (429, "limited")
    assert int(answer.headers["retry-after"]) > 80_000


async def test_an_answer_to_nothing_changes_nothing(town: Town) -> None:
    mothers, _, binding_id = await two(town)
    await send(town, mothers, binding_id)
    await hear(town, answer_of(town, str(uuid4())))
    assert await closed(town) == []
    assert (await state(town, mothers))["state"] == "open"
