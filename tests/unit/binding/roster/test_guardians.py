from __future__ import annotations

import pytest

from binding_service.roster.guardians import email_of, phone_of
from shared.contacts import ContactError, parse_email, parse_phone


def outcome(parse, text: str) -> str | type[Exception]:  # noqa: ANN001 - any of the four
    try:
        return str(parse(text))
    except ContactError:
        return ContactError


@pytest.mark.parametrize(
    "text",
    [
        *("0912345678", "0912-345-678", "0912 345 678", "09-12-34-56-78", "0989123456", "0900000000", "0990123456"),
        *(
            "091234567",
            "09123456789",
            "+886912345678",
            "02-2345-6789",
            "0912345678#12",
            "０９１２３４５６７８",
            "x",
            "040001123456",
        ),
        *("0400011234", "0400010123", "04000101234", "--", "0"),
    ],
)
def test_a_telephone_is_read_as_applications_read_it(text: str):
    assert outcome(phone_of, text) == outcome(parse_phone, text)


@pytest.mark.parametrize(
    "text",
    [
        *("a@home.example", "first.last+tag@school.example.org", "a.@home.example", ".a@home.example", "a..b@x.org"),
        *(
            "a@localhost",
            "a@x",
            "a@-x.org",
            "a@x-.org",
            "a@x..org",
            "a@1.2.3.4",
            "a@test",
            "a@xn--fiq228c.tw",
            "A@X.ORG",
        ),
        *("王@x.org", "a@x.org@y.org", f"{'a' * 64}@x.org", f"{'a' * 65}@x.org", f"a@{'b' * 64}.org", "a_b@x.org"),
        *("a@.org", "a@org.", "@x.org", "a@", "", f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 20}.org"),
    ],
)
def test_an_email_address_is_read_as_applications_read_it(text: str):
    assert outcome(email_of, text) == outcome(parse_email, text)
