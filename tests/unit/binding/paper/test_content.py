from __future__ import annotations

from typing import Any, cast

import pytest

from binding_service.paper.content import content, qr_svg, signature_svg
from shared.events import Signature
from support.papers import VERIFY_URL, make_signed_document


def values(*, masked: bool = False, **fields: object) -> dict[str, Any]:
    return cast("dict[str, Any]", content(make_signed_document(**fields), "0" * 64, VERIFY_URL, "en", masked=masked))


@pytest.mark.parametrize(
    ("contact", "plain", "glimpse"),
    [
        ("lin@example.org", "lin@example.org", "li***@example.org"),
        ("+886912345678", "0912 345 678", "09*****678"),
        ("+14155552671", "+14155552671", "+1*******671"),
    ],
)
def test_the_proven_contact_is_written_as_people_write_it(contact: str, plain: str, glimpse: str) -> None:
    assert values(proven_contact=contact)["identification"]["contact"] == plain
    assert values(proven_contact=contact, masked=True)["identification"]["contact"] == glimpse


def test_what_is_masked_stands_nowhere_else_in_what_the_typesetter_gets() -> None:
    told = str(values(masked=True, email="secret@example.org", phone="+886955667788", proven_contact="+886955667788"))
    assert not [secret for secret in ("F223456786", "secret@", "55667", "556 677") if secret in told]


def test_words_are_said_in_the_readers_language_too_and_never_twice_in_one() -> None:
    said = values()["words"]["title"]
    assert said["zh"] == "親子帳號綁定申請書"
    assert said["other"].startswith("Application")
    chinese = cast("dict[str, Any]", content(make_signed_document(), "0" * 64, VERIFY_URL, "zh-TW", masked=False))
    assert chinese["words"]["title"] == {"zh": "親子帳號綁定申請書", "other": ""}


def test_a_stroke_that_leaves_the_field_is_not_cut_off() -> None:
    assert 'viewBox="-20 0 670 260"' in signature_svg(Signature(strokes=[[(-20, 5), (650, 260)]]))


def test_a_single_point_is_a_dot() -> None:
    assert '<path d="M7 8l.01 0"/>' in signature_svg(Signature(strokes=[[(7, 8)], []]))


@pytest.mark.parametrize("strokes", [[], [[]]])
def test_without_a_stroke_there_is_no_drawing(strokes: list[list[tuple[int, int]]]) -> None:
    assert not signature_svg(Signature(strokes=strokes, typed="林"))


def test_a_qr_code_keeps_its_quiet_zone_of_four_modules() -> None:
    assert qr_svg("x").count("M4 4.5") == 1
