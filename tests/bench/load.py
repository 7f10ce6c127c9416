"""Whether parents can still send while others storm: ``python tests/bench/load.py``, also part of ``make bench``.

Families send a few applications a second, in the same run, to one process of binding:

- alone;
- beside ten thousand open progress pages (server-sent events), while each application has all of them looked up;
- beside a hundred clients, of addresses of their own, that sign in with passwords, each at once again;
- beside a hundred that ask for codes;
- beside one client beyond its limit, on a hundred connections without a pause.

Ratios to *alone* say more than milliseconds. What storms is in a process of its own, on the same cores.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import psutil

from binding_service.context import Binding, make_keys
from binding_service.logins import use_cases as logins
from binding_service.logins.domain import Browser
from binding_service.settings import Settings
from binding_service.statements import statement
from shared.database import Database
from support.databases import fresh_databases, template_database
from support.servers import test_servers
from support.stack import Stack, running_stack
from support.town import SIGNATURE, TLS, national_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
    from multiprocessing.connection import Connection

    from local_stack.sample_roster import Student
    from local_stack.servers import Servers

APPLICATIONS, A_SECOND = 80, 4
STREAMS = 10_000
CLIENTS = 100
#: A stormer's second before anything is measured: what one process queues is there by then.
WARM_SECONDS = 2
SIGN_IN, CODE = "/api/v1/account/sessions", "/api/v1/codes"
#: The client of each try has an address of its own.
EVERYBODY = None
STORMS = (
    ("beside sign-ins by password", SIGN_IN, EVERYBODY),
    ("beside requests for codes", CODE, EVERYBODY),
    ("beside one client beyond its limit", SIGN_IN, "192.0.2.1"),
)
#: What is measured is not how often one family may ask.
ENVIRONMENT = {"BINDING_MATCH_PER_STUDENT_DAY": "1000", "BINDING_SIGN_IN_PER_LOGIN_HOUR": "1000000"}


@dataclass(frozen=True, slots=True)
class Storm:
    """What a storm had answered: how many by status, and the median's seconds."""

    seconds: float
    answers: dict[int, int]
    median: float

    @property
    def a_second(self) -> float:
        """Answers a second."""
        return sum(self.answers.values()) / self.seconds


def main() -> None:
    """Measure and print a table."""
    with test_servers() as servers:
        report(servers)


def report(servers: Servers) -> None:
    """Run the four services on fresh databases, and storm binding."""
    _allow_files()
    with ExitStack() as opened:
        template = opened.enter_context(template_database(servers.postgres))
        databases = opened.enter_context(fresh_databases(servers.postgres, template))
        logs = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        vhost = f"bench-{uuid4().hex[:8]}"
        servers.rabbitmq.make_vhost(vhost)
        opened.callback(servers.rabbitmq.drop_vhost, vhost)
        os.environ |= ENVIRONMENT
        stack = opened.enter_context(running_stack(databases, servers.rabbitmq.of_vhost(vhost), logs, []))
        asyncio.run(_report(stack, databases.binding))


async def _report(stack: Stack, dsn: str) -> None:
    memory = psutil.Process(stack.children["binding"].pid).memory_info
    async with families(stack, dsn) as town:
        await town.measured()
        print(f"\n{APPLICATIONS} applications, {A_SECOND} a second{'p50':>25} {'p95':>11} {'most':>11}   ratio of p50")
        alone = await town.measured()
        line("alone", alone, alone)
        before = memory().rss
        with streams(stack.binding, await town.tokens(STREAMS)) as told:
            held = memory().rss - before
            times = await town.measured()
            line(f"beside {STREAMS:,} open pages", times, alone)
            print(f"{'':4}{held / STREAMS / 1000:.0f} kB a page; states told: {told():,}")
        for title, path, address in STORMS:
            with storm(stack.binding, path, address) as ended:
                await asyncio.sleep(WARM_SECONDS)
                times = await town.measured()
            line(title, times, alone)
            storms = ended()
            print(f"{'':4}{storms.a_second:.0f} answers a second, {storms.median * 1000:.0f} ms: {storms.answers}")
        line("alone again", await town.measured(), alone)


def line(title: str, times: Sequence[float], alone: Sequence[float]) -> None:
    """One row of the table."""
    cuts = [1000 * cut for cut in statistics.quantiles(times, n=20)]
    ratio = statistics.median(times) / statistics.median(alone)
    print(f"{title:40} {cuts[9]:>9.1f} ms {cuts[18]:>8.1f} ms {1000 * max(times):>8.1f} ms {ratio:>8.1f}", flush=True)


class Families:
    """People who fill in applications, and send them."""

    def __init__(self, binding: Binding, http: httpx.AsyncClient, students: Sequence[Student]) -> None:
        self._binding = binding
        self._http = http
        self._students = students
        self._number = count(1)

    async def measured(self) -> list[float]:
        """The seconds of each submission, at a steady rate whether or not the one before is answered."""
        ready = [await self._fill(next(self._number)) for _ in range(APPLICATIONS)]
        async with asyncio.TaskGroup() as tasks:
            began = time.perf_counter()
            sent = []
            for number, token in enumerate(ready):
                await asyncio.sleep(max(0, began + number / A_SECOND - time.perf_counter()))
                sent.append(tasks.create_task(self._timed(token)))
        return [task.result() for task in sent]

    async def tokens(self, number: int) -> list[str]:
        """Sessions of so many parents who have proven an e-mail."""
        return await asyncio.gather(*(self._session(f"waiting-{each}@example.org") for each in range(number)))

    async def _session(self, contact: str) -> str:
        async with self._binding.database.transaction() as connection:
            return await logins.open_session(self._binding, connection, "email", contact, Browser(address="192.0.2.9"))

    async def _fill(self, number: int) -> str:
        """A session with an application that is ready to be signed."""
        student, contact = self._students[number % len(self._students)], f"family-{number}@example.org"
        token = await self._session(contact)
        await self._do(
            number,
            token,
            "POST",
            "/draft/students",
            relation="mother",
            level=student.homeroom.school.level,
            national_id=student.national_id,
            school_id=student.homeroom.school.id,
        )
        await self._do(number, token, "PUT", "/draft/consent", version=statement().version)
        await self._do(number, token, "PUT", "/draft/parent/id", national_id=national_id(number))
        parent = {"name": "林淑芬", "email": contact, "phone": "0912345678"}
        await self._do(number, token, "PUT", "/draft/parent", **parent)
        return token

    async def _timed(self, token: str) -> float:
        began = time.perf_counter()
        await self._do(0, token, "POST", "/applications", signature=SIGNATURE)
        return time.perf_counter() - began

    async def _do(self, number: int, token: str, method: str, path: str, **body: object) -> None:
        headers = {"authorization": f"Bearer {token}", "x-forwarded-for": address_of(number)}
        answer = await self._http.request(method, path, headers=headers, json=body)
        assert answer.is_success, (path, answer.status_code, answer.text)


@asynccontextmanager
async def families(stack: Stack, dsn: str) -> AsyncIterator[Families]:
    """Families of the sample roster, before the gateway."""
    settings = Settings()
    database = Database(dsn)
    await database.open()
    async with httpx.AsyncClient(base_url=f"{stack.binding}/api/v1", verify=TLS, timeout=60) as http:
        students = list(stack.roster.students)
        # What opens a session asks neither for another service nor for a password.
        nobody: Any = None
        yield Families(Binding(settings, database, make_keys(settings), nobody, nobody, nobody), http, students)
    await database.close()


def address_of(number: int) -> str:
    """The client address of the ``number``-th family (RFC 2544's network for benchmarks)."""
    return f"198.{18 + number // 65536 % 2}.{number // 256 % 256}.{number % 256}"


@contextmanager
def streams(url: str, tokens: Sequence[str]) -> Iterator[Callable[[], int]]:
    """As many open progress pages; yields, when every one was told its first state, what counts all that are told."""
    with _apart(_hold_streams, url, tokens) as ours:
        ours.recv()

        def told() -> int:
            ours.send(None)
            return int(ours.recv())

        yield told


@contextmanager
def storm(url: str, path: str, address: str | None) -> Iterator[Callable[[], Storm]]:
    """Clients that never pause, for the time of the block; what they had answered is known after it."""
    results: list[Storm] = []
    with _apart(_storm, url, path, address) as ours:
        yield results.pop
        ours.send(None)
        results.append(ours.recv())


@contextmanager
def _apart(work: Callable[..., Coroutine[None, None, None]], *arguments: object) -> Iterator[Connection]:
    """``work`` in a process of its own, which ends with the block."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(work, theirs, *arguments))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.terminate()
        process.join()


def _run(work: Callable[..., Coroutine[None, None, None]], theirs: Connection, *arguments: object) -> None:
    _allow_files()
    asyncio.run(work(theirs, *arguments))


async def _hold_streams(theirs: Connection, url: str, tokens: Sequence[str]) -> None:
    told = 0
    everybody = asyncio.Event()
    turns = asyncio.Semaphore(CLIENTS)

    async def hold(number: int, token: str) -> None:
        nonlocal told
        async with turns:
            reader, writer = await connect(url)
            who = (f"authorization: Bearer {token}", f"x-forwarded-for: {address_of(number)}")
            writer.write(head("GET", "/api/v1/bindings/events", *who))
            first = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in first, first
        while True:
            if (await reader.readline()).startswith(b"id: "):
                told += 1
                if told >= len(tokens):
                    everybody.set()

    async with asyncio.TaskGroup() as tasks:
        for number, token in enumerate(tokens):
            tasks.create_task(hold(number, token))
        await everybody.wait()
        theirs.send(None)
        while True:
            await asyncio.to_thread(theirs.recv)
            theirs.send(told)


async def _storm(theirs: Connection, url: str, path: str, address: str | None) -> None:
    answers: dict[int, int] = {}
    times: list[float] = []
    number = count(1)

    async def client() -> None:
        reader, writer = await connect(url)
        while True:
            each = next(number)
            began = time.perf_counter()
            writer.write(head("POST", path, f"x-forwarded-for: {address or address_of(each)}", body=wish(path, each)))
            status = await read_answer(reader)
            times.append(time.perf_counter() - began)
            answers[status] = answers.get(status, 0) + 1

    async with asyncio.TaskGroup() as tasks:
        clients = [tasks.create_task(client()) for _ in range(CLIENTS)]
        await asyncio.sleep(WARM_SECONDS)
        answers.clear()
        times.clear()
        began = time.perf_counter()
        await asyncio.to_thread(theirs.recv)
        theirs.send(Storm(time.perf_counter() - began, answers, statistics.median(times)))
        for task in clients:
            task.cancel()


def wish(path: str, number: int) -> bytes:
    """What the ``number``-th request of a storm asks for."""
    contact = f"stranger-{number}@example.org"
    asked = {SIGN_IN: {"login": contact, "password": "?"}, CODE: {"channel": "email", "contact": contact}}
    return json.dumps(asked[path]).encode()


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of one's own: a client library would cost more than what is measured."""
    address = urlsplit(url)
    return await asyncio.open_connection(address.hostname, address.port)


def head(method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
    """A request of HTTP/1.1."""
    told = (f"{method} {path} HTTP/1.1", "host: localhost", *lines)
    if body:
        told = (*told, "content-type: application/json", f"content-length: {len(body)}")
    return "\r\n".join((*told, "", "")).encode() + body


async def read_answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer that says its length."""
    first = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in first.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return int(first.split(b" ", 2)[1])


def _allow_files() -> None:
    """A connection is an open file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
