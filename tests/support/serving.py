"""A service in the test's own process: its app on a free port of this machine, with its whole lifespan."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import httpx
import uvicorn

from shared.service import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractContextManager

    from starlette.types import ASGIApp

READY_SECONDS = 20
#: For every client: making one takes longer than most tests.
TLS = ssl.create_default_context()


class _Server(Server):
    def capture_signals(self) -> AbstractContextManager[None]:
        """Signals are pytest's."""
        return nullcontext()


@asynccontextmanager
async def serving(app: ASGIApp, *, ready: bool = True) -> AsyncIterator[str]:
    """Serve ``app``; yields its base URL (``http://127.0.0.1:…``), once it says that it is ready."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            # By default five seconds, as the relay's poll: who waited for that would send into a connection's end.
            timeout_keep_alive=60,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await eventually(lambda: _started(server, task))
            if ready:
                await wait_until_ready(base_url)
            yield base_url
        finally:
            server.should_exit = True
            await task


async def _started(server: uvicorn.Server, task: asyncio.Task[None]) -> bool:
    if task.done():
        task.result()
        msg = "the service stopped while it started"
        raise RuntimeError(msg)
    return server.started


async def wait_until_ready(base_url: str) -> None:
    """Return when /health/ready says so; fails with its words after a while."""
    async with httpx.AsyncClient(base_url=base_url, verify=TLS) as client:

        async def ready() -> bool:
            answer = await client.get("/health/ready")
            assert answer.status_code in {200, 503}, answer.status_code
            return answer.status_code == 200

        await eventually(ready, within=READY_SECONDS)


async def eventually(condition: Callable[[], Awaitable[object]], *, within: float = 10) -> None:
    """Return as soon as ``condition()`` is true; asked again and again, fails with TimeoutError after ``within`` s."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)
