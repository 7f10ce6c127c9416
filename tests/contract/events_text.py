"""The parts of docs/events.md that are made from the AsyncAPI documents; the rest of it is written by hand."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.bus_document import published
from shared.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "events.md"
PROGRAM = ROOT / "examples" / "event-reader" / "reader.js"
MADE = re.compile(r"(<!-- made by make contracts: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
SHOWN = "kinbind.binding.approved.v1"
FORMATS = {"uuid": "UUID", "date-time": "time", "date": "day"}

Document = dict[str, Any]


def with_events(text: str, documents: Sequence[Document]) -> str:
    """``text`` with what these AsyncAPI documents say between its marks. Raises KeyError for a mark of no such part."""
    parts = {
        "example": lambda: _block("json", _as_json(_message(documents, SHOWN)["examples"][0]["payload"])),
        "program": lambda: _block("js", PROGRAM.read_text(encoding="utf-8")),
        "envelope": lambda: _envelope(documents[0]),
        "events": lambda: "".join(f"{line}\n" for line in _list(documents)),
        "fields": lambda: "\n".join(_details(documents)),
    }
    return MADE.sub(lambda found: f"{found[1]}\n{parts[found[2]]()}\n{found[3]}", text)


def _messages(documents: Sequence[Document]) -> Iterator[tuple[str, Document, Document]]:
    """Every event: its type, its message, and the schema of its data."""
    for document in documents:
        schemas = document["components"]["schemas"]
        for type_, message in sorted(published(document).items()):
            yield type_, message, _resolved(_resolved(message["payload"], schemas)["properties"]["data"], schemas)


def _message(documents: Sequence[Document], type_: str) -> Document:
    return next(message for found, message, _ in _messages(documents) if found == type_)


def _list(documents: Sequence[Document]) -> Iterator[str]:
    yield "| event, and its type | what it tells | sealed for |"
    yield "| --- | --- | --- |"
    for type_, message, data in _messages(documents):
        sealed = ", ".join(name.removeprefix("for_") for name in data["properties"] if _is_sealed(name))
        link = f"[{message['title']}](#{message['title'].lower()}) `{type_}`"
        yield f"| {link} | {_cell(message['summary'])} | {sealed} |"


def _details(documents: Sequence[Document]) -> Iterator[str]:
    for type_, message, data in _messages(documents):
        schemas = next(each for each in documents if type_ in published(each))["components"]["schemas"]
        yield f"### {message['title']}\n\n`{type_}`\n\n{_text(message['summary'])}\n"
        yield f"{_text(data['description'])}\n"
        yield _table(data, schemas)
        yield _block("json", _as_json(message["examples"][0]["payload"]["data"]))


def _table(schema: Document, schemas: Mapping[str, Document]) -> str:
    lines = ["| field | type | meaning | if absent |", "| --- | --- | --- | --- |"]
    for name, field in schema["properties"].items():
        sealed = f"sealed for {name.removeprefix('for_')}" if _is_sealed(name) else _cell(field.get("description", ""))
        default = f"`{json.dumps(field['default'])}`" if "default" in field else "always there"
        lines.append(f"| `{name}` | {_kind(field, schemas)} | {sealed} | {default} |")
    return "\n".join(lines) + "\n"


def _envelope(document: Document) -> str:
    """The attributes that all events have."""
    schema = next(iter(published(document).values()))["payload"]
    own = _resolved(schema, document["components"]["schemas"])["properties"]
    lines = ["| attribute | type | meaning |", "| --- | --- | --- |"]
    for name, field in Event.model_json_schema(mode="serialization")["properties"].items():
        lines.append(f"| `{name}` | {_kind(field, {})} | {_cell(field['description'])} |")
    lines += [f"| `{name}` | object | The facts, see below. |" for name in own if name == "data"]
    return "\n".join(lines) + "\n"


def _kind(field: Document, schemas: Mapping[str, Document]) -> str:
    """A field's type in a few words."""
    if "anyOf" in field:
        return " or ".join(_kind(each, schemas) for each in field["anyOf"])
    if "enum" in field:
        return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        fields = _resolved(field, schemas)["properties"].items()
        return "object of " + ", ".join(f"`{name}` ({_kind(each, schemas)})" for name, each in fields)
    if field["type"] == "array":
        return f"list, each: {_kind(field['items'], schemas)}"
    names = {"integer": "whole number", "boolean": "true or false", "object": "object of texts", "string": "text"}
    return FORMATS.get(field.get("format", ""), names.get(field["type"], field["type"]))


def _resolved(schema: Document, schemas: Mapping[str, Document]) -> Document:
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _is_sealed(name: str) -> bool:
    return name.startswith("for_")


def _text(words: str) -> str:
    parts = (" ".join(part.split()).replace("``", "`") for part in words.split("\n\n"))
    return "\n\n".join(textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False) for part in parts)


def _cell(words: str) -> str:
    return " ".join(_text(words).split()).replace("|", "&#124;")


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _block(kind: str, text: str) -> str:
    return f"```{kind}\n{text}```\n"
