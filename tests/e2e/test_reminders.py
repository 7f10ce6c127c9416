"""What waits too long is told to who can do something about it, by mail."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest

from e2e.teachers import administrator_of, class_of
from local_stack.processes import wait_until
from shared.web.pages import TAIPEI
from support.families import apply

if TYPE_CHECKING:
    from support.stack import Stack

pytestmark = pytest.mark.e2e


def test_who_lets_families_wait_is_reminded_and_then_the_administrator(stack: Stack) -> None:
    homeroom, students = class_of(stack, 21)
    administrator = administrator_of(stack, homeroom)
    apply(stack, 21, students[:1])
    wait_until(lambda: stack.sql("SELECT count(*) FROM review.bindings") == 1, within=20, what="the application")
    for days, letters in (
        (1, {homeroom.teacher: ["有 1 件親子綁定申請等您審核"], administrator: []}),
        (4, {homeroom.teacher: ["提醒您：有 1 件"], administrator: []}),
        (8, {homeroom.teacher: [], administrator: ["請協助：學校有 1 件"]}),
    ):
        stack.shift_time(morning_in(days))
        stack.restart("review")
        for person, saying in letters.items():
            for words in saying:
                assert homeroom.title in str(stack.wait_for_mail(person.email, words))
    assert len(stack.mail_to(administrator.email)) == 1
    idle = next(one for one in stack.roster.staff if one.role == "teacher" and one is not homeroom.teacher)
    assert stack.mail_to(idle.email) == []


def morning_in(days: int) -> timedelta:
    """From now until eight in the morning, in Taipei, of so many days later."""
    now = datetime.now(TAIPEI)
    return datetime.combine(now.date() + timedelta(days=days), time(8), TAIPEI) - now
