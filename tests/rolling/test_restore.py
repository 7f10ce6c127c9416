"""A backup, a disaster that takes database and broker, and what docs/backup.md says to do then."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from local_stack.databases import drop_database
from local_stack.private import postgres_programs
from local_stack.processes import wait_until
from shared.events import DecisionMade
from support import families
from support.databases import wait_for
from support.lives import SERVICES, SOON, Lives, expect_nothing_waits, letters
from support.operator import admit
from support.stack import STOP_SECONDS, running_stack

if TYPE_CHECKING:
    from pathlib import Path

    from local_stack.sample_roster import Student
    from local_stack.servers import Postgres, Servers
    from support.databases import Databases
    from support.families import Family
    from support.stack import Stack


def dump(databases: Databases, file: Path) -> None:
    """What docs/backup.md does; skips where this machine has no pg_dump of the server's version."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("pg_dump is not installed")
    words = [programs / "pg_dump", "--format=custom", "--create", f"--file={file}", databases.superuser]
    done = subprocess.run(words, check=False, capture_output=True, text=True)  # noqa: S603 - PostgreSQL's own
    if "server version mismatch" in done.stderr:
        pytest.skip("the installed pg_dump is older than the server")
    assert done.returncode == 0, done.stderr


def restore(postgres: Postgres, file: Path) -> None:
    programs = postgres_programs()
    assert programs is not None
    words = [programs / "pg_restore", "--exit-on-error", "--create", f"--dbname={postgres.url}", file]
    done = subprocess.run(words, check=False, capture_output=True, text=True)  # noqa: S603 - the same
    assert done.returncode == 0, done.stderr


def stop(stack: Stack, *services: str) -> None:
    for service in services:
        stack.children[service].stop(STOP_SECONDS)


def test_after_a_restore_into_an_empty_stack_every_service_agrees_and_no_letter_is_sent_twice(
    servers: Servers, databases: Databases, broker_url: str, font_folders: list[Path], tmp_path: Path
) -> None:
    wait_for(admit(servers, databases, broker_url))
    with running_stack(databases, broker_url, tmp_path, font_folders) as stack:
        lives = Lives.at(stack)
        before = datetime.now(UTC) - timedelta(minutes=1)
        unheard, children = live_up_to_the_backup(stack, lives)
        dump(databases, tmp_path / "kinbind.dump")

        stop(stack, *SERVICES)
        wait_for(drop_database(servers.postgres, databases.name))
        vhost = broker_url.rpartition("/")[2]
        servers.rabbitmq.drop_vhost(vhost)

        servers.rabbitmq.make_vhost(vhost)
        restore(servers.postgres, tmp_path / "kinbind.dump")
        for service in SERVICES:
            stack.restart(service)
        operator = wait_for(admit(servers, databases, broker_url))
        assert letters(stack, unheard) == ["code"]
        for _ in range(2):
            said = wait_for(operator.run("outbox", "resend", "--since", before.isoformat()))
            assert said.code == 0, said
            expect_nothing_waits(stack, broker_url)
            lives.settle(stack)
        for family, student in children.items():
            lives.decide(stack, family, student, "approved" if family is unheard else "refused")
        lives.settle(stack)
        expect_nothing_waits(stack, broker_url)
        stack.command("review", "audit", "verify")


def live_up_to_the_backup(stack: Stack, lives: Lives) -> tuple[Family, dict[Family, Student]]:
    """Families in every state. The one of which nobody has heard, and the children of those that wait."""
    lives.live(stack, stack, stack, "approved")
    lives.live(stack, stack, stack, "refused")
    begun, child_begun = lives.begin(stack)
    waiting, child_waiting = lives.begin(stack)
    told, child_told = lives.begin(stack)
    pending = lives.finish(stack, waiting)
    decided = lives.finish(stack, told)
    lives.settle(stack)
    # A decision that binding applies when nobody is there to hear of it.
    lives.decide(stack, decided, child_told, "approved", meanwhile=lambda: stop(stack, "binding"))
    decisions = "SELECT count(*) FROM review.outbox_sent WHERE type = $1"
    # It leaves when it can be undone no longer.
    wait_until(lambda: stack.sql(decisions, DecisionMade.TYPE) == 3, within=SOON, what="the third decision")
    stop(stack, "review", "notify")
    stack.restart("binding")
    unheard = lives.finish(stack, begun)
    wait_until(lambda: is_approved(stack, decided), within=SOON, what="the approval")
    wait_until(lambda: stack.sql("SELECT count(*) FROM binding.outbox") == 0, within=SOON, what="an empty outbox")
    return unheard, {pending: child_waiting, unheard: child_begun}


def is_approved(stack: Stack, family: Family) -> bool:
    return families.progress(stack, family)[0]["state"] == "approved"
