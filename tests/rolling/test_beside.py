"""The last release's processes and these on one database and broker, as a rolling deployment has them for a while."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from local_stack.databases import drop_database, make_database
from local_stack.processes import wait_until
from local_stack.services import SERVICES
from shared.migrations import is_post, migrations
from support import families, released
from support.databases import ROLES, addresses, wait_for
from support.stack import PROGRAMS, TEACHERS_PASSWORD, run_command, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_stack.sample_roster import Student
    from local_stack.servers import Servers
    from support.databases import Databases
    from support.families import Family
    from support.stack import Stack

SOON = 60
STOP_SECONDS = 40
REASON = "學校紀錄上的關係不同"
#: The letters that a family gets, each once, beside one code.
APPROVED = {"code", "application_received", "approved", "account_opened"}
REFUSED = {"code", "application_received", "refused"}


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


@dataclass
class Town:
    """Families that apply, and teachers who decide, each wherever they are sent."""

    students: Iterator[Student]
    serials: Iterator[int]
    decided: list[tuple[Family, set[str]]]

    def begin(self, side: Stack) -> tuple[families.Begun, Student]:
        """A family fills in the first half."""
        student = next(self.students)
        return families.begin(side, next(self.serials), [student]), student

    def decide(self, side: Stack, family: Family, student: Student, *, approve: bool) -> None:
        """The homeroom teacher signs in there and decides, once the application has come."""
        (binding,) = families.progress(side, family)
        case = f"/applications/{binding['id']}"
        with httpx.Client(base_url=side.review, headers={"sec-fetch-site": "same-origin"}, timeout=30) as pages:
            login = {"username": student.homeroom.teacher.username, "password": TEACHERS_PASSWORD}
            assert pages.post("/sign-in", data=login).status_code == 303
            wait_until(lambda: pages.get(case).is_success, within=SOON, what="the application")
            form = {} if approve else {"picked": "", "written": REASON}
            answer = pages.post(f"{case}/{'approve' if approve else 'refuse'}", data=form)
            assert answer.status_code == 303, answer.text
        self.decided.append((family, APPROVED if approve else REFUSED))

    def live(self, begins: Stack, finishes: Stack, decides: Stack, *, approve: bool = True) -> None:
        """A family's whole way."""
        begun, student = self.begin(begins)
        self.decide(decides, families.finish(finishes, begun), student, approve=approve)


def test_a_deployment_beside_the_last_release_loses_nothing_and_does_nothing_twice(
    servers: Servers, empty_databases: Databases, broker_url: str, font_folders: list[Path], tmp_path: Path
) -> None:
    programs = released.programs()
    migrate(empty_databases, programs)
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old_way = running_stack(empty_databases, broker_url, tmp_path / "old", font_folders, programs=programs)
    with old_way as old:
        # One of each class: no teacher has two to look for.
        students = {student.homeroom.id: student for student in old.roster.students}.values()
        town = Town(iter(students), iter(range(1, 100)), [])
        town.live(old, old, old)
        waiting, child_of_waiting = town.begin(old)
        sent = families.finish(old, waiting)
        begun, child_of_begun = town.begin(old)

        said = migrate(empty_databases, PROGRAMS)
        assert [name for name in new_ends() if f"no process of the version before is left: {name}\n" not in said] == []
        new_way = running_stack(empty_databases, broker_url, tmp_path / "new", font_folders, with_roster=False)
        with new_way as new:
            town.decide(new, sent, child_of_waiting, approve=False)
            town.decide(old, families.finish(new, begun), child_of_begun, approve=True)
            sides = list(product((old, new), repeat=3))
            with ThreadPoolExecutor(2) as people:
                list(people.map(lambda side: town.live(*side, approve=side[0] is side[2]), sides))
                # What the old ones have in hand when they stop goes on elsewhere.
                late = [people.submit(town.live, new, new, new) for _ in range(3)]
                for child in old.children.values():
                    child.ask_to_stop()
                for child in old.children.values():
                    child.stop(STOP_SECONDS)
                for each in late:
                    each.result()
            migrate(empty_databases, PROGRAMS, "--post")
            assert httpx.get(f"{new.binding}/health/ready").json()["post_migrations"] == []
            town.live(new, new, new)
            assert len(town.decided) == 15
            settle(new, town)
            expect_nothing_amiss(servers, broker_url, new)
    expect_no_faults(tmp_path)


def new_ends() -> list[str]:
    """The post migrations since the last release."""
    former = {path.rpartition("/")[2] for path in released.files(".post.sql", "shared", "services")}
    every = {name for service in SERVICES for name, _ in migrations(f"{service.name}_service") if is_post(name)}
    return [name for name in every if name.partition("/")[2] not in former]


def settle(side: Stack, town: Town) -> None:
    """Each family has its letters, all of them once, and sees what was decided."""
    for family, letters in town.decided:
        wait_until(lambda: letters <= set(kinds(side, family)), within=SOON, what=f"the letters to {family.email}")
        assert sorted(kinds(side, family)) == sorted(letters), family.email
        expected = "refused" if letters is REFUSED else "approved"
        assert [binding["state"] for binding in families.progress(side, family)] == [expected]
    counted = "SELECT count(*) FROM review.bindings WHERE state IN ('approved', 'refused')"
    wait_until(lambda: side.sql(counted) == len(town.decided), within=SOON, what="review")
    again = "SELECT count(*) FROM notify.messages WHERE state <> 'sent' OR tries > 1"
    assert side.sql(again) == 0


def kinds(side: Stack, family: Family) -> list[str]:
    """The letters to a family."""
    return [mail["kind"] for mail in side.mail_to(family.email)]


def expect_nothing_amiss(servers: Servers, broker_url: str, side: Stack) -> None:
    """Nothing waits in an outbox, and no message was given up."""
    for service in SERVICES:
        empty = f"SELECT count(*) = 0 FROM {service.name}.outbox"
        wait_until(lambda: bool(side.sql(empty)), within=SOON, what=f"{service.name}'s outbox")
    vhost = broker_url.rpartition("/")[2]

    def lengths() -> dict[str, int]:
        found = servers.rabbitmq.manage("GET", f"/api/queues/{vhost}")
        return {queue["name"]: queue.get("messages", 0) for queue in found}

    wait_until(lambda: not any(lengths().values()), within=SOON, what="empty queues, those of dead letters too")


def expect_no_faults(logs: Path) -> None:
    """No process has told of a fault."""
    lines = [json.loads(line) for log in logs.glob("*/*.log") for line in log.read_text(encoding="utf-8").splitlines()]
    assert lines
    assert [line for line in lines if line["level"] in {"error", "critical"}] == []
