"""What is personal about a parent goes: the account was deleted, or the application ended long ago.

Ids, states and times stay, and who decided; the child's name is the roster's. The audit log names nobody but staff.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from review_service.applications import storage
from review_service.applications.cases import Names, place
from review_service.applications.domain import State
from review_service.objections import storage as objections
from shared.events import BindingToReview, Signature

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from uuid import UUID

    import asyncpg

    from shared.database import Connection
    from shared.events import PersonForgotten
    from shared.sealing import SealingKeys

log = structlog.get_logger(__name__)

#: Of the details, that there were some.
NOBODY = BindingToReview(
    student_name="",
    parent_name="",
    relation_text="",
    national_id_masked="",
    email_masked="",
    phone_masked="",
    signature=Signature(),
)


async def forget_person(store: SealingKeys, connection: Connection, event: PersonForgotten) -> None:
    """A parent is forgotten: what was bound has ended, and no event that comes late brings anything back."""
    known = {bound.id: bound.version for bound in event.data.bindings}
    students = [student for id_ in known if (student := await storage.student_of(connection, id_)) is not None]
    await storage.hold(connection, students)
    for binding_id, version in known.items():
        await storage.end_with_account(connection, binding_id, version, State.WITHDRAWN, event.time)
    await _forget(store, connection, await storage.to_forget(connection, list(known)))
    await objections.forget(connection, event.data.objection_ids, event.time)
    await storage.refresh(connection, students)
    log.info("person forgotten", bindings=len(known))


async def forget_ended(store: SealingKeys, period: timedelta, connection: Connection, most: int) -> int:
    """Forget who applied where that ended so long ago, and is not bound; how many."""
    rows = await storage.ended_long_ago(connection, period, most)
    await _forget(store, connection, rows)
    return len(rows)


async def _forget(store: SealingKeys, connection: Connection, rows: Sequence[asyncpg.Record]) -> None:
    for row in rows:
        id_: UUID = row["id"]
        if row["names"] is None:
            await storage.forget(connection, id_, None, None)
            continue
        known = store.unseal_model(Names, row["names"], place(id_, "names"))
        names = known.model_copy(update={"parent": ""})
        sealed = store.seal_model(names, place(id_, "names")), store.seal_model(NOBODY, place(id_, "details"))
        await storage.forget(connection, id_, *sealed)
