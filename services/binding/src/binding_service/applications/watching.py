"""What is looked up for those who watch a progress page (shared.web.watching)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from binding_service.applications import storage
from binding_service.applications.domain import fingerprint
from binding_service.logins import storage as login_storage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from binding_service.logins.domain import Session
    from shared.database import Connection


async def progress_states(connection: Connection, sessions: Sequence[Session]) -> list[str | None]:
    """What the progress page of each session shows by now; None where the session has ended."""
    contacts = list({session.contact_hash for session in sessions})
    shown = _by_contact(await storage.shown_to_contacts(connection, contacts))
    live = set(await login_storage.live_sessions(connection, [session.id for session in sessions]))
    versions = {contact: fingerprint(shown[contact]) for contact in contacts}
    return [versions[session.contact_hash] if session.id in live else None for session in sessions]


def _by_contact(rows: list[asyncpg.Record]) -> dict[str, list[tuple[UUID, int]]]:
    shown: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    for row in rows:
        shown[row["contact_hash"]].append((row["id"], row["version"]))
    return shown
