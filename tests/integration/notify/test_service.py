"""The whole service on a real RabbitMQ: consumers, delivery worker, mailbox pages."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import aio_pika
import asyncpg
import httpx
import pytest

from notify_service import use_cases
from notify_service.app import make_app
from notify_service.settings import Settings
from shared import inbox
from shared.bus import EVENTS_EXCHANGE
from shared.events import Addressee, BindingWithdrawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aio_pika.abc import AbstractChannel

    from shared.events import Event

PARENT = "mei.wang@example.org"
LATER = datetime.now(UTC) + timedelta(hours=1)


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
def development(databases, broker_url) -> Settings:
    """No channel set up: everything goes to the mailbox."""
    return Settings.model_validate({"database_url": databases.notify, "rabbitmq_url": broker_url})


@pytest.fixture
async def channel(broker_url) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody else's on the same vhost."""
    async with await aio_pika.connect(broker_url) as connection:
        yield await connection.channel()


async def publish(channel: AbstractChannel, type_: str, body: bytes) -> None:
    exchange = await channel.get_exchange(EVENTS_EXCHANGE.name)
    await exchange.publish(aio_pika.Message(body, correlation_id="a-chain"), type_)


async def tell(channel: AbstractChannel, *events: Event) -> None:
    for event in events:
        await publish(channel, event.type, event.model_dump_json().encode())


async def mailbox(client: httpx.AsyncClient, to: str = PARENT) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/mailbox.json", params={"to": to})).json()
    return found


async def test_every_event_becomes_one_message_whatever_is_delivered_twice(development, channel, events):
    told = [
        events.code(LATER),
        events.application(),
        events.approved(opens_account=True),
        events.approved(),
        events.refused(),
        events.withdrawn(),
        events.account(LATER),
    ]
    async with serving(development) as client:
        await tell(channel, *told, *told)

        async def all_there() -> bool:
            return len(await mailbox(client)) == 6

        await eventually(all_there)
        for queue in ("otp.code-issued.v1", "binding.approved.v1", "binding.withdrawn.v1"):
            assert await ready_messages(channel, f"notify.{queue}") == 0
    assert {message["kind"] for message in await kept(development)} == {
        "code",
        "application_received",
        "approved",
        "refused",
        "withdrawn",
        "account_opened",
    }
    assert len(await kept(development)) == 6


async def kept(settings: Settings) -> list[Any]:
    """The rows of the messages, read after the service has stopped gracefully."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        return await connection.fetch("SELECT * FROM messages")
    finally:
        await connection.close()


async def ready_messages(channel: AbstractChannel, queue: str) -> int:
    declared = await channel.declare_queue(queue, passive=True)
    return declared.declaration_result.message_count or 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"{not json",
        lambda body: b"\xff\xfe",
        lambda body: b"[]",
        lambda body: body.replace(b"withdrawn.v1", b"withdrawn.v2"),
        lambda body: body.replace(b'"version":2', b'"version":"many"'),
        lambda body: re.sub(rb'"for_notify":"sample\.[^"]{8}', b'"for_notify":"sample.AAAAAAAA', body),
    ],
    ids=["malformed", "not text", "not an object", "unknown version", "wrong field", "not to be unsealed"],
)
async def test_a_message_that_can_never_succeed_is_dead_lettered_and_the_service_goes_on(
    development, channel, events, spoil
):
    bad = spoil(events.withdrawn().model_dump_json().encode())
    async with serving(development) as client:
        await publish(channel, BindingWithdrawn.TYPE, bad)
        await tell(channel, events.withdrawn())

        async def good_one_there() -> bool:
            return len(await mailbox(client)) == 1

        async def bad_one_dead() -> bool:
            return await ready_messages(channel, "notify.binding.withdrawn.v1.dead") == 1

        await eventually(good_one_there)
        await eventually(bad_one_dead)
    assert len(await kept(development)) == 1


async def test_what_is_being_sent_comes_to_its_end_when_the_service_stops(
    settings, broker_url, channel, events, mail_server
):
    taking, go_on = asyncio.Event(), asyncio.Event()

    async def slow_data(*_: object) -> str:
        taking.set()
        await go_on.wait()
        return "250 OK"

    mail_server.handle_DATA = slow_data
    own = settings.model_copy(update={"rabbitmq_url": Settings(rabbitmq_url=broker_url).rabbitmq_url})

    async with serving(own):
        await tell(channel, events.withdrawn())
        await asyncio.wait_for(taking.wait(), 15)
        asyncio.get_running_loop().call_later(0.3, go_on.set)

    (message,) = await kept(own)
    assert (message["state"], message["claimed"]) == ("sent", False)
    assert message["correlation_id"]


async def test_what_another_process_queued_and_did_not_send_goes_out(development, channel, notify, events):
    event = events.withdrawn()
    await inbox.once(notify.database, "notify", event, partial(use_cases.tell_withdrawal, notify))

    async with serving(development) as client:

        async def there() -> bool:
            return len(await mailbox(client)) == 1

        await eventually(there)


async def test_the_mailbox_page_shows_the_newest_message_first_and_its_code(development, channel, events):
    async with serving(development) as client:
        await tell(channel, events.withdrawn())

        async def first_there() -> bool:
            return len(await mailbox(client)) == 1

        await eventually(first_there)
        await tell(channel, events.code(LATER))

        async def second_there() -> bool:
            return len(await mailbox(client)) == 2

        await eventually(second_there)
        newest, older = await mailbox(client)
        page = (await client.get("/mailbox", params={"to": PARENT})).text
        nobody = (await client.get("/mailbox", params={"to": "nobody@example.org"})).text

    assert (newest["code"], older["code"]) == ("049497", "")
    assert page.index("049497") < page.index(older["subject"])
    assert f"/mailbox/{newest['id']}" in page
    assert "還沒有信" in nobody


async def test_a_mail_s_html_is_shown_in_a_frame_that_can_do_nothing(development, channel, events):
    markup = "<script>alert(1)</script>"
    event = BindingWithdrawn.of("binding", "b", version=1, application_id=events.code(LATER).id, language="zh-TW")
    known = Addressee(email=PARENT, parent_name=markup, student_name=markup)
    from_binding = development.sealing_keys("KEY_BINDING_NOTIFY", development.key_binding_notify)
    async with serving(development) as client:
        await tell(channel, event.sealed(from_binding, for_notify=known))

        async def there() -> bool:
            return bool(await mailbox(client))

        await eventually(there)
        address = f"/mailbox/{(await mailbox(client))[0]['id']}"
        pages = [await client.get(path) for path in ("/mailbox", address, f"{address}/html")]

    assert all(markup not in page.text for page in pages)
    assert "script-src 'self'" in pages[0].headers["content-security-policy"]
    assert "frame-src 'self'" in pages[1].headers["content-security-policy"]
    assert 'sandbox="' in pages[1].text
    assert "allow-scripts" not in pages[1].text
    policy = pages[2].headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "sandbox" in policy
    assert "script-src" not in policy


async def test_a_message_that_is_not_there_is_a_plain_404(development):
    async with serving(development) as client:
        for path in ("/mailbox/5f0c1d3e-0000-4000-8000-000000000001", "/mailbox/x", "/mailbox/x/html"):
            assert (await client.get(path)).status_code == 404
