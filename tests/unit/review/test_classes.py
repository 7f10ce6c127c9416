from __future__ import annotations

import random
from datetime import timedelta

import pytest
from pydantic import ValidationError

from review_service.classes.domain import Count, Standing, class_order, count, parse_day, standing, trouble_order
from review_service.settings import Settings
from support.production import SERVERS


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], Standing.MISSING),
        (["refused", "withdrawn", "revoked"], Standing.MISSING),
        (["refused", "waiting"], Standing.WAITING),
        (["waiting", "approved"], Standing.BOUND),
        (["revoked", "approved"], Standing.BOUND),
    ],
)
def test_one_bound_guardian_is_enough_and_one_who_waits_is_not_missing(states: list[str], expected: Standing):
    assert standing(states) is expected


def test_every_student_is_counted_once():
    counted = count([Standing.BOUND, Standing.WAITING, Standing.MISSING, Standing.MISSING])
    assert (counted.students, counted.bound, counted.waiting, counted.missing) == (4, 1, 1, 2)
    assert counted + Count(1, 1, 0) == Count(5, 2, 1)


@pytest.mark.parametrize(("bound", "students", "percent"), [(0, 0, 0), (199, 200, 99), (200, 200, 100), (1, 3, 33)])
def test_a_hundred_percent_means_all(bound: int, students: int, percent: int):
    assert Count(students, bound, 0).percent == percent


@pytest.mark.parametrize(
    "names",
    [
        ["一年一班", "一年二班", "一年十班", "一年十一班", "一年二十班", "一年二十一班", "二年一班", "十年一班"],
        ["701", "702", "801"],
        ["3年2班", "3年10班"],
        ["一年甲班", "一年乙班", "二年甲班"][::2],
        ["資訊一甲", "資訊二甲", "餐飲一甲"],
        ["", "一年一班"],
    ],
)
def test_classes_are_sorted_as_a_school_does(names: list[str]):
    mixed = random.Random(4).sample(names, len(names))  # noqa: S311 - any order but theirs
    assert sorted(mixed, key=class_order) == names


def test_who_can_be_helped_comes_first():
    fine = {"has_teacher": True, "has_account": True, "oldest": None, "percent": 50, "name": "一班"}
    troubles = [
        {"has_teacher": False, "has_account": False},
        {"has_account": False},
        {"oldest": timedelta(days=9), "percent": 90},
        {"oldest": timedelta(days=3), "percent": 10},
        {"percent": 10},
        {},
        {"name": "二班"},
    ]
    orders = [trouble_order(**(fine | trouble)) for trouble in troubles]  # type: ignore[arg-type]
    assert orders == sorted(orders)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-02-30", "12/01/2026"])
def test_what_is_no_day_is_none(text: str):
    assert parse_day(text) is None


def test_in_production_invitations_lead_somewhere():
    for url, word in (("http://localhost:8002", "must be set in production"), ("javascript:x", "begins with http")):
        with pytest.raises(ValidationError, match=word):
            Settings(environment="production", parents_url=url, **SERVERS)
    address = "https://parents.example"
    assert Settings(environment="production", parents_url=address, **SERVERS).parents_url == address
