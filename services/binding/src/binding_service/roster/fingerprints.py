"""Which records of a file say what they said the last time: those need not be looked at again.

A record's fingerprint is 64 bits of its text under a key (BLAKE2b, RFC 7693): it tells nothing of what it was made
from, and two of a city's records share one in one import out of many millions. It holds for one release, one header
and one hash key; whatever of these is new, everything is read anew.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.sealing import HashKeys

BYTES = 8
RELEASE = version("binding-service")


class Fingerprints:
    """Makes the fingerprints of one file, and knows those of the last time: 8 bytes each, in order, native."""

    def __init__(self, hashes: HashKeys, file: str, mode: str, known: bytes) -> None:
        self._hashes = hashes
        self._file = (file, mode)
        self._known = memoryview(known).cast("q")
        self._begun = hashlib.blake2b(digest_size=BYTES)

    def begin(self, header: str) -> None:
        """Take the text of the file's header: the same line says something else under another one."""
        # Without the key's id, which may be long: BLAKE2b takes 64 bytes.
        _, _, key = self._hashes.digest("roster-record", RELEASE, *self._file, header).partition(".")
        self._begun = hashlib.blake2b(digest_size=BYTES, key=key.encode())

    def of(self, record: str) -> int:
        """The fingerprint of a record's text, as PostgreSQL's bigint."""
        made = self._begun.copy()
        made.update(record.encode(errors="surrogateescape"))
        return int.from_bytes(made.digest(), "big", signed=True)

    def know(self, fingerprint: int) -> bool:
        """Whether a record with this one was there the last time."""
        place = bisect_left(self._known, fingerprint)
        return place < len(self._known) and self._known[place] == fingerprint

    def __len__(self) -> int:
        """How many are known."""
        return len(self._known)
