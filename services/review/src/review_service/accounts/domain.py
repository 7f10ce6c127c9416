"""What an account needs, and the rules of signing in. Standard library only, no I/O."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from review_service.errors import BadUsernameError, Weakness, WeakPasswordError

#: NIST SP 800-63B: length counts, not which characters there are, and common passwords are refused.
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
#: "aaaaaaaaaaaa" and "121212121212" are long and no secret.
FEWEST_DIFFERENT = 5
#: A part of somebody's own name that is shorter than this is in many words.
SHORTEST_OWN_WORD = 4
USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")
NOT_IN_USERNAME = re.compile(r"[^a-z0-9._-]")

#: Without 0 and o, 1, i and l: a start password is read from paper or over the telephone.
READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP_LENGTH = 4, 4

#: What people write when twelve characters are asked for, without what is added at its ends.
COMMON = frozenset({
    "password", "passw0rd", "passwordpassword", "mypassword", "newpassword", "qwertyuiop", "qwertyuiopasdf",
    "qwertyqwerty", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc", "1q2w3e4r5t6y", "1q2w3e4r5t", "q1w2e3r4t5y6",
    "abcdefghijkl", "abcdefghij", "abcdefg", "abcabcabcabc", "letmein", "iloveyou", "iloveyouiloveyou", "welcome",
    "welcomewelcome", "administrator", "admin", "adminadmin", "teacher", "teacherteacher", "school", "taipei", "taiwan",
    "ilovetaiwan", "elementary", "changeme", "changemenow", "correcthorsebatterystaple", "kinbind", "ji32k7au4a83",
})  # fmt: skip
DIGITS_IN_ORDER = "01234567890123456789"


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """How long sessions live, how often a sign-in may be tried, and how long a start password works."""

    session_hours: int
    idle_minutes: int
    tries: int
    account_tries: int
    address_tries: int
    window_minutes: int
    account_window_minutes: int
    start_password_days: int

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
        """The time in which the tries of one address or one known browser are counted."""
        return timedelta(minutes=self.window_minutes)

    @property
    def account_window(self) -> timedelta:
        """The time in which the tries at one account are counted, wherever they come from."""
        return timedelta(minutes=self.account_window_minutes)

    @property
    def start_password_life(self) -> timedelta:
        """How long a start password works."""
        return timedelta(days=self.start_password_days)


class Way(StrEnum):
    """How a teacher signs in."""

    PASSWORD = "password"  # noqa: S105 - the name of the way
    SINGLE_SIGN_ON = "single-sign-on"


class AccountState(StrEnum):
    """What an administrator sees of a teacher's way in. The first that is true, from the top."""

    CLOSED = "closed"
    LOCKED = "locked"
    EXPIRED = "expired"
    MUST_CHANGE = "must_change"
    OPEN = "open"
    SINGLE_SIGN_ON = "single_sign_on"
    NONE = "none"


def account_state(
    username: str | None,
    signed_in_by: str | None,
    *,
    is_closed: bool,
    is_locked: bool,
    is_expired: bool,
    must_change: bool,
) -> AccountState:
    """What is true of a teacher's way in; ``username`` is None where there is no local account."""
    if is_closed:
        return AccountState.CLOSED
    if username is None:
        return AccountState.SINGLE_SIGN_ON if signed_in_by == Way.SINGLE_SIGN_ON else AccountState.NONE
    if is_locked:
        return AccountState.LOCKED
    if must_change:
        return AccountState.EXPIRED if is_expired else AccountState.MUST_CHANGE
    return AccountState.OPEN


def parse_username(text: str) -> str:
    """The user name as it is stored: lower case, half width. Raises BadUsernameError."""
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if USERNAME.fullmatch(name) is None:
        raise BadUsernameError
    return name


def suggest_username(email: str) -> str:
    """A user name made of what stands before the @ of an e-mail; empty where nothing can be."""
    name = NOT_IN_USERNAME.sub("", email.partition("@")[0].lower()).lstrip("._-")
    return name if USERNAME.fullmatch(name) else ""


def normal_password(text: str) -> str:
    """The password as it is hashed: one form for what different keyboards write (NIST SP 800-63B, section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", text)


def check_password(password: str, *own: str) -> None:
    """Raises WeakPasswordError for a password that no account may have, or not that of ``own`` user name and e-mail."""
    if len(password) < SHORTEST_PASSWORD:
        raise WeakPasswordError(Weakness.SHORT)
    if len(password) > LONGEST_PASSWORD:
        raise WeakPasswordError(Weakness.LONG)
    plain = password.lower()
    if any(word in plain for word in _own_words(own)):
        raise WeakPasswordError(Weakness.OWN)
    if len(set(plain)) < FEWEST_DIFFERENT or _is_common(plain):
        raise WeakPasswordError(Weakness.COMMON)


def _own_words(own: tuple[str, ...]) -> list[str]:
    """User name and e-mail, whole and without what follows the @."""
    words = {text.lower() for text in own} | {text.lower().partition("@")[0] for text in own}
    return [word for word in words if len(word) >= SHORTEST_OWN_WORD]


def _is_common(plain: str) -> bool:
    """Whether it is a common one, as it stands or between digits and signs."""
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", plain)
    return bool({plain, core} & COMMON) or plain in DIGITS_IN_ORDER or plain[::-1] in DIGITS_IN_ORDER


def make_start_password() -> str:
    """Four groups of four characters that cannot be taken for each other: 79 bits."""
    groups = ("".join(secrets.choice(READABLE) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    return "-".join(groups)
