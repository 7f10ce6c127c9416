"""What others build on is written down, true, and only grows."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from contract import samples
from contract.documents import (
    EVENTS_TEXT,
    SCHEMAS,
    as_text,
    asyncapi,
    breaks,
    documents,
    event_schema,
    events_text,
    openapi,
)
from shared.events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared.events import Event

DOCUMENTS = list(documents())
by_type = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)


@pytest.mark.parametrize(("path", "document"), DOCUMENTS, ids=[path.name for path, _ in DOCUMENTS])
def test_the_stored_document_is_what_the_code_says(path: Path, document: dict[str, Any]):
    assert path.read_text(encoding="utf-8") == as_text(document), "run make contracts"


def test_the_text_about_events_is_what_the_documents_say():
    assert EVENTS_TEXT.read_text(encoding="utf-8") == events_text(), "run make contracts"


@by_type
def test_an_event_schema_only_grows(event: type[Event]):
    stored = json.loads((SCHEMAS / f"{event.TYPE}.json").read_text(encoding="utf-8"))
    assert breaks(stored, event_schema(event)) == []


def test_no_schema_is_left_of_an_event_that_is_gone():
    assert {path.stem for path in SCHEMAS.glob("*.json")} == {event.TYPE for event in EVENTS}


@by_type
def test_an_event_as_it_is_sent_fits_its_stored_schema(event: type[Event]):
    stored = json.loads((SCHEMAS / f"{event.TYPE}.json").read_text(encoding="utf-8"))
    Draft202012Validator(stored).validate(json.loads(samples.of(event).model_dump_json()))


@by_type
def test_an_event_with_fields_of_a_newer_version_is_understood(event: type[Event]):
    sent = json.loads(samples.of(event).model_dump_json())
    newer = copy.deepcopy(sent) | {"traceparent": "00-1"}
    newer["data"]["added_later"] = {"anything": 1}
    assert json.loads(event.model_validate(newer).model_dump_json()) == sent


@by_type
def test_an_event_of_another_version_is_refused(event: type[Event]):
    other = samples.of(event).model_dump(mode="json") | {"type": event.TYPE.replace(".v1", ".v2")}
    with pytest.raises(ValueError, match="type"):
        event.model_validate(other)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda schema: schema["properties"].pop("subject"), "/properties/subject is gone"),
        (lambda schema: schema["properties"]["subject"].update(type="integer"), "/properties/subject/type was string"),
        (lambda schema: schema["required"].append("time"), "/required was"),
        (lambda schema: schema["required"].remove("subject"), "/required was"),
    ],
)
def test_taking_something_away_is_noticed(change: Callable[[dict[str, Any]], None], expected: str):
    old = event_schema(EVENTS[0])
    new = copy.deepcopy(old)
    change(new)
    assert [fault for fault in breaks(old, new) if fault.startswith(expected)]


def test_an_optional_field_may_be_added():
    old = event_schema(EVENTS[0])
    new = copy.deepcopy(old)
    new["properties"]["added"] = {"type": "string"}
    assert breaks(old, new) == []


def test_every_event_has_somebody_who_hears_it():
    heard = {
        channel["address"]
        for service in ("otp", "binding", "review", "notify")
        for channel in asyncapi(service)["channels"].values()
        if channel["bindings"]["amqp"]["is"] == "queue"
    }
    assert {event.TYPE for event in EVENTS} <= heard


def test_the_gateways_document_is_openapi_3_1():
    assert openapi()["openapi"].startswith("3.1")
