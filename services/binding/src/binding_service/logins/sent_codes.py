"""The codes that went out, each by what the link in its mail knows of it: otp's attempt, and when the code ends.

By whichever way a code is redeemed, what it proves counts only in a transaction that holds the code (:func:`hold`): one
that its reader disowns at the same moment comes before or after, and never between.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid5

from binding_service.errors import CodeDeadError
from binding_service.logins import storage

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from binding_service.context import Binding
    from shared.database import Connection


class SentCode(NamedTuple):
    """A code by its id, the contact that it went to, and the draft whose e-mail it was to prove."""

    id: UUID
    contact: str | None
    draft_id: UUID | None


def code_id(attempt_id: UUID, expires_at: datetime) -> UUID:
    """The same for whoever knows the attempt and the code's end."""
    return uuid5(attempt_id, expires_at.astimezone(UTC).isoformat())


async def note(
    binding: Binding,
    connection: Connection,
    attempt_id: UUID,
    contact: str,
    expires_at: datetime,
    draft_id: UUID | None = None,
) -> None:
    """Note where a code went."""
    id_ = code_id(attempt_id, expires_at)
    await storage.note_code(connection, id_, *_kept(binding, id_, contact), draft_id, expires_at)


async def hold(
    binding: Binding,
    connection: Connection,
    attempt_id: UUID,
    contact: str,
    expires_at: datetime,
    request_id: UUID,
    draft_id: UUID | None = None,
) -> UUID:
    """Hold a code that otp has redeemed for this request until the transaction ends; its id.

    Noted once more: nobody may have come to that when it was sent. Raises CodeDeadError for one that was disowned.
    """
    id_ = code_id(attempt_id, expires_at)
    if await storage.note_code(connection, id_, *_kept(binding, id_, contact), draft_id, expires_at, request_id):
        raise CodeDeadError(field="code")
    return id_


async def known(binding: Binding, connection: Connection, attempt_id: UUID, expires_at: datetime) -> SentCode:
    """What is known of a code by now; nothing of one that nobody has noted."""
    id_ = code_id(attempt_id, expires_at)
    row = await storage.code(connection, id_) or await storage.newest_code(connection, attempt_id, expires_at)
    if row is None:
        return SentCode(id_, None, None)
    return SentCode(id_, binding.keys.store.unseal(row["contact_sealed"], row["place"]), row["draft_id"])


def _kept(binding: Binding, id_: UUID, contact: str) -> tuple[str, str]:
    """The contact, sealed, and its keyed hash."""
    return binding.keys.store.seal(contact, _place(id_)), binding.keys.hashes.digest("contact", contact)


def _place(id_: UUID) -> str:
    return f"sent_codes:{id_}:contact"
