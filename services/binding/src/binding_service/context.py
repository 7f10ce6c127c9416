"""What the binding service's use cases work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class Binding:
    """The parts that a running binding service is made of."""

    settings: Settings
    database: Database
    keys: Keys
    requester: Requester
    passwords: Passwords
    paper: PaperForm
