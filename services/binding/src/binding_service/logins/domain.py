"""Login attempts, sessions and their tokens. Standard library only, no I/O."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Attempt:
    """A browser that asked for a code; ``expires_in`` and ``resend_in`` are seconds."""

    id: UUID
    channel: str
    contact: str
    tries_left: int
    expires_at: datetime
    expires_in: int
    resend_in: int


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser that asks brings: its client address, its user agent, and what its cookies hold."""

    address: str
    agent: str = ""
    #: The session that it has; it ends when another begins.
    token: str | None = None
    #: Shows that an account was signed in to here before.
    device: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has proven a contact, or signed in to an account."""

    id: UUID
    channel: str
    contact: str
    contact_hash: str
    account_id: UUID | None
    attempt_id: UUID | None
    password_change_due: bool
    proven_at: datetime
    expires_at: datetime

    @property
    def proven_by(self) -> Literal["email", "sms", "password"]:
        """How its owner was identified: by a code to the contact, or by the account's password."""
        if self.account_id is not None:
            return "password"
        return "email" if self.channel == "email" else "sms"


def new_token() -> str:
    """A secret that nobody guesses: 256 random bits, base64url."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What is stored of a token. It is random and long, so a plain SHA-256 is not to be turned around."""
    return hashlib.sha256(token.encode()).hexdigest()


def digits_of(typed: str) -> str | None:
    """The six digits of a code as people type or paste it (spaces, dashes, full width); None for anything else."""
    digits = re.sub(r"[\s\-‐-―]", "", unicodedata.normalize("NFKC", typed))
    return digits if re.fullmatch(r"[0-9]{6}", digits) else None
