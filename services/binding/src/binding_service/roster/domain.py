"""What an import reports, and what a school's level is. Standard library only, no I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["elementary", "junior_high", "senior_high", "vocational_high"]

LEVELS: tuple[Level, ...] = ("elementary", "junior_high", "senior_high", "vocational_high")
#: More bad lines than these are counted but not listed: an export in the wrong encoding has nothing but bad lines.
BAD_LINES_LISTED = 1000


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was not taken, and why. It quotes no field."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """For the operator to read."""
        place = f"{self.file}, line {self.line}"
        return f"{place}, {self.column}: {self.reason}" if self.column else f"{place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one table. ``held``: missing from the good lines, and left as they were because of a bad one."""

    new: int
    changed: int
    removed: int
    unchanged: int
    held: int


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or with ``dry_run`` would have done. ``bad_lines`` are the first of ``bad_line_count``."""

    revision: int
    dry_run: bool
    counts: dict[str, Counts]
    bad_line_count: int
    bad_lines: list[BadLine]

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
        lines.append("dry run: nothing was changed" if self.dry_run else f"imported as revision {self.revision}")
        return "\n".join(lines)


def level_of_grade(grade: int) -> Level | None:
    """The level that a grade (1 to 12) belongs to; None for any other. Vocational schools have to say that they are."""
    if 1 <= grade <= 6:  # noqa: PLR2004 - 國小: grades 1 to 6
        return "elementary"
    if 7 <= grade <= 9:  # noqa: PLR2004 - 國中: grades 7 to 9
        return "junior_high"
    if 10 <= grade <= 12:  # noqa: PLR2004 - 高中: grades 10 to 12
        return "senior_high"
    return None
