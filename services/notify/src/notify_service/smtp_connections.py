"""Connections to a mail server, kept open for a short while: TLS and sign-in cost more than the mail itself."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiosmtplib

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

#: Without a mail for so long, a connection is ended. Servers that end it themselves do so after 10 s at the earliest.
KEPT_SECONDS = 8.0
#: A connection that does not answer RSET within this time is as good as dead.
ALIVE_SECONDS = 3.0
QUIT_SECONDS = 2.0
FIRST_REFUSAL = 400
FAULTS = (aiosmtplib.SMTPException, OSError)


class Connections:
    """As many as are asked for at once; ``make`` makes one that is not connected yet."""

    def __init__(self, make: Callable[[], aiosmtplib.SMTP]) -> None:
        self._make = make
        #: The last one that was used goes first, so that those that are not needed end.
        self._idle: dict[aiosmtplib.SMTP, asyncio.TimerHandle] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection that is signed in and holds no half-finished mail. Raises what aiosmtplib raises.

        It is kept if the block ends well or by a refusal of the server's, whose connection is as good as before.
        """
        client = await self._idle_one() or await self._new_one()
        try:
            yield client
        except aiosmtplib.SMTPResponseException as refusal:
            if refusal.code < FIRST_REFUSAL:
                client.close()
            self._keep(client)
            raise
        except BaseException:
            client.close()
            raise
        self._keep(client)

    async def close(self) -> None:
        """End those that nobody uses, and wait for the farewells."""
        for client in list(self._idle):
            self._leave(client)
        await asyncio.gather(*self._leaving)

    async def _idle_one(self) -> aiosmtplib.SMTP | None:
        while self._idle:
            client, timer = self._idle.popitem()
            timer.cancel()
            if await _is_alive(client):
                return client
        return None

    async def _new_one(self) -> aiosmtplib.SMTP:
        client = self._make()
        await client.connect()
        return client

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        if client.is_connected:
            self._idle[client] = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._leave, client)

    def _leave(self, client: aiosmtplib.SMTP) -> None:
        self._idle.pop(client).cancel()
        task = asyncio.create_task(_farewell(client))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _is_alive(client: aiosmtplib.SMTP) -> bool:
    """Whether it still answers; RSET also forgets what was left of a refused mail. A dead one is closed."""
    try:
        async with asyncio.timeout(ALIVE_SECONDS):
            await client.rset()
    except FAULTS:
        client.close()
        return False
    except BaseException:
        client.close()
        raise
    return True


async def _farewell(client: aiosmtplib.SMTP) -> None:
    try:
        with suppress(*FAULTS):
            async with asyncio.timeout(QUIT_SECONDS):
                await client.quit()
    finally:
        client.close()
