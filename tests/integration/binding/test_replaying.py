"""Telling every binding again: what is in it, and what the command says."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from binding_service.applications.commands import bindings_command
from binding_service.roster.importing import Roster
from shared.database import Database
from shared.events import BindingApproved, BindingRefused, BindingSubmitted
from support.city import MEI, MING, City, city_of
from support.school import submitted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.town import Town


@pytest.fixture
async def city(town: Town, tmp_path: Path) -> AsyncIterator[City]:
    async with city_of(town, tmp_path / "export") as city:
        yield city


async def run(town: Town, dsn: str) -> int:
    """The exit code of ``binding-service bindings replay``, which opens and closes a database of its own."""
    command = bindings_command(lambda _: Roster(Database(dsn), town.keys))
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return await command.run(town.settings, parser.parse_args(["replay"]))


async def test_what_has_ended_is_told_first_and_without_what_nobody_needs_any_more(
    town: Town, city: City, capsys: pytest.CaptureFixture[str]
) -> None:
    token = await town.apply(children=[city.child(MEI), city.child(MING)])
    waits, ends = await town.bindings(token)
    await town.decided(ends["id"], "refuse", "不認識")
    before = await town.rows("SELECT * FROM binding.bindings ORDER BY id")
    await town.db.execute("TRUNCATE public.trail")
    assert await run(town, city.parts.database.dsn) == 0
    assert capsys.readouterr().out.endswith("3 events recorded\n")
    types = [row["type"] for row in await town.rows("SELECT type FROM public.trail ORDER BY n")]
    assert types == [BindingRefused.TYPE, BindingSubmitted.TYPE, BindingSubmitted.TYPE]
    (refused,) = await town.events(BindingRefused)
    assert (refused.subject, refused.data.is_replay, refused.data.for_notify) == (ends["id"], True, "")
    told = {event.subject: part for event, part in await submitted(town)}
    assert (told[waits["id"]].national_id, told[waits["id"]].email) != ("", "")
    assert (told[ends["id"]].national_id, told[ends["id"]].email, told[ends["id"]].phone) == ("", "", "")
    assert await town.rows("SELECT * FROM binding.bindings ORDER BY id") == before
    assert await town.events(BindingApproved) == []


async def test_a_database_that_is_away_is_one_sentence_and_exit_code_1(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(town, "postgresql://binding@localhost:1/none") == 1
    assert "run it once more" in capsys.readouterr().err
