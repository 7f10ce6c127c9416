"""No client takes all of a process: each has a few requests under way, and its others wait in line behind them.

One event loop serves everybody, and each takes its turn there by the request. A client with a hundred connections would
have a hundred turns where a parent has one. Nothing is refused to a household, a school or a phone network behind one
address that asks for a lot at once: it is answered a few at a time, as fast as before.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from shared.rate_limits import client_subject
from shared.web.streams import begins_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: So many of one client wait. A refusal is worth more work than a place in the line, so it is a long one.
LONGEST_LINE = 1000
#: What a refused client is told to wait for.
RETRY_SECONDS = 2


@dataclass(eq=False, slots=True)
class _Client:
    """One client's requests: its turns, and how many are under way or wait."""

    turns: asyncio.Semaphore
    requests: int = 0


class FairShare:
    """At most ``at_once`` requests of a client address are under way in this process.

    The next ones wait, and when the line is full they are refused; ``refuse`` makes the answer (429). An answer that is
    a stream has had its turn when it begins. Health checks always have one.
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
        async with AsyncExitStack() as turn:
            await turn.enter_async_context(self._turn(subject))

            async def send_noted(message: Message) -> None:
                if begins_stream(message):
                    await turn.aclose()
                await send(message)

            await self.app(scope, receive, send_noted)

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
