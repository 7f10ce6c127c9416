"""What expires in the binding service goes when its time has come, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from integration.binding.test_my_data import everything, purged
from support.accounts import mother, sign_in
from support.school import ADMINISTRATOR, hear, paper_entry, unbind
from support.town import LI, PARENT_ID, SIGNATURE, WANG

if TYPE_CHECKING:
    from support.databases import Clock, Databases
    from support.town import Town

PERSONAL = (PARENT_ID, "林淑芬", "lin@example.org", "+886912345678", "[431", "不認識")


async def end(town: Town, token: str, how: str) -> None:
    """An application's only binding ends."""
    binding_id = (await town.bindings(token))[0]["id"]
    if how == "withdrawn":
        await town.do("DELETE", f"/bindings/{binding_id}", token)
    else:
        await town.decided(binding_id, "refuse", "不認識這位家長")


@pytest.mark.parametrize("how", ["refused", "withdrawn"])
async def test_a_closed_application_loses_what_is_personal_after_the_set_days(
    town: Town, clock: Clock, databases: Databases, how: str
) -> None:
    token = await town.apply()
    await end(town, token, how)
    await clock.shift(timedelta(days=179))
    assert "closed applications" not in (await purged(databases, town)).counts
    assert PARENT_ID in await everything(town)
    await clock.shift(timedelta(days=181))
    assert (await purged(databases, town)).counts["closed applications"] == 1
    held = await everything(town)
    for personal in PERSONAL:
        assert personal not in held, personal
    row = (await town.rows("SELECT state, school_name, class_name FROM binding.bindings"))[0]
    assert row == {"state": how, "school_name": "中正國小", "class_name": "三年一班"}
    assert "closed applications" not in (await purged(databases, town)).counts


async def test_one_that_is_bound_or_waits_keeps_everything_however_old_it_is(
    town: Town, clock: Clock, databases: Databases
) -> None:
    token = await town.apply(children=[LI, WANG])
    first, second = [each["id"] for each in await town.bindings(token)]
    await town.decided(first, "refuse", "不認識")
    await clock.shift(timedelta(days=400))
    await purged(databases, town)
    assert PARENT_ID in await everything(town)
    await town.decided(second)
    await clock.shift(timedelta(days=800))
    await purged(databases, town)
    assert await town.value("SELECT count(*) FROM binding.applications WHERE erased_at IS NULL") == 1


async def test_a_bound_account_works_on_when_another_application_of_its_was_erased(
    town: Town, clock: Clock, databases: Databases
) -> None:
    token = await mother(town)
    await town.fill_students(token, WANG)
    await town.fill(token, [], PARENT_ID)
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    await town.decided((await town.bindings(token))[-1]["id"], "refuse", "不認識")
    await clock.shift(timedelta(days=181))
    assert (await purged(databases, town)).counts["closed applications"] == 1
    token = await sign_in(town)
    assert [child["name"] for child in await town.do("GET", "/account/family", token)] == [LI.name]
    await town.fill_students(token, WANG)
    await town.fill(token, [], PARENT_ID)
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    assert [child["state"] for child in await town.do("GET", "/account/family", token)] == ["approved", "pending"]


async def test_the_account_of_who_was_unbound_keeps_its_own_data(
    town: Town, clock: Clock, databases: Databases
) -> None:
    token = await mother(town)
    await unbind(town, (await town.bindings(token))[0]["id"])
    await clock.shift(timedelta(days=181))
    assert (await purged(databases, town)).counts["closed applications"] == 1
    token = await sign_in(town)
    await town.fill_students(token, LI)
    await town.fill(token, [], PARENT_ID)
    await town.do("POST", "/applications", token, signature=SIGNATURE)
    assert [child["name"] for child in await town.do("GET", "/account/family", token)] == [LI.name]


async def test_drafts_sessions_and_attempts_go_after_their_days(town: Town, clock: Clock, databases: Databases) -> None:
    token = await town.sign_in("new@example.org")
    await town.fill_students(token, LI)
    await clock.shift(timedelta(days=29))
    counts = (await purged(databases, town)).counts
    assert (counts["sessions"], counts["login_attempts"], counts.get("drafts")) == (1, 1, None)
    await clock.shift(timedelta(days=31))
    assert (await purged(databases, town)).counts["drafts"] == 1


async def test_an_entry_from_paper_that_was_sent_back_goes_and_an_accepted_one_stays(
    town: Town, clock: Clock, databases: Databases
) -> None:
    await town.db.execute(
        "INSERT INTO binding.teachers VALUES ($1, 'S-1', 'administrator', '王組長', 'a@x.tw', NULL, 1, true)",
        ADMINISTRATOR,
    )
    await hear(town, paper_entry(town), paper_entry(town, national_id="A1", entry_id=uuid4()))
    await clock.shift(timedelta(days=91))
    assert (await purged(databases, town)).counts["paper_entries"] == 1
    assert await town.value("SELECT count(*) FROM binding.paper_entries WHERE application_id IS NOT NULL") == 1


async def test_the_command_says_what_would_go_purges_it_and_reports(
    town: Town, clock: Clock, databases: Databases
) -> None:
    await end(town, await town.apply(), "refused")
    await clock.shift(timedelta(days=181))

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "BINDING_DATABASE_URL": databases.binding, "BINDING_LOG_LEVEL": "ERROR"}
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "binding_service", "retention", *words],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )

    dry = command("run", "--dry-run")
    assert "closed applications 1\n" in dry.stdout
    assert PARENT_ID in await everything(town)
    run = command("run")
    assert (run.returncode, run.stdout) == (0, dry.stdout)
    assert PARENT_ID not in await everything(town)
    assert command("run").stdout == "nothing\n"
    nothing, purge = command("report", "--last", "2").stdout.splitlines()
    assert nothing.endswith(": nothing")
    assert "closed applications 1, " in purge
