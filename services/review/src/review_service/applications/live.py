"""What is looked up for those who have a list or an application open (shared.web.watching)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from review_service.accounts.use_cases import live_sessions
from review_service.applications.inbox import versions
from review_service.errors import TooManyTriesError
from shared.web.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from review_service.context import Review, Teacher
    from shared.database import Connection
    from shared.wakes import Wakes


@dataclass(frozen=True, slots=True)
class Watcher:
    """An open page: whose, and by which session (the hashes of its token)."""

    teacher_id: str
    token_hashes: Sequence[str]


def make_watching(review: Review, wakes: Wakes) -> Watching[Watcher]:
    """Who watches in this process."""
    return Watching(
        review.database,
        wakes,
        partial(list_states, review),
        group=lambda watcher: watcher.teacher_id,
        most=review.settings.streams_per_teacher,
        refusal=partial(TooManyTriesError, review.settings.sign_in_policy().window),
    )


async def version(review: Review, teacher: Teacher) -> str:
    """What the teacher's pages show by now: they carry it, and are renewed when it is another."""
    async with review.database.connection() as connection:
        return (await versions(connection, [teacher.id]))[teacher.id]


async def list_states(review: Review, connection: Connection, watchers: Sequence[Watcher]) -> list[str | None]:
    """What each one's list shows by now; None where the session has ended."""
    shown = await versions(connection, list({watcher.teacher_id for watcher in watchers}))
    live = await live_sessions(review, connection, [hash_ for it in watchers for hash_ in it.token_hashes])
    return [shown[watcher.teacher_id] if live.intersection(watcher.token_hashes) else None for watcher in watchers]
