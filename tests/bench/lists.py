"""What one page of a list costs at 100 and at 100,000 applications in one school, in one run on this machine.

``python tests/bench/lists.py``. Each is asked often on one connection, so that PostgreSQL has settled on its plan.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[1]))

from review_service.app import make_review
from review_service.applications import inbox, storage
from review_service.settings import Settings
from support import many
from support.databases import fresh_databases, template_database
from support.servers import test_servers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from review_service.context import Review

FEW, MANY = 100, 100_000
TIMES = 25


def main() -> None:
    """Run everything and print a table."""
    figures: dict[str, list[float]] = {}
    with test_servers() as servers, template_database(servers.postgres) as template:
        for rows in (FEW, MANY):
            with fresh_databases(servers.postgres, template) as databases:
                asyncio.run(measure(databases.review, rows, figures))
    print(f"{'least of ' + str(TIMES):55} {FEW:>10,} {MANY:>12,} {'ratio':>7}")
    for title, (few, much) in figures.items():
        print(f"{title:55} {few * 1000:>7.1f} ms {much * 1000:>9.1f} ms {much / few:>7.1f}")


async def measure(dsn: str, rows: int, figures: dict[str, list[float]]) -> None:
    """Fill a school and take the time of everything in it."""
    settings = Settings(database_url=SecretStr(dsn), database_pool_size=1)
    review = make_review(settings)
    await review.database.open()
    await many.fill(review, rows)
    for title, work in [*await list_pages(review), *look_ups(review)]:
        figures.setdefault(title, []).append(await least(work))
    await review.database.close()


async def list_pages(review: Review) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
    """Each page of many.lists()."""
    return [
        (listed.title, lambda listed=listed: inbox.list_applications(review, listed.teacher, listed.wanted))
        for listed in await many.lists(review)
    ]


def look_ups(review: Review) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
    """What runs at each wave of commits, and at each event."""
    teachers = [f"T-{1 + number}" for number in range(many.CLASSES * many.TEACHERS_OF_A_CLASS)]

    async def changes(who: list[str]) -> None:
        async with review.database.connection() as connection:
            await storage.changes(connection, who)

    async def refresh() -> None:
        async with review.database.transaction() as connection:
            await storage.refresh(connection, ["ST-7"])

    async def refresh_class() -> None:
        async with review.database.transaction() as connection:
            await storage.refresh(connection, [f"ST-{number}" for number in range(30)])

    async def take() -> None:
        async with review.database.transaction() as connection:
            await storage.take_decisions(
                connection, "T-1", [uuid4()], "approve", [None], batch=uuid4(), undo=timedelta()
            )

    return [
        ("changes, one teacher", lambda: changes(["T-1"])),
        (f"changes, {len(teachers)} teachers", lambda: changes(teachers)),
        ("changes, an administrator", lambda: changes(["A-1"])),
        ("refresh, one student", refresh),
        ("refresh, 30 students", refresh_class),
        ("take_decisions, one unknown", take),
    ]


async def least(work: Callable[[], Awaitable[object]]) -> float:
    """The least seconds of TIMES: what else this machine does counts least in that. PostgreSQL has its plan."""
    times = []
    for number in range(TIMES + 6):
        began = time.perf_counter()
        await work()
        if number >= 6:
            times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
