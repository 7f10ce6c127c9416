"""Writing the audit log, in the transaction of what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from review_service.audit import storage

if TYPE_CHECKING:
    from review_service.context import Review, Teacher
    from shared.database import Connection


async def note(review: Review, connection: Connection, teacher: Teacher, action: str, subject: object) -> None:
    """``teacher`` did ``action`` (such as ``application.approve``) to the thing whose id is ``subject``."""
    await storage.add(connection, teacher.id, action, str(subject))
