"""What notify's tests work with: events about a made-up parent, a mail server, an SMS provider, and notify between."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from aiohttp import web

from notify_service import sending, use_cases
from notify_service.providers import Provider, Route
from shared import inbox
from shared.events import (
    AccountActivity,
    AccountActivityNoted,
    AccountDeletionAsked,
    AccountHolder,
    AccountOpened,
    AccountToAnnounce,
    ActivityToTell,
    Addressee,
    AddresseeWithReason,
    ApplicationSubmitted,
    ApplicationToAcknowledge,
    BindingApproved,
    BindingRefused,
    BindingRevoked,
    BindingWithdrawn,
    CodeIssued,
    CodeToSend,
    Event,
    GuardianBound,
    GuardianToTell,
    ObjectionClosed,
    ObjectionOutcome,
    PersonForgotten,
    ReviewerToRemind,
    ReviewReminderDue,
    SubmittedStudent,
    WaitingClass,
)
from shared.sealing import SealingKeys
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    import asyncpg
    from pydantic import BaseModel

    from notify_service.errors import DeliveryError
    from notify_service.limits import Limits
    from notify_service.providers import Message
    from notify_service.use_cases import Notify
    from shared.events import Language
    from support.mail_servers import Mails

E = TypeVar("E", bound=Event)

PARENT = "mei.wang@example.org"
TEACHER = "chen@school.example"
MOBILE = "+886912345678"
CODE = "049497"
REASON = "關係與簽名不符"
LATER = datetime.now(UTC) + timedelta(hours=1)
ADDRESSEE = {"email": PARENT, "parent_name": "王小美", "student_name": "吳大寶"}
HOLDER = AccountHolder(email=PARENT, parent_name="王小美")


def sample_keys(name: str) -> SealingKeys:
    """The development key of that name."""
    return SealingKeys({"sample": hashlib.sha256(f"kinbind sample key {name}".encode()).digest()})


# --- events ---


def make_code(channel: str = "email", expires_at: datetime = LATER) -> CodeIssued:
    """A code by e-mail or SMS."""
    contact = PARENT if channel == "email" else MOBILE
    event = CodeIssued.of("otp", uuid4(), channel=channel, language="zh-TW", expires_at=expires_at)
    return event.sealed(sample_keys("KEY_OTP_NOTIFY"), for_notify=CodeToSend(contact=contact, code=CODE))


def make_application() -> ApplicationSubmitted:
    """An application for one child."""
    students = [SubmittedStudent(name="吳大寶", school="市立中正國小")]
    known = ApplicationToAcknowledge(email=PARENT, parent_name="王小美", students=students)
    event = ApplicationSubmitted.of("binding", uuid4(), number="K26-000123", language="zh-TW")
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=known)


def make_approval(*, opens_account: bool = False) -> BindingApproved:
    """An approval, for a parent with an account or without."""
    event = BindingApproved.of("binding", uuid4(), **_ended(), opens_account=opens_account)
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=Addressee(**ADDRESSEE))


def make_refusal() -> BindingRefused:
    """A refusal with a reason."""
    event = BindingRefused.of("binding", uuid4(), **_ended())
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=AddresseeWithReason(**ADDRESSEE, reason=REASON))


def make_withdrawal(binding: UUID | None = None, *, version: int = 2, **who: str) -> BindingWithdrawn:
    """A withdrawal."""
    event = BindingWithdrawn.of("binding", binding or uuid4(), **_ended(version))
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=Addressee(**(ADDRESSEE | who)))


def make_revocation() -> BindingRevoked:
    """A binding that the school has ended."""
    event = BindingRevoked.of("binding", uuid4(), **_ended(3))
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=AddresseeWithReason(**ADDRESSEE, reason=REASON))


def make_reminder(
    kind: str = "reminder", teacher: str = "teacher-1", day: date | None = None, **data: object
) -> ReviewReminderDue:
    """Three applications wait in two classes of a teacher, today."""
    classes = [WaitingClass(class_name="五年一班", waiting=2), WaitingClass(class_name="五年二班", waiting=1)]
    day = day or datetime.now(TAIPEI).date()
    facts = {"kind": kind, "day": day, "language": "zh-TW", "waiting": 3, "oldest_days": 4} | data
    event = ReviewReminderDue.of("review", teacher, **facts)
    if facts["waiting"] == facts.get("objections"):
        classes = []
    known = ReviewerToRemind(email=TEACHER, name="陳老師", classes=classes)
    return event.sealed(sample_keys("KEY_REVIEW_NOTIFY"), for_notify=known)


def make_account() -> AccountOpened:
    """An account that was opened."""
    event = AccountOpened.of("binding", uuid4(), language="zh-TW", first_password_until=LATER)
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=AccountToAnnounce(**ADDRESSEE))


def make_activity(kind: AccountActivity = "new_device") -> AccountActivityNoted:
    """Something that happened to an account."""
    facts = {"notice_id": uuid4(), "kind": kind, "language": "zh-TW", "not_me_until": LATER}
    event = AccountActivityNoted.of("binding", uuid4(), **facts)
    known = ActivityToTell(
        email=PARENT,
        parent_name="王小美",
        browser="Chrome",
        system="Android",
        now_masked="me***@example.org",
        not_me_token="w1kD0fz",
    )
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=known)


def make_guardian_bound(**data: object) -> GuardianBound:
    """Another guardian was bound to the child."""
    event = GuardianBound.of("binding", uuid4(), **({"binding_id": uuid4(), "language": "zh-TW"} | data))
    who = GuardianToTell(**ADDRESSEE, guardian_name_masked="吳○明", relation="father")
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=who)


def make_objection_closed(outcome: str = "answered", note: str = "學校已與雙方聯絡。") -> ObjectionClosed:
    """The school has dealt with an objection."""
    event = ObjectionClosed.of("binding", uuid4(), binding_id=uuid4(), outcome=outcome, language="zh-TW")
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=ObjectionOutcome(**ADDRESSEE, note=note))


def make_deletion_asked() -> AccountDeletionAsked:
    """The deletion of the account was asked for."""
    event = AccountDeletionAsked.of("binding", uuid4(), due_at=LATER, language="zh-TW")
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=HOLDER)


def make_forgotten(*bindings: str, **data: object) -> PersonForgotten:
    """The account was deleted, and these bindings ended with it."""
    ended = [{"id": id_, "version": 3} for id_ in bindings]
    event = PersonForgotten.of(
        "binding", uuid4(), **({"bindings": ended, "application_ids": [], "language": "zh-TW"} | data)
    )
    return event.sealed(sample_keys("KEY_BINDING_NOTIFY"), for_notify=HOLDER)


def of_a_family() -> list[Event]:
    """What concerns an account and the child's other guardians, one of each."""
    return [make_guardian_bound(), make_objection_closed(), make_deletion_asked(), make_forgotten()]


def in_language(event: E, language: Language) -> E:
    """The same event, about a reader of this language."""
    data: BaseModel = getattr(event, "data")  # noqa: B009 - every event has it, each of its own kind
    return event.model_copy(update={"data": data.model_copy(update={"language": language})})


def _ended(version: int = 2) -> dict[str, Any]:
    return {"version": version, "application_id": uuid4(), "language": "zh-TW"}


# --- whom notify talks to ---


@dataclass
class SmsServer:
    """Stands in the provider's place; ``posts`` are headers and body of every request."""

    url: str = ""
    answers: list[web.Response] = field(default_factory=list)
    posts: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Answer as told, else accept."""
        self.posts.append((dict(request.headers), await request.json()))
        return self.answers.pop(0) if self.answers else web.json_response({"accepted": True}, status=202)


class Scripted(Provider):
    """Gives the answers that it is told (None takes the message), then takes all; ``asked`` is what came to it."""

    def __init__(self, name: str, *answers: DeliveryError | None, only: str = "") -> None:
        self.name = name
        self.answers = list(answers)
        self.asked: list[Message] = []
        self._only = only

    def serves(self, to: str) -> bool:
        """Whether the recipient begins as it was told."""
        return to.startswith(self._only)

    async def send(self, message: Message) -> str:
        """As told."""
        self.asked.append(message)
        if self.answers and (fault := self.answers.pop(0)):
            raise fault
        return f"{self.name}-{len(self.asked)}"


# --- notify between them ---

EFFECTS: dict[type[Event], Callable[[Notify, Any, Any], Awaitable[None]]] = {
    CodeIssued: use_cases.send_code,
    ApplicationSubmitted: use_cases.acknowledge_application,
    BindingApproved: use_cases.tell_approval,
    BindingRefused: use_cases.tell_refusal,
    BindingWithdrawn: use_cases.tell_withdrawal,
    BindingRevoked: use_cases.tell_revocation,
    AccountOpened: use_cases.announce_account,
    AccountActivityNoted: use_cases.tell_of_activity,
    ReviewReminderDue: use_cases.remind_reviewer,
    GuardianBound: use_cases.tell_guardian,
    ObjectionClosed: use_cases.tell_objection_closed,
    AccountDeletionAsked: use_cases.confirm_deletion,
    PersonForgotten: use_cases.forget_person,
}


@dataclass
class World:
    """Notify's use cases on a fresh database, between the two servers."""

    notify: Notify
    mail_server: Mails
    sms_server: SmsServer

    async def hear(self, event: Event) -> bool:
        """What a consumer does with an event."""
        return await inbox.once(self.notify.database, "notify", event, partial(EFFECTS[type(event)], self.notify))

    async def claim(self, most: int = 20) -> list[asyncpg.Record]:
        """What the delivery worker would send now."""
        claimed, _ = await sending.claim_due(self.notify, most)
        return claimed

    async def deliver_due(self, **providers: Provider) -> int:
        """One round of the delivery worker, with other providers where they are given; how many were tried."""
        claimed = await self.claim()
        for row in claimed:
            await sending.deliver(self.with_providers(**providers), row)
        return len(claimed)

    def with_providers(self, **providers: Provider) -> Notify:
        """The use cases with these providers in place of theirs, each alone on its channel."""
        alone = {channel: (Route(provider),) for channel, provider in providers.items()}
        return dataclasses.replace(self.notify, routes={**self.notify.routes, **alone})

    def use(self, **routes: Sequence[Route]) -> None:
        """Let these channels go by these providers from now on."""
        self.notify = dataclasses.replace(self.notify, routes={**self.notify.routes, **routes})

    def limit(self, limits: Limits) -> None:
        """Let these limits hold from now on."""
        self.notify = dataclasses.replace(self.notify, limits=limits)

    async def execute(self, statement: str, *values: object) -> None:
        """Change the database behind notify's back."""
        async with self.notify.database.connection() as connection:
            await connection.execute(statement, *values)

    async def messages(self) -> list[asyncpg.Record]:
        """The rows of all messages, oldest first."""
        async with self.notify.database.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch("SELECT * FROM messages ORDER BY created_at")
        return rows

    async def tries(self) -> list[asyncpg.Record]:
        """All providers that were asked, oldest first."""
        async with self.notify.database.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch("SELECT * FROM message_tries ORDER BY began_at, id")
        return rows

    async def message(self) -> asyncpg.Record:
        """The row of the only message."""
        (only,) = await self.messages()
        return only
