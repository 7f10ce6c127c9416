"""What becomes of an application, and what a signature is. Standard library only, no I/O."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime
    from uuid import UUID

MAX_SIGNATURE_BYTES = 64 * 1024
FEWEST_POINTS = 8
#: In the units of the field, which is 600 wide.
LEAST_EXTENT = 20

#: No 0/O, 1/I/L: an application number is read out on the telephone.
NUMBER_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
NUMBER_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who applies, after all checks: the account's data where there is one.

    ``is_proven`` says that the contact of the login is the applicant's: an ID number, by which an account is found, may
    be known to others.
    """

    person_hash: str
    national_id: str
    name: str
    email: str
    phone: str
    is_proven: bool


@dataclass(frozen=True, slots=True)
class BindingView:
    """One child of an application as its parent sees it.

    ``state`` is pending, approved, refused, withdrawn or revoked; ``reason`` is the school's, for a refusal or an
    unbinding. ``on_paper`` says that the school entered the application. ``left_on`` is the day since which the roster
    has no such student; a refusal then is no teacher's.
    """

    id: UUID
    application_id: UUID
    application_number: str
    student_id: str
    student_name: str
    school_name: str
    class_name: str
    relation: str
    relation_text: str
    state: str
    version: int
    reason: str
    submitted_at: datetime
    changed_at: datetime
    has_signed_in: bool
    has_paper_form: bool
    on_paper: bool
    left_on: date | None


def fingerprint(shown: Iterable[tuple[UUID, int]]) -> str:
    """What tells one state of a progress page from another, out of the id and version of each binding that it shows.

    16 hexadecimal digits, and nothing about anybody: the ids are random.
    """
    text = ",".join(sorted(f"{binding_id}:{version}" for binding_id, version in shown))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_drawn(strokes: Sequence[Sequence[tuple[int, int]]]) -> bool:
    """Whether the strokes are more than a dot or a slip of the finger: enough different points, some way apart."""
    points = {point for stroke in strokes for point in stroke}
    if len(points) < FEWEST_POINTS:
        return False
    return max(_extent(axis) for axis in zip(*points, strict=True)) >= LEAST_EXTENT


def typed_signature_problem(typed: str, name: str) -> str | None:
    """The code of what is wrong with the name that was typed in a signature's place; None for a good one."""
    if not typed.strip():
        return "signature_empty"
    return None if bare_name(typed) == bare_name(name) else "signature_name_differs"


def is_known_guardian(*, same_national_id: bool | None, same_name: bool, same_contact: bool) -> bool:
    """Whether a guardian of the roster is who applies: by the ID number, or, where it has none, by name and contact."""
    return same_name and same_contact if same_national_id is None else same_national_id


def application_number(today: date) -> str:
    """``20261124-7K3FQ9``: the day and six letters and digits that are hard to mistake."""
    return f"{today:%Y%m%d}-{''.join(secrets.choice(NUMBER_ALPHABET) for _ in range(NUMBER_LENGTH))}"


def bare_name(name: str) -> str:
    """A name by which one is the same as another: whatever its width, case and spaces."""
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _extent(values: Sequence[int]) -> int:
    return max(values) - min(values)
