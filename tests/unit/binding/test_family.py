import pytest

from binding_service.family.domain import LONGEST_REASON, clean_reason, reason_problem, svg_path


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  我不認識\r\n這個人 \n", "我不認識\n這個人"),
        ("a\x00b\x1b[31m\tc", "ab[31mc"),
        ("e\u0301", "é"),
        (" \n ", ""),
    ],
)
def test_a_reason_keeps_its_lines_and_nothing_that_no_keyboard_types(typed: str, kept: str) -> None:
    assert clean_reason(typed) == kept


@pytest.mark.parametrize(
    ("length", "problem"), [(0, "required"), (1, None), (LONGEST_REASON, None), (LONGEST_REASON + 1, "reason_long")]
)
def test_a_reason_is_neither_empty_nor_too_long(length: int, problem: str | None) -> None:
    assert reason_problem("長" * length) == problem


def test_a_stroke_becomes_a_path_and_a_single_point_a_dot() -> None:
    assert svg_path([(1, 2), (3, 4)]) == "M1 2 L3 4"
    assert svg_path([(1, 2)]) == "M1 2 L1 2"
