"""Where an account is signed in, and signing out there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from binding_service.accounts import use_cases as accounts
from binding_service.errors import NotFoundError
from binding_service.logins import storage as login_storage
from shared.observing import use_case

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from binding_service.context import Binding
    from binding_service.logins.domain import Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A session as its owner sees it; ``by_code``: with a code to the e-mail, not with the password."""

    id: UUID
    browser: str
    system: str
    by_code: bool
    since: datetime
    last_used_at: datetime
    is_this: bool


async def places(binding: Binding, session: Session) -> list[Place]:
    """Where the account is signed in: here first, then what was used last. Raises NotSignedInError."""
    accounts.require_account(session)
    account = await accounts.account_of(binding, session)
    async with binding.database.connection() as connection:
        rows = await login_storage.sessions_of(connection, account["id"], accounts.login_hashes(binding, account))
    found = [
        Place(
            id=row["id"],
            browser=row["browser"],
            system=row["system"],
            by_code=row["by_code"],
            since=row["proven_at"],
            last_used_at=row["last_used_at"],
            is_this=row["id"] == session.id,
        )
        for row in rows
    ]
    return sorted(found, key=lambda place: not place.is_this)


@use_case
async def end(binding: Binding, session: Session, session_id: UUID) -> None:
    """Sign out somewhere else. Raises NotSignedInError, NotFoundError for one that is over or somebody else's."""
    if not await _end(binding, session, only=session_id):
        raise NotFoundError


@use_case
async def end_others(binding: Binding, session: Session) -> int:
    """Sign out everywhere but here; how many sessions that were. Raises NotSignedInError."""
    return await _end(binding, session, but=session.id)


async def _end(binding: Binding, session: Session, *, but: UUID | None = None, only: UUID | None = None) -> int:
    accounts.require_account(session)
    account = await accounts.account_of(binding, session)
    async with binding.database.transaction() as connection:
        ended = await login_storage.end_sessions(
            connection, account["id"], accounts.login_hashes(binding, account), but=but, only=only
        )
    log.info("sessions ended", account=str(account["id"]), count=ended)
    return ended
