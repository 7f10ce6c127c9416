"""What is kept of a guardian whom a school knows: enough to compare and to recognise, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shared.contacts import ContactError, mask_email, mask_phone, parse_email, parse_phone
from shared.events import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from binding_service.roster.oneroster import User
    from shared.sealing import HashKeys, SealingKeys


class ShownGuardian(Model):
    """What a teacher is shown of a guardian; sealed at :func:`shown_place`."""

    name: str
    email_masked: str = ""
    phone_masked: str = ""


class KeptGuardian(NamedTuple):
    """The columns of a guardian that are made from name and contacts."""

    name_hash: str
    email_hash: str | None
    phone_hashes: list[str]
    shown_sealed: str


def kept(user: User, hashes: HashKeys, store: SealingKeys) -> KeptGuardian:
    """What is kept of a guardian.

    A contact is hashed like those of applications. One that no application can have (a foreign number, a local one
    without its area code) has nothing to compare with, and is left out.
    """
    email = _readable(parse_email, user.email)
    phones = list(dict.fromkeys(filter(None, (_readable(parse_phone, text) for text in (user.sms, user.phone)))))
    shown = ShownGuardian(
        name=user.name,
        email_masked=mask_email(email) if email else "",
        phone_masked=mask_phone(phones[0]) if phones else "",
    )
    return KeptGuardian(
        name_hash=hashes.digest("guardian-name", user.name),
        email_hash=hashes.digest("contact", email) if email else None,
        phone_hashes=[hashes.digest("contact", phone) for phone in phones],
        shown_sealed=store.seal_model(shown, shown_place(user.id)),
    )


def shown_place(guardian_id: str) -> str:
    """Where the sealed part of a guardian belongs."""
    return f"guardians:{guardian_id}:shown"


def _readable(parse: Callable[[str], str], text: str) -> str:
    try:
        return parse(text) if text else ""
    except ContactError:
        return ""
