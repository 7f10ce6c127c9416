"""When reviewers are told what waits. Standard library only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

#: The hour of reminders and escalations where no digest is wanted.
USUAL_HOUR = 7
#: A service that was away at the hour makes up for it until so much later; then the next morning is soon enough.
HOURS_LATE_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class ReminderPolicy:
    """After how many days somebody is reminded, and at what hour (Taipei); 0 days and no hour mean never."""

    remind_after_days: int
    escalate_after_days: int
    digest_hour: int | None

    @property
    def is_silent(self) -> bool:
        """Whether nobody is ever told anything."""
        return self.digest_hour is None and not self.remind_after_days and not self.escalate_after_days

    @property
    def hour(self) -> int:
        """When the day's messages go out, all of them: a mailbox is not opened three times for three mails."""
        return USUAL_HOUR if self.digest_hour is None else self.digest_hour

    @property
    def remind_after(self) -> timedelta:
        """How long an application waits until its reviewers are reminded."""
        return timedelta(days=self.remind_after_days)

    @property
    def escalate_after(self) -> timedelta:
        """How long an application waits until the administrators are told."""
        return timedelta(days=self.escalate_after_days)
