"""Passwords: Argon2id off the event loop, a bounded number at once."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

#: OWASP's second recommendation (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html):
#: 19 MiB, two passes, one lane; about 24 ms here.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def normal_form(password: str) -> str:
    """The password as it is counted and hashed: one form for what different keyboards write.

    A Chinese keyboard writes full-width letters, and a phone composes accents that a desk does not (NIST SP 800-63B-4,
    section 3.1.1.2). NFKC, so that both are the same.
    """
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Hashes and verifies, ``at_once`` at the same time; each call runs in a thread and waits its turn."""

    def __init__(self, at_once: int = 2) -> None:
        self._turns = asyncio.Semaphore(at_once)
        # Made here, once: the first sign-in to an unknown account must not take the time of two.
        self._nobodys = HASHER.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The encoded Argon2id hash to store."""
        async with self._turns:
            return await asyncio.to_thread(HASHER.hash, normal_form(password))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether ``password`` is the one; without a hash to compare with it takes as long and is False."""
        async with self._turns:
            right = await asyncio.to_thread(_verify, encoded or self._nobodys, normal_form(password))
        return right and encoded is not None

    def is_outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's, and is to be made anew at the next sign-in."""
        return HASHER.check_needs_rehash(encoded)


def _verify(encoded: str, password: str) -> bool:
    try:
        return HASHER.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False
