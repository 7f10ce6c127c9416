"""What the binding service hears on the bus."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from binding_service.applications.decisions import apply_decision, apply_unbinding
from binding_service.applications.paper_entries import enter
from binding_service.family.objections import apply_answer
from shared.events import (
    AccountActivityNoted,
    AccountDeletionAsked,
    AccountOpened,
    ApplicationSubmitted,
    BindingApproved,
    BindingLapsed,
    BindingRefused,
    BindingResumed,
    BindingRevoked,
    BindingSubmitted,
    BindingWithdrawn,
    ClassRosterUpdated,
    ClassUpdated,
    CodeDisowned,
    DecisionMade,
    GuardianBound,
    GuardianObjected,
    NoticeDisowned,
    ObjectionAnswered,
    ObjectionClosed,
    PaperApplicationEntered,
    PaperApplicationRejected,
    PersonForgotten,
    SchoolUpdated,
    TeacherUpdated,
    UnbindingDecided,
)
from shared.inbox import once
from shared.requests import ISSUE_CODE, REDEEM_CODE

if TYPE_CHECKING:
    from binding_service.context import Binding
    from shared.bus import Bus


def subscribe(bus: Bus, binding: Binding) -> None:
    """Attach the binding service's consumers to the bus."""
    bus.publishes(
        ApplicationSubmitted,
        BindingSubmitted,
        BindingApproved,
        BindingRefused,
        BindingWithdrawn,
        BindingRevoked,
        BindingLapsed,
        BindingResumed,
        PaperApplicationRejected,
        AccountOpened,
        AccountActivityNoted,
        GuardianBound,
        GuardianObjected,
        ObjectionClosed,
        AccountDeletionAsked,
        PersonForgotten,
        CodeDisowned,
        NoticeDisowned,
        SchoolUpdated,
        ClassUpdated,
        ClassRosterUpdated,
        TeacherUpdated,
    )
    bus.asks(ISSUE_CODE, REDEEM_CODE)

    @bus.consume(DecisionMade)
    async def on_decision_made(event: DecisionMade) -> None:
        """Apply a teacher's decision, or tell again what stands instead."""
        await once(binding.database, "decisions", event, partial(apply_decision, binding))

    @bus.consume(UnbindingDecided)
    async def on_unbinding_decided(event: UnbindingDecided) -> None:
        """End a binding, or tell again what stands instead."""
        await once(binding.database, "unbindings", event, partial(apply_unbinding, binding))

    @bus.consume(ObjectionAnswered)
    async def on_objection_answered(event: ObjectionAnswered) -> None:
        """Close an objection, and tell who sent it."""
        await once(binding.database, "objections", event, partial(apply_answer, binding))

    @bus.consume(PaperApplicationEntered)
    async def on_paper_application_entered(event: PaperApplicationEntered) -> None:
        """Take an application that came on paper, or say what is wrong with it."""
        await once(binding.database, "paper entries", event, partial(enter, binding))
