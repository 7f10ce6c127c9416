"""Reading the link of a notice, and telling whom it concerns. Nothing is stored: review knows each notice once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from binding_service.disowning import storage
from binding_service.drafts import use_cases as drafts
from binding_service.errors import LimitedError, LinkOverError
from binding_service.logins import sent_codes
from binding_service.logins import storage as login_storage
from binding_service.metrics import NOTICES_DISOWNED
from shared import outbox, rate_limits
from shared.events import CodeDisowned, NoticeDisowned
from shared.not_mine import LIFE, read_token
from shared.observing import use_case
from shared.rate_limits import Limit
from shared.sealing import UnsealError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    import asyncpg

    from binding_service.context import Binding
    from shared.database import Connection
    from shared.not_mine import NotMine

log = structlog.get_logger(__name__)

#: What a link is about, and the bindings that this concerns. A code is another matter, and staff have review's page.
CONCERNED: dict[str, Callable[[Connection, UUID], Awaitable[list[asyncpg.Record]]]] = {
    "application": storage.of_application,
    "binding": storage.of_binding,
    "account": storage.of_account,
    "objection": storage.of_objection,
}


async def read(binding: Binding, token: str) -> NotMine:
    """What the link is about; nothing is done yet, as scanners of mail open links. Raises LinkOverError."""
    try:
        link = read_token(binding.keys.to_notify, token)
    except UnsealError:
        raise LinkOverError from None
    async with binding.database.connection() as connection:
        if not await storage.is_in_time(connection, link.at, LIFE):
            raise LinkOverError
    return link


@use_case
async def disown(binding: Binding, token: str, client_address: str) -> NotMine:
    """Tell the schools whom the notice concerns, and end the code that it brought; again is no different.

    Who holds the link learns nothing: the answer is the same whatever was found. Raises LinkOverError, LimitedError.
    """
    link = await read(binding, token)
    await _count(binding, client_address)
    async with binding.database.transaction() as connection:
        if link.about == "attempt":
            concerned = await _end_code(binding, connection, link)
        else:
            concerned = await CONCERNED[link.about](connection, UUID(link.subject))
        await _tell_schools(connection, link.kind, link.at, concerned)
    return link


async def tell_schools_of(connection: Connection, account_id: UUID, kind: str, sent_at: datetime) -> None:
    """An account's owner says so of a notice about it, by whichever link."""
    await _tell_schools(connection, kind, sent_at, await storage.of_account(connection, account_id))


async def _tell_schools(
    connection: Connection, kind: str, sent_at: datetime, concerned: Sequence[asyncpg.Record]
) -> None:
    """One event for each binding; ``concerned`` are their ids and schools."""
    events = [
        NoticeDisowned.of("binding", row["id"], kind=kind, sent_at=sent_at, school_id=row["school_id"])
        for row in concerned
    ]
    if events:
        await outbox.record(connection, *events)
    NOTICES_DISOWNED.labels(kind, "yes" if events else "no").inc()
    log.warning("a notice was disowned", notice=kind, bindings=len(events))


async def _end_code(binding: Binding, connection: Connection, link: NotMine) -> Sequence[asyncpg.Record]:
    """The code dies, and with it the session that it opened and what it has proven in a draft.

    What is reached by the contact that it went to stays as it is, and is returned: the schools are to see to it.
    """
    attempt_id = UUID(link.subject)
    await outbox.record(connection, CodeDisowned.of("binding", attempt_id, expires_at=link.at))
    code = await sent_codes.known(binding, connection, attempt_id, link.at)
    if code.draft_id is not None:
        # Before the code is held: who proves an e-mail has the draft first, too.
        await drafts.take_proof_back(binding, connection, code.draft_id, attempt_id)
    await login_storage.disown_code(connection, code.id, link.at)
    hashes = binding.keys.hashes.digests("contact", code.contact) if code.contact else []
    await storage.end_sessions(connection, attempt_id, code.id, hashes)
    return await storage.of_contact(connection, hashes, code.contact) if code.contact else []


async def _count(binding: Binding, client_address: str) -> None:
    limit = Limit("not-mine-address", binding.settings.not_mine_per_address_hour, timedelta(hours=1))
    subject = binding.keys.hashes.digest("address", rate_limits.client_subject(client_address))
    async with binding.database.transaction() as connection:
        wait = await rate_limits.hit(connection, [(limit, subject)])
    if wait is not None:
        raise LimitedError(retry_after=int(wait.total_seconds()) + 1)
