"""Nothing personal is shown of an event, whatever it holds and wherever it holds it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from contract import samples
from kinbind_operations.masking import masked_event, shown_id
from shared.events import EVENTS
from shared.sealing import SealingKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.events import Event

PERSONAL = ("A123456789", "林淑芬", "lin@example.org", "0912345678", "+886912345678", "0227208889")
by_type = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """The path of each value in a tree, and of each branch."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def replaced(tree: Any, path: tuple[Any, ...], value: object) -> Any:  # noqa: ANN401 - JSON
    """A copy with another value at a place."""
    copy = json.loads(json.dumps(tree))
    branch = copy
    for key in path[:-1]:
        branch = branch[key]
    branch[path[-1]] = value
    return copy


@by_type
def test_a_person_s_data_is_masked_in_every_field_as_text_in_a_list_and_as_a_number(event: type[Event]) -> None:
    sent = json.loads(samples.of(event).model_dump_json())
    for path in [*places(sent), ("added",), ("data", "added")]:
        for person in PERSONAL:
            number = int("".join(filter(str.isdecimal, person)) or 9_876_543_210)
            for value in (person, [person], {"name": person}, {person: 1}, number, f"{person}.AAAA", f"for_{person}"):
                shown = json.dumps(masked_event(json.dumps(replaced(sent, path, value)).encode()), ensure_ascii=False)
                assert person not in shown, (path, value)
                assert str(number) not in shown, (path, value)


@by_type
def test_ids_times_and_fixed_words_are_shown(event: type[Event]) -> None:
    sent = json.loads(samples.of(event).model_dump_json())
    shown = masked_event(json.dumps(sent).encode())
    assert isinstance(shown, dict)
    assert [shown[name] for name in ("id", "type", "time", "specversion")] == [
        sent[name] for name in ("id", "type", "time", "specversion")
    ]


def test_of_what_is_sealed_the_key_is_told_and_nothing_else() -> None:
    sealed = SealingKeys({"k7": bytes(32)}).seal("林淑芬", "here")
    shown = masked_event(json.dumps({"type": "kinbind.unknown.v9", "data": {"for_notify": sealed}}).encode())
    assert shown == {"type": "•••• (18 characters)", "data": "•••• (1 entries)"}
    event = json.loads(samples.of(EVENTS[0]).model_dump_json())
    event["data"]["for_notify"] = sealed
    shown = masked_event(json.dumps(event).encode())
    assert isinstance(shown, dict)
    assert shown["data"]["for_notify"] == "sealed under key k7 (37 bytes)"  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("林淑芬".encode(), "not JSON (9 bytes)"),
        (b"\xff\xfe", "not JSON (2 bytes)"),
        ('["林淑芬"]'.encode(), "not an event (13 bytes)"),
        (b"[" * 100_000, "not JSON (100000 bytes)"),
    ],
    ids=["text", "bytes", "list", "nested for ever"],
)
def test_what_is_no_event_is_told_by_its_size(body: bytes, said: str) -> None:
    assert masked_event(body) == said


def test_an_id_that_is_no_uuid_may_be_somebody_s() -> None:
    assert shown_id("5b0a3f0e-7a52-4a2c-9f0b-7d9d5b1f3c11") == "5b0a3f0e-7a52-4a2c-9f0b-7d9d5b1f3c11"
    assert shown_id("A123456789") == "•••• (10 characters)"
    assert shown_id(None) == "••••"
