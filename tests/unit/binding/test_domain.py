from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import product
from uuid import uuid4

import pytest

from binding_service import labels
from binding_service.accounts.common_passwords import common_passwords
from binding_service.accounts.domain import is_first_password, password_problem
from binding_service.applications.domain import (
    application_number,
    bare_name,
    is_drawn,
    is_known_guardian,
    typed_signature_problem,
)
from binding_service.drafts import domain
from binding_service.drafts.draft import Consent, Draft, DraftStudent, EmailProof, Parent
from binding_service.logins.domain import digits_of, new_token, token_hash
from binding_service.statements import CURRENT, is_known, statement

CONTACT = "lin@example.org"
NATIONAL_ID = "F223456786"
COMMON = frozenset({"sunshine", "1qaz2wsx3edc"})


# --- names, relations, signatures, numbers ---


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("林淑芬", "林淑芬"),
        ("  Mary   Ann\tLin ", "Mary Ann Lin"),
        ("<b>", "<b>"),
        ("e\u0301", "é"),
        ("林" * 50, "林" * 50),
    ],
)
def test_a_name_is_kept_as_typed_with_its_spaces_in_order(typed: str, kept: str) -> None:
    assert domain.clean_name(typed) == kept


@pytest.mark.parametrize("name", ["林 淑芬", "　林淑芬 ", "林淑芬"])
def test_a_name_is_the_same_whatever_its_spaces(name: str) -> None:
    assert bare_name(name) == bare_name("林淑芬")


def test_a_name_is_the_same_whatever_its_width_and_case() -> None:
    assert bare_name("ＰＡＮＡＹ Kusui") == bare_name("Panay kusui")
    assert bare_name("林淑芬") != bare_name("林淑芳")


@pytest.mark.parametrize(
    ("same_national_id", "same_name", "same_contact", "known"),
    [
        (True, False, False, True),
        (False, True, True, False),
        (None, True, True, True),
        (None, True, False, False),
        (None, False, True, False),
    ],
)
def test_a_guardian_is_known_by_id_number_or_where_there_is_none_by_name_and_contact(
    *, same_national_id: bool | None, same_name: bool, same_contact: bool, known: bool
) -> None:
    found = is_known_guardian(same_national_id=same_national_id, same_name=same_name, same_contact=same_contact)
    assert found is known


def test_a_version_of_the_statement_is_known_by_its_file() -> None:
    assert is_known(CURRENT)
    for version in ("", "2020-01", f"../statements/{CURRENT}", f"{CURRENT}.zh-TW.txt"):
        assert not is_known(version)


@pytest.mark.parametrize("wanted", ["", "臺北", "台北 中正", "中正　市立", "ＡＢＣ", "abc"])
def test_a_school_is_found_by_parts_of_its_name_however_they_are_written(wanted: str) -> None:
    assert domain.school_matches("臺北市立中正國小 ABC 分校", wanted)


@pytest.mark.parametrize("wanted", ["中正 國中", "新北", "台北 大同"])
def test_a_school_whose_name_lacks_a_part_is_not_found(wanted: str) -> None:
    assert not domain.school_matches("臺北市立中正國小", wanted)


@pytest.mark.parametrize("typed", ["", " \u3000 ", "林" * 51, "林\x00", "林\x1b[31m"])
def test_what_is_no_name_is_refused(typed: str) -> None:
    assert domain.clean_name(typed) is None


@pytest.mark.parametrize(
    ("name", "masked"), [("林淑芬", "林○芬"), ("林芬", "林○"), ("歐陽淑芬", "歐○○芬"), ("林", "林○")]
)
def test_a_masked_name_shows_its_ends_only(name: str, masked: str) -> None:
    assert domain.mask_name(name) == masked


@pytest.mark.parametrize("relation", domain.RELATIONS)
def test_every_relation_of_the_guide_can_be_chosen_and_has_its_word(relation: str) -> None:
    assert domain.relation_problem(relation, "繼父") == {}
    assert labels.RELATIONS[relation]


@pytest.mark.parametrize("text", ["", " ", "繼" * 41, "繼\x00"])
def test_the_relation_other_needs_words(text: str) -> None:
    assert domain.relation_problem("other", text) == {"relation_text": "relation_text"}


def test_a_relation_that_is_none_is_refused() -> None:
    assert domain.relation_problem("uncle", "") == {"relation": "choose"}


LINE = [(x, 50) for x in range(0, 80, 10)]


@pytest.mark.parametrize(
    ("strokes", "drawn"),
    [
        ([LINE], True),
        ([LINE[:4], LINE[4:]], True),
        ([LINE[:7]], False),
        ([LINE[:4] * 5], False),
        ([[(1, 1)] * 50], False),
        ([[(x, y) for x in range(3) for y in range(3)]], False),
        ([], False),
    ],
    ids=["a line", "two strokes", "seven points", "four points over and over", "a dot", "a blot", "nothing"],
)
def test_a_drawn_signature_has_eight_points_some_way_apart(strokes: list[list[tuple[int, int]]], drawn: bool) -> None:  # noqa: FBT001
    assert is_drawn(strokes) is drawn


@pytest.mark.parametrize(
    ("typed", "problem"),
    [("林淑芬", None), (" 林 淑芬 ", None), ("林淑", "signature_name_differs"), ("  ", "signature_empty")],
)
def test_a_typed_signature_is_the_name(typed: str, problem: str | None) -> None:
    assert typed_signature_problem(typed, "林淑芬") == problem


def test_a_typed_name_may_differ_in_case_and_width() -> None:
    assert typed_signature_problem("mary ＬＩＮ", "Mary Lin") is None


def test_an_application_number_is_the_day_and_six_clear_characters() -> None:
    numbers = {application_number(date(2026, 11, 24)) for _ in range(200)}
    assert len(numbers) == 200
    for number in numbers:
        day, _, rest = number.partition("-")
        assert (day, len(rest)) == ("20261124", 6)
        assert not set(rest) & set("01OIL")


# --- the draft ---

STUDENT = DraftStudent(student_id="P-1", school_id="S-1", relation="mother")
CONSENT = Consent(version=CURRENT, hash="h", at=datetime.now(UTC), client_address="127.0.0.1")
PARENT = Parent(national_id=NATIONAL_ID, name="林淑芬", email=CONTACT, phone="+886912345678")


@pytest.mark.parametrize("has", list(product([True, False], repeat=3)))
def test_the_first_step_that_is_missing_is_asked_for_whatever_else_is_there(has: tuple[bool, bool, bool]) -> None:
    students, consent, parent = has
    draft = Draft(
        students=[STUDENT] if students else [],
        consent=CONSENT if consent else None,
        parent=PARENT if parent else None,
    )
    steps = zip(("students", "consent", "parent"), has, strict=True)
    assert draft.missing(CURRENT, CONTACT) == next((step for step, there in steps if not there), None)


def test_the_consent_to_an_older_statement_is_missing() -> None:
    assert Draft(students=[STUDENT], consent=CONSENT, parent=PARENT).missing("2027-01", CONTACT) == "consent"


@pytest.mark.parametrize("empty", ["name", "email", "phone"])
def test_a_parent_without_account_needs_every_field(empty: str) -> None:
    parent = PARENT.model_copy(update={empty: ""})
    assert Draft(students=[STUDENT], consent=CONSENT, parent=parent).missing(CURRENT, CONTACT) == "parent"


def test_a_parent_with_an_account_needs_nothing_else() -> None:
    parent = Parent(national_id=NATIONAL_ID, account_id=uuid4())
    assert Draft(students=[STUDENT], consent=CONSENT, parent=parent).missing(CURRENT, "+886912345678") is None


@pytest.mark.parametrize(
    ("contact", "proof", "missing"),
    [
        (CONTACT, None, None),
        ("+886912345678", None, "email_proof"),
        ("+886912345678", EmailProof(email=CONTACT), "email_proof"),
        ("+886912345678", EmailProof(email="other@example.org", proven=True), "email_proof"),
        ("+886912345678", EmailProof(email=CONTACT, proven=True), None),
        ("other@example.org", EmailProof(email=CONTACT, proven=True), None),
    ],
)
def test_an_email_is_proven_by_the_login_or_by_its_own_code(
    contact: str, proof: EmailProof | None, missing: str | None
) -> None:
    draft = Draft(students=[STUDENT], consent=CONSENT, parent=PARENT, email_proof=proof)
    assert draft.missing(CURRENT, contact) == missing


# --- codes and tokens ---


@pytest.mark.parametrize(
    "typed", ["549497", " 549 497 ", "５４９４９７", "549-497", "549–497", "549\u3000497\n", "5 4 9 4 9 7"]
)
def test_a_code_is_read_however_it_is_typed_or_pasted(typed: str) -> None:
    assert digits_of(typed) == "549497"


@pytest.mark.parametrize("typed", ["", "54949", "5494977", "54949a", "٥٤٩٤٩٧", "549.497", "code 549497"])
def test_anything_else_is_no_code(typed: str) -> None:
    assert digits_of(typed) is None


def test_a_token_is_new_each_time_and_its_hash_is_not_the_token() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 43 and token not in token_hash(token) for token in tokens)


# --- passwords ---


@pytest.mark.parametrize("typed", ["456786", " 456786 "])
def test_the_first_password_is_the_last_six(typed: str) -> None:
    assert is_first_password(typed, NATIONAL_ID)


@pytest.mark.parametrize("typed", ["", "456787", "56786", NATIONAL_ID, "４５６７８６"])
def test_anything_else_is_not_the_first_password(typed: str) -> None:
    assert not is_first_password(typed, NATIONAL_ID)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("twelve chars", {}),
        ("eleven char", {"password": "password_short"}),
        ("a b c d " * 32, {}),
        ("a b c d " * 32 + "e", {"password": "password_long"}),
        ("四個字也是四個字元喔對吧", {}),
        ("f223456786 and more", {"password": "password_obvious"}),
        ("it is 456786, really", {"password": "password_obvious"}),
        ("LIN@example.org!", {"password": "password_obvious"}),
        ("an Example of mine", {"password": "password_obvious"}),
        ("Kinbind is what I use", {"password": "password_obvious"}),
        ("我的親子綁定密碼是這個喔", {"password": "password_obvious"}),
    ],
)
def test_a_password_is_long_and_not_the_parents_own_data(password: str, problem: dict[str, str]) -> None:
    assert password_problem(password, password, NATIONAL_ID, CONTACT, COMMON) == problem


@pytest.mark.parametrize(
    "password",
    [
        "Sunshine2024!",
        "sunshinesunshine",
        "1qaz2wsx3edc",
        "aaaaaaaaaaaa",
        "121212121212",
        "123456789012",
        "098765432109",
    ],
)
def test_a_password_that_many_have_is_refused_as_it_stands_twice_or_with_digits_around_it(password: str) -> None:
    assert password_problem(password, password, NATIONAL_ID, CONTACT, COMMON) == {"password": "password_common"}


def test_a_sentence_may_begin_and_end_with_common_words() -> None:
    assert password_problem("sunshine over sunshine", "sunshine over sunshine", NATIONAL_ID, CONTACT, COMMON) == {}


def test_the_list_of_common_passwords_is_of_passwords_only() -> None:
    common = common_passwords()
    assert {"sunshine", "password", "1qaz2wsx3edc"} <= common
    assert len(common) > 8000
    assert all(word == word.lower().strip() and len(word) >= 6 for word in common)


def test_a_password_is_typed_alike_twice() -> None:
    problem = password_problem("a long walk 1", "a long walk 2", NATIONAL_ID, CONTACT, COMMON)
    assert problem == {"repeated": "password_differs"}


# --- the statement ---


def test_a_statement_once_accepted_never_changes() -> None:
    known = {"2026-11": "2d3a03f961bf14f375d4bd0e7e67ebc9522ed9b9bde9b71ab60ee2a6b8a59291"}
    assert {version: statement(version).hash for version in known} == known


def test_a_statement_has_headings_and_paragraphs() -> None:
    parts = statement().parts()
    assert len(parts) > 3
    assert all(heading and paragraphs for heading, paragraphs in parts)
