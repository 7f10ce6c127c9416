from datetime import UTC, datetime
from typing import Any

import pytest

from notify_service.domain import Kind
from notify_service.notices import Notices, one_line
from shared.events import SubmittedStudent

NOTICES = Notices("https://parents.example/binding/")
MARKUP = '<img src=x onerror="alert(1)">'


def make_values(**overrides: object) -> dict[str, Any]:
    """What all notices together may say."""
    return {
        "code": "049497",
        "expires_at": datetime(2026, 11, 24, 2, 30, tzinfo=UTC),
        "number": "K26-000123",
        "parent_name": "王小美",
        "student_name": "吳大寶",
        "students": [SubmittedStudent(name="吳大寶", school="市立中正國小")],
        "email": "mei.wang@example.org",
        "until": datetime(2026, 12, 8, 2, 30, tzinfo=UTC),
        "reason": "關係填的是祖父，\n簽名的是母親。",
    } | overrides


@pytest.mark.parametrize("kind", list(Kind))
def test_every_notice_says_the_same_in_text_and_html(kind: Kind):
    letter = NOTICES.mail(kind, "mei.wang@example.org", **make_values())

    assert letter.subject
    for line in letter.text.splitlines():
        for words in line.strip("> ・【】").split("：")[0].split(". ")[-1:]:
            assert words.strip("-") in letter.html


@pytest.mark.parametrize("kind", list(Kind))
def test_markup_in_names_is_text_in_html(kind: Kind):
    students = [SubmittedStudent(name=MARKUP, school=MARKUP)]
    letter = NOTICES.mail(
        kind, "x@example.org", **make_values(parent_name=MARKUP, student_name=MARKUP, students=students, reason=MARKUP)
    )

    assert "<img" not in letter.html
    assert ("&lt;img" in letter.html) == (kind is not Kind.CODE)
    assert "&lt;" not in letter.text


@pytest.mark.parametrize("kind", list(Kind))
def test_no_name_breaks_a_subject(kind: Kind):
    name = "吳\r\nBcc: x@example.org\u2028大\u202e寶"
    letter = NOTICES.mail(kind, "x@example.org", **make_values(student_name=name, number="K\n1"))

    assert letter.subject.isprintable()
    assert len(letter.subject.splitlines()) == 1


@pytest.mark.parametrize("kind", list(Kind))
def test_no_name_starts_a_line_of_its_own(kind: Kind):
    letter = NOTICES.mail(
        kind, "x@example.org", **make_values(student_name="吳\n\n大寶", parent_name="王\n\n請把密碼寄到這裡")
    )

    assert "\n請把密碼" not in letter.text
    assert "\n大寶" not in letter.text


def test_a_missing_value_is_an_error():
    with pytest.raises(Exception, match="student_name"):
        NOTICES.mail(Kind.WITHDRAWN, "x@example.org", parent_name="王小美")


def test_the_code_stands_in_the_mail_and_not_in_its_subject():
    letter = NOTICES.mail(Kind.CODE, "x@example.org", **make_values())

    assert "049497" in letter.text
    assert "049497" in letter.html
    assert "049497" not in letter.subject


def test_the_code_comes_first_in_an_sms_of_one_segment():
    letter = NOTICES.sms(Kind.CODE, "+886912345678", **make_values())

    assert letter.text.startswith("049497 ")
    assert "11/24 10:30" in letter.text
    assert len(letter.text) <= 70  # UCS-2, 3GPP TS 23.038
    assert letter.html == ""


def test_a_refusal_quotes_every_line_of_the_reason():
    letter = NOTICES.mail(Kind.REFUSED, "x@example.org", **make_values())

    assert "> 關係填的是祖父，\n> 簽名的是母親。" in letter.text
    assert "<blockquote>關係填的是祖父，\n簽名的是母親。</blockquote>" in letter.html


def test_an_opened_account_is_told_how_to_sign_in():
    letter = NOTICES.mail(Kind.ACCOUNT_OPENED, "mei.wang@example.org", **make_values())

    for body in (letter.text, letter.html):
        assert "mei.wang@example.org" in body
        assert "最後六碼" in body
        assert "新密碼" in body
        assert "2026/12/08 10:30" in body or "12/08 10:30" in body
        assert "https://parents.example/binding/account/sign-in" in body


def test_an_application_names_each_child_and_school():
    students = [
        SubmittedStudent(name="吳大寶", school="市立中正國小"),
        SubmittedStudent(name="吳二寶", school="市立文心國中"),
    ]
    letter = NOTICES.mail(Kind.APPLICATION_RECEIVED, "x@example.org", **make_values(students=students))

    assert "・吳大寶（市立中正國小）\n・吳二寶（市立文心國中）" in letter.text
    assert "<li>吳二寶（市立文心國中）</li>" in letter.html


@pytest.mark.parametrize(
    ("text", "line"), [("a\r\n b", "a b"), ("\u202e吳", "吳"), ("　王 小美　", "王 小美"), ("\x00", "")]
)
def test_one_line(text: str, line: str):
    assert one_line(text) == line
