"""What guardians and former account holders are told, and what is no longer sent to them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from integration.notify.world import (
    PARENT,
    Scripted,
    make_activity,
    make_approval,
    make_deletion_asked,
    make_forgotten,
    make_guardian_bound,
    make_objection_closed,
)
from notify_service import sending
from notify_service.errors import PermanentError, TechnicalError

if TYPE_CHECKING:
    from integration.notify.world import World
    from notify_service.errors import DeliveryError


async def letter(world: World) -> str:
    """The plain text of the one mail that was sent."""
    await world.deliver_due()
    (mail,) = world.mail_server.mails
    assert mail["to"] == PARENT
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def test_a_guardian_reads_who_was_bound_and_how_to_object(world: World) -> None:
    event = make_guardian_bound()
    await world.hear(event)
    text = await letter(world)
    for words in ("吳大寶", "父親", "吳○明", "向學校提出異議"):
        assert words in text
    assert f"https://parents.example/account/children/{event.data.binding_id}/objection" in text.split()


async def test_each_new_guardian_is_told_of_once_to_each(world: World) -> None:
    event = make_guardian_bound()
    again = make_guardian_bound(binding_id=event.data.binding_id).model_copy(update={"subject": event.subject})
    another = make_guardian_bound().model_copy(update={"subject": event.subject})
    for told in (event, event, again):
        await world.hear(told)
    assert len(await world.messages()) == 1
    await world.hear(another)
    assert len(await world.messages()) == 2


async def test_who_objected_reads_what_the_school_wrote(world: World) -> None:
    await world.hear(make_objection_closed())
    assert "> 學校已與雙方聯絡。" in await letter(world)


async def test_who_objected_reads_that_the_other_is_unbound(world: World) -> None:
    await world.hear(make_objection_closed("unbound", note=""))
    text = await letter(world)
    assert "已不再綁定" in text
    assert "學校的說明" not in text


async def test_nobody_is_written_to_when_the_account_of_who_objected_is_gone(world: World) -> None:
    await world.hear(make_objection_closed("withdrawn", note=""))
    assert await world.messages() == []


async def test_a_deletion_that_was_asked_for_is_confirmed_with_its_day_and_the_way_back(world: World) -> None:
    await world.hear(make_deletion_asked())
    assert "取消刪除" in await letter(world)


async def test_who_is_forgotten_gets_the_last_letter_and_nothing_that_still_waited(world: World) -> None:
    waiting, other = make_approval(), make_approval()
    await world.hear(waiting)
    await world.hear(other)
    await world.hear(make_forgotten(waiting.subject))
    rows = {UUID(row["cause"].partition(":")[0]): row for row in await world.messages()}
    dropped = rows[UUID(waiting.subject)]
    assert (dropped["state"], dropped["letter"]) == ("dropped", None)
    assert rows[UUID(other.subject)]["state"] == "waiting"
    assert sorted(row["kind"] for row in rows.values()) == ["account_deleted", "approved", "approved"]


async def test_what_an_account_was_told_of_itself_goes_with_it(world: World) -> None:
    activity = make_activity("email_changed")
    await world.hear(activity)
    (claimed,) = await world.claim()
    await sending.deliver(world.with_providers(email=Scripted("only", PermanentError("550"))), claimed)
    assert (await world.message())["letter"]
    await world.hear(make_forgotten().model_copy(update={"subject": activity.subject}))
    told, _ = await world.messages()
    assert (told["kind"], told["letter"], told["contact"]) == ("email_changed", None, "")


@pytest.mark.parametrize(
    ("fault", "state"), [(PermanentError("550"), "failed"), (TechnicalError("away"), "dropped"), (None, "sent")]
)
async def test_of_what_was_being_sent_when_its_reader_was_forgotten_nothing_stays_either(
    world: World, fault: DeliveryError | None, state: str
) -> None:
    under_way = make_approval()
    await world.hear(under_way)
    (claimed,) = await world.claim()
    event = make_forgotten(under_way.subject)
    await world.hear(event.model_copy(update={"data": event.data.model_copy(update={"for_notify": ""})}))
    provider = Scripted("only", fault)
    await sending.deliver(world.with_providers(email=provider), claimed)
    assert await world.claim() == []

    row = await world.message()
    assert (len(provider.asked), row["state"], row["letter"], row["contact"]) == (1, state, None, "")


async def test_who_is_forgotten_without_an_address_gets_no_letter(world: World) -> None:
    event = make_forgotten(str(uuid4()))
    bare = event.model_copy(update={"data": event.data.model_copy(update={"for_notify": ""})})
    await world.hear(bare)
    assert await world.messages() == []
