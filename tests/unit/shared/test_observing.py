from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from shared.metrics import REGISTRY
from shared.observing import name_of, use_case


class TakenError(Exception):
    """A domain error, with a code of its kind."""

    code: ClassVar[str] = "taken"


class WithAPersonsError(Exception):
    """Its code is one of this one fault, as some libraries have it."""

    def __init__(self) -> None:
        super().__init__()
        self.code = "A123456789"


def outcomes(name: str) -> dict[str, float]:
    family = next(each for each in REGISTRY.collect() if each.name == "kinbind_use_cases")
    return {
        sample.labels["outcome"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["use_case"] == name
    }


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (None, "ok"),
        (TakenError("王小明"), "taken"),
        (WithAPersonsError(), "WithAPersonsError"),
        (asyncio.CancelledError(), "CancelledError"),
    ],
    ids=["ok", "code", "class", "cancelled"],
)
async def test_an_outcome_is_a_name_of_ours(fault: BaseException | None, outcome: str) -> None:
    async def act() -> str:
        if fault is not None:
            raise fault
        return "done"

    act.__name__ = f"act_{outcome}"
    observed = use_case(act)
    if fault is None:
        assert await observed() == "done"
    else:
        with pytest.raises(type(fault)):
            await observed()
    assert outcomes(name_of(act)) == {outcome: 1}
