"""Many requests at once: whom they hold up, and what those cost that are refused."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from shared import passwords
from shared.web import fair_share
from support.serving import eventually
from support.town import TLS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.databases import Databases
    from support.town import Town

OTHER = {"x-forwarded-for": "192.0.2.7"}
FRONT = "https://front.example"
DOCUMENT = f"/api/v1/documents/{'0' * 64}"


@asynccontextmanager
async def crowd(town: Town, databases: Databases, requests: int) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """A client whose requests for a document wait, for the time of the block, for somebody who has locked them all."""
    connection = await asyncpg.connect(databases.superuser)
    async with httpx.AsyncClient(base_url=town.url, verify=TLS, timeout=30, limits=httpx.Limits()) as client:
        async with connection.transaction():
            await connection.execute("LOCK TABLE binding.paper_forms")
            asked = [asyncio.create_task(client.get(DOCUMENT)) for _ in range(requests)]

            async def all_turns_are_taken() -> bool:
                return await waiting(town) == town.settings.requests_per_client

            await eventually(all_turns_are_taken)
            yield asked
        await asyncio.gather(*asked)
    await connection.close()


async def waiting(town: Town) -> int:
    """Requests that wait for the lock."""
    query = """
        SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE datname = current_database() AND relation = 'binding.paper_forms'::regclass AND NOT granted
    """
    return int(await town.value(query))


async def test_a_client_that_asks_for_much_at_once_holds_up_nobody_else(
    open_town: Callable[..., Awaitable[Town]], databases: Databases
) -> None:
    town = await open_town(binding={"requests_per_client": 2})
    async with crowd(town, databases, 10) as asked, httpx.AsyncClient(base_url=town.url, verify=TLS) as other:
        assert (await other.get("/", headers=OTHER)).status_code == 200
        assert await waiting(town) == 2
    assert [answer.result().status_code for answer in asked] == [404] * 10


async def test_who_is_slow_to_send_holds_up_nobody_behind_the_same_address(
    open_town: Callable[..., Awaitable[Town]],
) -> None:
    town = await open_town(binding={"requests_per_client": 2})
    host, _, port = town.url.removeprefix("http://").partition(":")
    body = b'{"channel": "email", "contact": "lin@example.org"}'
    head = f"POST /api/v1/codes HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    async with AsyncExitStack() as stack:
        slow = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.close)
            writer.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body[:20])
            await writer.drain()
            slow.append((reader, writer))
        assert (await town.http.get(f"{town.url}/")).status_code == 200
        for reader, writer in slow:
            writer.write(body[20:])
            assert (await reader.readline()).startswith((b"HTTP/1.1 201", b"HTTP/1.1 429"))


async def test_a_client_whose_line_is_full_is_told_so_as_it_asked(
    open_town: Callable[..., Awaitable[Town]], databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_share, "LONGEST_LINE", 3)
    town = await open_town(binding={"requests_per_client": 1, "allowed_origins": [FRONT]})
    async with crowd(town, databases, 1 + 3), httpx.AsyncClient(base_url=town.url, verify=TLS) as more:

        async def is_refused() -> bool:
            try:
                return (await more.get("/", timeout=0.5)).status_code == 429
            except httpx.ReadTimeout:
                return False

        await eventually(is_refused)
        page = await more.get("/")
        problem = await more.get(DOCUMENT, headers={"origin": FRONT})
    assert (page.headers["content-type"], page.headers["retry-after"]) == ("text/html; charset=utf-8", "2")
    assert (problem.status_code, problem.json()["code"], problem.headers["retry-after"]) == (429, "limited", "2")
    assert problem.headers["access-control-allow-origin"] == FRONT


@pytest.mark.parametrize("device", ["", "somebody's"])
async def test_an_address_beyond_its_limit_changes_nothing(
    open_town: Callable[..., Awaitable[Town]], device: str
) -> None:
    town = await open_town(binding={"sign_in_per_address_hour": 1})
    tried = [await sign_in(town, device)]
    written = await town.rows("SELECT xmin::text, ctid::text, * FROM binding.rate_limits ORDER BY rule")
    tried += [await sign_in(town, device) for _ in range(2)]
    assert [answer.status_code for answer in tried] == [401, 429, 429]
    assert written == await town.rows("SELECT xmin::text, ctid::text, * FROM binding.rate_limits ORDER BY rule")


async def test_where_too_many_passwords_wait_a_sign_in_is_put_off_and_not_counted(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "LONGEST_LINE", 0)
    answer = await sign_in(town)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "service_away", "5")
    async with town.browser() as browser:
        page = await browser.post("/account/sign-in", data={"login": "lin@example.org", "password": "x"})
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "系統暫時忙碌" in page.text
    assert "lin@example.org" in page.text
    assert not await town.value("SELECT count(*) FROM binding.rate_limits")


async def sign_in(town: Town, device: str = "") -> httpx.Response:
    return await town.call("POST", "/account/sessions", login="lin@example.org", password="x", device=device)
