"""AsyncAPI's own parser accepts our documents, and they say what an outside reader needs. It is npm's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from contract.bus_document import BY_TYPE, published
from contract.documents import DOCS, SUBSCRIBE, asyncapi, event_schema
from shared.bus import CONTENT_TYPE
from shared.events import EVENTS
from support.npm import NoNodeError, node_with_packages

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "support" / "asyncapi"
FOLDER = ROOT / ".run" / "asyncapi"
FILES = ("package.json", "package-lock.json", "validate.js")
MESSAGES = {type_: each for service in SUBSCRIBE for type_, each in published(asyncapi(service)).items()}


@pytest.fixture(scope="module")
def faults() -> Callable[..., dict[str, list[str]]]:
    """What the parser says against files. Where no Node.js can be had, the test is skipped, and says so."""
    try:
        node = node_with_packages(SOURCE, FOLDER, FILES)
    except NoNodeError as missing:
        pytest.skip(str(missing))

    def ask(*paths: Path) -> dict[str, list[str]]:
        command = [node, "validate.js", *map(str, paths)]
        done = subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, text=True)  # noqa: S603 - ours
        return {Path(name).stem: said for name, said in json.loads(done.stdout).items()}

    return ask


def test_the_parser_finds_nothing_wrong_and_would(faults: Callable[..., dict[str, list[str]]], tmp_path: Path) -> None:
    document = asyncapi("otp")
    document["operations"]["CodeIssued"]["action"] = "shout"
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(document), encoding="utf-8")
    said = faults(*(DOCS / "asyncapi" / f"{service}.json" for service in SUBSCRIBE), wrong)
    assert said.pop("wrong") != []
    assert said == {service: [] for service in SUBSCRIBE}


def test_every_event_is_published_by_one_document_with_all_that_a_reader_needs() -> None:
    assert set(MESSAGES) == {event.TYPE for event in EVENTS}
    for type_, message in MESSAGES.items():
        assert (message["name"], message["contentType"]) == (type_, CONTENT_TYPE)
        assert message["bindings"]["amqp"]["messageType"] == type_
        assert message["summary"]


@pytest.mark.parametrize("type_", sorted(MESSAGES))
def test_an_example_is_a_whole_event_of_its_kind(type_: str) -> None:
    [example] = MESSAGES[type_]["examples"]
    Draft202012Validator(event_schema(BY_TYPE[type_])).validate(example["payload"])
    assert example["payload"]["source"] == f"/{type_.split('.')[1]}"
    sealed = [value for name, value in example["payload"]["data"].items() if name.startswith("for_")]
    assert all(sealed)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_every_field_says_what_it_means(event: type) -> None:
    data = event.model_fields["data"].annotation
    fields = {**event.model_fields, **data.model_fields}
    assert [name for name, field in fields.items() if not field.description and name not in {"type", "data"}] == []


def test_the_documents_say_how_to_sign_in() -> None:
    for service in SUBSCRIBE:
        document = asyncapi(service)
        for server in document["servers"].values():
            [scheme] = server["security"]
            name = scheme["$ref"].rpartition("/")[2]
            assert document["components"]["securitySchemes"][name]["type"] == "userPassword"
