"""What a school's people are and do, as binding gets to know of it: by the roster, and by events of review."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from binding_service.roster.guardians import kept
from shared.events import (
    BindingSubmitted,
    BindingToReview,
    DecisionReason,
    PaperApplication,
    PaperApplicationEntered,
    UnbindingDecided,
)
from support.serving import eventually
from support.town import LI, national_id

if TYPE_CHECKING:
    from shared.events import Event
    from support.town import Child, Town

ADMINISTRATOR = "A-1"
PAPER_PARENT_ID = national_id(503)


async def add_staff(
    town: Town, id_: str, number: str = "", *, role: str = "teacher", school: str = "S-1", active: bool = True
) -> None:
    """One of the staff, with an ID number or without."""
    hash_ = town.keys.hashes.digest("national-id", number) if number else None
    await town.db.execute(
        "INSERT INTO binding.teachers VALUES ($1, $2, $3, '陳老師', 't@school.example', $4, 1, $5)",
        id_,
        school,
        role,
        hash_,
        active,
    )


async def add_guardian(
    town: Town, id_: str, name: str, *children: Child, number: str = "", email: str = "", phone: str = ""
) -> None:
    """A guardian of children in the roster, as an import writes it."""
    guardian = kept(id_, name, email, [phone], town.keys.hashes, town.keys.store)
    await town.db.execute(
        "INSERT INTO binding.guardians VALUES ($1, 'parent', $2, $3, $4, $5, $6, 1, true)",
        id_,
        town.keys.hashes.digest("national-id", number) if number else None,
        *guardian,
    )
    await town.db.execute(
        "UPDATE binding.students SET guardian_ids = guardian_ids || $1::text WHERE id = ANY($2)",
        id_,
        [child.id for child in children],
    )


async def submitted(town: Town) -> list[tuple[BindingSubmitted, BindingToReview]]:
    """Every binding that was told to wait, with what a teacher sees, oldest first."""
    return [
        (
            event,
            town.keys.to_review.unseal_model(BindingToReview, event.data.for_review, event.place("for_review")),
        )
        for event in await town.events(BindingSubmitted)
    ]


def unbinding(town: Town, binding_id: str, reason: str) -> UnbindingDecided:
    """An administrator's decision to unbind, as review tells it."""
    event = UnbindingDecided.of("review", binding_id, decided_by=ADMINISTRATOR)
    return event.sealed(town.keys.from_review, for_binding=DecisionReason(reason=reason))


async def unbind(town: Town, binding_id: str, reason: str = "監護權已變更") -> None:
    """Unbind, and wait until binding has heard of it."""
    await hear(town, unbinding(town, binding_id, reason))


def paper_entry(town: Town, child: Child = LI, *, entry_id: UUID | None = None, **changes: object) -> Event:
    """An application that came on paper, as review tells it; ``changes`` are fields of the event or of the paper."""
    paper = {
        "relation": "father",
        "parent_name": "李大同",
        "national_id": PAPER_PARENT_ID,
        "email": "paper@example.org",
        "phone": "0987654321",
    }
    data = {
        "school_id": child.school_id,
        "student_id": child.id,
        "entered_by": ADMINISTRATOR,
        "language": "zh-TW",
        "statement_version": "2026-12",
        "signed_on": date(2026, 11, 20),
    }
    paper |= {key: changes[key] for key in changes if key in PaperApplication.model_fields}
    data |= {key: changes[key] for key in changes if key not in PaperApplication.model_fields}
    event = PaperApplicationEntered.of("review", entry_id or uuid4(), **data)
    return event.sealed(town.keys.from_review, for_binding=PaperApplication.model_validate(paper))


async def hear(town: Town, *events: Event) -> None:
    """Tell the bus, and wait until binding has heard each."""
    for event in events:
        await town.publish(event.model_dump_json().encode(), event.TYPE)
    ids = [event.id for event in events]

    async def all_heard() -> bool:
        return len(ids) == await town.value("SELECT count(*) FROM binding.inbox WHERE event_id = ANY($1)", ids)

    await eventually(all_heard)
