"""How a service lives: one process that serves HTTP, relays its outbox and consumes its queues until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import socket
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import asyncpg
import structlog
import uvicorn
import uvloop

from shared import migrations, tracing
from shared.garbage import keep_searches_short
from shared.health import STOPPING
from shared.interrupts import run_until_interrupted
from shared.logs import configure_logs
from shared.operations import work_for_operators
from shared.outbox import Relay
from shared.purging import purge_for_ever
from shared.resending import resending
from shared.settings import S, SettingsError, load
from shared.wakes import Wakes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from starlette.types import ASGIApp

    from shared.bus import Bus
    from shared.database import Database
    from shared.operations import Handlers
    from shared.purging import Purge
    from shared.settings import ServiceSettings

#: Where in the lifespan's state an app names the function that ends its streams.
ON_STOP = "kinbind.on_stop"

log = structlog.get_logger(__name__)


@asynccontextmanager
async def running(
    database: Database,
    bus: Bus,
    *workers: Callable[[], Coroutine[None, None, None]],
    purges: Sequence[Purge] = (),
    wakes: Wakes | None = None,
    operations: Handlers | None = None,
) -> AsyncIterator[None]:
    """The service's background: consumers, the outbox relay, the ``purges`` of what expires and its own ``workers``.

    The HTTP side serves at once, and is ready when the broker and the database are. On the way out consumers stop
    first, then the relay empties what is due, then connections close. ``wakes`` are given where other parts of the
    service are woken by commits too. ``operations`` are what operators may ask of it (shared.operations).
    """
    asyncio.get_running_loop().set_exception_handler(_log_stray_fault)
    await database.open()
    wakes = wakes or Wakes(database)
    relay = Relay(database, wakes, bus.publish_event)
    consuming = asyncio.create_task(bus.start())
    relaying = [asyncio.create_task(wakes.run()), asyncio.create_task(relay.run())]
    working = [asyncio.create_task(work()) for work in workers]
    working.append(asyncio.create_task(purge_for_ever(database, purges)))
    asked = {**resending(database, bus), **(operations or {})}
    working.append(asyncio.create_task(work_for_operators(database, wakes, asked)))
    tasks = [consuming, *relaying, *working]
    for task in tasks:
        task.add_done_callback(_end_with)
    try:
        yield
    finally:
        for task in tasks:
            task.remove_done_callback(_end_with)
        for task in (consuming, *working):
            task.cancel()
        await bus.stop_consuming()
        with suppress(Exception):
            await relay.relay_batch()
        for task in relaying:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.stop()
        await database.close()
        # Here, because uvicorn ends the process by the signal that stopped it: nothing after it is reached.
        await asyncio.to_thread(tracing.stop)


def _end_with(task: asyncio.Task[None]) -> None:
    """A background task that dies takes the service along, and whoever supervises it starts a whole one."""
    fault = asyncio.CancelledError() if task.cancelled() else task.exception()
    if fault is not None:
        log.critical("a background task died; the service stops", exc_info=fault)
        os.kill(os.getpid(), signal.SIGTERM)


def _log_stray_fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio has nobody to give to. Its own message quotes the exception, and that may quote data."""
    log.error("a fault that nobody waited for", fault=type(context.get("exception")).__name__)


class Server(uvicorn.Server):
    """Tells proxies and the app of the stop before it waits for open connections to end.

    For ``drain_seconds`` it only says that it is not ready, and goes on serving: a proxy that asks has turned to others
    by the time that connections are refused. uvicorn ends the lifespan only when every answer is complete, and a stream
    has no end of its own. An app that streams yields a function under :data:`ON_STOP` from its lifespan (ASGI's
    lifespan state); it is called once.
    """

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float = 0) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, however it was asked for: by a signal, or by ``should_exit``."""
        self.lifespan.state[STOPPING] = True
        await asyncio.sleep(self._drain_seconds)
        on_stop = self.lifespan.state.get(ON_STOP)
        if on_stop is not None:
            on_stop()
        await super().shutdown(sockets)


@dataclass(frozen=True, slots=True)
class Command(Generic[S]):
    """One more thing that a service's command line can do, such as ``roster import``."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[S, argparse.Namespace], Coroutine[None, None, int]]


def run(package: str, settings: type[S], make_app: Callable[[S], ASGIApp], commands: Sequence[Command[S]] = ()) -> int:
    """The command line that every service has: ``serve``, ``migrate`` and its own ``commands``. Returns the exit code.

    0 is success, 1 a failure that the text explains, 2 a wrong environment or command line, 130 interrupted by Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog=package.replace("_", "-"))
    choices = parser.add_subparsers(dest="command", required=True)
    choices.add_parser("serve", help="serve HTTP, consume events and relay the outbox until SIGTERM")
    migrating = choices.add_parser("migrate", help="bring the schema up to date, before new processes start")
    migrating.add_argument(
        "--post", action="store_true", help="finish a deployment: no process of the version before is left"
    )
    for command in commands:
        command.configure(choices.add_parser(command.name, help=command.help))
    arguments = parser.parse_args()
    try:
        values = load(settings)
        configure_logs(package.removesuffix("_service"), values.log_level)
        if arguments.command == "serve":
            tracing.start(package.removesuffix("_service"))
            _serve(values, make_app(values))
            return 0
        if arguments.command == "migrate":
            return run_until_interrupted(_migrate(package, values, post=arguments.post))
        chosen = next(command for command in commands if command.name == arguments.command)
        return run_until_interrupted(chosen.run(values, arguments))
    except SettingsError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)  # noqa: T201 - a command line speaks to its user
        return 2


async def _migrate(package: str, settings: ServiceSettings, *, post: bool) -> int:
    dsn = settings.database_url.get_secret_value()
    try:
        applied = await migrations.migrate(dsn, package, post=post)
        left = await _left(dsn, package)
    except (OSError, asyncpg.PostgresError, migrations.MigrationError) as error:
        print(f"migrations were not applied: {error}", file=sys.stderr)  # noqa: T201 - a command line speaks to its user
        return 1
    print("\n".join(f"applied {name}" for name in applied) or "nothing to apply")  # noqa: T201
    for name in left:
        print(f"waits for migrate --post, when no process of the version before is left: {name}")  # noqa: T201
    return 0


async def _left(dsn: str, package: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return await migrations.pending(connection, package)
    finally:
        await connection.close()


def _allow_files() -> None:
    """As many open files as the system grants: each open page is one, and by default there are 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _serve(settings: ServiceSettings, app: ASGIApp) -> None:
    """Serve until SIGTERM. Raises SettingsError when the address is not to be had."""
    _allow_files()
    keep_searches_short()
    try:
        listener = socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as fault:
        msg = f"cannot listen on {settings.host} port {settings.port}: {fault.strerror}"
        raise SettingsError(msg) from None
    uvloop.install()
    config = uvicorn.Config(
        app,
        # Our own middleware logs requests, without query strings; uvicorn's access log would show addresses.
        access_log=False,
        log_config=None,
        lifespan="on",
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
    )
    Server(config, drain_seconds=settings.drain_seconds).run(sockets=[listener])
