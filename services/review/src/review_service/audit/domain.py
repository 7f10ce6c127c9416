"""What a line of the audit log is, and whether a chain of them is whole. Standard library only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    #: Keyed hashes of some parts, under each key that there is.
    Digests = Callable[..., list[str]]


@dataclass(frozen=True, slots=True)
class Line:
    """Who did what to what, when and from where; its place in the school's chain, and the hash that holds it there."""

    id: int
    school_id: str
    position: int
    happened_at: datetime
    teacher_id: str
    role: str
    action: str
    subject: str
    address: str
    hash: str = ""

    def parts(self, previous: str) -> tuple[str, ...]:
        """What the hash is over: the hash of the line before, and every other column."""
        return (
            previous,
            str(self.id),
            self.school_id,
            str(self.position),
            self.happened_at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.teacher_id,
            self.role,
            self.action,
            self.subject,
            self.address,
        )


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends, or ended when somebody wrote it down: two chains with one head are the same up to it."""

    position: int = 0
    hash: str = ""


class Fault(StrEnum):
    """How a chain is broken."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    #: The last line fits nothing: only the line after it could have told which of the two.
    CHANGED_OR_INSERTED = "changed or inserted"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about one school's chain: ``fault`` is the first, at the position ``at``."""

    school_id: str
    lines: int
    head: Head
    fault: Fault | None
    at: int = 0

    def as_json(self) -> dict[str, object]:
        """As commands print it; where the chain ends can be given back to a later walk."""
        return {
            "school": self.school_id,
            "lines": self.lines,
            "position": self.head.position,
            "hash": self.head.hash,
            "fault": {"position": self.at, "kind": self.fault} if self.fault else None,
        }


class Walk:
    """Goes along one chain, line by line in the order of positions, and remembers the first thing that is wrong.

    ``earlier`` is a head of this chain from before: the line that was the last one then must still be there.
    """

    def __init__(self, school_id: str, digests: Digests, earlier: Head | None = None) -> None:
        self._school_id = school_id
        self._digests = digests
        self._earlier = earlier or Head()
        self._head = Head()
        self._lines = 0
        self._fault: tuple[Fault, int] | None = None
        #: A line that does not fit, and the head before it; the next one tells what happened to it.
        self._suspect: tuple[Line, Head] | None = None

    def take(self, line: Line) -> None:
        """The next line."""
        if self._suspect is not None:
            self._fault = self._fault or (self._explain(*self._suspect, line), self._suspect[0].position)
            self._suspect = None
        if self._fault is None:
            self._check(line)
        self._lines += 1
        self._head = Head(line.position, line.hash)

    def _check(self, line: Line) -> None:
        expected = self._head.position + 1
        if line.position > expected:
            self._fault = Fault.MISSING, expected
        elif line.position < expected:
            self._fault = Fault.INSERTED, line.position
        elif not self._follows(line, self._head.hash):
            self._suspect = line, self._head
        elif line.position == self._earlier.position and line.hash != self._earlier.hash:
            self._fault = Fault.CHANGED, line.position

    def _explain(self, suspect: Line, before: Head, following: Line) -> Fault:
        """An inserted line pushed those behind it on by one; a changed line still has the hash that they follow."""
        moved = replace(following, position=suspect.position)
        if not self._follows(following, suspect.hash) and self._follows(moved, before.hash):
            return Fault.INSERTED
        return Fault.CHANGED

    def _follows(self, line: Line, previous: str) -> bool:
        return line.hash in self._digests(*line.parts(previous))

    def end(self) -> Report:
        """No more lines: what was found."""
        fault = self._fault
        if fault is None and self._suspect is not None:
            fault = Fault.CHANGED_OR_INSERTED, self._suspect[0].position
        if fault is None and self._head.position < self._earlier.position:
            fault = Fault.MISSING, self._head.position + 1
        kind, at = fault or (None, 0)
        return Report(self._school_id, self._lines, self._head, kind, at)
