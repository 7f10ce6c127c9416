"""An open stream of server-sent events, as a browser's EventSource reads it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx

from support.serving import TLS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Longer than any wake takes, far shorter than the look-up that needs none.
SOON = 5


class Stream:
    """Read line by line as the lines come."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._states: asyncio.Queue[str | None] = asyncio.Queue()

    async def read(self) -> None:
        """Read until the server ends it."""
        async for line in self._answer.aiter_lines():
            if line.startswith("id: "):
                self._states.put_nowait(line.removeprefix("id: "))
        self._states.put_nowait(None)

    async def state(self, within: float = SOON) -> str | None:
        """The next state's id; None when the server ended the stream. Raises TimeoutError where nothing comes."""
        async with asyncio.timeout(within):
            return await self._states.get()

    async def says_nothing(self, within: float) -> bool:
        """Whether nothing comes for so many seconds."""
        try:
            await self.state(within)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def open_stream(url: str, cookies: httpx.Cookies) -> AsyncIterator[Stream]:
    """The stream at ``url``, for who has these cookies."""
    async with (
        httpx.AsyncClient(cookies=dict(cookies), verify=TLS, timeout=httpx.Timeout(30, read=None)) as client,
        client.stream("GET", url) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = Stream(answer)
        reading = asyncio.create_task(stream.read())
        yield stream
        reading.cancel()
        with suppress(asyncio.CancelledError, httpx.TransportError):
            await reading
