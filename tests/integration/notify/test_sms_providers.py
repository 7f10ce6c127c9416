"""SMS by Mitake and Twilio, as their documents have it, and what they tell of a message afterwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from starlette.applications import Starlette
from starlette.middleware import Middleware

from integration.notify.world import CODE, MOBILE, World
from notify_service import http_providers
from notify_service.app import make_routes
from notify_service.domain import Kind
from notify_service.providers import Letter, Message
from notify_service.receipts import receipt_routes
from shared.events import CodeIssued, CodeToSend
from shared.web.middleware import RequestLog
from support.sms_doubles import MitakeDouble, TwilioDouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from notify_service.settings import Settings
    from support.databases import Clock

ABROAD = "+819012345678"


@pytest.fixture
async def mitake() -> AsyncIterator[MitakeDouble]:
    """Mitake, on a free port."""
    double = MitakeDouble()
    async with TestServer(double.app()) as server:
        double.url = str(server.make_url("/api/mtk"))
        yield double


@pytest.fixture
async def twilio() -> AsyncIterator[TwilioDouble]:
    """Twilio, on a free port."""
    double = TwilioDouble()
    async with TestServer(double.app()) as server:
        double.url = str(server.make_url(""))
        yield double


@pytest.fixture
def settings(settings: Settings, mitake: MitakeDouble, twilio: TwilioDouble) -> Settings:
    """SMS by Mitake, then by Twilio."""
    given = {
        "sms_providers": "mitake,twilio",
        "mitake_url": mitake.url,
        "mitake_user": mitake.user,
        "mitake_password": mitake.password,
        "twilio_url": twilio.url,
        "twilio_account": twilio.account,
        "twilio_token": twilio.token,
        "twilio_from": twilio.sender,
    }
    set_already = settings.model_dump(include=settings.model_fields_set)
    return type(settings).model_validate({**set_already, **given})


async def send(world: World, contact: str = MOBILE) -> asyncpg.Record:
    """Let a code go by SMS; what became of it."""
    later = datetime.now(UTC) + timedelta(hours=1)
    event = CodeIssued.of("otp", uuid4(), channel="sms", language="zh-TW", expires_at=later)
    await world.hear(event.sealed(world.notify.from_otp, for_notify=CodeToSend(contact=contact, code=CODE)))
    await world.deliver_due()
    return (await world.messages())[-1]


async def outcomes(world: World) -> list[tuple[str, str, str | None]]:
    """Of each provider that was asked, oldest first."""
    return [(row["provider"], row["outcome"], row["reason"]) for row in await world.tries()]


# --- a message on its way out ---


async def test_mitake_gets_a_national_number_a_clientid_and_how_long_the_code_lives(
    world: World, mitake: MitakeDouble, twilio: TwilioDouble
):
    sent = await send(world)

    assert (sent["state"], sent["provider"]) == ("sent", "mitake")
    (form,) = mitake.sent
    assert (form["dstaddr"], form["clientid"]) == ("0912345678", str(sent["id"]))
    assert CODE in form["smbody"]
    assert 3500 < int(form["vldtime"]) <= 3600
    (attempt,) = await world.tries()
    assert form["response"] == f"https://parents.example/receipts/mitake/{attempt['id']}"
    assert attempt["provider_id"] == "0000000001"
    assert twilio.sent == []


@pytest.mark.parametrize("msgid", ["#", "to 0912345678", "1" * 65])
async def test_what_is_no_number_of_mitakes_is_not_kept_as_one(world: World, mitake: MitakeDouble, msgid: str):
    mitake.answers = [web.Response(text=f"msgid={msgid}\r\nstatuscode=1\r\n")]
    assert (await send(world))["state"] == "sent"
    (attempt,) = await world.tries()
    assert attempt["provider_id"] is None


async def test_a_lines_end_is_mitakes_own(world: World, mitake: MitakeDouble):
    letter = Letter(to=MOBILE, text="您的驗證碼 049497\n@parents.example #049497")
    message = Message(uuid4(), Kind.CODE, datetime.now(UTC), letter, uuid4(), 60)
    await world.notify.routes["sms"][0].provider.send(message)
    assert mitake.sent[0]["smbody"] == "您的驗證碼 049497\x06@parents.example #049497"


async def test_a_number_abroad_goes_by_twilio_alone(world: World, mitake: MitakeDouble, twilio: TwilioDouble):
    sent = await send(world, ABROAD)

    assert (sent["state"], sent["provider"]) == ("sent", "twilio")
    assert mitake.asked == []
    (form,) = twilio.sent
    assert (form["To"], form["From"]) == (ABROAD, twilio.sender)
    assert 3500 < int(form["ValidityPeriod"]) <= 3600
    (attempt,) = await world.tries()
    assert form["StatusCallback"] == f"https://parents.example/receipts/twilio/{attempt['id']}"
    assert attempt["provider_id"] == form["sid"]


async def test_a_messaging_service_is_named_as_such(world: World, settings: Settings, twilio: TwilioDouble):
    twilio.sender = "MG" + "0" * 32
    changed = settings.model_copy(update={"twilio_from": twilio.sender})
    world.use(**make_routes(changed, world.notify.database))
    assert (await send(world, ABROAD))["state"] == "sent"
    assert "From" not in twilio.sent[0]


@pytest.mark.parametrize("code", ["e", "k", "s", "l", "a", "y"])
async def test_what_is_wrong_with_our_account_at_mitake_is_twilios_chance(
    world: World, mitake: MitakeDouble, twilio: TwilioDouble, code: str
):
    mitake.answers = [code]
    sent = await send(world)

    assert (sent["state"], sent["provider"]) == ("sent", "twilio")
    assert await outcomes(world) == [("mitake", "technical", f"Mitake {code}"), ("twilio", "accepted", None)]
    assert len(twilio.sent) == 1


async def test_a_wrong_password_is_one_of_these(world: World, mitake: MitakeDouble):
    mitake.password = "another"
    assert (await send(world))["provider"] == "twilio"
    assert (await world.tries())[0]["reason"] == "Mitake e"


async def test_a_number_that_mitake_refuses_has_failed(world: World, mitake: MitakeDouble, twilio: TwilioDouble):
    mitake.answers = ["v"]
    failed = await send(world)
    assert (failed["state"], failed["fault"], failed["last_error"]) == ("failed", "permanent", "Mitake v")
    assert twilio.sent == []


@pytest.mark.parametrize(
    "answer", ["*", web.Response(text="<html>busy</html>"), web.Response(status=504)], ids=["system", "html", "gateway"]
)
async def test_an_unclear_answer_counts_as_lost(
    world: World, mitake: MitakeDouble, twilio: TwilioDouble, answer: str | web.Response
):
    mitake.answers = [answer]
    sent = await send(world)
    assert (sent["state"], sent["provider"], sent["unsure"]) == ("sent", "twilio", 1)
    assert (await outcomes(world))[0][:2] == ("mitake", "unknown")
    assert len(twilio.sent) == 1


async def test_mitake_sends_a_repeated_message_once(
    world: World, settings: Settings, mitake: MitakeDouble, clock: Clock
):
    """The answer of the first try was lost after Mitake had taken the message, and there is nobody else."""
    alone = settings.model_copy(update={"sms_providers": "mitake"})
    world.use(**make_routes(alone, world.notify.database))
    send_first = mitake._answer

    def lose(form: dict[str, str], charset: str) -> web.Response:
        send_first(form, charset)
        mitake._answer = send_first  # type: ignore[method-assign] # for this one request
        return web.Response(status=502)

    mitake._answer = lose  # type: ignore[method-assign] # the same
    waiting = await send(world)
    assert (waiting["state"], waiting["fault"], waiting["asked"]) == ("waiting", "unknown", "mitake")
    await clock.shift(timedelta(seconds=10))
    await world.deliver_due()

    sent = await world.message()
    assert (sent["state"], sent["unsure"]) == ("sent", 1)
    assert (len(mitake.asked), len(mitake.sent)) == (2, 1)


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ((400, 21211), "failed", "Twilio 21211"),
        ((400, 21408), "waiting", "Twilio 21408"),
        ((401, 20003), "waiting", "Twilio 20003"),
        ((429, 20429), "waiting", "Twilio 20429"),
    ],
)
async def test_what_twilio_refuses_fails_or_waits_by_whose_fault_it_is(
    world: World, twilio: TwilioDouble, answer: tuple[int, int], state: str, reason: str
):
    twilio.answers = [answer]
    row = await send(world, ABROAD)
    assert (row["state"], row["last_error"], row["unsure"]) == (state, reason, 0)


@pytest.mark.parametrize(
    "answer",
    [(500, 20500), web.Response(text="{}", status=201), web.Response(text='{"sid": "to +8190"}', status=201)],
    ids=["fault", "no sid", "another text"],
)
async def test_after_an_unclear_answer_of_twilios_a_second_one_may_go_out(
    world: World, twilio: TwilioDouble, answer: tuple[int, int] | web.Response
):
    twilio.answers = [answer]
    row = await send(world, ABROAD)
    assert (row["state"], row["fault"], row["unsure"]) == ("waiting", "unknown", 1)


async def test_a_provider_that_is_not_there_is_told_from_one_that_does_not_answer(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    hanging = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await hanging.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/SmSend", hang)

    async def outcome(url: str) -> str:
        changed = settings.model_copy(update={"sms_providers": "mitake", "mitake_url": url})
        world.use(**make_routes(changed, world.notify.database))
        await send(world)
        return (await outcomes(world))[-1][1]

    assert await outcome("http://127.0.0.1:1") == "technical"
    monkeypatch.setattr(http_providers, "TIMEOUT", http_providers.aiohttp.ClientTimeout(total=0.5))
    async with TestServer(app) as server:
        assert await outcome(str(server.make_url(""))) == "unknown"
        hanging.set()


# --- receipts ---


@asynccontextmanager
async def outside(world: World, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """As a provider reaches us."""
    app = Starlette(routes=receipt_routes(settings, world.notify.database), middleware=[Middleware(RequestLog)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://parents.example") as client:
        yield client


FORM = {"content-type": "application/x-www-form-urlencoded"}


async def test_mitakes_receipt_of_a_delivery_is_noted_with_its_time(
    world: World, settings: Settings, mitake: MitakeDouble
):
    await send(world)
    async with outside(world, settings) as client:
        for flag in ("1", "4", "4"):
            answer = await client.get(mitake.receipt(mitake.sent[0], flag))
            assert answer.text == "magicid=sms_gateway_rpack\nmsgid=0000000001\n"
            assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")

    row, (attempt,) = await world.message(), await world.tries()
    assert (row["state"], attempt["receipt"]) == ("sent", "delivered")
    assert row["delivered_at"] >= row["settled_at"]


async def test_mitakes_receipt_that_it_did_not_arrive_fails_the_message(
    world: World, settings: Settings, mitake: MitakeDouble
):
    await send(world)
    async with outside(world, settings) as client:
        await client.get(mitake.receipt(mitake.sent[0], "6"))
        row, (attempt,) = await world.message(), await world.tries()
        assert (row["state"], row["last_error"], attempt["receipt_why"]) == ("failed", "Mitake 6", "Mitake 6")
        # It was delivered after all.
        await client.get(mitake.receipt(mitake.sent[0], "4"))
        await client.get(mitake.receipt(mitake.sent[0], "8"))
    assert (await world.message())["state"] == "sent"


async def test_what_one_provider_delivered_has_not_failed_by_what_the_other_could_not(
    world: World, settings: Settings, mitake: MitakeDouble, twilio: TwilioDouble
):
    """Mitake's answer was lost, so the code went by Twilio as well."""
    take = mitake._answer
    mitake._answer = lambda *asked: (take(*asked), web.Response(status=502))[1]  # type: ignore[method-assign] # for this test
    assert (await send(world))["provider"] == "twilio"
    url, form, signature = twilio.receipt(twilio.sent[0], "undelivered", 30003)
    async with outside(world, settings) as client:
        await client.get(mitake.receipt(mitake.sent[0], "4"))
        await client.post(url, content=form, headers={**FORM, "x-twilio-signature": signature})

    row = await world.message()
    assert (row["state"], row["provider"], row["unsure"]) == ("sent", "mitake", 1)
    assert [attempt["receipt"] for attempt in await world.tries()] == ["delivered", "undelivered"]


@pytest.mark.parametrize(
    ("status", "code", "state", "why"),
    [
        ("sent", None, "sent", None),
        ("delivered", None, "sent", None),
        ("undelivered", 30005, "failed", "Twilio 30005"),
        ("failed", 30007, "failed", "Twilio 30007"),
    ],
)
async def test_twilios_receipts(
    world: World,
    settings: Settings,
    twilio: TwilioDouble,
    status: str,
    code: int | None,
    state: str,
    why: str | None,
):
    await send(world, ABROAD)
    url, form, signature = twilio.receipt(twilio.sent[0], status, code)
    async with outside(world, settings) as client:
        answer = await client.post(url, content=form, headers={**FORM, "x-twilio-signature": signature})

    row, (attempt,) = await world.message(), await world.tries()
    assert answer.status_code == 204
    assert (row["state"], attempt["receipt_why"]) == (state, why)
    assert (row["delivered_at"] is not None) is (status == "delivered")


@pytest.mark.parametrize("spoilt", ["signature", "form", "try", "token", "long"])
async def test_a_receipt_that_twilio_did_not_sign_is_refused(
    world: World, settings: Settings, twilio: TwilioDouble, spoilt: str
):
    await send(world, ABROAD)
    url, form, signature = twilio.receipt(twilio.sent[0], "failed", 30005)
    if spoilt == "signature":
        signature = ""
    if spoilt == "form":
        form = form.replace("failed", "undelivered")
    if spoilt == "try":
        url = f"{url.rpartition('/')[0]}/{uuid4()}"
    if spoilt == "token":
        settings = settings.model_copy(update={"twilio_token": type(settings.twilio_token)("")})
    if spoilt == "long":
        form += "&x=" + "x" * 20_000
    async with outside(world, settings) as client:
        answer = await client.post(url, content=form, headers={**FORM, "x-twilio-signature": signature})
    assert answer.status_code == 403
    assert (await world.message())["state"] == "sent"


async def test_a_receipt_of_a_try_that_is_none_or_anothers_changes_nothing(
    world: World, settings: Settings, mitake: MitakeDouble, twilio: TwilioDouble
):
    await send(world, ABROAD)
    (attempt,) = await world.tries()
    async with outside(world, settings) as client:
        query = "?msgid=0000000001&StatusFlag=6"
        for try_id in (attempt["id"], uuid4()):
            answer = await client.get(f"/receipts/mitake/{try_id}{query}")
            assert answer.status_code == 200
        assert (await client.get(f"/receipts/mitake/{uuid4()}?msgid=<b>&StatusFlag=6")).status_code == 400
        assert (await client.get("/receipts/mitake/x")).status_code == 404
        assert (await client.post(f"/receipts/mitake/{uuid4()}")).status_code == 405
    assert (await world.message())["state"] == "sent"
    assert (mitake.sent, len(twilio.sent)) == ([], 1)


async def test_a_receipt_settles_a_message_whose_answer_was_lost(
    world: World, settings: Settings, twilio: TwilioDouble, clock: Clock
):
    twilio.answers = [web.Response(text="{}", status=201)]
    await send(world, ABROAD)
    (attempt,) = await world.tries()
    taken = {
        "sid": "SM0",
        "To": ABROAD,
        "StatusCallback": f"https://parents.example/receipts/twilio/{attempt['id']}",
    }
    url, form, signature = twilio.receipt(taken, "delivered")
    async with outside(world, settings) as client:
        await client.post(url, content=form, headers={**FORM, "x-twilio-signature": signature})

    row = await world.message()
    assert (row["state"], row["letter"], row["provider"]) == ("sent", None, "twilio")
    await clock.shift(timedelta(minutes=5))
    assert await world.deliver_due() == 0


async def test_a_receipt_leaves_no_number_in_our_log(
    world: World,
    settings: Settings,
    mitake: MitakeDouble,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
):
    await send(world)
    async with outside(world, settings) as client:
        address = mitake.receipt(mitake.sent[0], "4")
        await client.get(address)
    said = caplog.text + capsys.readouterr().out
    assert "/receipts/mitake/{try_id}" in said
    assert "0912345678" not in said
    assert urlsplit(address).path not in said
