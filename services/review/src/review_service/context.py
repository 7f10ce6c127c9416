"""What review's use cases work with, and who is at the browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from review_service.accounts.provider import Provider
    from review_service.settings import Settings
    from shared.database import Database
    from shared.passwords import Passwords
    from shared.sealing import HashKeys, SealingKeys


@dataclass(frozen=True, slots=True)
class Review:
    """The parts that a running review service is made of: keys one for each purpose, and for each pair of services."""

    settings: Settings
    database: Database
    passwords: Passwords
    from_binding: SealingKeys
    to_binding: SealingKeys
    to_notify: SealingKeys
    store: SealingKeys
    hashes: HashKeys
    audit_keys: HashKeys
    provider: Provider | None = None


@dataclass(frozen=True, slots=True)
class Teacher:
    """Who is signed in, and from which client address: a homeroom teacher, or the administrator of a school.

    ``must_change``: with a password that somebody else knows; no page but that of a new password is theirs yet.
    """

    id: str
    name: str
    role: str
    school_id: str
    school: str
    address: str = ""
    must_change: bool = False

    @property
    def is_administrator(self) -> bool:
        """Whether the whole school is theirs."""
        return self.role == "administrator"


#: Who works at the command line.
OPERATOR = Teacher(id="operator", name="", role="operator", school_id="", school="")
