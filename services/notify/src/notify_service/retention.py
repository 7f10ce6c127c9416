"""What expires in notify, and after how long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.purging import expired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notify_service.settings import Settings
    from shared.purging import Purge


#: Longer than anybody asks what SMS cost last month.
HOURLY_COUNTS_DAYS = 62


def make_purges(settings: Settings) -> Sequence[Purge]:
    """Of settled messages first what is personal, the rest of them later; and the development mailbox."""
    settled = "state <> 'waiting' AND settled_at < present() - $1::interval"
    return [
        expired("messages", settled, timedelta(days=settings.retain_messages_days), oldest_by="settled_at"),
        expired(
            "messages",
            # Only what has failed keeps any (messages_contents_gone), and there is an index of that.
            f"state = 'failed' AND letter IS NOT NULL AND {settled}",
            timedelta(days=settings.retain_failed_days),
            kind="contents of failed messages",
            change="letter = NULL",
        ),
        expired(
            "messages",
            f"contact <> '' AND {settled}",
            timedelta(days=settings.retain_contacts_days),
            kind="masked contacts",
            change="contact = ''",
            oldest_by="settled_at",
        ),
        expired("operator_sessions", "expires_at < present()"),
        expired("operator_acts", "at < present() - $1::interval", timedelta(days=settings.retain_messages_days)),
        expired("hourly_counts", "hour < present() - $1::interval", timedelta(days=HOURLY_COUNTS_DAYS)),
        expired("mailbox", "arrived_at < present() - $1::interval", timedelta(days=settings.retain_mailbox_days)),
    ]
