"""BindingSubmitted as the database has it now: how a binding that waits is told, for the first time and every other.

Everything comes from the tables, so the same binding can be told again when the roster, the parent's other
applications or the child's class have changed. Bindings are told together, by as many queries as one would take.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from binding_service.applications import facts, storage
from binding_service.applications.domain import bare_name, is_known_guardian
from binding_service.roster.guardians import ShownGuardian, shown_place
from shared.events import RosterGuardian

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from binding_service.context import Keys
    from shared.database import Connection
    from shared.events import BindingSubmitted


@dataclass(frozen=True, slots=True)
class Person:
    """The parent of an application, with the keyed hashes under which each part may be found, of whatever key."""

    name: str
    national_id: str
    hashes: list[str]
    email_hashes: list[str]
    phone_hashes: list[str]


async def submitted(keys: Keys, connection: Connection, binding_ids: list[UUID]) -> list[BindingSubmitted]:
    """The event of each of these bindings at its present version, in the order in which they were named.

    One that no longer waits is told as it was at first, so that what has become of it outdoes this.
    """
    rows = await storage.submissions(connection, binding_ids)
    people = {row["application_id"]: _person(keys, row) for row in rows}
    guardians = await _guardians(keys, connection, rows)
    teachers = await _teachers(connection, people)
    shared = await _shared(connection, rows, people)
    events = []
    for row in rows:
        person = people[row["application_id"]]
        compared = [_compared(guardian, shown, person) for guardian, shown in guardians[row["student_id"]]]
        event = facts.binding_submitted(
            keys,
            row,
            person.national_id,
            compared,
            parent_teacher_ids=[id_ for hash_ in person.hashes for id_ in teachers[hash_]],
            is_known_guardian=any(map(_is_known, compared)),
            is_contact_shared=row["application_id"] in shared,
        )
        events.append(event)
    return events


def _person(keys: Keys, row: asyncpg.Record) -> Person:
    place = f"applications:{row['application_id']}:national_id"
    national_id = keys.store.unseal(row["national_id_sealed"], place)
    return Person(
        name=row["parent_name"],
        national_id=national_id,
        hashes=keys.hashes.digests("national-id", national_id),
        email_hashes=keys.hashes.digests("contact", row["email"]),
        phone_hashes=keys.hashes.digests("contact", row["phone"]),
    )


async def _guardians(
    keys: Keys, connection: Connection, rows: list[asyncpg.Record]
) -> dict[str, list[tuple[asyncpg.Record, ShownGuardian]]]:
    """The guardians of each student, with what is shown of them."""
    found: dict[str, list[tuple[asyncpg.Record, ShownGuardian]]] = defaultdict(list)
    for guardian in await storage.guardians(connection, [row["student_id"] for row in rows]):
        shown = keys.store.unseal_model(ShownGuardian, guardian["shown_sealed"], shown_place(guardian["id"]))
        found[guardian["student_id"]].append((guardian, shown))
    return found


async def _teachers(connection: Connection, people: dict[UUID, Person]) -> dict[str, list[str]]:
    """The ids of the staff by the hash of their ID number, of those who are one of the people."""
    found: dict[str, list[str]] = defaultdict(list)
    hashes = [hash_ for person in people.values() for hash_ in person.hashes]
    for teacher in await storage.staff_with_national_id(connection, hashes):
        found[teacher["national_id_hash"]].append(teacher["id"])
    return found


async def _shared(connection: Connection, rows: list[asyncpg.Record], people: dict[UUID, Person]) -> set[UUID]:
    """The applications one of whose contacts another family uses."""
    contacts: set[tuple[UUID, str]] = set()
    for row in rows:
        application_id, person = row["application_id"], people[row["application_id"]]
        hashes = (*row["contact_hashes"], *person.email_hashes, *person.phone_hashes)
        contacts.update((application_id, hash_) for hash_ in hashes)
    persons = [(id_, hash_) for id_, person in people.items() for hash_ in person.hashes]
    return set(await storage.with_contact_of_others(connection, list(contacts), persons))


def _compared(guardian: asyncpg.Record, shown: ShownGuardian, person: Person) -> RosterGuardian:
    return RosterGuardian(
        name=shown.name,
        role=guardian["role"],
        email_masked=shown.email_masked,
        phone_masked=shown.phone_masked,
        same_name=bare_name(shown.name) == bare_name(person.name),
        same_national_id=_same([guardian["national_id_hash"]], person.hashes),
        same_email=_same([guardian["email_hash"]], person.email_hashes),
        same_phone=_same(guardian["phone_hashes"], person.phone_hashes),
    )


def _same(known: list[str | None], own: list[str]) -> bool | None:
    """Whether one of the hashes that the roster has is the person's own; None where the roster has none."""
    present = set(known) - {None}
    return not present.isdisjoint(own) if present else None


def _is_known(guardian: RosterGuardian) -> bool:
    same_contact = bool(guardian.same_email or guardian.same_phone)
    return is_known_guardian(
        same_national_id=guardian.same_national_id, same_name=guardian.same_name, same_contact=same_contact
    )
