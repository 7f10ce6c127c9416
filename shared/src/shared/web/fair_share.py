"""No client takes all of a process: each has a few requests under way, and its others wait in line behind them.

One event loop serves everybody, and each takes its turn there by the request. A client with a hundred connections would
have a hundred turns where a parent has one. Nothing is refused to a household, a school or a phone network behind one
address that asks for a lot at once: it is answered a few at a time, as fast as before.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from shared.rate_limits import client_subject
from shared.web.streams import begins_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: So many of one client wait. A refusal is worth more work than a place in the line, so it is a long one.
LONGEST_LINE = 1000
#: What a refused client is told to wait for.
RETRY_SECONDS = 2
#: In logs and metrics alone, as nginx has it.
CLIENT_HAS_GONE = 499


@dataclass(eq=False, slots=True)
class _Client:
    """One client's requests: its turns, and how many are under way or wait."""

    turns: asyncio.Semaphore
    requests: int = 0


class FairShare:
    """At most ``at_once`` requests of a client address are under way in this process.

    The next ones wait, and when the line is full they are refused; ``refuse`` makes the answer (429). An answer that is
    a stream has had its turn when it begins, and while the client still sends its body the turn is another's. Who has
    gone before the turn came is answered no more. Health checks always have a turn.
    """

    def __init__(self, app: ASGIApp, at_once: int, refuse: Callable[[Request], Response]) -> None:
        self.app = app
        self._at_once = at_once
        self._refuse = refuse
        self._clients: dict[str, _Client] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"].startswith("/health/"):
            await self.app(scope, receive, send)
            return
        subject = client_subject(scope["client"][0]) if scope["client"] else ""
        client = self._clients.get(subject)
        if client is not None and client.requests >= self._at_once + LONGEST_LINE:
            await self._refuse(Request(scope))(scope, receive, send)
            return
        has_to_wait = client is not None and client.turns.locked()
        async with AsyncExitStack() as turn:
            await turn.enter_async_context(self._turn(subject))
            body = _Body(receive, turn, partial(self._turn, subject))
            if has_to_wait and await body.has_ended():
                await Response(status_code=CLIENT_HAS_GONE)(scope, receive, send)
                return

            async def send_noted(message: Message) -> None:
                if begins_stream(message):
                    await turn.aclose()
                await send(message)

            await self.app(scope, body.receive, send_noted)

    @asynccontextmanager
    async def _turn(self, subject: str) -> AsyncIterator[None]:
        """Wait for a turn of this client's, and have it for the time of the block."""
        client = self._clients.setdefault(subject, _Client(asyncio.Semaphore(self._at_once)))
        client.requests += 1
        try:
            async with client.turns:
                yield
        finally:
            client.requests -= 1
            if not client.requests:
                del self._clients[subject]


class _Body:
    """What a client sends: while it is waited for, the request's turn is given back, and another one taken after it.

    Ten telephones that lose their network with half a form sent would hold up their whole school.
    """

    def __init__(
        self, receive: Receive, turn: AsyncExitStack, another_turn: Callable[[], AbstractAsyncContextManager[None]]
    ) -> None:
        self._receive = receive
        self._turn = turn
        self._another_turn = another_turn
        self._first: Message | None = None
        self._is_whole = False

    async def has_ended(self) -> bool:
        """Whether the client has gone; else the first that it has sent is kept for :meth:`receive`."""
        self._first = await self.receive()
        return bool(self._first["type"] == "http.disconnect")

    async def receive(self) -> Message:
        """ASGI. After the body there is only the client's going to be waited for, by whoever is at work."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._is_whole:
            return await self._receive()
        arriving = asyncio.ensure_future(self._receive())
        try:
            # What has already come is there after one turn of the loop.
            await asyncio.sleep(0)
            if not arriving.done():
                await self._turn.aclose()
                await asyncio.wait([arriving])
                await self._turn.enter_async_context(self._another_turn())
            message = arriving.result()
        finally:
            arriving.cancel()
        self._is_whole = not message.get("more_body", False)
        return message
