"""What the services cost while nothing happens: who is woken by what it does itself never rests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from local_stack.processes import wait_until

if TYPE_CHECKING:
    from support.observed import Observed

#: So long they have to rest, and by then: a start leaves something to do, purges among it.
RESTING_SECONDS = 6
SOON = 60
#: Each of the services looks at a few things every few seconds, and so does this test; one that never rests does some
#: hundred a second.
MOST_TRANSACTIONS = 150
COUNT = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"


def test_services_in_which_nothing_happens_leave_the_database_alone(observed: Observed) -> None:
    def transactions() -> int:
        return int(str(observed.stack.sql(COUNT)))

    since, before = time.monotonic(), transactions()

    def have_rested() -> bool:
        nonlocal since, before
        now = transactions()
        if now - before >= MOST_TRANSACTIONS:
            since, before = time.monotonic(), now
        return time.monotonic() - since >= RESTING_SECONDS

    wait_until(have_rested, within=SOON, what="services that leave the database alone")
