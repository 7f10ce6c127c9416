"""The switch of each channel, from the operator's command to what is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.serving import eventually

if TYPE_CHECKING:
    import asyncpg

    from support.house import House


async def test_a_channel_is_paused_and_goes_again_with_what_has_waited(here: House, db: asyncpg.Connection) -> None:
    said = await here.operator.run("notices", "status")
    assert (said.code, said.out.splitlines()[0]) == (
        0,
        "email: sends; by the development mailbox; 0 this hour; 0 wait",
    ), said
    said = await here.operator.run("notices", "pause", "email", "--reason", "the relay is being moved")
    assert (said.code, said.out) == (0, "email is paused; next: kinbind notices resume email\n"), said
    await db.execute(
        """
        INSERT INTO notify.messages (id, kind, cause, channel, letter, correlation_id, expires_at)
        VALUES (gen_random_uuid(), 'approved', 'x', 'email', 'unreadable', 'x', now() + interval '1 day')
        """
    )
    said = await here.operator.run("notices", "status")
    assert said.code == 1
    assert "PAUSED since " in said.out
    assert "(the relay is being moved); by the development mailbox; 0 this hour; 1 wait" in said.out
    told = json.loads((await here.operator.run("notices", "status", "--json")).out)
    assert (told["email"]["reason"], told["sms"]["paused_since"]) == ("the relay is being moved", None)
    assert await db.fetchval("SELECT max(tries) FROM notify.messages") == 0

    said = await here.operator.run("notices", "resume", "email")
    assert (said.code, said.out) == (0, "email goes again\n"), said
    await eventually(lambda: db.fetchval("SELECT max(tries) > 0 FROM notify.messages"))
    assert (await here.operator.run("notices", "resume", "email")).out == "email was not paused\n"
    acts = [tuple(row) for row in await db.fetch("SELECT act, reason FROM operations.acts ORDER BY id")]
    assert acts == [
        ("notices pause email", "the relay is being moved"),
        ("notices resume email", ""),
        ("notices resume email", ""),
    ]


async def test_what_is_no_channel_and_a_pause_without_a_reason_are_refused(here: House) -> None:
    assert (await here.operator.run("notices", "pause", "fax", "--reason", "x")).code == 2
    assert (await here.operator.run("notices", "pause", "sms")).code == 2
