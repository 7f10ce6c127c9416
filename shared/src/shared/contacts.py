"""E-mail addresses and telephone numbers: one form to store, one way to mask."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

if TYPE_CHECKING:
    from collections.abc import Collection

HOME_REGION = "TW"
LONGEST_EMAIL = 254


class ContactError(ValueError):
    """Not an address or number that can be used. It does not quote what was typed."""


def parse_email(text: str) -> str:
    """The address as it is stored: in lower case, the domain in ASCII. Raises ContactError."""
    try:
        checked = validate_email(
            unicodedata.normalize("NFKC", text).strip(), check_deliverability=False, allow_smtputf8=False
        )
    except EmailNotValidError:
        raise ContactError from None
    address = (checked.ascii_email or checked.normalized).lower()
    if len(address) > LONGEST_EMAIL:
        raise ContactError
    return address


def parse_mobile(text: str, countries: Collection[str] | None = None) -> str:
    """A mobile number in E.164 (+886912345678), Taiwan's where no country is written.

    Raises ContactError, also for a country that is not in ``countries`` (ISO 3166 codes; None allows all).
    """
    number = _parse_number(text, countries)
    if phonenumbers.number_type(number) not in {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}:
        raise ContactError
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def parse_phone(text: str) -> str:
    """A Taiwanese mobile or landline number in E.164, an extension as ``;ext=``. Raises ContactError."""
    number = _parse_number(text, (HOME_REGION,))
    extension = f";ext={number.extension}" if number.extension else ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) + extension


def _parse_number(text: str, countries: Collection[str] | None) -> phonenumbers.PhoneNumber:
    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", text), HOME_REGION)
    except NumberParseException:
        raise ContactError from None
    if not phonenumbers.is_valid_number(number):
        raise ContactError
    if countries is not None and phonenumbers.region_code_for_number(number) not in countries:
        raise ContactError
    return number


def national_phone(number: str) -> str:
    """A stored number as it is dialled at home: ``0912 345 678``, ``02 2345 6789#12``; a foreign one as it is."""
    if not number.startswith("+886"):
        return number
    return phonenumbers.format_number(phonenumbers.parse(number), PhoneNumberFormat.NATIONAL)


def country_of(number: str) -> str:
    """ISO 3166 code of the country that a stored number is of (``TW``); empty where no country has it."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
    except NumberParseException:
        return ""


def mask_email(address: str) -> str:
    """``te***@example.org``: enough to know one's own address by, too little to write to it."""
    name, _, domain = address.partition("@")
    return f"{name[:2] if len(name) > 2 else name[:1]}***@{domain}"  # noqa: PLR2004 - two letters of at least three


def mask_phone(number: str) -> str:
    """``09***678``: the national form with only its first two and last three digits."""
    digits = "0" + number.removeprefix("+886") if number.startswith("+886") else number
    digits = digits.partition(";")[0]
    return f"{digits[:2]}{'*' * (len(digits) - 5)}{digits[-3:]}"
