"""Somebody else's program, on Node.js with npm's amqplib, hears what docs/events.md says, knowing nothing more."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.bus import CONTENT_TYPE
from shared.events import BindingApproved
from support.broker import breakable, outsider
from support.npm import NoNodeError, node_with_packages
from support.rights import FOLDER as RIGHTS
from support.rights import bring, enough_for_readers, for_readers, reader_name, reader_url
from support.serving import eventually
from support.town import CHEN, LI, WANG, town

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aio_pika.abc import AbstractIncomingMessage

    from local_stack.servers import Servers
    from support.databases import Databases

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "event-reader"
PACKAGES = ROOT / ".run" / "event-reader"
FILES = ("package.json", "package-lock.json", "reader.js")
GUIDE = ROOT / "docs" / "events.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINE_SECONDS = 60
AGAIN = """
INSERT INTO binding.outbox (id, type, body, correlation_id)
SELECT id, type, body, correlation_id FROM binding.outbox_sent WHERE type = 'kinbind.binding.approved.v1'
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A reader that runs."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        """What it prints next."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LINE_SECONDS):
            return (await self.process.stdout.readline()).decode()


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, with amqplib beside the example. Where it can't be had, the test is skipped, and says so."""
    try:
        return node_with_packages(EXAMPLE, PACKAGES, FILES)
    except NoNodeError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def reader_goes(servers: Servers, broker_url: str, tmp_path: Path) -> Iterator[None]:
    """Takes the reader away after the test: its user is the whole server's."""
    yield
    bring(servers, enough_for_readers(broker_url), tmp_path, **for_readers({"warehouse": []}))


@asynccontextmanager
async def reading(node: str, program: Path, url: str, had: Path) -> AsyncIterator[Program]:
    """The program, until the block ends; ``had`` is where it keeps the ids of what it has had."""
    process = await asyncio.create_subprocess_exec(
        node,
        str(program),
        env={"PATH": os.environ["PATH"], "EVENTS_URL": url, "EVENTS_HAD": str(had)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Program(process)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.usefixtures("reader_goes")
async def test_each_approval_is_told_once_though_it_is_published_twice_and_the_line_is_cut(
    node: str, servers: Servers, databases: Databases, broker_url: str, tmp_path: Path
) -> None:
    async with town(databases, broker_url) as here, breakable(broker_url) as line:
        variables = for_readers({"warehouse": [BindingApproved.TYPE]})
        done = bring(servers, enough_for_readers(broker_url), tmp_path, **variables)
        assert done.returncode == 0, done.stderr
        token = await here.apply(children=(LI, WANG, CHEN))
        first, second, third = [binding["id"] for binding in await here.bindings(token)]
        async with reading(node, PACKAGES / "reader.js", reader_url(line.url), tmp_path / "had.txt") as program:
            await here.decided(first)
            said = [await program.line()]
            await here.db.execute(AGAIN)

            async def is_published_again() -> bool:
                return not await here.value("SELECT count(*) FROM binding.outbox")

            await eventually(is_published_again, within=20)
            await line.cut()
            await line.mend()
            # One queue and one consumer: by the time that it tells of this one, it has had the repetition.
            await here.decided(second)
            said.append(await program.line())
            # It prints first.
            await eventually(lambda: has_kept(tmp_path / "had.txt", 2), within=20)
        assert [each.split()[:5] for each in said] == [
            ["binding", id_, "version", "2", "approved"] for id_ in (first, second)
        ]
        assert LI.id in said[0]
        personal = (LI.name, WANG.name, LI.national_id, "林淑芬", "lin@example.org")
        assert [each for each in personal if each in "".join(said)] == []
        # Started anew, it knows what it has had.
        await here.db.execute(AGAIN)
        await eventually(is_published_again, within=20)
        async with reading(node, PACKAGES / "reader.js", reader_url(broker_url), tmp_path / "had.txt") as program:
            await here.decided(third)
            assert (await program.line()).split()[1] == third


async def test_an_event_has_the_properties_and_attributes_that_the_guide_names(
    databases: Databases, broker_url: str
) -> None:
    async with town(databases, broker_url) as here, outsider(broker_url) as bus:
        token = await here.apply()
        await here.decided((await here.bindings(token))[0]["id"])
        found: list[AbstractIncomingMessage] = []

        async def arrived() -> bool:
            found.extend(filter(None, [await bus.get("notify.binding.approved.v1")]))
            return bool(found)

        await eventually(arrived, within=20)
    [message], event = found, json.loads(found[0].body)
    assert {
        "content_type": message.content_type,
        "message_id": message.message_id,
        "type": message.type,
        "correlation_id": message.correlation_id,
        "app_id": message.app_id,
        "delivery_mode": message.delivery_mode,
    } == {
        "content_type": CONTENT_TYPE,
        "message_id": event["id"],
        "type": event["type"],
        "correlation_id": event["correlationid"],
        "app_id": event["source"].removeprefix("/"),
        "delivery_mode": 2,
    }
    assert message.routing_key == event["type"] == BindingApproved.TYPE
    guide = GUIDE.read_text(encoding="utf-8")
    assert set(event) == first_column(guide, "| attribute |")
    assert set(event["data"]) == first_column(guide.partition(f"\n`{BindingApproved.TYPE}`\n")[2], "| field |")


def first_column(text: str, head: str) -> set[str]:
    """What stands there, in the first table of ``text`` that begins with this head."""
    return set(re.findall(r"^\| `(\w+)` \|", text.partition(head)[2].partition("\n\n")[0], re.MULTILINE))


async def has_kept(had: Path, count: int) -> bool:
    """Whether it has so many ids in its file."""
    return len((await asyncio.to_thread(had.read_text)).split()) == count


@pytest.mark.usefixtures("reader_goes")
async def test_what_stands_in_the_guide_runs(node: str, servers: Servers, broker_url: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    comes, goes = [text for kind, text in blocks if kind == "sh"]
    [program] = [text for kind, text in blocks if kind == "js"]
    example = json.loads(next(text for kind, text in blocks if kind == "json"))
    password = shell(comes, servers, broker_url, tmp_path)
    # Beside the packages, as "npm install amqplib" would put them.
    (PACKAGES / "guide.js").write_text(program, encoding="utf-8")
    url = reader_url(broker_url, password=password)
    async with reading(node, PACKAGES / "guide.js", url, tmp_path / "had.txt") as reader, outsider(broker_url) as bus:
        for event in (example, example, example | {"id": "another", "subject": "another"}):
            body = json.dumps(event).encode()
            await bus.publish(body, event["type"], content_type=CONTENT_TYPE, message_id=event["id"])
        said = [await reader.line(), await reader.line()]
        assert [each.split()[1] for each in said] == [example["subject"], "another"]
        # What can't be read is set aside, and what comes after it is read.
        await bus.publish(b"no JSON", example["type"])
        rejected = f"reader-{reader_name()}.rejected"

        async def is_set_aside() -> bool:
            message = await bus.get(rejected)
            return message is not None and message.body == b"no JSON"

        await eventually(is_set_aside, within=20)
    shell(goes, servers, broker_url, tmp_path)
    assert f"reader-{reader_name()}" not in json.dumps(servers.rabbitmq.manage("GET", "/api/users"))


def shell(text: str, servers: Servers, broker_url: str, folder: Path) -> str:
    """Run the operator's commands for this test's vhost and reader; the password that they made."""
    definitions = folder / "definitions.json"
    definitions.write_text(json.dumps(enough_for_readers(broker_url)), encoding="utf-8")
    command = f"'{sys.executable}' -I '{RIGHTS / 'rights.py'}' '{definitions}'"
    here = text.replace("python3 deploy/rabbitmq/rights.py", command)
    assert here != text
    here = here.replace("warehouse", reader_name()).replace("WAREHOUSE", reader_name().upper().replace("-", "_"))
    variable = f"READER_{reader_name()}_RABBITMQ_PASSWORD".upper().replace("-", "_")
    done = subprocess.run(  # noqa: S603 - what stands in our own guide
        ["bash", "-euo", "pipefail", "-c", f'{here}\necho "${{{variable}:-}}"'],  # noqa: S607 - whichever bash is here
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"RABBITMQ_MANAGEMENT_URL": servers.rabbitmq.management_url},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]
