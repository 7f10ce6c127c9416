"""What a newer OpenAPI document takes from a client that was made from an older one.

Small enough to read, and it knows our own policy: additions only (operations, fields of answers, optional fields and
parameters of requests, problems). The known comparers are programs in other languages, or look at OpenAPI 3.0 only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ("get", "put", "post", "delete", "patch")
#: Limits that a request may not come to meet anew, and whether a larger one lets more in.
LIMITS = {"maxLength": 1, "maximum": 1, "maxItems": 1, "minLength": -1, "minimum": -1, "minItems": -1}


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Each way in which a client of ``old`` would fail with a server of ``new``."""
    return [fault for path in old["paths"] for fault in _path(Pair(old, new), path)]


class Pair:
    """Both documents."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.old = old
        self.new = new

    def plain(self, schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        """The schema itself, where another place is named; of one that may be null, the rest."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self.plain(document["components"]["schemas"][name], document)
        choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
        if len(choices) == 1:
            return self.plain(choices[0], document) | {"nullable": True}
        return schema


def _path(pair: Pair, path: str) -> Iterator[str]:
    for method in METHODS:
        old = pair.old["paths"][path].get(method)
        new = pair.new["paths"].get(path, {}).get(method)
        if old is not None and new is None:
            yield f"{method} {path} is gone"
        elif old is not None:
            yield from (f"{method} {path}: {fault}" for fault in _operation(pair, old, new))


def _operation(pair: Pair, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    if old["operationId"] != new["operationId"]:
        yield "has another operationId"
    yield from _parameters(pair, old.get("parameters", []), new.get("parameters", []))
    yield from _body(pair, old.get("requestBody"), new.get("requestBody"))
    for status, answer in old["responses"].items():
        if not status.startswith("2"):
            continue  # Problems are told by their code, and there may be more of them.
        if status not in new["responses"]:
            yield f"no longer answers {status}"
            continue
        for media, content in answer.get("content", {}).items():
            given = new["responses"][status].get("content", {}).get(media)
            if given is None:
                yield f"no longer answers {media}"
            else:
                yield from _answer(pair, content.get("schema", {}), given.get("schema", {}), status)


def _parameters(pair: Pair, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Iterator[str]:
    known = {(each["in"], each["name"]): each for each in old}
    now = {(each["in"], each["name"]): each for each in new}
    for key, parameter in known.items():
        if key not in now:
            yield f"parameter {key[1]} is gone"
        else:
            yield from _request(pair, parameter["schema"], now[key]["schema"], key[1])
    for key, parameter in now.items():
        if parameter.get("required") and not known.get(key, {}).get("required"):
            yield f"parameter {key[1]} is required anew"


def _body(pair: Pair, old: dict[str, Any] | None, new: dict[str, Any] | None) -> Iterator[str]:
    if new and new.get("required") and not (old and old.get("required")):
        yield "a body is required anew"
    for media, content in (old or {}).get("content", {}).items():
        taken = (new or {}).get("content", {}).get(media)
        if taken is None:
            yield f"no longer takes {media}"
        else:
            yield from _request(pair, content["schema"], taken["schema"], "body")


def _request(pair: Pair, old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    """What was a right request and is none any more."""
    old, new = pair.plain(old, pair.old), pair.plain(new, pair.new)
    yield from _type(old, new, place)
    if old.get("nullable") and not new.get("nullable"):
        yield f"{place} may not be null any more"
    if "enum" in new and not set(old.get("enum", [object])) <= set(new["enum"]):
        yield f"{place} takes fewer values"
    for limit, way in LIMITS.items():
        if limit in new and (limit not in old or (new[limit] - old[limit]) * way < 0):
            yield f"{place} has a narrower {limit}"
    if set(new.get("required", [])) - set(old.get("required", [])):
        yield f"{place} requires more"
    for name, schema in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield from _request(pair, schema, new["properties"][name], f"{place}/{name}")
        else:
            yield f"{place}/{name} is gone"
    if "items" in old:
        yield from _request(pair, old["items"], new.get("items", {}), f"{place}[]")


def _answer(pair: Pair, old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    """What a client reads and would not find, or not understand. Of what was not described it knew nothing."""
    if not old:
        return
    old, new = pair.plain(old, pair.old), pair.plain(new, pair.new)
    yield from _type(old, new, place)
    if new.get("nullable") and not old.get("nullable"):
        yield f"{place} may be null now"
    if "enum" in old and not set(new.get("enum", [object])) <= set(old["enum"]):
        yield f"{place} has more values"
    if set(old.get("required", [])) - set(new.get("required", [])):
        yield f"{place} may lack what it always had"
    for name, schema in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield from _answer(pair, schema, new["properties"][name], f"{place}/{name}")
        else:
            yield f"{place}/{name} is gone"
    if "items" in old:
        yield from _answer(pair, old["items"], new.get("items", {}), f"{place}[]")


def _type(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    for what in ("type", "format", "const", "pattern"):
        if old.get(what) != new.get(what):
            yield f"{place} was {what} {old.get(what)}, is {new.get(what)}"
