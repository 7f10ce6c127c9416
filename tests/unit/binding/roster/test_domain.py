from __future__ import annotations

import pytest

from binding_service.roster.domain import BadLine, Counts, Report, level_of_grade


@pytest.mark.parametrize(
    ("grades", "level"),
    [
        (range(1, 7), "elementary"),
        (range(7, 10), "junior_high"),
        (range(10, 13), "senior_high"),
        ([0, 13, -1], None),
    ],
)
def test_a_grade_tells_the_level(grades: list[int], level: str | None):
    assert {level_of_grade(grade) for grade in grades} == {level}


def make_report(**overrides: object) -> Report:
    usual = {
        "revision": 7,
        "dry_run": False,
        "counts": {"schools": Counts(new=1, changed=2, removed=3, unchanged=4, held=0)},
        "bad_line_count": 0,
        "bad_lines": [],
    }
    return Report(**{**usual, **overrides})  # type: ignore[arg-type] - a factory takes anything


def test_a_report_reads_as_lines():
    assert str(make_report()) == "schools: 1 new, 2 changed, 3 removed, 4 unchanged\nimported as revision 7"


def test_a_report_of_a_dry_run_says_that_nothing_was_changed():
    assert str(make_report(dry_run=True)).endswith("dry run: nothing was changed")


def test_a_report_lists_bad_lines_and_what_they_kept():
    report = make_report(
        counts={"students": Counts(new=0, changed=0, removed=0, unchanged=0, held=2)},
        bad_line_count=3,
        bad_lines=[BadLine("users.csv", 5, "userIds", "is empty"), BadLine("users.csv", 6, "", "is not UTF-8")],
    )
    assert str(report).splitlines()[:-1] == [
        "students: 0 new, 0 changed, 0 removed, 0 unchanged, 2 left as they were",
        "3 bad lines were not taken:",
        "  users.csv, line 5, userIds: is empty",
        "  users.csv, line 6: is not UTF-8",
        "  and 1 more",
    ]


def test_a_report_as_json_has_plain_values():
    assert make_report(bad_line_count=1, bad_lines=[BadLine("a.csv", 1, "b", "c")]).as_json() == {
        "revision": 7,
        "dry_run": False,
        "counts": {"schools": {"new": 1, "changed": 2, "removed": 3, "unchanged": 4, "held": 0}},
        "bad_line_count": 1,
        "bad_lines": [{"file": "a.csv", "line": 1, "column": "b", "reason": "c"}],
    }
