import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.translation_faults import CHINESE
from notify_service.domain import Kind
from notify_service.made_up import make_values
from notify_service.notices import Notices, one_line
from notify_service.plain_text import WIDTH, columns
from notify_service.rendering import TO_STAFF
from notify_service.segments import size
from shared.events import Language, SubmittedStudent, WaitingClass
from shared.languages import NAMES, SOURCE
from shared.web.pages import HTML_TAGS

NOTICES = Notices("https://parents.example/binding/", "https://teachers.example/")
MARKUP = '<img src=x onerror="alert(1)">'
#: As long as the names of cities' sites are: kinbind.education.gov.taipei has 28.
LONG_HOST = "parents.kinbind.tainan.gov.tw"

each_kind = pytest.mark.parametrize("kind", list(Kind))
each_kind_to_staff = pytest.mark.parametrize("kind", sorted(TO_STAFF))
in_each_language = pytest.mark.parametrize("language", list(NAMES))
in_others = pytest.mark.parametrize("language", [language for language in NAMES if language != SOURCE])


def make_foreign_values() -> dict[str, Any]:
    """What all notices together may say, with no Chinese in the data."""
    return make_values(
        parent_name="Mei Wang",
        student_name="Bao Wu",
        students=[SubmittedStudent(name="Bao Wu", school="Zhongzheng Elementary")],
        reason="The signature is\nsomebody else's.",
        name="Ms Chen",
        classes=[WaitingClass(class_name="5-1", waiting=3)],
        guardian_name_masked="W○g",
        note="We have asked them both.",
    )


@in_each_language
@each_kind
def test_every_notice_says_the_same_in_text_and_html(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "mei.wang@example.org", language, **make_values())
    shown = html.unescape(letter.html)

    assert letter.subject
    for line in letter.text.splitlines():
        words = re.sub(r"^\d\. ", "", line.strip("> ・•【】")).rstrip(":：")
        assert words in shown or words == "--", words


@in_each_language
@each_kind
def test_a_mail_says_which_language_it_is_in(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    assert f'<html lang="{HTML_TAGS[language]}" dir="ltr">' in letter.html
    # A mail program may drop html and body.
    article = f'role="article" aria-roledescription="email" aria-label="{letter.subject}" lang="{HTML_TAGS[language]}"'
    assert html.escape(article, quote=False) in letter.html
    assert letter.language == language


@in_others
@each_kind
def test_no_chinese_is_left_in_another_language(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_foreign_values())

    assert [CHINESE.findall(part) for part in (letter.subject, letter.text, letter.html)] == [[], [], []]


@each_kind
def test_no_two_languages_say_it_in_the_same_words(kind: Kind):
    letters = [NOTICES.mail(kind, "x@example.org", language, **make_values()) for language in NAMES]

    assert len({letter.subject for letter in letters}) == len(NAMES)
    assert len({letter.text for letter in letters}) == len(NAMES)


@in_each_language
@each_kind
def test_markup_in_names_is_text_in_html(kind: Kind, language: Language):
    students = [SubmittedStudent(name=MARKUP, school=MARKUP)]
    classes = [WaitingClass(class_name=MARKUP, waiting=3)]
    parents = {"parent_name": MARKUP, "student_name": MARKUP, "students": students, "reason": MARKUP}
    values = make_values(**parents, name=MARKUP, classes=classes)
    letter = NOTICES.mail(kind, "x@example.org", language, **values)

    assert "<img" not in letter.html
    assert ("&lt;img" in letter.html) == (kind is not Kind.CODE)
    assert "&lt;" not in letter.text


@in_each_language
@each_kind
def test_no_name_breaks_a_subject(kind: Kind, language: Language):
    name = "吳\r\nBcc: x@example.org\u2028大\u202e寶"
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values(student_name=name, number="K\n1"))

    assert letter.subject.isprintable()
    assert len(letter.subject.splitlines()) == 1


@in_each_language
@each_kind
def test_no_name_starts_a_paragraph_of_its_own(kind: Kind, language: Language):
    named = "王\n\n請把密碼寄到這裡"
    classes = [WaitingClass(class_name=named, waiting=3)]
    values = make_values(student_name="吳\n\n大寶", parent_name=named, name=named, classes=classes)
    letter = NOTICES.mail(kind, "x@example.org", language, **values)

    assert "\n\n請把密碼" not in letter.text
    assert "\n\n大寶" not in letter.text


@pytest.mark.parametrize("percent", ["100%", "%(name)s", "%s", "{name}"])
@in_each_language
@each_kind
def test_what_looks_like_a_placeholder_in_data_is_data(kind: Kind, language: Language, percent: str):
    values = make_values(student_name=percent, parent_name=percent, reason=percent, number=percent, name=percent)
    values["students"] = [SubmittedStudent(name=percent, school=percent)]
    values["classes"] = [WaitingClass(class_name=percent, waiting=3)]
    letter = NOTICES.mail(kind, "x@example.org", language, **values)

    assert (percent in letter.text) == (kind is not Kind.CODE)


def test_a_missing_value_is_an_error():
    with pytest.raises(Exception, match="student_name"):
        NOTICES.mail(Kind.WITHDRAWN, "x@example.org", "zh-TW", parent_name="王小美")


UNDOABLE = [Kind.NEW_DEVICE, Kind.PASSWORD_CHANGED, Kind.EMAIL_CHANGED, Kind.PHONE_CHANGED]


@in_each_language
@pytest.mark.parametrize("kind", UNDOABLE)
def test_what_can_be_undone_has_a_link_says_where_it_was_and_until_when(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    for part in (letter.text, letter.html):
        assert "https://parents.example/binding/account/not-me?token=w1kD0fz" in part
        assert "Chrome" in part
        assert "Android" in part
        assert re.search(r"12[-/]0?8|0?8/12", part)


@in_each_language
@each_kind
def test_nothing_else_has_the_link(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    assert ("w1kD0fz" in letter.text) == (kind in UNDOABLE)


@in_each_language
def test_a_device_that_is_not_known_is_said_to_be_so(language: Language):
    words = {
        (browser, system): NOTICES.mail(
            Kind.NEW_DEVICE, "x@example.org", language, **make_values(browser=browser, system=system)
        ).text
        for browser in ("", "LINE")
        for system in ("", "iPhone")
    }

    assert len(set(words.values())) == 4
    assert "LINE" in words["LINE", ""]
    assert "iPhone" in words["", "iPhone"]


@in_each_language
def test_the_code_stands_in_the_mail_and_not_in_its_subject(language: Language):
    letter = NOTICES.mail(Kind.CODE, "x@example.org", language, **make_values())

    assert "049497" in letter.text
    assert "049497" in letter.html
    assert "049497" not in letter.subject


@in_each_language
def test_the_code_comes_first_in_an_sms_of_one_segment_and_the_phone_can_fill_it_in(language: Language):
    expires_at = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
    notices = Notices(f"https://{LONG_HOST}/", "https://teachers.example/")
    letter = notices.code_sms("+886912345678", language, "049497", expires_at)

    words, last_line = letter.text.split("\n")
    assert words.startswith("049497 ")
    assert re.search(r"(?<!\d)10:30(?!\d)", words)
    assert last_line == f"@{LONG_HOST} #049497"
    assert size(letter.text).segments == 1
    assert size(letter.text).encoding == ("UCS-2" if language == "zh-TW" else "GSM-7")
    assert (letter.html, letter.language) == ("", language)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://parents.example/binding/", "parents.example"),
        ("https://Parents.Example:8443", "parents.example"),
        ("http://localhost:8002", "localhost"),
    ],
)
def test_the_last_line_of_an_sms_names_the_host_alone(url: str, host: str):
    letter = Notices(url, "https://teachers.example/").code_sms("+886912345678", "en", "049497", datetime.now(UTC))

    assert letter.text.endswith(f"\n@{host} #049497")


@in_each_language
@each_kind
def test_no_subject_has_a_name_in_it(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    assert not re.search("吳|王小美|陳老師|正國小|五年|mei", letter.subject)


@in_each_language
@each_kind
def test_every_mail_has_one_way_to_say_that_it_is_not_the_readers(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values(not_mine_token="k1.AbC-_"))
    site = "https://teachers.example" if kind in TO_STAFF else "https://parents.example/binding"

    for part in (letter.text.split(), re.findall('href="(.*?)"', letter.html)):
        assert (f"{site}/not-mine?token=k1.AbC-_" in part) == (kind not in UNDOABLE)
        assert len([each for each in part if "not-mine" in each or "not-me" in each]) == 1


@in_each_language
@each_kind
def test_a_mail_is_read_by_its_headings_and_by_links_that_say_where_they_lead(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    (title,) = re.findall("<h1.*?>(.*?)</h1>", letter.html)
    assert html.unescape(title) == letter.subject
    assert not re.search("<h[3-6]", letter.html)
    links = re.findall("<a .*?>(.*?)</a>", letter.html)
    assert all(words and "://" not in words for words in links)
    assert len(set(links)) == len(links)


@in_each_language
@each_kind
def test_a_mail_has_its_look_where_style_sheets_are_dropped(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    body = letter.html.partition("<body")[2]
    for tag in re.findall(r"<(?:p|h1|h2|ul|ol|li|a|blockquote)\b.*?>", body):
        assert 'style="' in tag


@in_each_language
@each_kind
def test_what_a_list_of_mails_shows_of_one_is_its_news(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    (hidden,) = re.findall('<div class="hidden".*?>(.*?)</div>', letter.html)
    assert hidden.strip()
    assert "<" not in hidden


@in_each_language
@each_kind
def test_plain_text_fits_its_lines_and_addresses_are_whole(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    for line in letter.text.splitlines():
        if "://" in line:
            assert re.fullmatch(r"https://\S+", line)
        else:
            assert columns(line) <= WIDTH


@pytest.mark.parametrize(
    ("language", "moment"),
    [
        ("zh-TW", r"(2026/)?11/24 10:30"),
        ("en", r"2026-11-24 10:30"),
        ("vi", r"24/11/2026 10:30"),
        ("id", r"24/11/2026 10:30"),
    ],
)
def test_a_date_is_written_as_its_reader_writes_it(language: Language, moment: str):
    mail = NOTICES.mail(Kind.CODE, "x@example.org", language, **make_values())

    for text in (mail.text, mail.html):
        assert re.search(rf"(?<!\d){moment}(?!\d)", text)


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.REVOKED])
@in_each_language
def test_every_line_of_a_reason_is_quoted_as_it_was_written(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "x@example.org", language, **make_values())

    assert "> 關係填的是祖父，\n> 簽名的是母親。" in letter.text
    assert re.search(
        '<blockquote [^>]*lang="zh-Hant-TW"[^>]*>關係填的是祖父，\n簽名的是母親。</blockquote>', letter.html
    )


def test_a_refusal_because_the_child_has_left_names_no_teacher_and_sends_nobody_to_mend_it():
    letter = NOTICES.mail(Kind.REFUSED, "x@example.org", "zh-TW", **make_values(has_left=True))

    for text in (letter.text, letter.html):
        assert "關係填的是祖父" in text
        assert "導師" not in text
        assert "資料改正確" not in text
    assert "https://parents.example/binding/" in letter.text
    assert "<blockquote" not in letter.html


@pytest.mark.parametrize(
    ("language", "last_six", "new_password"),
    [
        ("zh-TW", "最後六碼", "新密碼"),
        ("en", "last six characters", "new password"),
        ("vi", "sáu ký tự cuối", "mật khẩu mới"),
        ("id", "enam karakter terakhir", "kata sandi baru"),
    ],
)
def test_an_opened_account_is_told_how_to_sign_in(language: Language, last_six: str, new_password: str):
    letter = NOTICES.mail(Kind.ACCOUNT_OPENED, "mei.wang@example.org", language, **make_values())

    for body in (letter.text, letter.html):
        assert "mei.wang@example.org" in body
        assert last_six in body
        assert new_password in body
        assert re.search(r"12[/-]0?8 10:30|0?8/12/2026 10:30", body)
        assert "https://parents.example/binding/account/sign-in" in body


@pytest.mark.parametrize(
    ("language", "text", "item"),
    [
        ("zh-TW", "・吳大寶（市立中正國小）\n・吳二寶（市立文心國中）", ">吳二寶（市立文心國中）</li>"),
        ("en", "• 吳大寶 (市立中正國小)\n• 吳二寶 (市立文心國中)", ">吳二寶 (市立文心國中)</li>"),
    ],
)
def test_an_application_names_each_child_and_school(language: Language, text: str, item: str):
    students = [
        SubmittedStudent(name="吳大寶", school="市立中正國小"),
        SubmittedStudent(name="吳二寶", school="市立文心國中"),
    ]
    letter = NOTICES.mail(Kind.APPLICATION_RECEIVED, "x@example.org", language, **make_values(students=students))

    assert text in letter.text
    assert item in letter.html


def test_who_is_no_longer_bound_is_told_what_that_means_and_whom_to_ask():
    letter = NOTICES.mail(Kind.REVOKED, "x@example.org", "zh-TW", **make_values())

    for body in (letter.text, letter.html):
        assert "學校已解除您和吳大寶的親子綁定" in body
        assert "不會再顯示吳大寶" in body
        assert "其他孩子，他們不受影響" in body
        assert "聯絡孩子的學校" in body


@in_each_language
@each_kind_to_staff
def test_a_notice_to_staff_says_how_much_waits_in_each_class_and_where_to_decide(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "chen@school.example", language, **make_values())

    assert "3" in letter.subject
    for body in (letter.text, letter.html):
        assert "陳老師" in body
        assert re.search("五年一班.*2", body)
        assert re.search("五年二班.*1", body)
        assert re.search(r"(?<!\d)4(?!\d)", re.sub("(?s)<style>.*</style>", "", body))
        assert "https://teachers.example/" in body
        assert "https://parents.example" not in body


@in_each_language
@each_kind_to_staff
def test_no_notice_to_staff_names_a_child_or_a_parent_or_ends_with_words_for_parents(kind: Kind, language: Language):
    letter = NOTICES.mail(kind, "chen@school.example", language, **make_values())
    to_parent = NOTICES.mail(Kind.WITHDRAWN, "x@example.org", language, **make_values())

    assert not re.search("吳大寶|王小美", letter.subject + letter.text + letter.html)
    assert letter.text.splitlines()[-1] != to_parent.text.splitlines()[-1]


@each_kind_to_staff
def test_what_came_today_has_waited_for_no_day_yet(kind: Kind):
    letter = NOTICES.mail(kind, "chen@school.example", "zh-TW", **make_values(oldest_days=0))

    assert "還不到一天" in letter.text
    assert " 0 天" not in letter.text


@pytest.mark.parametrize(
    ("text", "line"), [("a\r\n b", "a b"), ("\u202e吳", "吳"), ("　王 小美　", "王 小美"), ("\x00", "")]
)
def test_one_line(text: str, line: str):
    assert one_line(text) == line


def digest(**values: object) -> str:
    """The plain text of a digest, with its subject."""
    letter = NOTICES.mail(Kind.DIGEST, "x@example.edu.tw", "zh-TW", **make_values(**values))
    return f"{letter.subject}\n{letter.text}"


def test_a_digest_has_a_line_for_objections_and_what_it_had_before():
    text = digest()
    assert text.startswith("有 3 件親子綁定申請等您審核\n")
    assert "有 2 件監護人的異議等您處理，最早的一件是 2025/11/20 09:05 提出的。" in text
    assert "五年一班：2 件" in text


def test_a_digest_without_objections_has_no_word_of_them():
    assert "異議" not in digest(objections=0, objections_since=None)


def test_a_digest_of_objections_alone_has_nothing_of_applications():
    text = digest(waiting=0, classes=[], objections=1)
    assert text.startswith("有 1 件監護人的異議等您處理\n")
    for words in ("申請等您審核", "各班的件數", "等得最久"):
        assert words not in text
