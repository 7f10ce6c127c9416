"""Where a roster that is sent lies until it is imported: a folder of its own, which a killed process leaves behind.

A folder is locked (flock(2), on the folder itself) for as long as its process has use for it. The kernel lets go of the
lock when the process is gone, however that ended, so whoever gets the lock may delete the folder. Only our own user's
are looked at: in a shared temporary folder anybody may make one of that name.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Processes of the version before this one call theirs kinbind-roster-, and lock none: those are left alone.
PREFIX = "kinbind-push-"


@dataclass(frozen=True, slots=True)
class PushFolder:
    """A folder that only our user reads, locked."""

    path: Path
    lock: int

    def remove(self) -> None:
        """Delete it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def make() -> PushFolder:
    """A new folder, locked. Raises OSError."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Another process may take it for an abandoned one until it is locked: then there is another one.
        with suppress(FileNotFoundError):
            lock = _open(path)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_there(path, lock):
                return PushFolder(path, lock)
            os.close(lock)


def remove_abandoned() -> int:
    """Delete the folders of processes that are gone; how many."""
    return sum(_remove_abandoned(path) for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def _remove_abandoned(path: Path) -> bool:
    try:
        lock = _open(path)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    is_ours = os.fstat(lock).st_uid == os.geteuid() and _is_there(path, lock)
    if is_ours:
        shutil.rmtree(path, ignore_errors=True)
    os.close(lock)
    return is_ours


def _open(path: Path) -> int:
    """Not inherited by the processes that read along: they may outlive the one that is gone."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _is_there(path: Path, lock: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(lock))
    except FileNotFoundError:
        return False
