"""The bus as an outsider sees it: put a message somewhere, see what lies in a queue, cut the line."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aio_pika
from aio_pika.exceptions import QueueEmpty

from shared.bus import EVENTS_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage


class Outsider:
    """Publishes and gets by plain AMQP, without any of our code between."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def publish(
        self, body: bytes, routing_key: str, *, exchange: str = EVENTS_EXCHANGE.name, **how: object
    ) -> None:
        """Publish persistently; ``how`` goes to aio_pika.Message. Fails when no queue takes it."""
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, **how)  # type: ignore[arg-type]
        target = self._channel.default_exchange
        if exchange:
            target = await self._channel.get_exchange(exchange, ensure=False)
        await target.publish(message, routing_key)

    async def get(self, queue: str) -> AbstractIncomingMessage | None:
        """Take the next message out of a queue; None when it is empty."""
        found = await self._channel.get_queue(queue, ensure=False)
        try:
            return await found.get(no_ack=True, fail=True)
        except QueueEmpty:
            return None


@asynccontextmanager
async def outsider(broker_url: str) -> AsyncIterator[Outsider]:
    """A connection of its own for the time of the block."""
    async with await aio_pika.connect(broker_url) as connection:
        yield Outsider(await connection.channel(on_return_raises=True))


class Line:
    """A line to a server that can be cut and mended: ``url`` leads through it."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The server's address, by way of this line."""
        login = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    async def mend(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        with suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(reader, far_writer))
                    both.create_task(_copy(far_reader, writer))
            finally:
                await _close(far_writer)
                await _close(writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def breakable(url: str) -> AsyncIterator[Line]:
    """A line to the server of ``url``, whole at first."""
    line = Line(url)
    await line.mend()
    try:
        yield line
    finally:
        await line.cut()
