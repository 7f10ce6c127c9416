from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.events import (
    AddresseeWithReason,
    BindingApproved,
    BindingRefused,
    BindingRevoked,
    BindingSubmitted,
    BindingWithdrawn,
)
from support.school import ADMINISTRATOR, hear, unbind, unbinding
from support.town import LI, PARENT_ID, SIGNATURE, WANG

if TYPE_CHECKING:
    from support.town import Town

REASON = "監護權已變更 <b>"
PASSWORD = "a long walk to school"


async def bound(town: Town) -> tuple[str, str]:
    """A session's token and the id of a binding that was approved."""
    token = await town.open_account()
    return token, (await town.bindings(token))[0]["id"]


async def test_a_bound_parent_is_unbound_and_told_with_the_reason(town: Town) -> None:
    token, binding_id = await bound(town)
    await unbind(town, binding_id, REASON)
    (revoked,) = await town.events(BindingRevoked)
    place = revoked.place("for_notify")
    part = town.keys.to_notify.unseal_model(AddresseeWithReason, revoked.data.for_notify, place)
    assert (part.reason, part.email, part.student_name) == (REASON, "lin@example.org", LI.name)
    assert (revoked.subject, revoked.data.version) == (binding_id, 3)
    row = (await town.rows("SELECT state, version, decided_by, reason_sealed FROM binding.bindings"))[0]
    assert (row["state"], row["version"], row["decided_by"]) == ("revoked", 3, ADMINISTRATOR)
    assert town.keys.store.unseal(row["reason_sealed"], f"bindings:{binding_id}:reason") == REASON
    shown = [(each["state"], each["state_label"], each["reason"]) for each in await town.bindings(token)]
    assert shown == [("revoked", "已解除綁定", REASON)]


async def test_the_progress_page_says_so_in_word_and_shape_with_the_schools_reason(town: Town) -> None:
    token, binding_id = await bound(town)
    await unbind(town, binding_id, REASON)
    async with town.browser(token) as browser:
        page = (await browser.get("/progress")).text
        assert '<span aria-hidden="true">–</span><span>已解除綁定</span>' in page
        assert "解除綁定原因" in page
        assert "監護權已變更 &lt;b&gt;" in page
        assert "修改後重新送出" not in page
        assert (await browser.get(f"/bindings/{binding_id}/withdraw")).status_code == 409
        assert "（已解除綁定）" in (await browser.get("/bindings/clear")).text


async def test_the_account_no_longer_has_the_child_and_keeps_the_others(town: Town) -> None:
    token, binding_id = await bound(town)
    await town.fill(token, [WANG])
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    await town.decided(next(each["id"] for each in await town.bindings(token) if each["student"] == WANG.name))
    account = (await town.do("POST", "/account/sessions", login="lin@example.org", password=PARENT_ID[-6:]))["token"]
    await town.do("PUT", "/account/password", account, password=PASSWORD)
    assert {child["name"] for child in await town.do("GET", "/account/children", account)} == {LI.name, WANG.name}
    await unbind(town, binding_id)
    assert [child["name"] for child in await town.do("GET", "/account/children", account)] == [WANG.name]
    async with town.browser(account) as browser:
        page = (await browser.get("/account")).text
    assert WANG.name in page
    assert LI.name not in page


async def test_an_unbound_child_can_be_applied_for_again_and_shows_once(town: Town) -> None:
    token, binding_id = await bound(town)
    await unbind(town, binding_id)
    assert (await town.call("POST", f"/bindings/{binding_id}/again", token)).status_code == 404
    await town.fill(token, [LI])
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    (again,) = await town.bindings(token)
    assert (again["state"], again["id"] != binding_id) == ("pending", True)
    await town.decided(again["id"])
    assert [each["state"] for each in await town.bindings(token)] == ["approved"]


async def test_clearing_all_takes_an_unbinding_off_the_list(town: Town) -> None:
    token, binding_id = await bound(town)
    await unbind(town, binding_id)
    await town.do("DELETE", "/bindings", token)
    assert await town.bindings(token) == []
    assert await town.state_of(binding_id) == "revoked"


@pytest.mark.parametrize(
    ("state", "event"),
    [("pending", BindingSubmitted), ("refused", BindingRefused), ("withdrawn", BindingWithdrawn)],
)
async def test_what_is_not_bound_stays_as_it_is_and_is_told_again(
    town: Town, state: str, event: type[BindingSubmitted | BindingRefused | BindingWithdrawn]
) -> None:
    token = await town.apply()
    binding_id = (await town.bindings(token))[0]["id"]
    if state == "refused":
        await town.decided(binding_id, "refuse", "不認識")
    if state == "withdrawn":
        await town.do("DELETE", f"/bindings/{binding_id}", token)
    await unbind(town, binding_id)
    assert await town.state_of(binding_id) == state
    first, again = await town.events(event)
    assert (first.subject, first.data.version) == (again.subject, again.data.version)
    assert await town.events(BindingRevoked) == []


async def test_an_unbinding_that_comes_twice_is_applied_once(town: Town) -> None:
    _, binding_id = await bound(town)
    event = unbinding(town, binding_id, "一")
    await hear(town, event)
    await hear(town, event, unbinding(town, binding_id, "二"))
    first, again = await town.events(BindingRevoked)
    assert [(told.data.version, told.data.is_replay) for told in (first, again)] == [(3, False), (3, True)]
    part = town.keys.to_notify.unseal_model(AddresseeWithReason, first.data.for_notify, first.place("for_notify"))
    assert (part.reason, again.data.for_notify) == ("一", "")


async def test_a_decision_on_what_was_unbound_tells_the_unbinding_again(town: Town) -> None:
    _, binding_id = await bound(town)
    await unbind(town, binding_id)
    await hear(town, town.decision(binding_id))
    assert await town.state_of(binding_id) == "revoked"
    assert len(await town.events(BindingApproved)) == 1
    assert len(await town.events(BindingRevoked)) == 2


async def test_an_unbinding_of_nothing_is_put_aside_and_the_service_goes_on(town: Town) -> None:
    _, binding_id = await bound(town)
    for subject in (str(uuid4()), "no id at all"):
        event = unbinding(town, subject, "x")
        await town.publish(event.model_dump_json().encode(), event.TYPE)
    await unbind(town, binding_id)
    assert await town.state_of(binding_id) == "revoked"
