from __future__ import annotations

import pytest

from review_service.accounts.domain import check_password, parse_username
from review_service.applications import domain
from review_service.applications.domain import LONGEST_REASON, Standing
from review_service.applications.reasons import COMMON_REASONS
from review_service.errors import BadUsernameError, ReasonMissingError, ReasonTooLongError, WeakPasswordError


@pytest.mark.parametrize(
    ("state", "outcome", "expected"),
    [
        ("waiting", None, Standing.WAITING),
        ("waiting", "approve", Standing.DECIDED),
        ("waiting", "refuse", Standing.DECIDED),
        ("approved", "approve", Standing.APPROVED),
        ("refused", "refuse", Standing.REFUSED),
        ("withdrawn", None, Standing.WITHDRAWN),
        # Binding is the arbiter: whatever the teacher decided, its word is what is shown.
        ("withdrawn", "approve", Standing.WITHDRAWN),
        ("refused", "approve", Standing.REFUSED),
        ("approved", None, Standing.APPROVED),
    ],
)
def test_binding_has_the_last_word_on_where_an_application_stands(state: str, outcome: str | None, expected: Standing):
    assert domain.standing(state, outcome) is expected


@pytest.mark.parametrize(
    ("picked", "written", "expected"),
    [
        ("簽名無法辨識", "", "簽名無法辨識"),
        ("", "請帶證件到校", "請帶證件到校"),
        ("簽名無法辨識", " 請用正楷 ", "簽名無法辨識。\n請用正楷"),
        ("", "一\r\n二", "一\n二"),
    ],
)
def test_a_reason_is_what_was_picked_and_what_was_written(picked: str, written: str, expected: str):
    assert domain.compose_reason(picked, written) == expected


@pytest.mark.parametrize(("picked", "written"), [("", ""), ("", " \n ")])
def test_a_refusal_needs_a_reason(picked: str, written: str):
    with pytest.raises(ReasonMissingError):
        domain.compose_reason(picked, written)


def test_a_reason_may_be_as_long_as_the_limit_and_no_longer():
    assert domain.compose_reason("", "字" * LONGEST_REASON)
    with pytest.raises(ReasonTooLongError):
        domain.compose_reason("", "字" * (LONGEST_REASON + 1))


def test_every_common_reason_fits_beside_the_longest_text():
    for text in COMMON_REASONS:
        assert len(domain.compose_reason(text, "字" * LONGEST_REASON)) <= 1000


@pytest.mark.parametrize(
    ("typed", "stored"), [("Lin.YiJun", "lin.yijun"), (" ｌｉｎ ", "lin"), ("lin@school.example", "lin@school.example")]
)
def test_a_user_name_has_one_form(typed: str, stored: str):
    assert parse_username(typed) == stored


@pytest.mark.parametrize("typed", ["", "x", "林怡君", "lin yijun", "-lin", "l" * 65, "lin\x00"])
def test_a_user_name_that_could_be_mistaken_is_refused(typed: str):
    with pytest.raises(BadUsernameError):
        parse_username(typed)


@pytest.mark.parametrize("password", ["", "1234567", "長" * 201])
def test_a_password_too_short_or_too_long_is_refused(password: str):
    with pytest.raises(WeakPasswordError):
        check_password(password)


def test_a_stroke_becomes_a_path_and_a_point_a_dot():
    assert domain.svg_path([(1, 2), (3, 4), (5, 6)]) == "M1 2 L3 4 L5 6"
    assert domain.svg_path([(1, 2)]) == "M1 2 L1 2"
