from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from shared.web import fair_share
from shared.web.fair_share import FairShare
from support.serving import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Receive, Scope, Send

ONE, OTHER = "192.0.2.1", "192.0.2.2"


class Site:
    """Answers each path when it is told to; streams below /stream, and fails below /fault."""

    def __init__(self) -> None:
        self.under_way: list[str] = []
        self.half_read: list[str] = []
        self.read: list[str] = []
        self._may_answer: dict[str, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope["path"]
        self.under_way.append(path)
        try:
            await self._answer(path, scope, receive, send)
        finally:
            self.under_way.remove(path)

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        async def chunks() -> AsyncIterator[str]:
            yield "event"
            await self._gate(path).wait()

        if path.startswith("/stream"):
            await StreamingResponse(chunks(), media_type="text/event-stream")(scope, receive, send)
            return
        if path.startswith("/upload"):
            while (await receive()).get("more_body"):
                self.half_read.append(path)
            self.read.append(path)
        await self._gate(path).wait()
        if path.startswith("/fault"):
            raise RuntimeError
        await PlainTextResponse("done")(scope, receive, send)

    def let_answer(self, path: str) -> None:
        """Answer whoever has asked or asks for this path."""
        self._gate(path).set()

    def let_send(self, path: str) -> None:
        """Let whoever uploads to this path send the second half."""
        self.gate_of_body(path).set()

    def gate_of_body(self, path: str) -> asyncio.Event:
        """Set as soon as the second half may come."""
        return self._gate(f"body of {path}")

    def _gate(self, path: str) -> asyncio.Event:
        return self._may_answer.setdefault(path, asyncio.Event())


class Client:
    """Asks a site with shares; the statuses of what was answered, by path."""

    def __init__(self, site: Site, at_once: int) -> None:
        self.site = site
        self._app = FairShare(site, at_once, lambda _: Response(status_code=429))
        self.statuses: dict[str, int] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, path: str, address: str | None = ONE) -> None:
        """Ask, until it is answered, is under way or stands in line."""
        before = self.present

        async def is_known() -> bool:
            return path in self.statuses or path in self.site.under_way or self.present > before

        self.tasks[path] = asyncio.create_task(self._call(path, address))
        await eventually(is_known)

    @property
    def present(self) -> int:
        """Requests that are under way or wait, of all clients."""
        return sum(client.requests for client in self._app._clients.values())

    async def _call(self, path: str, address: str | None) -> None:
        client = (address, 1) if address else None
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "client": client}

        parts = iter([{"type": "http.request", "body": b""}])
        if path.startswith("/upload"):
            parts = iter([{"type": "http.request", "body": b"half", "more_body": True}, *parts])
        if path.startswith("/gone"):
            parts = iter([{"type": "http.disconnect"}])

        async def receive() -> Message:
            part = next(parts)
            if part.get("body") == b"" and path.startswith("/upload"):
                await self.site.gate_of_body(path).wait()
            return part

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[path] = message["status"]

        await self._app(scope, receive, send)


async def comes(site: Site, *under_way: str) -> None:
    """These are under way at last, and no others."""

    async def they_are() -> bool:
        return site.under_way == list(under_way)

    await eventually(they_are)


@asynccontextmanager
async def crowd(at_once: int) -> AsyncIterator[tuple[Site, Client]]:
    """A site, and who asks it; nothing is left under way."""
    site = Site()
    client = Client(site, at_once)
    try:
        yield site, client
    finally:
        for task in client.tasks.values():
            task.cancel()
        await asyncio.gather(*client.tasks.values(), return_exceptions=True)


async def test_a_client_s_requests_take_turns_in_their_order() -> None:
    async with crowd(at_once=2) as (site, client):
        for path in ("/1", "/2", "/3", "/4"):
            await client.ask(path)
        assert site.under_way == ["/1", "/2"]
        site.let_answer("/2")
        await comes(site, "/1", "/3")
        assert client.statuses == {"/2": 200}


async def test_nobody_waits_for_somebody_else_s_turns() -> None:
    async with crowd(at_once=1) as (site, client):
        for path, address in (("/1", ONE), ("/2", ONE), ("/3", OTHER), ("/4", None)):
            await client.ask(path, address)
        assert site.under_way == ["/1", "/3", "/4"]


async def test_an_ipv6_network_is_one_client() -> None:
    async with crowd(at_once=1) as (site, client):
        for path, address in (("/1", "2001:db8::1"), ("/2", "2001:db8::2"), ("/3", "2001:db8:0:1::1")):
            await client.ask(path, address)
        assert site.under_way == ["/1", "/3"]


async def test_whoever_finds_a_full_line_is_refused_at_once_and_served_when_there_is_room_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fair_share, "LONGEST_LINE", 3)
    async with crowd(at_once=1) as (site, client):
        for number in range(1 + 3):
            await client.ask(f"/{number}")
        await client.ask("/too-many")
        await client.ask("/other", OTHER)
        assert (client.statuses, site.under_way) == ({"/too-many": 429}, ["/0", "/other"])
        site.let_answer("/0")
        await comes(site, "/other", "/1")
        await client.ask("/again")
        assert "/again" not in client.statuses


async def test_a_stream_has_had_its_turn_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_share, "LONGEST_LINE", 3)
    async with crowd(at_once=1) as (site, client):
        for number in range(10):
            await client.ask(f"/stream/{number}")
        assert set(client.statuses.values()) == {200}
        await client.ask("/page")
        assert site.under_way[-1] == "/page"


async def test_while_a_client_sends_its_turn_is_another_s_and_it_has_one_again_for_the_work() -> None:
    async with crowd(at_once=1) as (site, client):
        for path in ("/upload", "/page", "/next"):
            await client.ask(path)
        await comes(site, "/upload", "/page")
        assert (site.half_read, client.present) == (["/upload"], 2)
        site.let_send("/upload")

        async def waits_again() -> bool:
            return client.present == 3

        await eventually(waits_again)
        assert (site.read, site.under_way) == ([], ["/upload", "/page"])
        site.let_answer("/page")
        await comes(site, "/upload", "/next")
        assert site.read == []
        site.let_answer("/next")
        await client.tasks["/next"]
        site.let_answer("/upload")
        await client.tasks["/upload"]
        assert client.statuses == {"/page": 200, "/next": 200, "/upload": 200}
        assert client._app._clients == {}


async def test_who_leaves_while_sending_gives_nothing_back_twice() -> None:
    async with crowd(at_once=1) as (site, client):
        await client.ask("/upload")
        await client.ask("/page")
        await comes(site, "/upload", "/page")
        client.tasks["/upload"].cancel()
        with suppress(asyncio.CancelledError):
            await client.tasks["/upload"]
        await client.ask("/next")
        assert site.under_way == ["/page"]


async def test_who_has_gone_before_the_turn_came_is_answered_no_more() -> None:
    async with crowd(at_once=1) as (site, client):
        for path in ("/1", "/gone", "/2"):
            await client.ask(path)
        site.let_answer("/1")
        await comes(site, "/2")
        assert client.statuses == {"/1": 200, "/gone": fair_share.CLIENT_HAS_GONE}


@pytest.mark.parametrize("path", ["/fault", "/left"])
async def test_a_turn_is_given_back_however_the_request_ends(path: str) -> None:
    async with crowd(at_once=1) as (site, client):
        await client.ask(path)
        await client.ask("/next")
        assert site.under_way == [path]
        if path == "/left":
            client.tasks[path].cancel()
        site.let_answer(path)
        with suppress(RuntimeError, asyncio.CancelledError):
            await client.tasks[path]
        await comes(site, "/next")


async def test_health_is_told_whoever_else_asks() -> None:
    async with crowd(at_once=1) as (site, client):
        for path in ("/1", "/2", "/health/ready"):
            await client.ask(path)
        assert site.under_way == ["/1", "/health/ready"]


async def test_nothing_is_remembered_of_who_has_gone() -> None:
    async with crowd(at_once=1) as (site, client):
        for number in range(3):
            await client.ask(f"/{number}", f"192.0.2.{number}")
            site.let_answer(f"/{number}")
            await client.tasks[f"/{number}"]
        assert len(client.statuses) == 3
        assert client._app._clients == {}
