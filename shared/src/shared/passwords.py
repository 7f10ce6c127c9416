"""Passwords: Argon2id off the event loop, a bounded number at once, behind everything else that the process does."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

#: OWASP's second recommendation (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html):
#: 19 MiB, two passes, one lane; about 24 ms here.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
#: Linux lets each thread have a niceness: what makes a processor busy waits for what answers, not the other way round.
NICENESS = 10
#: Some seconds' worth of hashing; who comes then had better come again.
LONGEST_LINE = 200

T = TypeVar("T")


def normal_form(password: str) -> str:
    """The password as it is counted and hashed: one form for what different keyboards write.

    A Chinese keyboard writes full-width letters, and a phone composes accents that a desk does not (NIST SP 800-63B-4,
    section 3.1.1.2). NFKC, so that both are the same.
    """
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Hashes and verifies, ``at_once`` at the same time; each call runs in a thread and waits its turn."""

    def __init__(self, at_once: int = 2) -> None:
        self._threads = ThreadPoolExecutor(at_once, "passwords", initializer=_step_back)
        self._in_line = 0
        # Made here, once: the first sign-in to an unknown account must not take the time of two.
        self._nobodys = HASHER.hash(secrets.token_urlsafe())

    @property
    def is_line_full(self) -> bool:
        """Whether one more would wait too long; asked before anything is counted or looked up for a sign-in."""
        return self._in_line >= LONGEST_LINE

    async def hash(self, password: str) -> str:
        """The encoded Argon2id hash to store."""
        return await self._in_turn(HASHER.hash, normal_form(password))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether ``password`` is the one; without a hash to compare with it takes as long and is False."""
        right = await self._in_turn(_verify, encoded or self._nobodys, normal_form(password))
        return right and encoded is not None

    def is_outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's, and is to be made anew at the next sign-in."""
        return HASHER.check_needs_rehash(encoded)

    async def _in_turn(self, work: Callable[..., T], *arguments: str) -> T:
        self._in_line += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._in_line -= 1


def _step_back() -> None:
    thread = threading.get_native_id()
    # Never forward: that asks for rights.
    os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def _verify(encoded: str, password: str) -> bool:
    try:
        return HASHER.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False
