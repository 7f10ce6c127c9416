from __future__ import annotations

import pytest

from shared.contacts import ContactError, mask_email, mask_phone, national_phone, parse_email, parse_mobile, parse_phone


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Parent@Example.org", "parent@example.org"),
        ("  parent@example.org ", "parent@example.org"),
        ("ｐａｒｅｎｔ＠ｅｘａｍｐｌｅ．ｏｒｇ", "parent@example.org"),
        ("parent+school@mail.example.org", "parent+school@mail.example.org"),
    ],
)
def test_an_address_is_stored_in_one_form(typed: str, stored: str) -> None:
    assert parse_email(typed) == stored


@pytest.mark.parametrize("typed", ["", "parent", "parent@", "@example.org", "a b@example.org", "a@b", "a@-b.org"])
def test_what_is_no_address_is_refused_and_not_quoted(typed: str) -> None:
    with pytest.raises(ContactError) as caught:
        parse_email(typed)
    assert str(caught.value) == ""


@pytest.mark.parametrize(
    "typed",
    [
        "0912345678",
        "0912-345-678",
        "0912 345 678",
        "+886912345678",
        "+886 912 345 678",
        "＋886-912-345-678",
        "０９１２３４５６７８",
    ],
)
def test_a_mobile_number_is_stored_in_e164(typed: str) -> None:
    assert parse_mobile(typed, ("TW",)) == "+886912345678"


@pytest.mark.parametrize("typed", ["", "0212345678", "02-2720-8889", "091234567", "09123456789", "+1 202 555 0143"])
def test_what_is_no_taiwanese_mobile_number_is_refused(typed: str) -> None:
    with pytest.raises(ContactError):
        parse_mobile(typed, ("TW",))


def test_another_country_is_allowed_where_a_setting_says_so() -> None:
    assert parse_mobile("+84 912 345 678", ("TW", "VN")) == "+84912345678"
    with pytest.raises(ContactError):
        parse_mobile("+84 912 345 678", ("TW",))


def test_a_landline_keeps_its_extension() -> None:
    assert parse_phone("02-2720-8889 ext. 12") == "+886227208889;ext=12"


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("test@example.org", "te***@example.org"),
        ("ab@example.org", "a***@example.org"),
        ("a@example.org", "a***@example.org"),
    ],
)
def test_a_masked_address_shows_little_of_the_name(address: str, masked: str) -> None:
    assert mask_email(address) == masked


def test_a_masked_number_shows_its_ends() -> None:
    assert mask_phone("+886912345678") == "09*****678"
    assert mask_phone("+886227208889;ext=12") == "02*****889"


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("+886912345678", "0912 345 678"),
        ("+886223456789", "02 2345 6789"),
        ("+886223456789;ext=12", "02 2345 6789#12"),
        ("+14155552671", "+14155552671"),
    ],
)
def test_a_number_is_read_as_it_is_dialled_at_home(stored: str, read: str) -> None:
    assert national_phone(stored) == read
