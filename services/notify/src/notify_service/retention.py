"""What expires in notify, and after how long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.purging import expired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notify_service.settings import Settings
    from shared.purging import Purge


def make_purges(settings: Settings) -> Sequence[Purge]:
    """Settled messages, which hold nothing personal, and the development mailbox, which does."""
    return [
        expired(
            "messages",
            "state <> 'waiting' AND settled_at < present() - $1::interval",
            timedelta(days=settings.retain_messages_days),
        ),
        expired("mailbox", "arrived_at < present() - $1::interval", timedelta(days=settings.retain_mailbox_days)),
    ]
