"""What expires in the binding service, and after how long: the purge does it once an hour.

An account keeps what it needs as long as it lives; so does an application of which anything waits or is bound.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from binding_service import idempotency_rows
from binding_service.accounts import storage as accounts
from binding_service.family import storage
from binding_service.family.deletion import delete_due, erase_closed
from binding_service.logins import storage as logins
from binding_service.roster import push_rows
from shared.purging import Purge, expired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from binding_service.context import Keys
    from binding_service.settings import Settings
    from shared.database import Connection


def make_purges(settings: Settings, keys: Keys) -> Sequence[Purge]:
    """All that expires here."""
    closed = timedelta(days=settings.retain_closed_days)
    return [
        *logins.EXPIRED,
        *accounts.EXPIRED,
        *push_rows.EXPIRED,
        *idempotency_rows.EXPIRED,
        expired("drafts", "updated_at < present() - $1::interval", timedelta(days=settings.retain_drafts_days)),
        expired(
            "paper_entries",
            "application_id IS NULL AND answered_at < present() - $1::interval",
            timedelta(days=settings.retain_paper_entries_days),
        ),
        Purge("closed applications", partial(_count_closed, closed), partial(erase_closed, closed)),
        expired(
            "objections",
            "closed_at < present() - $1::interval AND (reason_sealed IS NOT NULL OR note_sealed IS NOT NULL)",
            closed,
            change="reason_sealed = NULL, note_sealed = NULL",
        ),
        Purge("accounts", storage.count_deletions_due, partial(delete_due, keys)),
    ]


async def _count_closed(period: timedelta, connection: Connection) -> int:
    return await storage.count_closed(connection, period)
