"""What a notice is, and how long it is worth trying to deliver one. Standard library only, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

#: What a provider may call a message; anything else in its place is none of our rows' business.
PROVIDER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Kind(StrEnum):
    """The notices there are."""

    CODE = "code"
    APPLICATION_RECEIVED = "application_received"
    APPROVED = "approved"
    ACCOUNT_OPENED = "account_opened"
    NEW_DEVICE = "new_device"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a notice
    EMAIL_CHANGED = "email_changed"
    PHONE_CHANGED = "phone_changed"
    EMAIL_CLAIMED = "email_claimed"
    FIRST_PASSWORD_STOPPED = "first_password_stopped"  # noqa: S105 - the name of a notice
    SECURED = "secured"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    GUARDIAN_BOUND = "guardian_bound"
    OBJECTION_CLOSED = "objection_closed"
    DELETION_ASKED = "deletion_asked"
    ACCOUNT_DELETED = "account_deleted"
    DIGEST = "digest"
    REMINDER = "reminder"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and how far apart, a notice is tried; ``life`` is how long it is worth anything.

    For so long after a lost answer it ``keeps_to`` the provider that may have it: nobody else is asked.
    """

    tries: int
    first_wait: timedelta
    longest_wait: timedelta
    life: timedelta
    keeps_to: timedelta


#: Somebody sits and waits for a code. Its event says when it dies; the life here only bounds that. It may come twice:
#: it is the same one.
FOR_A_CODE = Patience(
    tries=60,
    first_wait=timedelta(seconds=2),
    longest_wait=timedelta(minutes=1),
    life=timedelta(hours=24),
    keeps_to=timedelta(),
)
#: A decision is still news after a weekend with a broken mail server. Two letters that tell of one approval make people
#: wonder which is true; two hours are more than most servers are away for, and less than anybody is woken after.
FOR_A_NOTICE = Patience(
    tries=40,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(hours=4),
    life=timedelta(days=4),
    keeps_to=timedelta(hours=2),
)
#: What waits for review is told anew each day, and the next mail says more than a late one.
FOR_A_DIGEST = replace(FOR_A_NOTICE, life=timedelta(days=1))
FOR_A_REMINDER = replace(FOR_A_NOTICE, life=timedelta(days=2))
PATIENCE = {
    Kind.CODE: FOR_A_CODE,
    Kind.DIGEST: FOR_A_DIGEST,
    Kind.REMINDER: FOR_A_REMINDER,
    Kind.ESCALATION: FOR_A_REMINDER,
}


def patience(kind: Kind) -> Patience:
    """How long this kind of notice is worth trying."""
    return PATIENCE.get(kind, FOR_A_NOTICE)


def wait_after(kind: Kind, tries: int, jitter: float) -> timedelta | None:
    """How long to wait after so many failed tries (1 and up); None when that was the last.

    Doubles each time up to a limit. ``jitter``, from 0 to 1, takes off up to half: what failed together must not come
    back together.
    """
    patient = patience(kind)
    if tries >= patient.tries:
        return None
    # Past 2**20 every wait is the longest one, and a timedelta overflows long after that.
    doubled = patient.first_wait * (1 << min(tries - 1, 20))
    return min(patient.longest_wait, doubled) * (1 - jitter / 2)


def may_go_elsewhere(kind: Kind, since: timedelta) -> bool:
    """Whether another provider may be asked so long after one's answer was lost, though both may then send it.

    Before that the one that may have the message is asked again alone, later before the others.
    """
    return since >= patience(kind).keeps_to


def waits_for_the_next_hour(kind: Kind) -> bool:
    """Whether what is over the hour's limit goes later. A code would come late, and take the next one's place."""
    return kind is not Kind.CODE


def share_of_the_hour(kind: Kind, most: int) -> int:
    """How many of an hour's ``most`` messages may be out for one of this kind to follow: a tenth is kept for codes."""
    return most if kind is Kind.CODE else max(1, most * 9 // 10)


def is_kept_when_failed(kind: Kind) -> bool:
    """Whether the contents stay for a while, sealed, so that it can be sent again. A code is worth nothing then."""
    return kind is not Kind.CODE
