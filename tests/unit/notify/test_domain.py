from datetime import timedelta

import pytest

from notify_service.domain import (
    FOR_A_CODE,
    FOR_A_NOTICE,
    Kind,
    may_go_elsewhere,
    patience,
    share_of_the_hour,
    wait_after,
)


def test_waits_double_up_to_the_longest():
    waits = [wait_after(Kind.CODE, tries, jitter=0) for tries in range(1, 8)]

    assert [wait.total_seconds() for wait in waits if wait] == [2, 4, 8, 16, 32, 60, 60]


def test_jitter_takes_off_up_to_half():
    assert wait_after(Kind.REFUSED, 1, jitter=1) == FOR_A_NOTICE.first_wait / 2


@pytest.mark.parametrize("kind", list(Kind))
def test_the_last_try_is_the_last(kind: Kind):
    assert wait_after(kind, patience(kind).tries - 1, jitter=0) is not None
    assert wait_after(kind, patience(kind).tries, jitter=0) is None


def test_a_notice_is_tried_for_days():
    waits = [wait_after(Kind.APPROVED, tries, jitter=1) for tries in range(1, FOR_A_NOTICE.tries)]

    assert sum((wait for wait in waits if wait), timedelta()) > timedelta(days=2)


def test_a_code_is_tried_for_about_an_hour():
    waits = [wait_after(Kind.CODE, tries, jitter=0.5) for tries in range(1, FOR_A_CODE.tries)]

    assert timedelta(minutes=30) < sum((wait for wait in waits if wait), timedelta()) < timedelta(hours=2)


@pytest.mark.parametrize(("most", "for_notices"), [(1000, 900), (10, 9), (1, 1)])
def test_a_tenth_of_the_hour_is_kept_for_codes(most: int, for_notices: int):
    assert share_of_the_hour(Kind.CODE, most) == most
    assert share_of_the_hour(Kind.APPROVED, most) == for_notices


@pytest.mark.parametrize("kind", list(Kind))
def test_only_a_code_goes_elsewhere_at_once_when_an_answer_was_lost(kind: Kind):
    assert may_go_elsewhere(kind, timedelta()) is (kind is Kind.CODE)
    assert may_go_elsewhere(kind, patience(kind).life / 10)
