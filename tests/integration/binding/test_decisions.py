from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import aio_pika
import pytest

from shared.bus import dead_letter_name, event_queue
from shared.events import (
    AccountOpened,
    AddresseeWithReason,
    BindingApproved,
    BindingRefused,
    BindingWithdrawn,
    DecisionMade,
)
from support.serving import eventually
from support.town import CHEN, LI, OTHER_PARENT_ID, WANG

if TYPE_CHECKING:
    from shared.events import Event
    from support.town import Town

ENDINGS = {"approved": BindingApproved, "refused": BindingRefused, "withdrawn": BindingWithdrawn}
DEAD_LETTERS = dead_letter_name(event_queue("binding", DecisionMade).name)


async def told(town: Town, *kinds: type[Event], count: int) -> None:
    """Return when so many events of these kinds were recorded."""

    async def so_many() -> bool:
        return sum([len(await town.events(kind)) for kind in kinds]) >= count

    await eventually(so_many)


async def dead_letter(town: Town) -> bytes:
    """The next message that was given up."""
    queue = await town.channel.get_queue(DEAD_LETTERS, ensure=False)
    found: list[bytes] = []

    async def arrived() -> bool:
        with suppress(aio_pika.exceptions.QueueEmpty):
            message = await queue.get(no_ack=True, fail=True)
            found.append(message.body)
        return bool(found)

    await eventually(arrived)
    return found[0]


async def dead_letters(town: Town) -> int:
    """How many messages were given up and not read."""
    queue = await town.channel.declare_queue(DEAD_LETTERS, passive=True)
    return int(queue.declaration_result.message_count or 0)


async def one_binding(town: Town, contact: str = "lin@example.org") -> tuple[str, str]:
    """A session's token and the id of its binding, which waits."""
    token = await town.apply(contact)
    return token, (await town.bindings(token))[0]["id"]


async def test_an_approval_is_applied_and_opens_the_account(town: Town) -> None:
    token, binding_id = await one_binding(town)
    await town.decided(binding_id)
    (approved,), (opened,) = await town.events(BindingApproved), await town.events(AccountOpened)
    assert (approved.subject, approved.data.version, approved.data.opens_account) == (binding_id, 2, True)
    assert UUID(opened.subject) == await town.value("SELECT id FROM binding.accounts")
    assert [each["state_label"] for each in await town.bindings(token)] == ["認證"]


async def test_a_refusal_is_applied_with_the_teachers_reason_and_opens_no_account(town: Town) -> None:
    token, binding_id = await one_binding(town)
    await town.decided(binding_id, "refuse", "請先與導師聯絡 <b>")
    (refused,) = await town.events(BindingRefused)
    part = town.keys.to_notify.unseal_model(AddresseeWithReason, refused.data.for_notify, refused.place("for_notify"))
    assert (part.reason, part.email) == ("請先與導師聯絡 <b>", "lin@example.org")
    assert (refused.subject, refused.data.version) == (binding_id, 2)
    assert [(each["state"], each["reason"]) for each in await town.bindings(token)] == [
        ("refused", "請先與導師聯絡 <b>")
    ]
    async with town.browser(token) as browser:
        page = (await browser.get("/progress")).text
        assert "請先與導師聯絡 &lt;b&gt;" in page
        assert "不通過" in page
    assert await town.events(AccountOpened) == []


async def test_two_approvals_at_once_open_one_account(town: Town) -> None:
    token = await town.apply(children=[LI, WANG, CHEN])
    ids = [each["id"] for each in await town.bindings(token)]
    await asyncio.gather(*(town.decide(binding_id) for binding_id in ids))
    await told(town, BindingApproved, count=3)
    assert sorted(event.data.opens_account for event in await town.events(BindingApproved)) == [False, False, True]
    assert len(await town.events(AccountOpened)) == 1
    assert await town.value("SELECT count(*) FROM binding.accounts") == 1


async def test_a_later_approval_binds_to_the_same_account(town: Town) -> None:
    await town.open_account("first@example.org")
    token = await town.sign_in("second@example.org")
    await town.fill(token, [WANG])
    await town.do("POST", "/applications", token, signature={"typed": "林淑芬"})
    await town.decided((await town.bindings(token))[0]["id"])
    assert [event.data.opens_account for event in await town.events(BindingApproved)] == [True, False]
    assert len(await town.events(AccountOpened)) == 1


async def withdraw(town: Town, token: str, binding_id: str) -> int:
    return (await town.call("DELETE", f"/bindings/{binding_id}", token)).status_code


@pytest.mark.parametrize("first", ["parent", "teacher"])
async def test_a_withdrawal_against_an_approval_ends_alike_everywhere(town: Town, first: str) -> None:
    ends = set()
    for _ in range(8):
        token, binding_id = await one_binding(town)
        before = sum([len(await town.events(kind)) for kind in ENDINGS.values()])
        race = [withdraw(town, token, binding_id), town.decide(binding_id)]
        if first == "teacher":
            await race[1]
            status = await race[0]
        else:
            status, _ = await asyncio.gather(*race)
        state = await settled(town, binding_id, before, withdrawn=status == 204)
        ends.add(state)
        if state == "approved":
            break  # the child is bound to this parent now
        assert await town.events(AccountOpened) == []
        assert await town.value("SELECT count(*) FROM binding.accounts") == 0
    assert ends <= {"approved", "withdrawn"}


async def settled(town: Town, binding_id: str, before: int, *, withdrawn: bool) -> str:
    """Wait until both have had their say; the state, after checking that every event about it says the same."""
    await told(town, *ENDINGS.values(), count=before + 1 + withdrawn)
    state = await town.state_of(binding_id)
    assert state == ("withdrawn" if withdrawn else "approved")
    about = [
        (name, event.data.version)
        for name, kind in ENDINGS.items()
        for event in await town.events(kind)
        if event.subject == binding_id
    ]
    assert set(about) == {(state, 2)}
    assert bool(await town.events(AccountOpened)) is (state == "approved")
    return state


async def test_what_was_decided_cannot_be_withdrawn(town: Town) -> None:
    token, binding_id = await one_binding(town)
    await town.decided(binding_id)
    answer = await town.call("DELETE", f"/bindings/{binding_id}", token)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_pending")
    assert await town.events(BindingWithdrawn) == []


async def test_a_decision_after_a_withdrawal_tells_the_withdrawal_again(town: Town) -> None:
    token, binding_id = await one_binding(town)
    assert await withdraw(town, token, binding_id) == 204
    for outcome in ("approve", "refuse"):
        await town.decide(binding_id, outcome, "太晚了")
    await told(town, BindingWithdrawn, count=3)
    events = await town.events(BindingWithdrawn)
    assert {(event.subject, event.data.version) for event in events} == {(binding_id, 2)}
    assert len({event.id for event in events}) == 3
    for kind in (BindingApproved, BindingRefused, AccountOpened):
        assert await town.events(kind) == []
    assert await town.state_of(binding_id) == "withdrawn"


async def test_a_second_decision_changes_nothing_and_tells_what_stands(town: Town) -> None:
    _, binding_id = await one_binding(town)
    await town.decided(binding_id, "refuse", "不認識")
    await town.decide(binding_id)
    await told(town, BindingRefused, count=2)
    assert await town.state_of(binding_id) == "refused"
    assert await town.events(BindingApproved) == []


async def test_an_approval_told_again_still_says_that_it_opened_the_account(town: Town) -> None:
    _, binding_id = await one_binding(town)
    await town.decided(binding_id)
    await town.decide(binding_id, "refuse", "太晚了")
    await told(town, BindingApproved, count=2)
    assert [event.data.opens_account for event in await town.events(BindingApproved)] == [True, True]


async def test_a_decision_delivered_twice_is_applied_once(town: Town) -> None:
    _, binding_id = await one_binding(town)
    decision = town.decision(binding_id)
    body = decision.model_dump_json().encode()
    await asyncio.gather(*(town.publish(body, DecisionMade.TYPE) for _ in range(5)))
    # What is told of a later event shows that the five have been handled: one queue, one order.
    marker = await town.decide(binding_id, "refuse", "x")

    async def all_handled() -> bool:
        return bool(await town.value("SELECT count(*) FROM binding.inbox WHERE event_id = $1", marker.id))

    await eventually(all_handled)
    await told(town, BindingApproved, count=2)
    assert len(await town.events(BindingApproved)) == 2
    assert len(await town.events(AccountOpened)) == 1
    assert await dead_letters(town) == 0


async def test_what_can_never_be_applied_is_put_aside_and_the_service_goes_on(town: Town) -> None:
    _, binding_id = await one_binding(town)
    version_two = town.decision(binding_id).model_dump_json().replace("decision-made.v1", "decision-made.v2")
    unsealable = town.decision(binding_id, "refuse", "x").model_copy(update={"id": uuid4()})
    bodies = [
        town.decision(str(uuid4())).model_dump_json().encode(),
        town.decision("no id at all").model_dump_json().encode(),
        b'{"specversion": "1.0", ',
        b"\xff\xfe",
        b"[" * 50_000,
        version_two.encode(),
        unsealable.model_dump_json().encode(),
    ]
    for body in bodies:
        await town.publish(body, DecisionMade.TYPE)
        assert await dead_letter(town) == body
    assert await town.state_of(binding_id) == "pending"
    await town.decided(binding_id)
    assert await town.state_of(binding_id) == "approved"
    assert await dead_letters(town) == 0


async def test_nobody_withdraws_what_is_somebody_elses(town: Town) -> None:
    _, binding_id = await one_binding(town)
    stranger = await town.sign_in("wu@example.org")
    for unknown in (binding_id, str(uuid4())):
        answer = await town.call("DELETE", f"/bindings/{unknown}", stranger)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await town.state_of(binding_id) == "pending"


async def test_a_withdrawn_child_leaves_the_list_and_can_be_applied_for_again(town: Town) -> None:
    token, binding_id = await one_binding(town)
    await withdraw(town, token, binding_id)
    assert await town.bindings(token) == []
    assert await withdraw(town, token, binding_id) == 404
    again = await town.apply()
    assert [each["state"] for each in await town.bindings(again)] == ["pending"]


async def test_clearing_all_withdraws_what_waits_drops_what_was_refused_and_keeps_what_is_bound(town: Town) -> None:
    token = await town.apply(children=[LI, WANG, CHEN])
    approved, refused, pending = [each["id"] for each in await town.bindings(token)]
    await town.decided(approved)
    await town.decided(refused, "refuse", "x")
    await town.do("DELETE", "/bindings", token)
    assert [each["id"] for each in await town.bindings(token)] == [approved]
    assert [await town.state_of(each) for each in (approved, refused, pending)] == ["approved", "refused", "withdrawn"]
    assert len(await town.events(BindingWithdrawn)) == 1


async def test_two_parents_of_one_child_are_both_bound(town: Town) -> None:
    tokens = [
        await town.apply("one@example.org"),
        await town.apply("two@example.org", parent_id=OTHER_PARENT_ID),
    ]
    for token in tokens:
        await town.decided((await town.bindings(token))[0]["id"])
    assert len(await town.events(AccountOpened)) == 2
