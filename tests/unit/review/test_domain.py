from __future__ import annotations

import re
from typing import Any

import pytest

from review_service.accounts.domain import (
    AccountState,
    account_state,
    check_password,
    make_start_password,
    parse_username,
    suggest_username,
)
from review_service.applications import domain
from review_service.applications.domain import LONGEST_REASON, Standing
from review_service.applications.reasons import COMMON_REASONS
from review_service.errors import BadUsernameError, ReasonMissingError, ReasonTooLongError, Weakness, WeakPasswordError


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


def test_what_ended_with_the_account_is_told_from_what_was_withdrawn():
    assert domain.standing("withdrawn", None, is_deleted=True) is domain.Standing.DELETED
    assert domain.standing("withdrawn", None) is domain.Standing.WITHDRAWN
    assert domain.standing("refused", "refuse", is_deleted=True) is domain.Standing.REFUSED


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


@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        ("", Weakness.SHORT),
        ("elevenchars", Weakness.SHORT),
        ("長" * 201, Weakness.LONG),
        ("aaaaaaaaaaaa", Weakness.COMMON),
        ("121212121212", Weakness.COMMON),
        ("012345678901", Weakness.COMMON),
        ("987654321098", Weakness.COMMON),
        ("Password1234", Weakness.COMMON),
        ("!!!qwertyuiop1", Weakness.COMMON),
        ("i am MeiLing.", Weakness.OWN),
        ("meiling@school.example", Weakness.OWN),
    ],
)
def test_a_password_that_others_would_guess_is_refused(password: str, weakness: Weakness):
    with pytest.raises(WeakPasswordError) as refused:
        check_password(password, "meiling", "meiling@school.example")
    assert refused.value.weakness is weakness


@pytest.mark.parametrize(
    "password", ["violet tram over", "一二三四五六七八九十百千", "lin lin is here", "x" * 190 + "abcd1"]
)
def test_what_characters_a_password_has_is_the_teachers_choice(password: str):
    check_password(password, "lin", "lin@school.example")  # a name of three letters is in many words


def test_a_start_password_can_be_read_aloud_and_is_never_the_same():
    made = {make_start_password() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"[a-hj-km-np-z2-9]{4}(-[a-hj-km-np-z2-9]{4}){3}", password) for password in made)


@pytest.mark.parametrize(
    ("email", "expected"),
    [("Mei.Ling@school.example", "mei.ling"), ("_x+y@school.example", "xy"), ("王@school.example", ""), ("", "")],
)
def test_a_user_name_is_suggested_from_the_email(email: str, expected: str):
    assert suggest_username(email) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, AccountState.OPEN),
        ({"username": None}, AccountState.NONE),
        ({"username": None, "signed_in_by": "single-sign-on"}, AccountState.SINGLE_SIGN_ON),
        ({"username": None, "is_closed": True}, AccountState.CLOSED),
        ({"is_closed": True, "is_locked": True}, AccountState.CLOSED),
        ({"is_locked": True, "must_change": True}, AccountState.LOCKED),
        ({"must_change": True}, AccountState.MUST_CHANGE),
        ({"must_change": True, "is_expired": True}, AccountState.EXPIRED),
    ],
)
def test_an_administrator_sees_what_matters_most_of_a_way_in(facts: dict[str, Any], expected: AccountState):
    nothing = {"is_closed": False, "is_locked": False, "is_expired": False, "must_change": False}
    assert account_state(**({"username": "lin", "signed_in_by": None} | nothing | facts)) is expected


def test_a_stroke_becomes_a_path_and_a_point_a_dot():
    assert domain.svg_path([(1, 2), (3, 4), (5, 6)]) == "M1 2 L3 4 L5 6"
    assert domain.svg_path([(1, 2)]) == "M1 2 L1 2"
