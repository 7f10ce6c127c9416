"""Passwords: Argon2id off the event loop, a bounded number at once."""

from __future__ import annotations

import asyncio
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

#: OWASP's second recommendation (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html):
#: 19 MiB, two passes, one lane; about 24 ms here.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """Hashes and verifies, ``at_once`` at the same time; each call runs in a thread and waits its turn."""

    def __init__(self, at_once: int = 2) -> None:
        self._turns = asyncio.Semaphore(at_once)

    async def hash(self, password: str) -> str:
        """The encoded Argon2id hash to store."""
        async with self._turns:
            return await asyncio.to_thread(HASHER.hash, password)

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether ``password`` is the one; without a hash to compare with it takes as long and is False."""
        async with self._turns:
            return await asyncio.to_thread(_verify, encoded or self._nobody, password) and encoded is not None

    @cached_property
    def _nobody(self) -> str:
        """A hash of nobody's password, so that an unknown account takes as long as a known one."""
        return HASHER.hash("nobody's")


def _verify(encoded: str, password: str) -> bool:
    try:
        return HASHER.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False
