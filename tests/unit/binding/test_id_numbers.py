from __future__ import annotations

import pytest

from binding_service.id_numbers import IdNumber, IdNumberError, check_digit, mask, parse

VALID = [
    ("F223456786", "national"),
    ("H100000008", "national"),
    ("A800000014", "resident"),
    ("F901234566", "resident"),
    ("A870000015", "resident"),
    ("AA00000009", "resident_old"),
    ("AB12345677", "resident_old"),
    ("CC00151114", "resident_old"),
]


@pytest.mark.parametrize(("text", "kind"), VALID)
def test_the_published_examples_are_valid(text: str, kind: str):
    number = parse(text)
    assert (number.text, number.kind) == (text, kind)


@pytest.mark.parametrize("text", [text for text, _ in VALID])
def test_every_other_check_digit_is_refused(text: str):
    for digit in set("0123456789") - {text[-1]}:
        with pytest.raises(IdNumberError) as caught:
            parse(text[:-1] + digit)
        assert caught.value.problem == "check_digit"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "F22345678",
        "F2234567866",
        "F323456786",
        "F023456786",
        "AE00000009",
        "F22345678O",
        "2F23456786",
        "FF2345678６x",
        "F2234567٨6",
        "身223456786",
    ],
)
def test_a_wrong_form_is_refused_as_such(text: str):
    with pytest.raises(IdNumberError) as caught:
        parse(text)
    assert caught.value.problem == "form"


@pytest.mark.parametrize("typed", ["f223456786", "Ｆ２２３４５６７８６", " F223 456 786\t", "ｆ２２３　４５６　７８６"])
def test_case_width_and_spaces_do_not_matter(typed: str):
    assert parse(typed).text == "F223456786"


@pytest.mark.parametrize("text", [text for text, _ in VALID])
def test_the_check_digit_can_be_computed(text: str):
    assert check_digit(text[:-1]) == text[-1]


def test_a_mask_shows_the_first_four_and_the_last_two():
    assert mask("F223456786") == "F223***86"


def test_neither_an_error_nor_a_repr_shows_the_number():
    with pytest.raises(IdNumberError) as caught:
        parse("F223456780")
    assert "F22345678" not in repr(caught.value)
    assert "F22345678" not in repr(IdNumber("F223456786", "national"))
