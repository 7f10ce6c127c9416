"""The operators' page: who may enter, what it shows, and that a message is sent again once."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from integration.notify.world import (
    CODE,
    MOBILE,
    PARENT,
    Scripted,
    World,
    make_approval,
    make_code,
    make_refusal,
    make_withdrawal,
)
from notify_service.app import make_app
from notify_service.errors import PermanentError, TechnicalError
from notify_service.operators import storage
from notify_service.operators.domain import Wanted
from notify_service.operators.sessions import LIFE, WRONG_TOKENS
from notify_service.operators.use_cases import lives
from notify_service.retention import make_purges
from shared.purging import purge
from support.operators import TOKENS, known, make_page, visiting
from support.serving import eventually

if TYPE_CHECKING:
    import httpx

    from notify_service.settings import Settings
    from support.databases import Clock

NO_SUCH_ADDRESS = PermanentError("SMTPRecipientRefused 550")
AWAY = TechnicalError("ConnectionRefusedError")
WAITING_FOR_A_LOCK = """SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()"""
#: One for all workers: a test is known by it.
NO_MESSAGE = UUID("5b0c7f7e-6d5c-4c0f-9d0b-1f4f3a9a2f10")
ADDRESSES = [
    ("GET", "/"),
    ("GET", "/messages"),
    ("GET", "/messages/again?state=failed"),
    ("POST", "/messages/again"),
    ("GET", f"/messages/{NO_MESSAGE}"),
    ("POST", f"/messages/{NO_MESSAGE}/again"),
    ("POST", "/sign-out"),
]


async def fail(world: World, *events: object) -> None:
    """Let the messages of these events fail for good."""
    for event in events:
        await world.hear(event)  # type: ignore[arg-type]
        await world.deliver_due(email=Scripted("smtp", NO_SUCH_ADDRESS), sms=Scripted("mitake", NO_SUCH_ADDRESS))


async def acts(world: World) -> list[tuple[str, str]]:
    """Who did what, oldest first."""
    async with world.notify.database.connection() as connection:
        rows = await storage.latest_acts(connection, 100)
    return [(row["operator"], row["act"]) for row in reversed(rows)]


async def state(world: World) -> list[str]:
    return [row["state"] for row in await world.messages()]


def hidden(page: httpx.Response) -> dict[str, str]:
    """The form's hidden fields."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))


# --- who may enter ---


async def test_without_tokens_there_is_no_page(settings: Settings):
    app = make_app(settings)
    async with visiting(app) as browser:
        for method, address in [*ADDRESSES, ("GET", "/sign-in")]:
            assert (await browser.request(method, address)).status_code == 404


async def test_with_tokens_there_is_one(settings: Settings):
    named = ",".join(":".join(pair) for pair in known())
    async with visiting(make_app(settings.model_copy(update={"operator_tokens": named}))) as browser:
        page = await browser.get("/sign-in")
        assert page.status_code == 200
        assert 'autocomplete="off"' in page.text
        assert 'type="password"' in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        # Nobody has opened its database: it is as good as away.
        away = await browser.get("/", headers={"cookie": "operator=anything"})
        assert (away.status_code, away.headers["retry-after"]) == (503, "10")


@pytest.mark.parametrize(("method", "address"), ADDRESSES)
async def test_a_stranger_is_sent_to_sign_in_and_changes_nothing(world: World, method: str, address: str):
    await fail(world, make_approval())
    async with visiting(make_page(world.notify)) as browser:
        browser.cookies.set("operator", "anything")
        answer = await browser.request(method, address, data={"state": "failed"} if method == "POST" else None)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert await state(world) == ["failed"]
    assert await acts(world) == []


async def test_a_wrong_token_is_refused_noted_and_not_repeated(world: World):
    guess = "kbo_not-it<b>"
    with capture_logs() as lines:
        async with visiting(make_page(world.notify)) as browser:
            answer = await browser.post("/sign-in", data={"token": guess})
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers
    assert "not-it" not in answer.text
    assert "not-it" not in str(lines)
    assert await acts(world) == [("", "refused")]


async def test_wrong_tokens_are_limited_and_a_right_one_still_enters(world: World, clock: Clock):
    async with visiting(make_page(world.notify)) as browser:
        for _ in range(WRONG_TOKENS.hits):
            assert (await browser.post("/sign-in", data={"token": "wrong"})).status_code == 422
        limited = await browser.post("/sign-in", data={"token": "wrong"})
        assert limited.status_code == 429
        assert 0 < int(limited.headers["retry-after"]) <= WRONG_TOKENS.window.total_seconds()
        assert len(await acts(world)) == WRONG_TOKENS.hits
        assert (await browser.post("/sign-in", data={"token": TOKENS["chen"]})).status_code == 303
        await clock.shift(WRONG_TOKENS.window + timedelta(seconds=1))
        assert (await browser.post("/sign-in", data={"token": "wrong"})).status_code == 422


async def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_http(world: World):
    async with visiting(make_page(world.notify, secure=True)) as browser:
        cookie = (await browser.post("/sign-in", data={"token": TOKENS["chen"]})).headers["set-cookie"]
        assert cookie.startswith("__Host-operator=")
        assert all(part in cookie.lower() for part in ("httponly", "samesite=strict", "secure", "path=/"))
        assert (await browser.get("/")).status_code == 200


async def test_a_session_ends_by_itself_by_signing_out_and_with_the_token(world: World, clock: Clock):
    app = make_page(world.notify)
    async with visiting(app, "chen") as browser:
        kept = f"operator={browser.cookies['operator']}"
        assert (await browser.post("/sign-out")).headers["location"] == "/sign-in"
    async with visiting(app, cookie=kept) as browser:
        assert (await browser.get("/")).status_code == 303

    async with visiting(app, "chen") as browser:
        kept = f"operator={browser.cookies['operator']}"
        assert (await browser.get("/")).status_code == 200
        async with visiting(make_page(world.notify, operators=known()[1:]), cookie=kept) as later:
            assert (await later.get("/")).status_code == 303
        await clock.shift(LIFE)
        assert (await browser.get("/")).status_code == 303
    assert await acts(world) == [("chen", "signed_in"), ("chen", "signed_out"), ("chen", "signed_in")]


async def test_the_database_holds_neither_tokens_nor_cookies(world: World):
    async with visiting(make_page(world.notify), "chen") as browser:
        cookie = browser.cookies["operator"]
    async with world.notify.database.connection() as connection:
        rows = await connection.fetch("SELECT s::text FROM operator_sessions AS s")
    assert len(rows) == 1
    assert cookie not in rows[0]["s"]
    assert TOKENS["chen"] not in rows[0]["s"]


async def test_sessions_that_are_over_and_old_acts_are_purged(world: World, settings: Settings, clock: Clock):
    async with visiting(make_page(world.notify), "chen"):
        await clock.shift(LIFE + timedelta(seconds=1))
        await purge(world.notify.database, make_purges(settings))
        assert await acts(world) == [("chen", "signed_in")]
        await clock.shift(timedelta(days=settings.retain_messages_days, hours=1))
        await purge(world.notify.database, make_purges(settings))
    assert await acts(world) == []
    async with world.notify.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM operator_sessions") == 0


async def test_another_sites_form_does_nothing(world: World):
    await fail(world, make_approval())
    (message,) = await world.messages()
    async with visiting(make_page(world.notify), "chen") as browser:
        form = {"failed_at": message["settled_at"].isoformat()}
        answer = await browser.post(
            f"/messages/{message['id']}/again", data=form, headers={"origin": "https://elsewhere.example"}
        )
    assert answer.status_code == 403
    assert await state(world) == ["failed"]


# --- what it shows ---


async def test_contacts_are_masked_and_contents_shown_nowhere(world: World):
    await fail(world, make_approval(), make_code("sms"), make_code())
    rows = await world.messages()
    with capture_logs() as lines:
        async with visiting(make_page(world.notify), "chen") as browser:
            addresses = ["/", "/messages", "/messages/again?state=failed", *(f"/messages/{row['id']}" for row in rows)]
            pages = [await browser.get(address) for address in addresses]
    assert all(page.status_code == 200 for page in pages)
    text = "".join(page.text for page in pages) + str(lines)
    assert all(row["contact"] and row["contact"] in text for row in rows)
    for secret in (PARENT, MOBILE, "0912345678", "0912-345-678", CODE, "王小美", "吳大寶", TOKENS["chen"]):
        assert secret not in text


async def test_the_overview_tells_what_waits_failed_and_why_and_how_providers_are(world: World):
    await fail(world, make_refusal())
    await world.hear(make_approval())
    await world.deliver_due(email=Scripted("smtp", AWAY))
    async with world.notify.database.connection() as connection:
        await connection.execute("INSERT INTO paused_channels (channel, reason) VALUES ('sms', 'invoice unpaid')")
    async with visiting(make_page(world.notify), "lin") as browser:
        page = (await browser.get("/")).text
    assert "invoice unpaid" in page
    assert "信箱不存在或拒收。" in page
    assert "ConnectionRefusedError" in page
    assert "剛才失敗" in page
    assert "lin" in page


async def test_a_list_is_filtered_and_paged_without_gaps_or_doubles(world: World):
    await fail(world, *(make_approval() for _ in range(3)), make_refusal())
    await many_rows(world, 130)
    seen: list[str] = []
    async with visiting(make_page(world.notify), "chen") as browser:
        address = "/messages?kind=approved&period=all"
        while address:
            page = (await browser.get(address)).text
            seen += re.findall(r'<a href="/messages/([0-9a-f-]{36})"', page)
            # What comes meanwhile shifts nothing.
            await world.hear(make_approval())
            following = re.search(r'rel="next" href="([^"]+)"', page)
            address = following[1].replace("&amp;", "&") if following else ""
        failed = (await browser.get("/messages?state=failed&kind=refused&channel=email&provider=smtp")).text
        none = (await browser.get("/messages?state=failed&provider=smtp2")).text
    assert len(seen) == len(set(seen)) == 133
    assert len(re.findall(r'<a href="/messages/[0-9a-f-]{36}"', failed)) == 1
    assert "沒有符合條件的訊息。" in none


async def many_rows(world: World, count: int) -> None:
    """Sent messages, some of them of one moment."""
    await world.execute(
        """
        INSERT INTO messages (id, kind, cause, channel, state, correlation_id, expires_at, settled_at, created_at,
            provider, contact)
        SELECT gen_random_uuid(), 'approved', 'x:' || n, 'email', 'sent', '-', present(), present(),
            present() - (n / 3) * interval '1 minute', 'smtp', 'a***@example.org'
        FROM generate_series(1, $1::int) AS n
        """,
        count,
    )


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("/messages?state=broken", 400),
        ("/messages?period=", 200),
        ("/messages?kind=%00", 400),
        ("/messages?before=x", 400),
        (f"/messages?before=2026-01-01T00:00:00_{NO_MESSAGE}", 400),
        ("/messages/again?provider=nobody", 400),
        (f"/messages/{NO_MESSAGE}", 404),
    ],
)
async def test_an_address_that_means_nothing_is_no_fault(world: World, address: str, wanted: int):
    async with visiting(make_page(world.notify), "chen") as browser:
        status = (await browser.get(address)).status_code
    assert status == wanted


async def test_operators_read_chinese_or_english(world: World):
    for wish, tag in (("en-GB", "en"), ("vi", "zh-Hant-TW")):
        async with visiting(make_page(world.notify), "chen", **{"accept-language": wish}) as browser:
            assert f'<html lang="{tag}">' in (await browser.get("/")).text


# --- sending again ---


async def test_a_failed_message_is_sent_again_and_who_did_it_is_written_down(world: World):
    await fail(world, make_approval())
    (failed,) = await world.messages()
    with capture_logs() as lines:
        async with visiting(make_page(world.notify), "chen") as browser:
            page = await browser.get(f"/messages/{failed['id']}")
            answer = await browser.post(f"/messages/{failed['id']}/again", data=hidden(page), follow_redirects=True)
    assert "已排入等待寄送。" in answer.text
    assert "chen" in answer.text
    assert await acts(world) == [("chen", "signed_in"), ("chen", "sent_again")]
    assert [line["operator"] for line in lines if line["event"] == "failed message waits to be sent again"] == ["chen"]

    assert await world.deliver_due() == 1
    assert await state(world) == ["sent"]
    assert len(world.mail_server.mails) == 1


async def test_two_operators_who_press_at_once_send_one_message(world: World):
    await fail(world, make_approval())
    (failed,) = await world.messages()
    app = make_page(world.notify)
    async with visiting(app, "chen") as first, visiting(app, "lin") as second:
        address = f"/messages/{failed['id']}"
        forms = [hidden(await browser.get(address)) for browser in (first, second)]
        answers = await asyncio.gather(
            first.post(f"{address}/again", data=forms[0]), second.post(f"{address}/again", data=forms[1])
        )
        assert sorted(answer.headers["location"].rpartition("=")[2] for answer in answers) == ["again", "not"]
        assert [act for _, act in await acts(world)].count("sent_again") == 1

        # It fails anew, and somebody presses on the page of the first failure.
        await world.deliver_due(email=Scripted("smtp", NO_SUCH_ADDRESS))
        late = await second.post(f"{address}/again", data=forms[1])
        assert late.headers["location"].endswith("not")
    assert await state(world) == ["failed"]


async def test_who_comes_while_another_is_at_it_waits_and_does_nothing(world: World):
    await fail(world, make_approval())
    (failed,) = await world.messages()
    wanted, failed_at = Wanted(state="failed"), failed["settled_at"]
    async with world.notify.database.transaction() as first:
        assert await storage.send_one_again(first, failed["id"], lives(), failed_at)
        async with world.notify.database.transaction() as second:
            late = asyncio.create_task(storage.send_again(second, wanted, lives(), failed_at, 10))

            async def waits() -> bool:
                return bool(await first.fetchval(WAITING_FOR_A_LOCK))

            await eventually(waits)
            await first.execute("COMMIT; BEGIN")
            assert await late == 0


async def test_all_of_a_filter_are_sent_again_after_one_more_question(world: World):
    await fail(world, make_approval(), make_approval(), make_refusal(), make_code())
    app = make_page(world.notify)
    async with visiting(app, "chen") as first, visiting(app, "lin") as second:
        address = "/messages/again?state=failed&kind=approved"
        pages = [await browser.get(address) for browser in (first, second)]
        assert "將重新寄送 2 則訊息。" in pages[0].text
        await fail(world, make_approval())
        answers = await asyncio.gather(
            first.post("/messages/again", data=hidden(pages[0])), second.post("/messages/again", data=hidden(pages[1]))
        )
        counts = sorted(re.findall(r"sent_again=(\d+)", answer.headers["location"])[0] for answer in answers)
    assert counts == ["0", "2"]
    # The refusal, the code, and what failed after the question stay.
    assert sorted(await state(world)) == ["failed", "failed", "failed", "waiting", "waiting"]
    async with world.notify.database.connection() as connection:
        (noted,) = [row for row in await storage.latest_acts(connection, 100) if row["act"] == "sent_again"]
    assert noted["messages"] == 2
    assert noted["wanted"] == {"state": "failed", "kind": "approved", "period": "week"}


async def test_a_code_is_never_sent_again_even_where_its_contents_are_left(world: World):
    await fail(world, make_code())
    (code,) = await world.messages()
    await world.execute("UPDATE messages SET letter = 'left by a fault' WHERE id = $1", code["id"])
    async with visiting(make_page(world.notify), "chen") as browser:
        page = await browser.get(f"/messages/{code['id']}")
        assert "驗證碼不能重新寄送" in page.text
        assert hidden(page) == {}
        form = {"failed_at": code["settled_at"].isoformat()}
        assert (await browser.post(f"/messages/{code['id']}/again", data=form)).headers["location"].endswith("not")
        question = await browser.get("/messages/again?state=failed")
        assert "沒有可以重新寄送的訊息" in question.text
        far = {"failed_by": "2100-01-01T00:00:00+00:00", "state": "failed"}
        await browser.post("/messages/again", data=far)
    assert await state(world) == ["failed"]


async def test_what_is_not_kept_or_has_not_failed_is_not_sent_again(world: World):
    await fail(world, make_approval())
    await world.execute("UPDATE messages SET letter = NULL")
    await world.hear(make_withdrawal())
    await world.deliver_due()
    gone, sent = await world.messages()
    async with visiting(make_page(world.notify), "chen") as browser:
        for row in (gone, sent):
            form = {"failed_at": row["settled_at"].isoformat()}
            answer = await browser.post(f"/messages/{row['id']}/again", data=form, follow_redirects=True)
            assert "沒有重新寄送" in answer.text
    assert await state(world) == ["failed", "sent"]
    assert len(world.mail_server.mails) == 1
