"""What the binding service hears on the bus."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from binding_service.applications.decisions import apply_decision
from shared.events import (
    AccountOpened,
    ApplicationSubmitted,
    BindingApproved,
    BindingRefused,
    BindingSubmitted,
    BindingWithdrawn,
    ClassUpdated,
    DecisionMade,
    SchoolUpdated,
    TeacherUpdated,
)
from shared.inbox import once

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
        AccountOpened,
        SchoolUpdated,
        ClassUpdated,
        TeacherUpdated,
    )

    @bus.consume(DecisionMade)
    async def on_decision_made(event: DecisionMade) -> None:
        """Apply a teacher's decision, or tell again what stands instead."""
        await once(binding.database, "decisions", event, partial(apply_decision, binding))
