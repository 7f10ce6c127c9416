"""What the binding service's use cases work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from binding_service.turns import Turns

if TYPE_CHECKING:
    from binding_service.paper.form import PaperForm
    from binding_service.settings import Settings
    from shared.database import Database
    from shared.passwords import Passwords
    from shared.requests import Requester
    from shared.sealing import HashKeys, SealingKeys


@dataclass(frozen=True, slots=True)
class Keys:
    """One for each purpose, and for each pair of services."""

    store: SealingKeys
    hashes: HashKeys
    to_otp: SealingKeys
    to_review: SealingKeys
    from_review: SealingKeys
    to_notify: SealingKeys


def make_keys(settings: Settings) -> Keys:
    """The service's keys. Raises SettingsError."""
    return Keys(
        store=settings.sealing_keys("KEY_BINDING_STORE", settings.key_binding_store),
        hashes=settings.hash_keys("KEY_BINDING_HASH", settings.key_binding_hash),
        to_otp=settings.sealing_keys("KEY_BINDING_OTP", settings.key_binding_otp),
        to_review=settings.sealing_keys("KEY_BINDING_REVIEW", settings.key_binding_review),
        from_review=settings.sealing_keys("KEY_REVIEW_BINDING", settings.key_review_binding),
        to_notify=settings.sealing_keys("KEY_BINDING_NOTIFY", settings.key_binding_notify),
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """The parts that a running binding service is made of."""

    settings: Settings
    database: Database
    keys: Keys
    requester: Requester
    passwords: Passwords
    paper: PaperForm
    #: Of those who ask for a code, and of those who bring one.
    asking: Turns = field(default_factory=Turns)
    redeeming: Turns = field(default_factory=Turns)
