"""What the service costs while nothing happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from review_service.app import make_app
from review_service.applications import decisions
from review_service.applications.domain import Outcome
from support.serving import eventually, serving

if TYPE_CHECKING:
    from tests.integration.review.conftest import AsTeacher, Binding, Query

    from review_service.context import Review
    from review_service.settings import Settings

SECONDS = 3


class Looks:
    """How often the service looked for decisions that are due."""

    def __init__(self) -> None:
        self.count = 0

    async def in_seconds(self) -> int:
        """From now on."""
        before = self.count
        await asyncio.sleep(SECONDS)
        return self.count - before


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    counted, let_leave = Looks(), decisions.let_leave

    async def look(review: Review) -> int:
        counted.count += 1
        return await let_leave(review)

    monkeypatch.setattr(decisions, "let_leave", look)
    return counted


@pytest.fixture
def settings(settings: Settings, vhost: str) -> Settings:
    return settings.model_copy(update={"rabbitmq_url": SecretStr(vhost), "undo_seconds": 600})


async def test_a_service_in_which_nothing_happens_looks_at_its_polls_only(
    settings: Settings, review: Review, binding: Binding, as_teacher: AsTeacher, looks: Looks
):
    async with serving(make_app(settings)):
        assert await looks.in_seconds() <= 2
        await decisions.decide(review, as_teacher("T-1"), await binding.submit(), Outcome.APPROVE)
        assert await looks.in_seconds() <= 4


async def test_what_is_due_and_held_is_let_go_soon_after_and_meanwhile_asked_for_a_few_times_a_second(
    settings: Settings, review: Review, binding: Binding, as_teacher: AsTeacher, query: Query, looks: Looks
):
    id_ = await binding.submit()
    await decisions.decide(review, as_teacher("T-1"), id_, Outcome.APPROVE)
    await query("UPDATE bindings SET leaves_at = present() - interval '1 second' WHERE id = $1", id_)
    async with review.database.connection() as connection:
        holding = connection.transaction()
        await holding.start()
        await connection.execute("SELECT FROM bindings WHERE id = $1 FOR UPDATE", id_)
        async with serving(make_app(settings)):
            assert 2 <= await looks.in_seconds() <= SECONDS / decisions.LEAST_SECONDS + 5
            await holding.rollback()
            await eventually(lambda: _has_left(query))


async def _has_left(query: Query) -> bool:
    return bool(await query("SELECT 1 FROM bindings WHERE left_at IS NOT NULL"))
