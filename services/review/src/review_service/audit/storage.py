"""SQL of the audit log, one function a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.database import Connection


async def add(connection: Connection, teacher_id: str, action: str, subject: str) -> None:
    """One more line."""
    await connection.execute(
        "INSERT INTO audit (teacher_id, action, subject) VALUES ($1, $2, $3)", teacher_id, action, subject
    )
