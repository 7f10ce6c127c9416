"""The link at the foot of a mail: whose page it opens, and what is sealed in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from integration.notify.world import (
    LATER,
    make_account,
    make_activity,
    make_application,
    make_approval,
    make_code,
    make_deletion_asked,
    make_forgotten,
    make_guardian_bound,
    make_objection_closed,
    make_refusal,
    make_reminder,
    make_revocation,
    make_withdrawal,
    sample_keys,
)
from shared.not_mine import NotMine, read_token

if TYPE_CHECKING:
    from integration.notify.world import World
    from shared.events import Event

TO_PARENTS: list[tuple[Event, str]] = [
    (make_application(), "application"),
    (make_approval(), "binding"),
    (make_refusal(), "binding"),
    (make_withdrawal(), "binding"),
    (make_revocation(), "binding"),
    (make_guardian_bound(), "binding"),
    (make_account(), "account"),
    (make_deletion_asked(), "account"),
    (make_activity("secured"), "account"),
    (make_forgotten(), "account"),
    (make_objection_closed(), "objection"),
]


async def link_in_mail(world: World, event: Event, key: str, site: str = "https://parents.example") -> NotMine:
    """What is sealed in the link of the one mail that the event calls for."""
    await world.hear(event)
    await world.deliver_due()
    (mail,) = world.mail_server.mails
    part = mail.get_body(("plain",))
    assert part is not None
    (token,) = re.findall(rf"^{re.escape(site)}/not-mine\?token=(\S+)$", part.get_content(), re.MULTILINE)
    return read_token(sample_keys(key), token)


@pytest.mark.parametrize(("event", "about"), TO_PARENTS, ids=[type(event).__name__ for event, _ in TO_PARENTS])
async def test_a_mail_to_a_parent_has_a_link_that_binding_opens(world: World, event: Event, about: str) -> None:
    link = await link_in_mail(world, event, "KEY_BINDING_NOTIFY")
    assert (link.about, link.subject, link.at) == (about, event.subject, event.time)


async def test_the_link_of_a_code_knows_the_attempt_and_which_of_its_codes_it_is(world: World) -> None:
    event = make_code()
    link = await link_in_mail(world, event, "KEY_BINDING_NOTIFY")
    assert link == NotMine(kind="code", about="attempt", subject=event.subject, at=LATER)


async def test_a_mail_to_staff_has_a_link_that_review_opens(world: World) -> None:
    event = make_reminder("digest")
    link = await link_in_mail(world, event, "KEY_REVIEW_NOTIFY", "https://teachers.example")
    assert link == NotMine(kind="digest", about="teacher", subject="teacher-1", at=event.time)


async def test_the_last_letter_is_about_an_application_where_the_account_is_gone(world: World) -> None:
    application = uuid4()
    link = await link_in_mail(world, make_forgotten(application_ids=[application]), "KEY_BINDING_NOTIFY")
    assert (link.about, UUID(link.subject)) == ("application", application)


async def test_an_sms_has_no_link(world: World) -> None:
    await world.hear(make_code("sms"))
    await world.deliver_due()
    ((_, body),) = world.sms_server.posts
    assert "://" not in body["text"]
    assert body["text"].endswith("\n@parents.example #049497")
