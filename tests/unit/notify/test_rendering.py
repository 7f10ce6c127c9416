import re
from pathlib import Path

import pytest

from notify_service.domain import Kind
from notify_service.made_up import CODE, make_values
from notify_service.notices import Notices
from notify_service.rendering import forms, render
from shared.languages import NAMES

NOTICES = Notices("https://parents.example", "https://teachers.example")


def test_every_kind_is_rendered_in_every_language_and_form_and_listed(tmp_path: Path):
    count = render(NOTICES, tmp_path / "made" / "here", list(NAMES))

    expected = {f"{language}/{kind}.{form}" for language in NAMES for kind in Kind for form in ("html", "txt")}
    expected |= {f"{language}/code.sms.txt" for language in NAMES}
    folder = tmp_path / "made" / "here"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert found == expected | {"index.html"}
    assert count == len(expected)
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert set(re.findall('href="(.*?)"', index)) == expected
    assert index.count("1 segment") == len(NAMES)


def test_only_the_languages_that_are_asked_for(tmp_path: Path):
    render(NOTICES, tmp_path, ["vi"])

    assert {path.name for path in tmp_path.iterdir()} == {"vi", "index.html"}


@pytest.mark.parametrize("kind", list(Kind))
def test_the_made_up_values_have_all_that_a_notice_says(kind: Kind):
    files = dict(forms(NOTICES, "en"))

    assert files[f"en/{kind}.html"].startswith("<!doctype html>")
    assert files[f"en/{kind}.txt"].count("\n") > 5
    assert CODE in files["en/code.sms.txt"]


def test_made_up_values_can_be_others():
    assert make_values(code="123456")["code"] == "123456"
