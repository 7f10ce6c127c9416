"""The operators' page as a real browser shows it: on phones and desks, in both languages, without any script."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import asyncpg
import httpx
import pytest
from playwright.sync_api import expect

from e2e.parents import DESK, PHONE
from e2e.test_every_page import Eyes, Witness
from local_stack import sample_roster
from local_stack.processes import Child, free_port, wait_until
from notify_service.providers import Letter
from shared.samples import sample_key
from shared.sealing import SealingKeys
from support.databases import wait_for
from support.operators import TOKENS, known
from support.stack import PROGRAMS, Sites

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from playwright.sync_api import Browser, Page

    from support.databases import Databases
    from support.stack import Stack

pytestmark = pytest.mark.e2e

PAGES = 13
PARENT = "mei.wang@example.org"
EVERYBODY = [
    Eyes(0, "zh-TW", PHONE, has_scripts=False),
    Eyes(1, "en", PHONE, has_scripts=False, scheme="dark"),
    Eyes(2, "zh-TW", DESK, has_scripts=False, scheme="dark"),
    Eyes(3, "en", DESK),
]
#: Kind, state, tries, fault, reason, and whether its contents are kept.
MESSAGES = [
    ("approved", "failed", 40, "technical", "ConnectionRefusedError", True),
    ("approved", "failed", 40, "technical", "ConnectionRefusedError", True),
    ("refused", "failed", 1, "permanent", "SMTPRecipientRefused 550", True),
    ("code", "failed", 1, "permanent", "Mitake 6", False),
    ("code", "dropped", 4, "limit", "LimitReached", False),
    ("account_opened", "sent", 2, None, None, False),
    *[("reminder", "sent", 1, None, None, False)] * 60,
]

FAULTS = {"temporary", "permanent", "declined", "technical", "unknown"}


@pytest.fixture
def notify(databases: Databases, broker_url: str, tmp_path: Path) -> Iterator[str]:
    """Notify alone, with messages of every fate; SMS are paused."""
    wait_for(put(databases.notify))
    with running_notify(databases, broker_url, tmp_path) as address:
        yield address


@contextmanager
def running_notify(databases: Databases, broker_url: str, logs: Path) -> Iterator[str]:
    """The service's process, once it is ready."""
    port = free_port()
    environment = dict(os.environ) | {
        "NOTIFY_DATABASE_URL": databases.notify,
        "NOTIFY_RABBITMQ_URL": broker_url,
        "NOTIFY_PORT": str(port),
        "NOTIFY_SMS_PAUSED": "true",
        "NOTIFY_OPERATOR_TOKENS": ",".join(":".join(pair) for pair in known()),
    }
    program = [str(PROGRAMS / "notify-service"), "serve"]
    child = Child("notify", program, logs / "notify.log", environment=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(partial(is_ready, address), within=60, what="notify", children=[child])
        yield address
    finally:
        child.stop(30)


def is_ready(address: str) -> bool:
    """Whether the service says so."""
    try:
        return httpx.get(f"{address}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


async def put(dsn: str) -> None:
    """The messages, with their tries, and an SMS that waits."""
    connection = await asyncpg.connect(dsn)
    try:
        for number, (kind, state, tries, fault, reason, is_kept) in enumerate(MESSAGES):
            id_, is_code = uuid4(), kind == "code"
            await add(
                connection,
                id=id_,
                kind=kind,
                cause=f"x:{number}",
                channel="sms" if is_code else "email",
                state=state,
                letter=sealed(id_) if is_kept else None,
                tries=tries,
                fault=fault,
                last_error=reason,
                provider="mitake" if is_code else "smtp",
                contact="0912***678" if is_code else "me***@example.org",
            )
            outcome = fault if fault in FAULTS else "accepted"
            await connection.execute(
                "INSERT INTO message_tries (id, message_id, provider, ended_at, outcome, reason)"
                " VALUES ($1, $2, $3, present(), $4, $5)",
                *(uuid4(), id_, "mailbox" if number < 3 else "mitake", outcome, reason),
            )
        waits = uuid4()
        await add(
            connection, id=waits, kind="code", cause="w", channel="sms", letter=sealed(waits), contact="0912***678"
        )
    finally:
        await connection.close()


async def add(connection: asyncpg.Connection[asyncpg.Record], **values: object) -> None:
    """A message with these values, called for just now."""
    names, places = ", ".join(values), ", ".join(f"${number}" for number in range(1, len(values) + 1))
    settled = "NULL" if "state" not in values else "present()"
    await connection.execute(
        f"INSERT INTO messages ({names}, correlation_id, expires_at, settled_at)"  # noqa: S608 - names of ours
        f" VALUES ({places}, '-', present() + interval '1 hour', {settled})",
        *values.values(),
    )


def sealed(message_id: UUID) -> str:
    """A letter as notify keeps it."""
    keys = SealingKeys({"sample": sample_key("NOTIFY_KEY_STORE")})
    return keys.seal_model(Letter(to=PARENT, subject="s", text="t"), f"messages:{message_id}")


@pytest.mark.parametrize("eyes", EVERYBODY, ids=str)
def test_no_operators_page_has_a_fault(notify: str, browser: Browser, eyes: Eyes) -> None:
    page = eyes.open_page(browser)
    sites = Sites(binding="", review="", notify=notify, roster=sample_roster.make_roster())
    witness = Witness(page, eyes, cast("Stack", sites), notify)
    walk(page, notify, witness)
    page.context.close()
    assert not witness.faults, "\n".join(witness.faults)
    assert len(set(witness.seen)) == PAGES


def walk(page: Page, notify: str, witness: Witness) -> None:
    """Every page, as an operator comes to it."""
    page.goto(notify)
    expect(page).to_have_url(re.compile("/sign-in$"))
    witness.look("sign-in")
    page.locator("#token").fill("nobody's")
    page.locator("#token").press("Enter")
    expect(page.locator("#token-error")).to_be_visible()
    witness.look("sign-in-wrong")
    page.locator("#token").fill(TOKENS["chen"])
    page.locator("#token").press("Enter")
    expect(page.locator(".who")).to_have_text("chen")
    witness.look("overview")

    page.goto(f"{notify}/messages")
    witness.look("list")
    page.locator("a[rel=next]").click()
    witness.look("list-older")
    page.locator("#state").select_option("dropped")
    page.locator("form.filters button").click()
    expect(page.locator(".messages > li")).to_have_count(1)
    page.locator("#provider").select_option("twilio")
    page.locator("form.filters button").click()
    witness.look("list-empty")
    page.goto(f"{notify}/messages?state=failed")
    expect(page.locator(".messages > li")).to_have_count(4)
    witness.look("list-failed")

    page.locator(".messages a", has_text=re.compile("^(不通過|Not approved)$")).click()
    witness.look("message-failed")
    page.locator("main button.primary").click()
    expect(page.get_by_role("status")).to_be_visible()
    witness.look("message-again")
    page.goto(f"{notify}/messages?state=failed&kind=code")
    page.locator(".messages a").click()
    expect(page.locator("main button")).to_have_count(0)
    witness.look("message-code")

    page.goto(f"{notify}/messages?state=failed&kind=approved")
    page.locator("main p a.button").click()
    expect(page.locator(".warning strong")).to_contain_text("2")
    witness.look("again")
    page.locator("main button.primary").click()
    expect(page.get_by_role("status")).to_contain_text("2")
    wait_until(lambda: len(httpx.get(f"{notify}/mailbox.json").json()) == 3, within=20, what="mail sent again")
    page.goto(notify)
    expect(page.locator(".acts li")).to_have_count(4)
    witness.look("overview-after")

    page.goto(f"{notify}/messages/{uuid4()}")
    witness.look("missing")
    page.goto(notify)
    page.locator("form[action='/sign-out'] button").click()
    expect(page.locator("#token")).to_be_visible()
