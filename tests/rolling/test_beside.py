"""The last release's processes and these on one database and broker, as a rolling deployment has them for a while."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from local_stack.databases import drop_database, make_database
from local_stack.services import SERVICES
from shared.migrations import is_post, migrations
from support import released
from support.databases import ROLES, addresses, wait_for
from support.lives import Lives, expect_nothing_waits
from support.stack import PROGRAMS, run_command, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_stack.servers import Servers
    from support.databases import Databases

STOP_SECONDS = 40


@pytest.fixture
def empty_databases(servers: Servers) -> Iterator[Databases]:
    """Schemas that nothing was applied to."""
    name = f"kinbind_test_{uuid4().hex[:12]}"
    wait_for(make_database(servers.postgres, name, ROLES))
    yield addresses(servers.postgres, name)
    wait_for(drop_database(servers.postgres, name))


def migrate(databases: Databases, programs: Path, *words: str) -> str:
    """What each service's ``migrate`` says, one after the other."""
    said = ""
    for service in SERVICES:
        environment = os.environ | {service.variable("database_url"): databases.dsn(service.name)}
        said += run_command(service, environment, "migrate", *words, programs=programs)
    return said


def test_a_deployment_beside_the_last_release_loses_nothing_and_does_nothing_twice(
    empty_databases: Databases, broker_url: str, font_folders: list[Path], tmp_path: Path
) -> None:
    programs = released.programs()
    migrate(empty_databases, programs)
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old_way = running_stack(empty_databases, broker_url, tmp_path / "old", font_folders, programs=programs)
    with old_way as old:
        lives = Lives.at(old)
        lives.live(old, old, old)
        waiting, child_of_waiting = lives.begin(old)
        sent = lives.finish(old, waiting)
        begun, child_of_begun = lives.begin(old)

        said = migrate(empty_databases, PROGRAMS)
        assert [name for name in new_ends() if f"no process of the version before is left: {name}\n" not in said] == []
        new_way = running_stack(empty_databases, broker_url, tmp_path / "new", font_folders, with_roster=False)
        with new_way as new:
            lives.decide(new, sent, child_of_waiting, "refused")
            lives.decide(old, lives.finish(new, begun), child_of_begun, "approved")
            sides = list(product((old, new), repeat=3))
            with ThreadPoolExecutor(2) as people:
                list(people.map(lambda side: lives.live(*side, "approved" if side[0] is side[2] else "refused"), sides))
                # What the old ones have in hand when they stop goes on elsewhere.
                late = [people.submit(lives.live, new, new, new) for _ in range(3)]
                for child in old.children.values():
                    child.ask_to_stop()
                for child in old.children.values():
                    child.stop(STOP_SECONDS)
                for each in late:
                    each.result()
            migrate(empty_databases, PROGRAMS, "--post")
            assert httpx.get(f"{new.binding}/health/ready").json()["post_migrations"] == []
            lives.live(new, new, new)
            assert len(lives.states) == 15
            lives.settle(new)
            expect_nothing_waits(new, broker_url)
    expect_no_faults(tmp_path)


def new_ends() -> list[str]:
    """The post migrations since the last release."""
    former = {path.rpartition("/")[2] for path in released.files(".post.sql", "shared", "services")}
    every = {name for service in SERVICES for name, _ in migrations(f"{service.name}_service") if is_post(name)}
    return [name for name in every if name.partition("/")[2] not in former]


def expect_no_faults(logs: Path) -> None:
    """No process has told of a fault."""
    lines = [json.loads(line) for log in logs.glob("*/*.log") for line in log.read_text(encoding="utf-8").splitlines()]
    assert lines
    assert [line for line in lines if line["level"] in {"error", "critical"}] == []
