"""The whole service on a real RabbitMQ: consumers, delivery worker, mailbox pages."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, get_args

import aio_pika
import httpx
import pytest

from integration.notify.world import (
    CODE,
    PARENT,
    TEACHER,
    World,
    make_account,
    make_activity,
    make_application,
    make_approval,
    make_code,
    make_refusal,
    make_reminder,
    make_revocation,
    make_withdrawal,
    of_a_family,
)
from notify_service import delivery
from notify_service.app import make_app
from notify_service.domain import Kind
from shared.bus import EVENTS_EXCHANGE
from shared.events import AccountActivity, BindingWithdrawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aio_pika.abc import AbstractChannel
    from aiosmtpd.smtp import SMTP, Envelope, Session

    from notify_service.settings import Settings
    from shared.events import Event


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as the condition holds; fails with TimeoutError after a while."""
    async with asyncio.timeout(15):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The service with its whole lifespan, once it is ready."""
    app = make_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify") as client,
    ):

        async def ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await eventually(ready)
        yield client


@pytest.fixture
def to_mailbox(settings: Settings) -> Settings:
    """No channel set up: everything goes to the mailbox."""
    return settings.model_copy(update={"smtp_host": "", "sms_url": ""})


@pytest.fixture
async def channel(broker_url: str) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody else's on the same vhost."""
    async with await aio_pika.connect(broker_url) as connection:
        yield await connection.channel()


async def publish(channel: AbstractChannel, type_: str, body: bytes) -> None:
    exchange = await channel.get_exchange(EVENTS_EXCHANGE.name)
    await exchange.publish(aio_pika.Message(body), type_)


async def tell(channel: AbstractChannel, *events: Event) -> None:
    for event in events:
        await publish(channel, event.type, event.model_dump_json().encode())


async def waiting_in(channel: AbstractChannel, queue: str) -> int | None:
    return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count


async def mailbox(client: httpx.AsyncClient, messages: int = 1, to: str = PARENT) -> list[dict[str, Any]]:
    """What the parent, or who is named, has in the mailbox, once it is so many messages."""
    found: list[dict[str, Any]] = []

    async def enough() -> bool:
        found[:] = (await client.get("/mailbox.json", params={"to": to})).json()
        return len(found) >= messages

    await eventually(enough)
    return found


async def test_every_event_becomes_one_message_whatever_is_delivered_twice(
    world: World, to_mailbox: Settings, channel: AbstractChannel
):
    account = make_approval(opens_account=True)
    told = [
        make_code(),
        make_application(),
        account,
        make_approval(),
        make_refusal(),
        make_withdrawal(),
        make_account(),
        make_revocation(),
        make_activity("new_device"),
        make_activity("secured"),
    ]
    async with serving(to_mailbox) as client:
        await tell(channel, *told, *told)
        await mailbox(client, 9)
        # A queue's messages are in order: when the last one has been taken, all have.
        last = make_withdrawal()
        await tell(channel, last, last)
        await mailbox(client, 10)
    kinds = [message["kind"] for message in await world.messages()]

    assert sorted(kinds) == [
        "account_opened",
        "application_received",
        "approved",
        "code",
        "new_device",
        "refused",
        "revoked",
        "secured",
        "withdrawn",
        "withdrawn",
    ]


async def test_every_kind_of_notice_has_a_name_on_the_mailbox_page(to_mailbox: Settings, channel: AbstractChannel):
    to_parent = [make_code(), make_application(), make_approval(), make_refusal(), make_withdrawal(), make_account()]
    to_parent += [make_activity(kind) for kind in get_args(AccountActivity)]
    to_staff = [make_reminder("digest"), make_reminder("reminder"), make_reminder("escalation")]
    async with serving(to_mailbox) as client:
        await tell(channel, *to_parent, make_revocation(), *of_a_family(), *to_staff)
        to_parents = await mailbox(client, len(to_parent) + 1 + len(of_a_family()))
        messages = [*to_parents, *await mailbox(client, 3, to=TEACHER)]
        pages = [await client.get(f"/mailbox/{message['id']}") for message in messages]

    assert {message["kind"] for message in messages} == set(Kind)
    assert [page.status_code for page in pages] == [200] * len(Kind)


@pytest.mark.parametrize(
    ("pattern", "spoilt"),
    [
        (rb"^.*$", b"{not json"),
        (rb"^.*$", b"\xff\xfe"),
        (rb"^.*$", b"[]"),
        (rb"withdrawn\.v1", b"withdrawn.v2"),
        (rb'"version":2', b'"version":"many"'),
        (rb'"for_notify":"sample\..{8}', b'"for_notify":"sample.AAAAAAAA'),
    ],
    ids=["malformed", "not text", "not an object", "unknown version", "wrong field", "not to be unsealed"],
)
async def test_a_message_that_can_never_succeed_is_dead_lettered_and_the_service_goes_on(
    to_mailbox: Settings, channel: AbstractChannel, pattern: bytes, spoilt: bytes
):
    bad = re.sub(pattern, lambda _: spoilt, make_withdrawal().model_dump_json().encode(), count=1)
    async with serving(to_mailbox) as client:
        await publish(channel, BindingWithdrawn.TYPE, bad)
        await tell(channel, make_withdrawal())

        async def bad_one_dead() -> bool:
            return await waiting_in(channel, "notify.binding.withdrawn.v1.dead") == 1

        await eventually(bad_one_dead)
        assert len(await mailbox(client)) == 1


async def test_what_is_being_sent_comes_to_its_end_when_the_service_stops(
    world: World, settings: Settings, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
):
    taking, go_on = asyncio.Event(), asyncio.Event()
    accept = world.mail_server.handle_DATA

    async def accept_slowly(server: SMTP, session: Session, envelope: Envelope) -> str:
        taking.set()
        await go_on.wait()
        return await accept(server, session, envelope)

    monkeypatch.setattr(world.mail_server, "handle_DATA", accept_slowly)
    async with serving(settings):
        await tell(channel, make_withdrawal())
        await asyncio.wait_for(taking.wait(), 15)
        asyncio.get_running_loop().call_later(0.3, go_on.set)

    message = await world.message()
    assert (message["state"], message["claimed"]) == ("sent", False)
    assert len(world.mail_server.mails) == 1


async def test_a_message_does_not_wait_for_the_poll(
    to_mailbox: Settings, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(delivery, "POLL_SECONDS", 3600)
    async with serving(to_mailbox) as client:
        await tell(channel, make_withdrawal())
        assert len(await mailbox(client)) == 1


async def test_what_another_process_queued_and_did_not_send_goes_out(world: World, to_mailbox: Settings):
    await world.hear(make_withdrawal())

    async with serving(to_mailbox) as client:
        assert len(await mailbox(client)) == 1


async def test_the_mailbox_page_shows_the_newest_message_first_and_its_code(
    to_mailbox: Settings, channel: AbstractChannel
):
    async with serving(to_mailbox) as client:
        await tell(channel, make_withdrawal())
        await mailbox(client, 1)
        await tell(channel, make_code())
        newest, older = await mailbox(client, 2)
        page = (await client.get("/mailbox", params={"to": PARENT})).text
        nobody = (await client.get("/mailbox", params={"to": "nobody@example.org"})).text

    assert (newest["code"], older["code"]) == (CODE, "")
    assert page.index(CODE) < page.index(older["subject"])
    assert f"/mailbox/{newest['id']}" in page
    assert "還沒有信" in nobody


async def test_a_mail_is_shown_in_a_frame_that_can_do_nothing(to_mailbox: Settings, channel: AbstractChannel):
    markup = "<script>alert(1)</script>"
    async with serving(to_mailbox) as client:
        await tell(channel, make_withdrawal(student_name=markup, parent_name=markup))
        address = f"/mailbox/{(await mailbox(client))[0]['id']}"
        front, message, letter = [await client.get(path) for path in ("/mailbox", address, f"{address}/html")]

    assert all(markup not in page.text for page in (front, message, letter))
    assert "script-src 'self'" in front.headers["content-security-policy"]
    assert "frame-src 'self'" in message.headers["content-security-policy"]
    assert 'sandbox="' in message.text
    assert "allow-scripts" not in message.text
    assert letter.headers["content-security-policy"].startswith("default-src 'none'")
    assert "; sandbox" in letter.headers["content-security-policy"]
    assert "script-src" not in letter.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["5f0c1d3e-0000-4000-8000-000000000001", "5f0c1d3e-0000-4000-8000-000000000001/html", "x"]
)
async def test_a_message_that_is_not_there_is_not_found(to_mailbox: Settings, path: str):
    async with serving(to_mailbox) as client:
        assert (await client.get(f"/mailbox/{path}")).status_code == 404
