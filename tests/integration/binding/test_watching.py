from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock

import httpx
import pytest

from binding_service.app import make_app
from binding_service.applications import storage
from local_stack.processes import Child, accepts_connections, free_port
from shared.web import streams, watching
from support.serving import eventually, serving, wait_until_ready
from support.town import LI, OTHER_PARENT_ID, PARENT_ID, TLS, WANG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from binding_service.logins.domain import Session
    from shared.database import Database
    from shared.web.watching import Watching
    from support.databases import Clock
    from support.town import Town

#: What the parent who waits calls at once.
AT_ONCE = 1
#: Longer than any wake takes, far shorter than the look-up that needs none.
SOON = 5
#: uvicorn would wait for open streams until its patience is over: five seconds in this process, twenty in another.
STOP_SECONDS = 4
PHONE = "+886912345678"
VERSION = re.compile(r"[0-9a-f]{16}")

only_woken = pytest.mark.usefixtures("no_slow_look_up")


class Stream:
    """An open stream of events, read line by line as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines: list[str] = []
        self._came = asyncio.Condition()
        self._seen = 0
        self.has_ended = False

    async def read(self) -> None:
        """Read until the server ends it."""
        async for line in self.answer.aiter_lines():
            await self._note(line)
        await self._note(None)

    async def _note(self, line: str | None) -> None:
        async with self._came:
            self.has_ended = line is None
            self.lines += [line] if line else []
            self._came.notify_all()

    @property
    def states(self) -> list[str]:
        """The ids of the states that were told."""
        return [line.removeprefix("id: ") for line in self.lines if line.startswith("id: ")]

    async def state(self, within: float = SOON) -> str:
        """The next state's id."""
        async with asyncio.timeout(within), self._came:
            await self._came.wait_for(lambda: len(self.states) > self._seen)
        self._seen += 1
        return self.states[self._seen - 1]

    async def comment(self) -> None:
        """Return when a line came that says nothing."""
        async with asyncio.timeout(SOON), self._came:
            await self._came.wait_for(lambda: any(line.startswith(":") for line in self.lines))

    async def end(self, within: float = SOON) -> None:
        """Return when the server ended it."""
        async with asyncio.timeout(within), self._came:
            await self._came.wait_for(lambda: self.has_ended)


@asynccontextmanager
async def stream(url: str, token: str, headers: dict[str, str] | None = None) -> AsyncIterator[Stream]:
    """The API's stream of the session's progress."""
    headers = {"authorization": f"Bearer {token}"} | (headers or {})
    async with (
        httpx.AsyncClient(verify=TLS, timeout=httpx.Timeout(30, read=None)) as client,
        client.stream("GET", f"{url}/api/v1/bindings/events", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        opened = Stream(answer)
        reading = asyncio.create_task(opened.read())
        yield opened
        reading.cancel()
        with suppress(asyncio.CancelledError, httpx.TransportError):
            await reading


async def first_binding(town: Town, token: str) -> str:
    return str((await town.bindings(token))[0]["id"])


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the database was asked what is shown to those who watch."""
    asked: list[float] = []
    real = storage.shown_to_contacts

    async def counted(*arguments: object) -> object:
        asked.append(time.monotonic())
        return await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "shown_to_contacts", counted)
    return asked


@pytest.fixture
def no_slow_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks without a wake, so that what arrives was told."""
    monkeypatch.setattr(watching, "MOST_SECONDS_BETWEEN", 3600)


@dataclass
class Replica:
    """One more process of the binding service, over the same database."""

    url: str
    database: Database
    watching: Watching[Session]

    async def commit(self) -> None:
        """Something that is none of any parent's business."""
        async with self.database.transaction() as connection:
            await connection.execute("SELECT 1")


@pytest.fixture
async def replica(town: Town) -> AsyncIterator[Replica]:
    """Beside the town's own."""
    app = make_app(town.settings)
    async with serving(app) as url:
        yield Replica(url, app.state.binding.database, app.state.watching)


# --- what is told ---


@only_woken
async def test_a_decision_is_told_at_once(town: Town) -> None:
    token = await town.apply()
    binding_id = await first_binding(town, token)
    async with stream(town.url, token) as opened:
        before = await opened.state()
        await town.decide(binding_id)
        after = await opened.state(within=AT_ONCE)
        assert (await town.bindings(token))[0]["state"] == "approved"
    assert before != after


@only_woken
async def test_what_the_parent_does_on_another_device_is_told(town: Town) -> None:
    token = await town.apply(children=[LI])
    async with stream(town.url, await town.sign_in(PHONE)) as opened:
        states = [await opened.state()]
        await town.do("DELETE", f"/bindings/{await first_binding(town, token)}", token)
        states.append(await opened.state(within=AT_ONCE))
        await town.fill(token, [WANG], parent={"name": "林淑芬", "email": "lin@example.org", "phone": "0912345678"})
        await town.do("POST", "/applications", token, signature={"typed": "林淑芬"})
        states.append(await opened.state(within=AT_ONCE))
        await town.decided(await first_binding(town, token), "refuse", "不認識")
        states.append(await opened.state(within=AT_ONCE))
        await town.do("DELETE", "/bindings", token)
        states.append(await opened.state(within=AT_ONCE))
        assert await town.bindings(token) == []
    # Twice there was nothing to show: after the withdrawal, and when everything was cleared.
    assert len(set(states)) == 4
    assert states[1] == states[4]


@only_woken
async def test_what_happens_to_others_is_told_to_nobody_else(town: Town) -> None:
    ours, theirs = await town.apply(), await town.apply("wu@example.org", parent_id=OTHER_PARENT_ID)
    async with stream(town.url, ours) as opened, stream(town.url, theirs) as other:
        first = await opened.state()
        await other.state()
        await town.do("DELETE", "/bindings", theirs)
        await other.state()
        await town.do("DELETE", "/bindings", ours)
        await opened.state()
        assert len(opened.states) == 2
        assert first != opened.states[1]
        assert opened.states[1] == other.states[1]


@only_woken
async def test_who_comes_back_is_told_at_once_what_is_shown_by_now(town: Town) -> None:
    token = await town.apply()
    async with stream(town.url, token) as opened:
        old = await opened.state()
    await town.do("DELETE", "/bindings", token)
    async with stream(town.url, token, {"last-event-id": old}) as opened:
        new = await opened.state(within=AT_ONCE)
        assert new != old
        # Nothing is committed meanwhile that would wake anybody.
        async with stream(town.url, token, {"last-event-id": new}) as again:
            assert await again.state(within=AT_ONCE) == new
        assert opened.states == [new]


async def test_the_page_and_its_stream_name_a_state_alike(town: Town) -> None:
    token = await town.apply(children=[LI, WANG])
    async with town.browser(token) as browser, stream(town.url, token) as opened:
        assert f'data-version="{await opened.state()}"' in (await browser.get("/progress")).text
        await town.decided(await first_binding(town, token))
        assert f'data-version="{await opened.state()}"' in (await browser.get("/progress")).text


# --- how it is told ---


async def test_a_stream_is_passed_on_as_it_comes_and_says_nothing_about_anybody(town: Town) -> None:
    token = await town.apply()
    async with stream(town.url, token) as opened:
        version = await opened.state()
        assert VERSION.fullmatch(version)
        assert opened.lines == ["retry: 5000", "event: state", f"id: {version}", f'data: {{"version": "{version}"}}']
        headers = opened.answer.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")


async def test_a_page_reads_it_with_its_cookie(town: Town) -> None:
    token = await town.apply()
    async with town.browser(token) as browser, browser.stream("GET", "/progress/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                break


async def test_who_is_not_signed_in_gets_a_plain_401(town: Town) -> None:
    async with town.browser() as browser:
        answer = await browser.get("/progress/events")
    assert (answer.status_code, answer.text) == (401, "not_signed_in")
    assert (await town.call("GET", "/bindings/events")).json()["code"] == "not_signed_in"


async def test_who_has_a_first_password_to_change_gets_a_plain_403(town: Town) -> None:
    await town.open_account()
    answer = await town.call("POST", "/account/sessions", login="lin@example.org", password=PARENT_ID[-6:])
    async with town.browser(answer.json()["token"]) as browser:
        refused = await browser.get("/progress/events")
    assert (refused.status_code, refused.text) == (403, "password_change_due")


async def test_a_quiet_stream_shows_that_it_lives(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)
    token = await town.apply()
    async with stream(town.url, token) as opened:
        await opened.state()
        await opened.comment()
        assert len(opened.states) == 1


async def test_the_eleventh_stream_of_a_contact_is_refused_until_one_is_closed(town: Town) -> None:
    token = await town.apply()
    other = await town.apply("wu@example.org", parent_id=OTHER_PARENT_ID)
    async with AsyncExitStack() as stack:
        for _ in range(9):
            await stack.enter_async_context(stream(town.url, token))
        async with stream(town.url, token):
            async with asyncio.timeout(SOON):
                answer = await town.call("GET", "/bindings/events", token)
            assert (answer.status_code, answer.json()["code"]) == (429, "limited")
            assert int(answer.headers["retry-after"]) > 0
            async with town.browser(token) as browser:
                assert (await browser.get("/progress/events")).status_code == 429
            await stack.enter_async_context(stream(town.url, other))

        async def has_room() -> bool:
            with suppress(AssertionError):
                await stack.enter_async_context(stream(town.url, token))
                return True
            return False

        await eventually(has_room)


# --- what it costs ---


@only_woken
async def test_nothing_is_looked_up_while_nobody_watches(
    town: Town, replica: Replica, look_ups: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LEAST_SECONDS_BETWEEN", 0)
    monkeypatch.setattr(watching, "REST", 0)
    token = await town.apply()
    async with stream(replica.url, token) as opened:
        await opened.state()

    async def nobody() -> bool:
        return not replica.watching._watches

    async def sleeps_on() -> bool:
        await replica.commit()
        return replica.watching._woken.is_set()

    await eventually(nobody)
    before = len(look_ups)
    await eventually(sleeps_on)
    assert len(look_ups) == before
    async with stream(replica.url, token) as opened:
        await opened.state()
    assert len(look_ups) == before + 1


@only_woken
async def test_many_commits_lead_to_few_look_ups_for_everybody_together(
    town: Town, replica: Replica, look_ups: list[float]
) -> None:
    token = await town.apply()
    async with stream(replica.url, token) as opened, stream(replica.url, token) as second:
        await opened.state()
        await second.state()
        before, began = len(look_ups), time.monotonic()
        while time.monotonic() - began < 1:
            await replica.commit()
        assert 2 <= len(look_ups) - before <= 7


# --- many processes, and faults ---


@only_woken
@pytest.mark.parametrize("reader", ["town", "replica"])
async def test_a_change_made_through_one_replica_is_told_by_every_other(
    town: Town, replica: Replica, reader: str
) -> None:
    token = await town.apply()
    here, there = (town.url, replica.url) if reader == "replica" else (replica.url, town.url)
    async with stream(here, token) as ours, stream(there, token) as theirs, httpx.AsyncClient(verify=TLS) as http:
        for opened in (ours, theirs):
            await opened.state()
        await http.delete(f"{here}/api/v1/bindings", headers={"authorization": f"Bearer {token}"})
        assert await theirs.state(within=AT_ONCE) == await ours.state()


@only_woken
async def test_changes_are_told_after_the_listening_connection_was_lost(town: Town) -> None:
    token = await town.apply()
    async with stream(town.url, token) as opened:
        await opened.state()
        ended = await town.rows(
            "SELECT pg_terminate_backend(pid, 5000) AS gone FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_notify%'"
        )
        assert ended
        await town.do("DELETE", "/bindings", token)
        await opened.state()


async def test_a_stream_outlives_a_database_that_is_away_for_a_moment(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await town.apply()
    async with stream(town.url, token) as opened:
        await opened.state()
        counted = storage.shown_to_contacts
        monkeypatch.setattr(storage, "shown_to_contacts", AsyncMock(side_effect=ConnectionResetError))
        await town.do("DELETE", "/bindings", token)

        async def failed() -> bool:
            return storage.shown_to_contacts.await_count > 0  # type: ignore[attr-defined]

        await eventually(failed)
        monkeypatch.setattr(storage, "shown_to_contacts", counted)
        await opened.state()


# --- its end ---


@only_woken
async def test_a_stream_ends_when_its_session_is_signed_out(town: Town) -> None:
    token = await town.apply()
    async with stream(town.url, token) as opened, stream(town.url, await town.sign_in(PHONE)) as other:
        await opened.state()
        await other.state()
        await town.do("DELETE", "/sessions/current", token)
        await opened.end(within=AT_ONCE)
        assert not other.has_ended


async def test_a_stream_ends_when_its_session_expires_though_nothing_is_committed(
    town: Town, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_SECONDS_BETWEEN", 0.1)
    token = await town.apply()
    async with stream(town.url, token) as opened:
        await opened.state()
        await clock.shift(timedelta(hours=town.settings.session_hours, seconds=1))
        await opened.end()


async def test_a_service_that_stops_ends_its_streams_and_waits_for_none(town: Town) -> None:
    token = await town.apply()
    async with AsyncExitStack() as service:
        url = await service.enter_async_context(serving(make_app(town.settings)))
        async with stream(url, token) as opened:
            await opened.state()
            began = time.monotonic()
            await service.aclose()
            assert time.monotonic() - began < STOP_SECONDS
            await opened.end(within=AT_ONCE)


async def test_sigterm_ends_the_process_with_streams_open(town: Town, tmp_path: Path) -> None:
    token = await town.apply()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = dict(os.environ) | {
        "BINDING_DATABASE_URL": town.settings.database_url.get_secret_value(),
        "BINDING_RABBITMQ_URL": town.settings.rabbitmq_url.get_secret_value(),
        "BINDING_PORT": str(port),
    }
    program = Path(sys.executable).parent / "binding-service"
    process = Child("binding", [str(program), "serve"], tmp_path / "binding.log", environment=environment)
    try:
        await eventually(partial(answers, port), within=30)
        await wait_until_ready(url)
        async with stream(url, token) as opened, stream(url, token) as second:
            await opened.state()
            await second.state()
            began = time.monotonic()
            process.ask_to_stop()
            await opened.end()
            await second.end()

            async def gone() -> bool:
                return not process.is_alive

            await eventually(gone)
            assert time.monotonic() - began < STOP_SECONDS
    finally:
        process.stop(STOP_SECONDS)


async def answers(port: int) -> bool:
    return accepts_connections(port)
