"""Families that apply and teachers who decide, at whichever processes they meet, and what must have come of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import httpx

from kinbind_operations.queues import connected, dead_queues, event_queues, other_queues, state_of
from local_stack.processes import wait_until
from support import families
from support.databases import wait_for
from support.stack import TEACHERS_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_stack.sample_roster import Student
    from support.families import Begun, Family
    from support.stack import Stack

SERVICES = ("otp", "binding", "review", "notify")
SOON = 60
REASON = "學校紀錄上的關係不同"
#: The letters that a family gets, each once.
WAITING = ["application_received", "code"]
APPROVED = ["account_opened", "application_received", "code"]
REFUSED = ["application_received", "code", "refused"]
STATES = {"pending": WAITING, "approved": APPROVED, "refused": REFUSED}
#: What review calls them, where it has another word.
AT_REVIEW = {"pending": "waiting"}


@dataclass
class Lives:
    """A child of each class, so that no teacher has two to look for. ``states`` is what is to become of each family."""

    students: Iterator[Student]
    serials: Iterator[int] = field(default_factory=lambda: iter(range(1, 100)))
    states: dict[Family, str] = field(default_factory=dict)

    @classmethod
    def at(cls, side: Stack) -> Lives:
        """Of a stack's roster."""
        return cls(iter({student.homeroom.id: student for student in side.roster.students}.values()))

    def begin(self, side: Stack) -> tuple[Begun, Student]:
        """A family fills in the first half."""
        student = next(self.students)
        return families.begin(side, next(self.serials), [student]), student

    def finish(self, side: Stack, begun: Begun) -> Family:
        """And the second one."""
        family = families.finish(side, begun)
        self.states[family] = "pending"
        return family

    def decide(
        self, side: Stack, family: Family, student: Student, state: str, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """The homeroom teacher opens the application once it has come, and after ``meanwhile`` decides."""
        (binding,) = families.progress(side, family)
        decide(side, binding["id"], student, state, meanwhile)
        self.states[family] = state

    def live(self, begins: Stack, finishes: Stack, decides: Stack, state: str = "approved") -> None:
        """A family's whole way."""
        begun, student = self.begin(begins)
        self.decide(decides, self.finish(finishes, begun), student, state)

    def settle(self, side: Stack) -> None:
        """Wait until each family has its letters, all of them once, and sees what was decided, as review does."""
        for family, state in self.states.items():
            there = partial(_has_letters, side, family, len(STATES[state]))
            wait_until(there, within=SOON, what=f"the letters to {family.email}")
            assert letters(side, family) == STATES[state], family.email
            assert [binding["state"] for binding in families.progress(side, family)] == [state]
        wait_until(lambda: self._stand_at_review(side), within=SOON, what="review")
        assert side.sql("SELECT count(*) FROM notify.messages WHERE state <> 'sent' OR tries > 1") == 0

    def _stand_at_review(self, side: Stack) -> bool:
        """Whether review has every family's application as binding has."""
        counts = Counter(AT_REVIEW.get(state, state) for state in self.states.values())
        counted = "SELECT count(*) FROM review.bindings WHERE state = $1"
        return all(side.sql(counted, state) == count for state, count in counts.items())


def decide(
    side: Stack, binding_id: str, student: Student, state: str, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """The student's homeroom teacher opens one application once it has come, and after ``meanwhile`` decides."""
    case = f"/applications/{binding_id}"
    with httpx.Client(base_url=side.review, headers={"sec-fetch-site": "same-origin"}, timeout=30) as pages:
        login = {"username": student.homeroom.teacher.username, "password": TEACHERS_PASSWORD}
        assert pages.post("/sign-in", data=login).status_code == 303
        wait_until(lambda: pages.get(case).is_success, within=SOON, what="the application")
        meanwhile()
        form, verb = ({}, "approve") if state == "approved" else ({"picked": "", "written": REASON}, "refuse")
        assert pages.post(f"{case}/{verb}", data=form).status_code == 303


def letters(side: Stack, family: Family) -> list[str]:
    """The letters to a family."""
    return sorted(mail["kind"] for mail in side.mail_to(family.email))


def _has_letters(side: Stack, family: Family, count: int) -> bool:
    return len(letters(side, family)) >= count


def expect_nothing_waits(side: Stack, broker_url: str) -> None:
    """Wait until nothing waits in an outbox or a queue; no message was given up."""
    waiting = " + ".join(f"(SELECT count(*) FROM {service}.outbox)" for service in SERVICES)  # noqa: S608 - ours
    wait_until(lambda: side.sql(f"SELECT {waiting}") == 0, within=SOON, what="empty outboxes")
    wait_until(lambda: not wait_for(_full(broker_url)), within=SOON, what="empty queues, those of dead letters too")


async def _full(broker_url: str) -> list[str]:
    """The queues in which a message is."""
    async with connected(broker_url) as connection:
        names = (*event_queues(), *dead_queues(), *other_queues())
        return [name for name in names if (await state_of(connection, name)).messages]
