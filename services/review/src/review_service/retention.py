"""What expires in review, and after how long: the purge does it once an hour."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from review_service.accounts import storage as accounts
from review_service.applications import storage as applications
from review_service.applications.forgetting import forget_ended
from review_service.papers import storage as papers
from shared.purging import Purge, expired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from review_service.settings import Settings
    from shared.database import Connection


def make_purges(settings: Settings) -> Sequence[Purge]:
    """All that expires here. Raises SettingsError."""
    store = settings.sealing_keys("KEY_REVIEW_STORE", settings.key_review_store)
    period = timedelta(days=settings.retain_closed_days)
    return [
        *accounts.EXPIRED,
        *papers.EXPIRED,
        expired("disowned_notices", "disowned_at < present() - $1::interval", period),
        Purge("closed applications", partial(_count_ended, period), partial(forget_ended, store, period)),
        expired(
            "objections",
            "closed_at < present() - $1::interval AND (reason IS NOT NULL OR note IS NOT NULL)",
            period,
            change="reason = NULL, note = NULL",
        ),
    ]


async def _count_ended(period: timedelta, connection: Connection) -> int:
    return await applications.count_ended_long_ago(connection, period)
