"""What an account needs, and the rules of signing in. Standard library only, no I/O."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from review_service.errors import BadUsernameError, WeakPasswordError

#: NIST SP 800-63B asks for eight characters at least.
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 200
USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """How long sessions live and how often a sign-in may be tried."""

    session_hours: int
    idle_minutes: int
    tries: int
    address_tries: int
    window_minutes: int

    @property
    def life(self) -> timedelta:
        """How long a session lives at most."""
        return timedelta(hours=self.session_hours)

    @property
    def idle(self) -> timedelta:
        """How long a session lives unused."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def window(self) -> timedelta:
        """The time in which tries are counted."""
        return timedelta(minutes=self.window_minutes)


def parse_username(text: str) -> str:
    """The user name as it is stored: lower case, half width. Raises BadUsernameError."""
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if USERNAME.fullmatch(name) is None:
        raise BadUsernameError
    return name


def check_password(password: str) -> None:
    """Raises WeakPasswordError for a password that no account may have."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise WeakPasswordError
