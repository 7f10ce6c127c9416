"""What is sealed and hashed in binding's tables, for a change of keys (shared.resealing)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from binding_service.roster.guardians import shown_place
from binding_service.roster.reading import person_place
from shared.resealing import Clear, Counted, Hashed, Sealed

if TYPE_CHECKING:
    from collections.abc import Callable

    from binding_service.context import Keys
    from shared.resealing import Column

STORE, HASH = "BINDING_KEY_BINDING_STORE", "BINDING_KEY_BINDING_HASH"
#: Where the hash of a parent's ID number stands: these are joined by it.
PERSONS = (("accounts", "person_hash"), ("applications", "person_hash"), ("bindings", "person_hash"))
#: Where the hash of a contact stands.
CONTACTS = (
    ("application_contacts", "contact_hash"),
    ("applications", "contact_hash"),
    ("drafts", "contact_hash"),
    ("sessions", "contact_hash"),
)


def make_columns(keys: Keys) -> list[Column]:
    """All of it: first what the hash of a contact or a person is of, because by those parents find their own."""
    return [
        *(Clear(HASH, keys.hashes, "applications", column, _contact, CONTACTS) for column in ("email", "phone")),
        *(Clear(HASH, keys.hashes, "accounts", column, _contact, CONTACTS) for column in ("login", "phone")),
        _sealed(keys, "sessions", "contact", hashed=Hashed(HASH, keys.hashes, "contact_hash", _contact, CONTACTS)),
        *(_sealed(keys, table, "national_id", hashed=_person(keys)) for table in ("accounts", "applications")),
        *(_sealed(keys, "applications", column) for column in ("signature", "signed")),
        _sealed(keys, "bindings", "reason"),
        *(_sealed(keys, "objections", column) for column in ("reason", "note")),
        _sealed(keys, "idempotent_requests", "answer"),
        *(_sealed(keys, table, "contact") for table in ("login_attempts", "contact_changes")),
        _sealed(keys, "sent_codes", "contact", hashed=Hashed(HASH, keys.hashes, "contact_hash", _contact)),
        Sealed(STORE, keys.store, "drafts", "sealed", lambda id_: f"drafts:{id_}"),
        *_roster(keys),
    ]


def _roster(keys: Keys) -> list[Column]:
    """The students, and the records of the files: a staff member's or guardian's ID number is there only.

    Hashes of a guardian's name and contacts are only compared, under every key; a whole import makes them anew.
    """
    number = Hashed(HASH, keys.hashes, "national_id_hash", _national_id)
    others = (("teachers", "national_id_hash"), ("guardians", "national_id_hash"))
    of_record = Hashed(HASH, keys.hashes, "id_hash", _national_id, beside=others)
    return [
        _of_user(keys, "students", "national_id_sealed", _student_place, number),
        _of_user(keys, "guardians", "shown_sealed", shown_place),
        _of_user(keys, "roster_users", "id_sealed", _student_place, of_record),
        _of_user(keys, "roster_users", "shown_sealed", shown_place),
        _of_user(keys, "roster_users", "person_sealed", person_place),
        *(
            Counted(HASH, keys.hashes, table, column)
            for table in ("guardians", "roster_users")
            for column in ("name_hash", "email_hash")
        ),
    ]


def _sealed(keys: Keys, table: str, what: str, hashed: Hashed | None = None) -> Sealed:
    """A column ``<what>_sealed`` whose place is made as everywhere here."""
    return Sealed(STORE, keys.store, table, f"{what}_sealed", lambda id_: f"{table}:{id_}:{what}", hashed=hashed)


def _of_user(keys: Keys, table: str, column: str, place: Callable[[str], str], hashed: Hashed | None = None) -> Sealed:
    return Sealed(STORE, keys.store, table, column, place, key_type="text", hashed=hashed)


def _person(keys: Keys) -> Hashed:
    return Hashed(HASH, keys.hashes, "person_hash", _national_id, PERSONS)


def _student_place(id_: str) -> str:
    return f"students:{id_}:national_id"


def _national_id(plain: str) -> tuple[str, ...]:
    return "national-id", plain


def _contact(plain: str) -> tuple[str, ...]:
    return "contact", plain
