"""Where the students of a class stand, and the rules of who takes a class over. Standard library only, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_NOTE = 1000

#: Sorts class names as a school does.
ClassOrder: TypeAlias = "list[tuple[int, str]]"


class Standing(StrEnum):
    """Where a student stands: bound as soon as one guardian is, missing where nobody has applied or all was in vain."""

    BOUND = "bound"
    WAITING = "waiting"
    MISSING = "missing"


class Part(StrEnum):
    """Why a class is a teacher's."""

    HOMEROOM = "homeroom"  # by the roster
    RELIEVED = "relieved"  # by the roster, but the administrator gave the class to another
    MOVED = "moved"  # by the administrator's word
    SUBSTITUTE = "substitute"


class Sort(StrEnum):
    """How the classes of a school are sorted."""

    TROUBLE = "trouble"
    CLASS = "class"


@dataclass(frozen=True, slots=True)
class Count:
    """How many students stand where."""

    students: int
    bound: int
    waiting: int

    @property
    def missing(self) -> int:
        """Those for whom nobody has applied, or in vain."""
        return self.students - self.bound - self.waiting

    @property
    def percent(self) -> int:
        """Of the students, how many are bound: rounded down, so that 100 means all; 0 without students."""
        return 100 * self.bound // self.students if self.students else 0

    def __add__(self, other: Count) -> Count:
        """Both classes together."""
        return Count(self.students + other.students, self.bound + other.bound, self.waiting + other.waiting)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from the first to the last, both included."""

    first: date
    last: date


def standing(states: Iterable[str]) -> Standing:
    """Where a student with bindings in these states stands."""
    known = set(states)
    if "approved" in known:
        return Standing.BOUND
    return Standing.WAITING if "waiting" in known else Standing.MISSING


def count(standings: Iterable[Standing]) -> Count:
    """How many of the students stand where."""
    each = list(standings)
    return Count(len(each), each.count(Standing.BOUND), each.count(Standing.WAITING))


def parse_day(text: str) -> date | None:
    """The day that a date field says; None for what is no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


# --- the order of classes ---

DIGITS = {digit: number for number, digit in enumerate("〇一二三四五六七八九")}
NUMBER = re.compile(r"[〇一二三四五六七八九十]+|\d+")


def class_order(name: str) -> ClassOrder:
    """Sorts 三年二班 before 三年十班, and 3年2班 before 3年10班: numbers as numbers, the words between them as text."""
    words = NUMBER.split(name)
    numbers = [_number(text) for text in NUMBER.findall(name)]
    return list(zip([0, *numbers], words, strict=True))


def _number(text: str) -> int:
    if text.isdecimal():
        return int(text)
    tens, has_tens, units = text.rpartition("十")
    number = 0
    for digit in units:
        number = number * 10 + DIGITS[digit]
    return number + (10 * DIGITS.get(tens or "一", 0) if has_tens else 0)


def trouble_order(
    *, has_teacher: bool, has_account: bool, oldest: timedelta | None, percent: int, name: str
) -> tuple[bool, bool, timedelta, int, ClassOrder]:
    """Sorts the class that needs help most to the top: nobody can decide, then the longest wait, then the rate."""
    return has_teacher, has_account, -(oldest or timedelta()), percent, class_order(name)
