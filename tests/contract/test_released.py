"""What the last release says is understood here, and what is said here is understood by it."""

from __future__ import annotations

import json
import sys
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from contract import samples
from contract.documents import asyncapi, breaks
from shared import events, requests
from shared.bus import DIRECT_EXCHANGE
from support import released

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def former(module: ModuleType) -> ModuleType:
    """A module of shared as it was in the last release, beside the present one."""
    path = f"shared/src/{module.__name__.replace('.', '/')}.py"
    source = released.files(".py", path)[path]
    made = ModuleType(f"released_{module.__name__.replace('.', '_')}")
    # Where pydantic looks up what annotations name.
    sys.modules[made.__name__] = made
    exec(compile(source, path, "exec", dont_inherit=True), made.__dict__)  # noqa: S102 - our own history
    return made


def models(module: ModuleType) -> dict[str, type[BaseModel]]:
    """Everything that travels: events, what is sealed in them, questions and answers."""
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    return {value.__name__: value for value in own if isinstance(value, type) and issubclass(value, BaseModel)}


def taken_away(before: dict[str, type[BaseModel]], now: dict[str, type[BaseModel]]) -> list[str]:
    """What those who go by ``before`` would miss in ``now``."""
    gone = [f"{name} is gone" for name in before if name not in now]
    pairs = [(name, before[name].model_json_schema(), now[name].model_json_schema()) for name in before if name in now]
    return gone + [f"{name}{fault}" for name, old, new in pairs for fault in breaks(old, new)]


@pytest.mark.parametrize("module", [events, requests], ids=lambda module: module.__name__)
def test_what_travels_has_only_grown_what_is_sealed_in_it_too(module: ModuleType):
    assert taken_away(models(former(module)), models(module)) == []


def _lose_a_field(schema: dict[str, Any]) -> None:
    del schema["properties"]["contact"]


def _need_a_field(schema: dict[str, Any]) -> None:
    schema["required"].append("name")


@pytest.mark.parametrize("change", [_lose_a_field, _need_a_field])
def test_a_sealed_part_that_has_not_only_grown_is_noticed(
    change: Callable[[dict[str, Any]], None], monkeypatch: pytest.MonkeyPatch
):
    before = models(former(events))
    schema = events.CodeToSend.model_json_schema()
    change(schema)
    monkeypatch.setattr(events.CodeToSend, "model_json_schema", lambda: schema)
    assert [fault for fault in taken_away(before, models(events)) if fault.startswith("CodeToSend/")]


@pytest.mark.parametrize("name", [event.__name__ for event in events.EVENTS])
def test_each_version_understands_the_other(name: str):
    released_event = getattr(former(events), name, None)
    if released_event is None:
        return  # A new one: no consumer of the last release has it in a queue that it reads.
    present = getattr(events, name)
    sent = samples.of(present).model_dump_json()
    heard = released_event.model_validate_json(sent)
    back = present.model_validate_json(heard.model_dump_json())
    assert json.loads(back.model_dump_json()).items() >= _common(heard).items()


def _common(event: BaseModel) -> dict[str, Any]:
    """All but the facts, which may have grown."""
    told: dict[str, Any] = json.loads(event.model_dump_json())
    del told["data"]
    return told


@pytest.mark.parametrize("service", ["otp", "binding", "review", "notify"])
def test_a_service_still_hears_and_tells_what_it_did(service: str):
    path = f"docs/asyncapi/{service}.json"
    # Requests went by the default exchange in v0.1.0, now by one of ours, to the same queues: a name in the document.
    before = released.files(".json", path)[path].replace(":_:", f":{DIRECT_EXCHANGE.name}:")
    # It said of events that they are not persistent, which they have always been.
    before = before.replace('"deliveryMode": 1', '"deliveryMode": 2')
    assert breaks(json.loads(before), asyncapi(service)) == []
