from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from shared import garbage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def kept_short() -> Iterator[None]:
    """As in a service."""
    note = garbage.keep_searches_short()
    yield
    gc.callbacks.remove(note)
    gc.unfreeze()


@pytest.mark.parametrize(("longest", "generation", "is_frozen"), [(0, 2, True), (60, 2, False), (0, 1, False)])
def test_what_a_long_full_search_has_left_is_looked_at_no_more(
    monkeypatch: pytest.MonkeyPatch, longest: float, generation: int, *, is_frozen: bool
) -> None:
    monkeypatch.setattr(garbage, "LONGEST_SECONDS", longest)
    gc.collect(generation)
    assert bool(gc.get_freeze_count()) is is_frozen


def test_new_garbage_is_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "LONGEST_SECONDS", 0)
    gc.collect()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1
