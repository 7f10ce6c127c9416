"""What a killed process leaves behind of a roster that was sent is removed, and never what a live one works on."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from binding_service.roster import push_folders, tokens
from shared.named_tokens import hash_of
from support.serving import eventually, wait_until_ready

from .test_stopping import PROGRAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.databases import Databases

    Export = Any  # the factory in conftest.py


TOKEN = tokens.new_token()
HEADERS = {"authorization": f"Bearer {TOKEN}", "content-type": "application/zip"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made, by these tests alone."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


@asynccontextmanager
async def process(databases: Databases, broker_url: str, folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """The service as it runs in production: a client of it, and the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    mine = {
        "BINDING_DATABASE_URL": databases.binding,
        "BINDING_RABBITMQ_URL": broker_url,
        "BINDING_PORT": str(port),
        "BINDING_ROSTER_TOKENS": f"city:{hash_of(TOKEN)}",
        "TMPDIR": str(folder),
    }
    serving = await asyncio.create_subprocess_exec(
        PROGRAM, "serve", env={**os.environ, **mine}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30) as client:
            await eventually(lambda: answers(client), within=30)
            await wait_until_ready(url)
            yield client, serving
    finally:
        if serving.returncode is None:
            serving.kill()
            await serving.wait()


async def answers(client: httpx.AsyncClient) -> bool:
    with suppress(httpx.TransportError):
        return (await client.get("/health/live")).is_success
    return False


def rosters_in(folder: Path) -> list[Path]:
    return list(folder.glob("*/roster.zip"))


async def push(client: httpx.AsyncClient, export: Export) -> httpx.Response:
    return await client.post("/api/v1/roster/imports", content=export.zip().read_bytes())


async def test_the_roster_of_a_killed_process_is_removed_by_the_next_start_and_the_next_push_and_not_before(
    databases: Databases, broker_url: str, folder: Path, export: Export
):
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(databases.superuser)
        stack.push_async_callback(database.close)
        # The import waits for the table, with the file at hand.
        await database.execute("BEGIN; LOCK TABLE binding.students IN ACCESS EXCLUSIVE MODE")
        first, killed = await stack.enter_async_context(process(databases, broker_url, folder))
        assert (await push(first, export)).status_code == 202
        (roster,) = rosters_in(folder)
        second, _ = await stack.enter_async_context(process(databases, broker_url, folder))
        assert (await push(second, export)).status_code == 409
        assert rosters_in(folder) == [roster]

        killed.kill()
        await killed.wait()
        assert rosters_in(folder) == [roster]
        await push(second, export)
        assert roster not in rosters_in(folder)

        left = push_folders.make()
        (left.path / "roster.zip").write_bytes(b"a city's ID numbers")
        os.close(left.lock)
        await stack.enter_async_context(process(databases, broker_url, folder))
        assert rosters_in(folder) == []


def test_a_folder_is_its_owners_alone(folder: Path):
    made = push_folders.make()
    assert (made.path.parent, made.path.stat().st_mode & 0o777) == (folder, 0o700)
    made.remove()
    assert list(folder.iterdir()) == []


def test_a_folder_is_there_for_as_long_as_it_is_locked(folder: Path):
    made = push_folders.make()
    assert push_folders.remove_abandoned() == 0
    assert list(folder.iterdir()) == [made.path]
    os.close(made.lock)
    assert push_folders.remove_abandoned() == 1
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("folder")
def test_one_that_is_being_made_is_never_lost_to_those_who_remove():
    stop = False

    def remove_all_the_time() -> None:
        while not stop:
            push_folders.remove_abandoned()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            pool.submit(remove_all_the_time)
        made = [
            one for batch in pool.map(lambda _: [push_folders.make() for _ in range(150)], range(2)) for one in batch
        ]
        stop = True
    assert all(one.path.is_dir() for one in made)
    assert len({one.path for one in made}) == 300
    for one in made:
        one.remove()


@pytest.mark.parametrize("kind", ["another user's", "a link", "a file", "of the version before"])
def test_what_is_not_ours_is_left_alone(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "inside").mkdir(parents=True)
    path = folder / ("kinbind-roster-x" if kind == "of the version before" else f"{push_folders.PREFIX}x")
    if kind == "a link":
        path.symlink_to(elsewhere)
    elif kind == "a file":
        path.write_text("")
    else:
        path.mkdir()
    if kind == "another user's":
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert push_folders.remove_abandoned() == 0
    assert os.path.lexists(path)
    assert (elsewhere / "inside").is_dir()
