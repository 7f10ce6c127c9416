import pytest

from notify_service.plain_text import WIDTH, columns, tidy, wrap


@pytest.mark.parametrize("text", ["a" * 72, "碼" * 36, "", "short"])
def test_a_line_that_fits_stays_as_it_is(text: str):
    assert wrap(text) == [text]


def test_an_address_stays_whole():
    address = "https://parents.example/not-mine?token=" + "a" * 200
    assert wrap(address) == [address]


def test_words_stay_whole_and_lose_the_space_at_which_the_line_ends():
    text = "Please go back to the page you came from and enter these six digits there, one after the other."
    lines = wrap(text)
    assert " ".join(lines) == text
    assert len(lines) == 2
    assert all(columns(line) <= WIDTH for line in lines)


def test_chinese_ends_a_line_anywhere_but_before_a_mark_that_closes_and_behind_one_that_opens():
    text = "請" * 35 + "，「請" + "您" * 40 + "」。"
    lines = wrap(text)
    assert "".join(lines) == text
    assert lines[0] == "請" * 35 + "，"
    assert lines[1].startswith("「請")
    assert all(columns(line) <= WIDTH for line in lines)


def test_a_word_wider_than_a_line_stays_whole():
    assert wrap("see " + "a" * 100) == ["see", "a" * 100]


@pytest.mark.parametrize(("mark", "hang"), [("> ", "> "), ("1. ", "   "), ("・", "  "), ("• ", "  ")])
def test_what_follows_is_set_in_or_quoted_as_its_first_line_is(mark: str, hang: str):
    first, second = wrap(mark + "請" * 40)
    assert first.startswith(f"{mark}請")
    assert second.startswith(f"{hang}請")
    assert columns(first) <= WIDTH


def test_blank_lines_are_single_and_none_is_at_the_ends():
    assert tidy("\n\na  \n\n\n\nb\n\n") == "a\n\nb\n"
