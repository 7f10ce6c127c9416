from __future__ import annotations

import pytest

from binding_service.roster.domain import BadLine, Choices, Counts, Report, level_of_grade, refusal


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
        "refused": "",
        "passed_over": {},
    }


def make_counts(students: int, classes: int = 0) -> dict[str, Counts]:
    """Of 1,000 students and 100 classes, so many are removed."""
    return {
        "students": Counts(new=0, changed=0, removed=students, unchanged=1000 - students, held=0),
        "classes": Counts(new=0, changed=0, removed=classes, unchanged=100 - classes, held=0),
    }


@pytest.mark.parametrize(
    ("counts", "choices", "sentence"),
    [
        (make_counts(50), Choices(), ""),
        (make_counts(51), Choices(), "51 of 1000 students, more than 5 %"),
        (make_counts(51), Choices(allow_removals=True), ""),
        (make_counts(51), Choices(least_removed=52), ""),
        (make_counts(51), Choices(most_removed_percent=5.1), ""),
        (make_counts(0, 20), Choices(), "20 of 100 classes, more than 5 %"),
        (make_counts(51, 20), Choices(), "51 of 1000 students and 20 of 100 classes"),
        (make_counts(0, 19), Choices(), ""),
    ],
)
def test_an_import_is_refused_that_removes_more_than_a_share(
    counts: dict[str, Counts], choices: Choices, sentence: str
):
    refused = refusal(choices, counts, bad_line_count=3)
    assert sentence in refused
    assert bool(refused) == bool(sentence)


def test_a_strict_import_is_refused_for_one_bad_line():
    assert refusal(Choices(strict=True), make_counts(0), 1) == "bad lines: 1, and the import is strict"
    assert refusal(Choices(strict=True), make_counts(0), 0) == ""
