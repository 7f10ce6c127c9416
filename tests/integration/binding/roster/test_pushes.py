"""Imports over HTTP, by an operator's token."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from binding_service.roster import importing, push_rows, storage, tokens
from binding_service.roster.domain import Choices
from binding_service.roster.pushes import Pushes
from shared.database import Database
from shared.named_tokens import hash_of
from shared.purging import purge
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from uuid import UUID

    import httpx

    from binding_service.roster.importing import Roster
    from support.town import Town

    Export = Any  # the factory in conftest.py
    OpenTown = Callable[..., Awaitable[Town]]

TOKEN, OTHER = tokens.new_token(), tokens.new_token()
SETTINGS = {"roster_tokens": f"city:{hash_of(TOKEN)}, city:{hash_of(OTHER)}", "roster_push_megabytes": 1}
ZIP = {"authorization": f"Bearer {TOKEN}", "content-type": "application/zip"}
IMPORTS = "/roster/imports"


@pytest.fixture
async def pushing(open_town: OpenTown) -> Town:
    """A town whose operator has a token, and a second one for the time of a rotation."""
    return await open_town(binding=SETTINGS, with_otp=False)


async def push(town: Town, body: bytes, *, key: str | None = None, token: str = TOKEN, **query: str) -> httpx.Response:
    headers = ZIP | {"authorization": f"Bearer {token}"} | ({"idempotency-key": key} if key else {})
    return await town.http.post(IMPORTS, content=body, headers=headers, params=query)


async def ended(town: Town, answer: httpx.Response) -> dict[str, Any]:
    """The report, once there is one."""
    assert answer.status_code == 202, answer.text
    location = answer.headers["location"]
    assert location == answer.json()["location"]
    report: dict[str, Any] = {}

    async def is_ended() -> bool:
        nonlocal report
        got = await town.http.get(town.url + location, headers=ZIP)
        assert got.status_code == 200, got.text
        report = got.json()
        return bool(report["state"] != "running")

    await eventually(is_ended, within=30)
    return report


async def test_an_export_that_is_sent_is_imported_and_reported(pushing: Town, export: Export):
    export.find("users", sourcedId="P1")["userIds"] = "{TWID:R2}"

    report = await ended(pushing, await push(pushing, export.zip().read_bytes()))

    assert (report["state"], report["pushed_by"], report["reason"]) == ("done", "city", "")
    assert report["counts"]["students"] == {"new": 3, "changed": 0, "removed": 3, "unchanged": 0, "held": 0}
    assert report["bad_line_count"] == 1
    assert report["bad_lines"][0]["reason"] == "the ID number's form is wrong"
    noted = await pushing.rows("SELECT revision, pushed_by FROM binding.roster_imports")
    assert noted == [{"revision": report["revision"], "pushed_by": "city"}]


async def test_bad_lines_come_in_pages(pushing: Town, export: Export):
    for student in ("P1", "P2", "P3"):
        export.find("users", sourcedId=student)["userIds"] = ""
    report = await ended(pushing, await push(pushing, export.zip().read_bytes()))
    path = f"{IMPORTS}/{report['id']}"

    page = (await pushing.http.get(path, headers=ZIP, params={"offset": 1, "limit": 1})).json()

    assert page["bad_line_count"] == 3
    assert page["bad_lines"] == report["bad_lines"][1:2]


async def test_a_dry_run_and_a_strict_one_change_nothing(pushing: Town, export: Export):
    export.find("users", sourcedId="P1")["userIds"] = ""
    body = export.zip().read_bytes()

    dry = await ended(pushing, await push(pushing, body, dry_run="true"))
    strict = await ended(pushing, await push(pushing, body, strict="true"))

    assert (dry["state"], dry["dry_run"], dry["revision"]) == ("done", True, None)
    assert (strict["state"], strict["reason"]) == ("refused", "bad lines: 1, and the import is strict")
    assert strict["bad_lines"]
    assert await pushing.value("SELECT count(*) FROM binding.roster_imports") == 0


async def test_what_cannot_be_read_is_refused_with_its_sentence(pushing: Town, export: Export):
    del export.files["roles.csv"]
    report = await ended(pushing, await push(pushing, export.zip().read_bytes()))
    assert (report["state"], report["reason"]) == ("refused", "roles.csv is missing")


async def test_the_same_key_is_one_import_also_of_two_at_once(pushing: Town, export: Export):
    body = export.zip().read_bytes()
    first, second = await asyncio.gather(push(pushing, body, key="k-1"), push(pushing, body, key="k-1"))
    await ended(pushing, first)
    third = await push(pushing, body, key="k-1")

    assert {answer.status_code for answer in (first, second, third)} == {202}
    assert len({answer.headers["location"] for answer in (first, second, third)}) == 1
    assert await pushing.value("SELECT count(*) FROM binding.roster_imports") == 1


async def test_another_one_has_to_wait_while_one_runs(pushing: Town, export: Export, monkeypatch: pytest.MonkeyPatch):
    reached, go_on = asyncio.Event(), asyncio.Event()
    check = storage.check

    async def check_later(connection: Any) -> None:  # noqa: ANN401 - as the original
        reached.set()
        await go_on.wait()
        await check(connection)

    monkeypatch.setattr(importing.storage, "check", check_later)
    body = export.zip().read_bytes()
    first = await push(pushing, body)
    await reached.wait()

    refused = await push(pushing, body)
    running = (await pushing.http.get(pushing.url + first.headers["location"], headers=ZIP)).json()
    go_on.set()

    assert (refused.status_code, refused.json()["code"]) == (409, "import_runs")
    assert int(refused.headers["retry-after"]) > 0
    assert running["state"] == "running"
    assert (await ended(pushing, first))["state"] == "done"
    assert (await ended(pushing, await push(pushing, body)))["state"] == "done"


async def test_an_import_by_command_holds_one_over_http_off(pushing: Town, export: Export):
    async with pushing.db.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", storage.LOCK)
        refused = await push(pushing, export.zip().read_bytes())
    assert (refused.status_code, refused.json()["code"]) == (409, "import_runs")


async def test_an_import_whose_process_is_gone_has_failed_and_holds_up_nobody(pushing: Town, export: Export):
    push_id = uuid4()
    await pushing.db.execute(
        "INSERT INTO binding.roster_pushes (id, pushed_by, choices, state, seen_at) VALUES ($1, 'city',"
        ' \'{"dry_run": false, "strict": false, "allow_removals": false}\', \'running\', now() - $2::interval)',
        push_id,
        timedelta(seconds=61),
    )

    report = (await pushing.http.get(f"{IMPORTS}/{push_id}", headers=ZIP)).json()

    assert (report["state"], report["reason"]) == ("failed", "the process that ran it is gone; nothing of it went in")
    assert (await ended(pushing, await push(pushing, export.zip().read_bytes())))["state"] == "done"
    assert await pushing.value("SELECT state FROM binding.roster_pushes WHERE id = $1", push_id) == "failed"


async def test_an_import_that_was_committed_is_done_though_its_process_died_after_it(pushing: Town, export: Export):
    report = await ended(pushing, await push(pushing, export.zip().read_bytes()))
    await pushing.db.execute(
        "UPDATE binding.roster_pushes SET state = 'running', report = NULL, seen_at = now() - interval '1 hour'"
    )

    again = (await pushing.http.get(f"{IMPORTS}/{report['id']}", headers=ZIP)).json()

    assert (again["state"], again["counts"]) == ("done", report["counts"])


def what_is_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def body_of(path: Path) -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(path.read_bytes)


async def test_a_service_that_stops_says_that_the_import_failed(
    roster: Roster, export: Export, monkeypatch: pytest.MonkeyPatch
):
    reached = asyncio.Event()

    async def never(_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(importing.storage, "check", never)
    pushes = Pushes(roster, Choices(), [])
    running = asyncio.create_task(pushes.run())
    push_id = await pushes.take("city", None, Choices(), body_of(export.zip()))
    await reached.wait()

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    row = await pushes.state_of(push_id)
    assert (row["state"], row["reason"]) == ("failed", "the service was stopped; nothing of it went in")
    assert await roster.database.pool.fetchval("SELECT count(*) FROM roster_imports") == 0


async def test_a_fault_of_ours_fails_the_import_and_not_the_next_one(
    roster: Roster, export: Export, monkeypatch: pytest.MonkeyPatch
):
    check = storage.check
    faults = [ValueError("王小明")]

    async def fail_once(connection: Any) -> None:  # noqa: ANN401 - as the original
        if faults:
            raise faults.pop()
        await check(connection)

    monkeypatch.setattr(importing.storage, "check", fail_once)
    pushes = Pushes(roster, Choices(), [])
    running = asyncio.create_task(pushes.run())
    states = []
    for _ in range(2):
        push_id = await pushes.take("city", None, Choices(), body_of(export.zip()))

        async def is_ended(push_id: UUID = push_id) -> bool:
            return bool((await pushes.state_of(push_id))["state"] != "running")

        await eventually(is_ended)
        row = await pushes.state_of(push_id)
        states.append((row["state"], row["reason"]))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert states == [("failed", "a fault of ours (ValueError); nothing of it went in"), ("done", "")]


async def test_a_report_is_there_for_ninety_days(pushing: Town, export: Export):
    report = await ended(pushing, await push(pushing, export.zip().read_bytes()))
    path = f"{IMPORTS}/{report['id']}"
    database = Database(pushing.settings.database_url.get_secret_value())
    await database.open()
    try:
        for days, status in ((89, 200), (91, 404)):
            await pushing.db.execute(
                "UPDATE binding.roster_pushes SET finished_at = now() - make_interval(days => $1)", days
            )
            await purge(database, push_rows.EXPIRED)
            assert (await pushing.http.get(path, headers=ZIP)).status_code == status
    finally:
        await database.close()


# --- who may send what ---


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer wrong", "Basic Y2l0eTpjaXR5", f"Bearer {TOKEN}x"],
    ids=["none", "another", "basic", "one letter more"],
)
async def test_nobody_sends_or_reads_without_a_token(pushing: Town, export: Export, authorization: str | None):
    headers = {"content-type": "application/zip"} | ({"authorization": authorization} if authorization else {})
    sent = await pushing.http.post(IMPORTS, content=export.zip().read_bytes(), headers=headers)
    read = await pushing.http.get(f"{IMPORTS}/{uuid4()}", headers=headers)
    for answer in (sent, read):
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_operator_token")
        assert answer.headers["content-type"] == "application/problem+json"
    assert await pushing.value("SELECT count(*) FROM binding.roster_pushes") == 0


async def test_a_second_token_of_the_same_name_works_while_they_are_exchanged(pushing: Town, export: Export):
    report = await ended(pushing, await push(pushing, export.zip().read_bytes(), token=OTHER))
    assert (report["state"], report["pushed_by"]) == ("done", "city")


async def test_where_no_token_is_set_nobody_sends(town: Town, export: Export):
    answer = await push(town, export.zip().read_bytes())
    assert (answer.status_code, answer.json()["code"]) == (403, "push_disabled")


@pytest.mark.parametrize("is_announced", [True, False])
async def test_more_than_the_setting_allows_is_refused_and_not_kept(
    pushing: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_announced: bool
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    body = b"x" * 1_000_001

    async def unannounced() -> AsyncIterator[bytes]:
        yield body

    answer = await pushing.http.post(IMPORTS, content=body if is_announced else unannounced(), headers=ZIP)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert what_is_in(tmp_path) == []


async def test_other_routes_take_no_more_than_before(pushing: Town):
    answer = await pushing.http.post("/codes", content=b"x" * 300_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_another_media_type_and_what_is_no_zip_are_refused(pushing: Town):
    text = await pushing.http.post(IMPORTS, content=b"{}", headers=ZIP | {"content-type": "application/json"})
    no_zip = await push(pushing, b"sourcedId,name")
    odd = await push(pushing, b"", strict="maybe")
    assert (text.status_code, text.json()["code"]) == (415, "unsupported_type")
    assert (no_zip.status_code, no_zip.json()["code"]) == (422, "not_a_zip")
    assert (odd.status_code, odd.json()["code"]) == (422, "bad_request")


async def test_an_import_that_nobody_sent_is_not_found(pushing: Town):
    answer = await pushing.http.get(f"{IMPORTS}/{uuid4()}", headers=ZIP)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_nothing_of_what_was_sent_is_left_behind(
    pushing: Town, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(kept))
    await ended(pushing, await push(pushing, export.zip().read_bytes()))

    async def is_empty() -> bool:
        return not what_is_in(kept)

    await eventually(is_empty)
