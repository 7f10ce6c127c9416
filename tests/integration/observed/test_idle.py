"""What the services cost while nothing happens: who is woken by what it does itself never rests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.observed import Observed

SECONDS = 6
#: What a start leaves to do, purges among it, is done in the first of them.
SPANS = 5
#: Each of the services looks at a few things every few seconds; one that never rests does some hundred a second.
MOST_TRANSACTIONS = 150
COUNT = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"


def test_services_in_which_nothing_happens_leave_the_database_alone(observed: Observed) -> None:
    def transactions() -> int:
        return int(str(observed.stack.sql(COUNT)))

    def in_a_span() -> int:
        before = transactions()
        time.sleep(SECONDS)  # a time in which nothing happens is what this is about
        return transactions() - before

    counted: list[int] = []
    while len(counted) < SPANS and min(counted, default=MOST_TRANSACTIONS) >= MOST_TRANSACTIONS:
        counted.append(in_a_span())
    assert min(counted) < MOST_TRANSACTIONS, counted
