"""A made-up town: otp and binding served in this process over a small roster, and what people do there."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

import aio_pika
import asyncpg
import httpx

from binding_service.app import make_app as make_binding
from binding_service.context import make_keys
from binding_service.id_numbers import check_digit
from binding_service.settings import Settings as BindingSettings
from binding_service.statements import statement
from otp_service.app import make_app as make_otp
from otp_service.settings import Settings as OtpSettings
from shared.bus import CONTENT_TYPE, EVENTS_EXCHANGE
from shared.events import CodeIssued, CodeToSend, DecisionMade, DecisionReason, Event
from support.serving import TLS, eventually, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from support.databases import Databases

E = TypeVar("E", bound=Event)

#: Points that stand nowhere else, so that a search for them finds a signature and nothing but a signature.
STROKES = [[[431, 97], [432, 98], [433, 99], [434, 101], [435, 102], [436, 131]], [[441, 87], [442, 88], [443, 89]]]
SIGNATURE = {"strokes": STROKES}

#: Copies each event out of the outbox as it is recorded: the relay deletes the row as soon as it is on the bus.
TRAIL = """
CREATE TABLE public.trail (
    n bigint GENERATED ALWAYS AS IDENTITY, service text, id uuid, type text, body text, correlation_id text
);
CREATE FUNCTION public.follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.trail (service, id, type, body, correlation_id)
    VALUES (TG_TABLE_SCHEMA, NEW.id, NEW.type, NEW.body, NEW.correlation_id);
    RETURN NULL;
END $$;
CREATE TRIGGER follow AFTER INSERT ON otp.outbox FOR EACH ROW EXECUTE FUNCTION public.follow();
CREATE TRIGGER follow AFTER INSERT ON binding.outbox FOR EACH ROW EXECUTE FUNCTION public.follow();
"""


def national_id(number: int, first: str = "R2") -> str:
    """The ``number``-th valid ID number of the tests."""
    nine = f"{first}{7_000_000 + number:07}"
    return nine + check_digit(nine)


@dataclass(frozen=True, slots=True)
class Child:
    """A student of the roster, and what its parent has to know to find it."""

    id: str
    name: str
    national_id: str
    level: str
    school_id: str


LI = Child("P-1", "李小美", national_id(1), "elementary", "S-1")
WANG = Child("P-2", "王大同", national_id(2), "junior_high", "S-2")
CHEN = Child("P-3", "陳子瑜", national_id(3), "elementary", "S-1")
CHILDREN = (LI, WANG, CHEN)
PARENT_ID = national_id(501)
OTHER_PARENT_ID = national_id(502)


def make_student_form(child: Child = LI, **overrides: str) -> dict[str, str]:
    """Step 2 of the application for a child, as the API takes it."""
    form = {
        "relation": "mother",
        "level": child.level,
        "national_id": child.national_id,
        "school_id": child.school_id,
    }
    return form | overrides


def make_answers(child: Child = LI, relation: str = "mother") -> list[dict[str, str]]:
    """The same, question by question, as the pages take it."""
    return [
        {"relation": relation},
        {"level": child.level},
        {"national_id": child.national_id},
        {"school_id": child.school_id},
    ]


def make_parent_form(**overrides: str) -> dict[str, str]:
    """The parent's own data, as the API takes it."""
    return {"name": "林淑芬", "email": "lin@example.org", "phone": "0912345678"} | overrides


class Town:
    """Two services that run, and the people around them."""

    def __init__(self, url: str, settings: BindingSettings, otp: OtpSettings, db: asyncpg.Pool) -> None:
        self.url = url
        self.settings = settings
        self.otp_settings = otp
        self.db = db
        self.keys = make_keys(settings)
        self.http = httpx.AsyncClient(base_url=f"{url}/api/v1", verify=TLS, timeout=30)

    # --- looking inside ---

    async def value(self, query: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the column holds
        """One value from the database, as its superuser."""
        return await self.db.fetchval(query, *arguments)

    async def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows from the database, as its superuser."""
        return [dict(row) for row in await self.db.fetch(query, *arguments)]

    async def events(self, kind: type[E]) -> list[E]:
        """Every event of this kind that was ever committed, oldest first."""
        rows = await self.db.fetch("SELECT body FROM public.trail WHERE type = $1 ORDER BY n", kind.TYPE)
        return [kind.model_validate_json(row["body"]) for row in rows]

    async def state_of(self, binding_id: str) -> str:
        """The state of a binding."""
        return str(await self.value("SELECT state FROM binding.bindings WHERE id = $1", UUID(binding_id)))

    async def code_for(self, contact: str) -> str:
        """The newest code that otp issued for a contact."""
        keys = self.otp_settings.sealing_keys("KEY_OTP_NOTIFY", self.otp_settings.key_otp_notify)
        for event in reversed(await self.events(CodeIssued)):
            sent = keys.unseal_model(CodeToSend, event.data.for_notify, event.place("for_notify"))
            if sent.contact == contact:
                return sent.code
        msg = "no code was issued for this contact"
        raise AssertionError(msg)

    # --- a front end ---

    async def call(
        self, method: str, path: str, token: str | None = None, *, key: str | None = None, **json: object
    ) -> httpx.Response:
        """Call the API, whatever it answers."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if key is not None:
            headers["idempotency-key"] = key
        return await self.http.request(method, path, headers=headers, json=json or None)

    async def do(self, method: str, path: str, token: str | None = None, **json: object) -> Any:  # noqa: ANN401 - JSON
        """Call the API for something that must succeed; the answer's JSON."""
        answer = await self.call(method, path, token, **json)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    # --- a parent ---

    async def ask_code(self, contact: str, attempt: str | None = None) -> str:
        """Ask for a code; the login attempt's token."""
        channel = "email" if "@" in contact else "sms"
        return str((await self.do("POST", "/codes", channel=channel, contact=contact, attempt=attempt))["attempt"])

    async def sign_in(self, contact: str) -> str:
        """Log in by a code; the session's token."""
        attempt = await self.ask_code(contact)
        return str((await self.do("POST", "/sessions", attempt=attempt, code=await self.code_for(contact)))["token"])

    async def fill(
        self,
        token: str,
        children: Sequence[Child] = (LI,),
        parent_id: str = PARENT_ID,
        parent: dict[str, str] | None = None,
    ) -> None:
        """Fill in the draft, up to the signature; ``parent`` is left out for a person who has an account."""
        await self.fill_students(token, *children)
        await self.do("PUT", "/draft/consent", token, version=statement().version)
        await self.do("PUT", "/draft/parent/id", token, national_id=parent_id)
        if parent is not None:
            await self.do("PUT", "/draft/parent", token, **parent)

    async def fill_students(self, token: str, *children: Child) -> None:
        """Name the children of the draft."""
        for child in children:
            await self.do("POST", "/draft/students", token, **make_student_form(child))

    async def apply(
        self,
        contact: str = "lin@example.org",
        children: Sequence[Child] = (LI,),
        parent_id: str = PARENT_ID,
        **parent: str,
    ) -> str:
        """The whole application by somebody without an account; the session's token."""
        token = await self.sign_in(contact)
        await self.fill(token, children, parent_id, make_parent_form(**({"email": contact} | parent)))
        await self.do("POST", "/applications", token, signature=SIGNATURE)
        return token

    async def bindings(self, token: str) -> list[dict[str, Any]]:
        """The progress page's content."""
        return list(await self.do("GET", "/bindings", token))

    async def name_on_pages(self, browser: httpx.AsyncClient, child: Child = LI, relation: str = "mother") -> None:
        """Step 2 on the pages, question by question."""
        for step, answer in zip(("relation", "level", "id", "school"), make_answers(child, relation), strict=True):
            sent = await browser.post(f"/students/new/{step}", data=answer)
            assert sent.status_code == 303, (step, sent.text)

    @asynccontextmanager
    async def browser(self, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A browser on the parents' pages, signed in with a session's token where one is given."""
        cookies = {"kinbind-session": token} if token else {}
        headers = {"sec-fetch-site": "same-origin"}
        async with httpx.AsyncClient(
            base_url=self.url, verify=TLS, timeout=30, cookies=cookies, headers=headers
        ) as client:
            yield client

    # --- a teacher ---

    async def decide(self, binding_id: str, outcome: str = "approve", reason: str = "", **changes: str) -> DecisionMade:
        """Tell the bus of a decision, as review does."""
        decision = self.decision(binding_id, outcome, reason)
        await self.publish(decision.model_copy(update=changes).model_dump_json().encode(), DecisionMade.TYPE)
        return decision

    def decision(self, binding_id: str, outcome: str = "approve", reason: str = "") -> DecisionMade:
        """A decision as review tells it."""
        event = DecisionMade.of("review", binding_id, outcome=outcome, decided_by="T-1")
        return event.sealed(self.keys.from_review, for_binding=DecisionReason(reason=reason))

    async def publish(self, body: bytes, routing_key: str) -> None:
        """Put bytes on the bus."""
        exchange = await self.channel.get_exchange(EVENTS_EXCHANGE.name, ensure=False)
        message = aio_pika.Message(body, content_type=CONTENT_TYPE, message_id=str(uuid4()), delivery_mode=2)
        await exchange.publish(message, routing_key)

    @cached_property
    def channel(self) -> aio_pika.abc.AbstractChannel:
        """Set by :func:`town`: the tests' own channel to the broker."""
        raise NotImplementedError

    async def decided(self, binding_id: str, outcome: str = "approve", reason: str = "") -> None:
        """Decide, and wait until binding has applied it."""
        await self.decide(binding_id, outcome, reason)

        async def applied() -> bool:
            return await self.state_of(binding_id) != "pending"

        await eventually(applied)

    async def open_account(self, contact: str = "lin@example.org", parent_id: str = PARENT_ID, **parent: str) -> str:
        """Apply for a child and have it approved; the session's token of the login by code."""
        token = await self.apply(contact, parent_id=parent_id, **parent)
        await self.decided((await self.bindings(token))[0]["id"])
        return token


@asynccontextmanager
async def town(
    databases: Databases,
    broker_url: str,
    *,
    otp: dict[str, Any] | None = None,
    binding: dict[str, Any] | None = None,
    with_otp: bool = True,
) -> AsyncIterator[Town]:
    """Serve both services over the roster; ``otp`` and ``binding`` are settings that differ from the defaults."""
    common = {"rabbitmq_url": broker_url, "shutdown_seconds": 5}
    otp_settings = OtpSettings(**({"database_url": databases.otp, **common} | (otp or {})))
    settings = BindingSettings(**({"database_url": databases.binding, **common} | (binding or {})))
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(
            asyncpg.create_pool(databases.superuser, min_size=0, max_size=4, statement_cache_size=0)
        )
        await db.execute(TRAIL)
        await _seed(db, settings)
        if with_otp:
            await stack.enter_async_context(serving(make_otp(otp_settings)))
        url = await stack.enter_async_context(serving(make_binding(settings)))
        it = Town(url, settings, otp_settings, db)
        await stack.enter_async_context(it.http)
        connection = await stack.enter_async_context(await aio_pika.connect(broker_url))
        it.channel = await connection.channel()
        yield it


async def _seed(db: asyncpg.Pool, settings: BindingSettings) -> None:
    keys = make_keys(settings)
    await db.execute(
        """
        INSERT INTO binding.schools VALUES
            ('S-1', '191', '中正國小', 'elementary', 1, true), ('S-2', '192', '海山國中', 'junior_high', 1, true),
            ('S-3', '193', '大同國小', 'elementary', 1, true);
        INSERT INTO binding.classes VALUES
            ('C-1', 'S-1', '三年一班', '{T-1}', 1, true), ('C-2', 'S-2', '八年二班', '{T-2}', 1, true);
        """
    )
    await db.executemany(
        "INSERT INTO binding.students VALUES ($1, $2, $3, $4, $5, $6, 1, true)",
        [
            (
                child.id,
                child.school_id,
                "C-1" if child.school_id == "S-1" else "C-2",
                child.name,
                keys.hashes.digest("national-id", child.national_id),
                keys.store.seal(child.national_id, f"students:{child.id}:national_id"),
            )
            for child in CHILDREN
        ],
    )
