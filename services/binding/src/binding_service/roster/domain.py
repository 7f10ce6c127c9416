"""What an import reports, and what a school's level is. Standard library only, no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["elementary", "junior_high", "senior_high", "vocational_high"]

LEVELS: tuple[Level, ...] = ("elementary", "junior_high", "senior_high", "vocational_high")
#: More bad lines than these are counted but not listed: an export in the wrong encoding has nothing but bad lines.
BAD_LINES_LISTED = 1000


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was not taken, and why. It quotes no field. ``line`` is 0 for one that an earlier file had."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """For the operator to read."""
        place = f"{self.file}, line {self.line}" if self.line else f"{self.file}, in an earlier import"
        return f"{place}, {self.column}: {self.reason}" if self.column else f"{place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one table. ``held``: missing from the good lines, and left as they were because of a bad one."""

    new: int
    changed: int
    removed: int
    unchanged: int
    held: int

    @property
    def known(self) -> int:
        """Rows that were there before the import; those that it brings back are among them."""
        return self.changed + self.removed + self.unchanged + self.held


@dataclass(frozen=True, slots=True)
class Choices:
    """How an import is to be done.

    ``strict``: a single bad line, and nothing goes in. Without ``allow_removals`` nothing goes in either where more
    than ``most_removed_percent`` of the students or of the classes would go, and these are at least ``least_removed``:
    of a small roster a handful is a large share, and is put right by hand.
    """

    dry_run: bool = False
    strict: bool = False
    allow_removals: bool = False
    most_removed_percent: float = 5
    least_removed: int = 20


#: Of which tables an import must not take away too much.
GUARDED = ("students", "classes")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: what it does, and how many lines of which file it has read."""

    phase: str
    file: str = ""
    lines: int = 0

    def __str__(self) -> str:
        """For the operator to read."""
        return f"{self.phase} {self.file}: {self.lines:,} lines" if self.file else self.phase


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would have done: with ``dry_run``, or where ``refused`` says in a sentence why it did not.

    ``bad_lines`` are the first of ``bad_line_count``. ``passed_over`` are lines of delta files, by file, that are older
    than what is known.
    """

    revision: int
    dry_run: bool
    counts: dict[str, Counts]
    bad_line_count: int
    bad_lines: list[BadLine]
    refused: str = ""
    passed_over: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The report as it is stored."""
        return asdict(self)

    def __str__(self) -> str:
        """For the operator to read."""
        lines = [
            f"{table}: {counts.new} new, {counts.changed} changed, {counts.removed} removed,"
            f" {counts.unchanged} unchanged" + (f", {counts.held} left as they were" if counts.held else "")
            for table, counts in self.counts.items()
        ]
        if self.bad_line_count:
            lines.append(f"{self.bad_line_count} bad lines were not taken:")
            lines += [f"  {line}" for line in self.bad_lines]
        if self.bad_line_count > len(self.bad_lines):
            lines.append(f"  and {self.bad_line_count - len(self.bad_lines)} more")
        lines += [f"lines of {file} older than what is known: {count}" for file, count in self.passed_over.items()]
        return "\n".join([*lines, self._outcome()])

    def _outcome(self) -> str:
        if self.dry_run:
            return f"dry run: nothing was changed{f', and nothing would be: {self.refused}' if self.refused else ''}"
        return f"nothing was changed: {self.refused}" if self.refused else f"imported as revision {self.revision}"


def refusal(choices: Choices, counts: dict[str, Counts], bad_line_count: int) -> str:
    """Why an import must not go in, in one sentence; empty where it may."""
    if choices.strict and bad_line_count:
        return f"bad lines: {bad_line_count}, and the import is strict"
    too_many = [] if choices.allow_removals else [table for table in GUARDED if _is_too_many(choices, counts[table])]
    parts = [f"{counts[table].removed} of {counts[table].known} {table}" for table in too_many]
    if not parts:
        return ""
    share = f"more than {choices.most_removed_percent:g} %"
    return f"it would remove {' and '.join(parts)}, {share}, and removals were not allowed"


def _is_too_many(choices: Choices, counts: Counts) -> bool:
    share = 100 * counts.removed / max(counts.known, 1)
    return counts.removed >= choices.least_removed and share > choices.most_removed_percent


def level_of_grade(grade: int) -> Level | None:
    """The level that a grade (1 to 12) belongs to; None for any other. Vocational schools have to say that they are."""
    if 1 <= grade <= 6:  # noqa: PLR2004 - 國小: grades 1 to 6
        return "elementary"
    if 7 <= grade <= 9:  # noqa: PLR2004 - 國中: grades 7 to 9
        return "junior_high"
    if 10 <= grade <= 12:  # noqa: PLR2004 - 高中: grades 10 to 12
        return "senior_high"
    return None
