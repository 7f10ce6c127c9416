"""Argon2id for local accounts: slow on purpose, so in threads, and only so many at once."""

from __future__ import annotations

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

#: OWASP's second choice for Argon2id (Password Storage Cheat Sheet): 24 ms and 19 MiB here.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """Hashes and checks passwords, ``at_once`` at the same time."""

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        # Nobody's password: checked where there is no account, so that an unknown name takes as long as a known one.
        self._nobodys = HASHER.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The hash that is stored."""
        async with self._slots:
            return await asyncio.to_thread(HASHER.hash, password)

    async def is_right(self, stored: str | None, password: str) -> bool:
        """Whether ``password`` is the one of ``stored``; never for None, after the same work."""
        async with self._slots:
            right = await asyncio.to_thread(_verify, stored or self._nobodys, password)
        return right and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except VerificationError:
        return False
