"""The events that somebody is told about."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from notify_service import use_cases
from shared import inbox
from shared.events import (
    AccountActivityNoted,
    AccountDeletionAsked,
    AccountOpened,
    ApplicationSubmitted,
    BindingApproved,
    BindingRefused,
    BindingRevoked,
    BindingWithdrawn,
    CodeIssued,
    Event,
    GuardianBound,
    ObjectionClosed,
    PersonForgotten,
    ReviewReminderDue,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from notify_service.use_cases import Notify
    from shared.bus import Bus
    from shared.database import Connection

CONSUMER = "notify"

E = TypeVar("E", bound=Event)


def subscribe(bus: Bus, notify: Notify, wake: Callable[[], None]) -> None:
    """Attach notify's consumers to the bus; ``wake`` is called when a message may have been queued."""
    _subscribe_to_steps(bus, notify, wake)
    _subscribe_to_endings(bus, notify, wake)
    _subscribe_to_family(bus, notify, wake)


async def _queue(
    notify: Notify, wake: Callable[[], None], event: E, effect: Callable[[Notify, Connection, E], Awaitable[None]]
) -> None:
    if await inbox.once(notify.database, CONSUMER, event, partial(effect, notify)):
        wake()


def _subscribe_to_steps(bus: Bus, notify: Notify, wake: Callable[[], None]) -> None:
    """What somebody waits for or is to do."""

    @bus.consume(CodeIssued)
    async def code_issued(event: CodeIssued) -> None:
        """Send the code."""
        await _queue(notify, wake, event, use_cases.send_code)

    @bus.consume(ApplicationSubmitted)
    async def application_submitted(event: ApplicationSubmitted) -> None:
        """Tell the parent that the application has arrived."""
        await _queue(notify, wake, event, use_cases.acknowledge_application)

    @bus.consume(AccountOpened)
    async def account_opened(event: AccountOpened) -> None:
        """Tell the parent how to sign in."""
        await _queue(notify, wake, event, use_cases.announce_account)

    @bus.consume(AccountActivityNoted)
    async def account_activity_noted(event: AccountActivityNoted) -> None:
        """Tell a parent what happened to the account."""
        await _queue(notify, wake, event, use_cases.tell_of_activity)

    @bus.consume(ReviewReminderDue)
    async def review_reminder_due(event: ReviewReminderDue) -> None:
        """Tell a teacher or administrator what waits for review."""
        await _queue(notify, wake, event, use_cases.remind_reviewer)


def _subscribe_to_endings(bus: Bus, notify: Notify, wake: Callable[[], None]) -> None:
    """What became of a binding."""

    @bus.consume(BindingApproved)
    async def binding_approved(event: BindingApproved) -> None:
        """Tell the parent of the approval."""
        await _queue(notify, wake, event, use_cases.tell_approval)

    @bus.consume(BindingRefused)
    async def binding_refused(event: BindingRefused) -> None:
        """Tell the parent why, and what to do."""
        await _queue(notify, wake, event, use_cases.tell_refusal)

    @bus.consume(BindingWithdrawn)
    async def binding_withdrawn(event: BindingWithdrawn) -> None:
        """Confirm the withdrawal."""
        await _queue(notify, wake, event, use_cases.tell_withdrawal)

    @bus.consume(BindingRevoked)
    async def binding_revoked(event: BindingRevoked) -> None:
        """Tell the parent that the school has ended it, and why."""
        await _queue(notify, wake, event, use_cases.tell_revocation)


def _subscribe_to_family(bus: Bus, notify: Notify, wake: Callable[[], None]) -> None:
    """What concerns an account and the child's other guardians."""

    @bus.consume(GuardianBound)
    async def guardian_bound(event: GuardianBound) -> None:
        """Tell a guardian that another one was bound to the child."""
        await _queue(notify, wake, event, use_cases.tell_guardian)

    @bus.consume(ObjectionClosed)
    async def objection_closed(event: ObjectionClosed) -> None:
        """Tell who objected that the school has dealt with it."""
        await _queue(notify, wake, event, use_cases.tell_objection_closed)

    @bus.consume(AccountDeletionAsked)
    async def account_deletion_asked(event: AccountDeletionAsked) -> None:
        """Tell when an account will be deleted, and how to take that back."""
        await _queue(notify, wake, event, use_cases.confirm_deletion)

    @bus.consume(PersonForgotten)
    async def person_forgotten(event: PersonForgotten) -> None:
        """Send a former account's holder nothing more but that it is gone."""
        await _queue(notify, wake, event, use_cases.forget_person)
