"""What notify does with an event: write down the message that it calls for.

A message is a row first, written in the transaction that marks its event as seen; sending comes after (``sending``). So
a mail server that is slow or away holds up no consumer, and a message that is to wait is a row with its due time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from notify_service import domain, storage
from notify_service.domain import Kind
from shared import tracing
from shared.contacts import mask_email, mask_phone
from shared.events import (
    AccountHolder,
    AccountToAnnounce,
    ActivityToTell,
    Addressee,
    AddresseeWithReason,
    ApplicationToAcknowledge,
    CodeToSend,
    GuardianToTell,
    ObjectionOutcome,
    ReviewerToRemind,
)
from shared.not_mine import NotMine, make_token
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from notify_service.limits import Limits
    from notify_service.notices import Notices
    from notify_service.providers import Letter, Route
    from shared.database import Connection, Database
    from shared.events import (
        AccountActivityNoted,
        AccountDeletionAsked,
        AccountOpened,
        ApplicationSubmitted,
        BindingApproved,
        BindingRefused,
        BindingRevoked,
        BindingWithdrawn,
        Channel,
        CodeIssued,
        Event,
        GuardianBound,
        Language,
        ObjectionClosed,
        PersonForgotten,
        ReviewReminderDue,
    )
    from shared.not_mine import About
    from shared.sealing import SealingKeys

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notify:
    """What the use cases work with."""

    database: Database
    notices: Notices
    from_otp: SealingKeys
    from_binding: SealingKeys
    from_review: SealingKeys
    store: SealingKeys
    #: Of each channel, in the order in which providers are asked.
    routes: Mapping[Channel, Sequence[Route]]
    limits: Limits
    #: Whether the contents of what has failed stay for a while, sealed, to be sent again.
    keeps_failed: bool


# --- from an event to a message ---


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be queued: one of its ``kind`` for each ``cause`` and channel, whatever is delivered twice."""

    kind: Kind
    cause: str
    letter: Letter
    channel: Channel = "email"
    expires_at: datetime | None = None


async def send_code(notify: Notify, connection: Connection, event: CodeIssued) -> None:
    """The code, by the channel that was asked for, for as long as it lives.

    The cause is the event: otp keeps no code that it could publish again.
    """
    known = notify.from_otp.unseal_model(CodeToSend, event.data.for_notify, event.place("for_notify"))
    language, expires_at = event.data.language, event.data.expires_at
    if event.data.channel == "sms":
        letter = notify.notices.code_sms(known.contact, language, known.code, expires_at)
    else:
        link = NotMine(kind=Kind.CODE, about="attempt", subject=event.subject, at=expires_at)
        letter = _mail(notify, link, known.contact, language, code=known.code, expires_at=expires_at)
    draft = Draft(Kind.CODE, str(event.id), letter, event.data.channel, event.data.expires_at)
    await _queue(notify, connection, event, draft)


async def acknowledge_application(notify: Notify, connection: Connection, event: ApplicationSubmitted) -> None:
    """The application has arrived; here is its number, and what comes next."""
    known = notify.from_binding.unseal_model(ApplicationToAcknowledge, event.data.for_notify, event.place("for_notify"))
    letter = _mail(
        notify,
        _link(event, Kind.APPLICATION_RECEIVED, "application"),
        known.email,
        event.data.language,
        parent_name=known.parent_name,
        students=known.students,
        number=event.data.number,
    )
    await _queue(notify, connection, event, Draft(Kind.APPLICATION_RECEIVED, event.subject, letter))


async def tell_approval(notify: Notify, connection: Connection, event: BindingApproved) -> None:
    """Approved, for a parent who has an account. Where one is opened, :func:`announce_account` says it all."""
    if event.data.opens_account:
        return
    await _tell(notify, connection, event, Kind.APPROVED, Addressee)


async def tell_refusal(notify: Notify, connection: Connection, event: BindingRefused) -> None:
    """Refused: the teacher's reason, or that the child has left the school, and what to do now."""
    has_left = event.data.left_on is not None
    await _tell(notify, connection, event, Kind.REFUSED, AddresseeWithReason, has_left=has_left)


async def tell_withdrawal(notify: Notify, connection: Connection, event: BindingWithdrawn) -> None:
    """Withdrawn, as the parent asked for."""
    await _tell(notify, connection, event, Kind.WITHDRAWN, Addressee)


async def tell_revocation(notify: Notify, connection: Connection, event: BindingRevoked) -> None:
    """No longer bound: the school's reason, and what that means."""
    await _tell(notify, connection, event, Kind.REVOKED, AddresseeWithReason)


async def tell_guardian(notify: Notify, connection: Connection, event: GuardianBound) -> None:
    """Another guardian was bound to the child: who, and how to object to the school."""
    known = notify.from_binding.unseal_model(GuardianToTell, event.data.for_notify, event.place("for_notify"))
    letter = _mail(
        notify,
        _link(event, Kind.GUARDIAN_BOUND, "binding"),
        known.email,
        event.data.language,
        **known.model_dump(),
        binding_id=event.data.binding_id,
    )
    draft = Draft(Kind.GUARDIAN_BOUND, f"{event.subject}:{event.data.binding_id}", letter)
    await _queue(notify, connection, event, draft)


async def tell_objection_closed(notify: Notify, connection: Connection, event: ObjectionClosed) -> None:
    """The school has dealt with an objection. Who has no account any more is not written to."""
    if event.data.outcome == "withdrawn":
        return
    known = notify.from_binding.unseal_model(ObjectionOutcome, event.data.for_notify, event.place("for_notify"))
    link = _link(event, Kind.OBJECTION_CLOSED, "objection")
    letter = _mail(notify, link, known.email, event.data.language, outcome=event.data.outcome, **known.model_dump())
    await _queue(notify, connection, event, Draft(Kind.OBJECTION_CLOSED, event.subject, letter))


async def confirm_deletion(notify: Notify, connection: Connection, event: AccountDeletionAsked) -> None:
    """An account is to be deleted: when, and how that is taken back. One for each day that was set."""
    known = notify.from_binding.unseal_model(AccountHolder, event.data.for_notify, event.place("for_notify"))
    link = _link(event, Kind.DELETION_ASKED, "account")
    letter = _mail(notify, link, known.email, event.data.language, **known.model_dump(), due=event.data.due_at)
    cause = f"{event.subject}:{event.data.due_at.isoformat()}"
    await _queue(notify, connection, event, Draft(Kind.DELETION_ASKED, cause, letter))


async def forget_person(notify: Notify, connection: Connection, event: PersonForgotten) -> None:
    """Drop what still waits to be sent to somebody whose account is gone; then the last letter, where there is one."""
    ids = [bound.id for bound in event.data.bindings] + event.data.application_ids + event.data.objection_ids
    await storage.drop_about(connection, [event.subject, *map(str, ids)])
    if not event.data.for_notify:
        return
    known = notify.from_binding.unseal_model(AccountHolder, event.data.for_notify, event.place("for_notify"))
    link = _link(event, Kind.ACCOUNT_DELETED, "account")
    if event.data.application_ids:
        # The account is known to nobody any more; what it applied for is.
        link = link.model_copy(update={"about": "application", "subject": str(event.data.application_ids[0])})
    letter = _mail(notify, link, known.email, event.data.language, **known.model_dump())
    await _queue(notify, connection, event, Draft(Kind.ACCOUNT_DELETED, event.subject, letter))


async def announce_account(notify: Notify, connection: Connection, event: AccountOpened) -> None:
    """Approved for the first time: how to sign in."""
    known = notify.from_binding.unseal_model(AccountToAnnounce, event.data.for_notify, event.place("for_notify"))
    letter = _mail(
        notify,
        _link(event, Kind.ACCOUNT_OPENED, "account"),
        known.email,
        event.data.language,
        **known.model_dump(),
        until=event.data.first_password_until,
    )
    await _queue(notify, connection, event, Draft(Kind.ACCOUNT_OPENED, event.subject, letter))


async def tell_of_activity(notify: Notify, connection: Connection, event: AccountActivityNoted) -> None:
    """What happened to an account, to its owner; binding says whom each notice goes to."""
    kind = Kind(event.data.kind)
    known = notify.from_binding.unseal_model(ActivityToTell, event.data.for_notify, event.place("for_notify"))
    letter = _mail(
        notify,
        _link(event, kind, "account"),
        known.email,
        event.data.language,
        **known.model_dump(),
        happened_at=event.time,
        until=event.data.not_me_until,
    )
    await _queue(notify, connection, event, Draft(kind, f"{event.subject}:{event.data.notice_id}", letter))


async def remind_reviewer(notify: Notify, connection: Connection, event: ReviewReminderDue) -> None:
    """What waits for review, to who reviews it.

    The cause is the reviewer and the day, and its life is counted from the day too: after a time without notify nobody
    gets the digests of all the days that have passed.
    """
    kind = Kind(event.data.kind)
    known = notify.from_review.unseal_model(ReviewerToRemind, event.data.for_notify, event.place("for_notify"))
    letter = _mail(
        notify,
        _link(event, kind, "teacher"),
        known.email,
        event.data.language,
        name=known.name,
        classes=known.classes,
        waiting=event.data.waiting - event.data.objections,
        oldest_days=event.data.oldest_days,
        objections=event.data.objections,
        objections_since=event.data.objections_since,
    )
    until = datetime.combine(event.data.day, time(), TAIPEI) + domain.patience(kind).life
    draft = Draft(kind, f"{event.subject}:{event.data.day}", letter, expires_at=until)
    await _queue(notify, connection, event, draft)


async def _tell(
    notify: Notify,
    connection: Connection,
    event: BindingApproved | BindingRefused | BindingWithdrawn | BindingRevoked,
    kind: Kind,
    sealed: type[Addressee],
    **values: object,
) -> None:
    """How a binding ended. The cause is the binding in that version: it may be published again under a new event id.

    What is told again to a service that is new is no news to the parent.
    """
    if event.data.is_replay:
        return
    known = notify.from_binding.unseal_model(sealed, event.data.for_notify, event.place("for_notify"))
    link = _link(event, kind, "binding")
    letter = _mail(notify, link, known.email, event.data.language, **known.model_dump(), **values)
    await _queue(notify, connection, event, Draft(kind, f"{event.subject}:{event.data.version}", letter))


def _link(event: Event, kind: Kind, about: About) -> NotMine:
    """What the reader says is not theirs: this notice of what the event is about."""
    return NotMine(kind=kind, about=about, subject=event.subject, at=event.time)


def _mail(notify: Notify, link: NotMine, to: str, language: Language, **values: object) -> Letter:
    """The notice as an e-mail, its link at the foot sealed for the service whose page that opens."""
    keys = notify.from_review if link.about == "teacher" else notify.from_binding
    return notify.notices.mail(Kind(link.kind), to, language, not_mine_token=make_token(keys, link), **values)


async def _queue(notify: Notify, connection: Connection, event: Event, draft: Draft) -> None:
    message_id = uuid4()
    added = await storage.add_message(
        connection,
        message_id,
        kind=draft.kind,
        cause=draft.cause,
        channel=draft.channel,
        contact=(mask_phone if draft.channel == "sms" else mask_email)(draft.letter.to),
        letter=notify.store.seal_model(draft.letter, place(message_id)),
        correlation_id=event.correlationid,
        traceparent=tracing.traceparent(),
        life=domain.patience(draft.kind).life,
        expires_at=draft.expires_at,
    )
    log.info("message queued" if added else "message known already", message=str(message_id), kind=draft.kind)


def place(message_id: UUID) -> str:
    """What a message's contents are sealed for."""
    return f"messages:{message_id}"
