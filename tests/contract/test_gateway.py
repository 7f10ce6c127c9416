"""The gateway's document: it says all that can be answered, by examples that are true, and takes nothing away."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from jsonschema import Draft202012Validator

from binding_service import api
from binding_service.api_document import errors_by_code
from binding_service.api_parts import deprecated
from contract.documents import API_TEXT, openapi, with_catalogue
from contract.openapi_growth import breaks
from support import released

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCUMENT = openapi()
OPERATIONS = {
    f"{method.upper()} {path.removeprefix('/api/v1')}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
by_operation = pytest.mark.parametrize("name", OPERATIONS)
#: These POSTs create nothing: they are one because what they take must not stand in an address.
QUESTIONS = {
    "POST /id-numbers/check",
    "POST /document-checks",
    "POST /account/data",
    "POST /account/not-me/notice",
    "POST /not-mine/notice",
}
#: Of these contents no example can be written down.
BINARY = {"application/pdf", "application/zip"}


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of a request and its answers: where it is, the media type, and what the document says of it."""
    for place, said in {"request": operation.get("requestBody", {}), **operation["responses"]}.items():
        for media, content in said.get("content", {}).items():
            yield place, media, content


def examples(content: dict[str, Any]) -> list[Any]:
    found = [resolved(example)["value"] for example in content.get("examples", {}).values()]
    return [*found, content["example"]] if "example" in content else found


def resolved(example: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = DOCUMENT["components"]["examples"]
    return dict(known[example["$ref"].rpartition("/")[2]]) if "$ref" in example else example


def problems(schema: dict[str, Any], value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    whole = {**schema, "components": DOCUMENT["components"]}
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(value)]


@by_operation
def test_every_request_and_answer_has_an_example_and_it_is_a_right_one(name: str) -> None:
    for place, media, content in contents(OPERATIONS[name]):
        if media in BINARY:
            continue
        found = examples(content)
        assert found, (place, media)
        assert [fault for value in found for fault in problems(content["schema"], value)] == [], place


def test_an_example_that_is_wrong_is_noticed() -> None:
    schema = {"$ref": "#/components/schemas/CodeRequest"}
    assert problems(schema, {"channel": "pigeon", "contact": "lin@example.org"})
    assert problems(schema, {"channel": "email", "contact": "lin@example.org", "more": 1})


@by_operation
def test_every_operation_lists_the_problems_that_it_can_answer(name: str) -> None:
    operation = OPERATIONS[name]
    refusals = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
    assert {"500", "503"} <= refusals.keys()
    for status, answer in refusals.items():
        content = answer["content"]["application/problem+json"]
        codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
        assert codes == sorted(content["examples"])
        assert {str(errors_by_code()[code].status) for code in codes} == {status}
    waits = {"429", "503"} & refusals.keys()
    assert all("Retry-After" in refusals[status]["headers"] for status in waits)


def test_every_problem_is_listed_somewhere() -> None:
    listed = {
        code
        for operation in OPERATIONS.values()
        for _, _, content in contents(operation)
        for code in content.get("examples", {})
    }
    assert errors_by_code().keys() <= listed


@by_operation
def test_every_post_that_creates_takes_an_idempotency_key(name: str) -> None:
    headers = {each["name"] for each in OPERATIONS[name].get("parameters", []) if each["in"] == "header"}
    assert ("idempotency-key" in headers) == (name.startswith("POST ") and name not in QUESTIONS)


def test_who_may_ask_is_said() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    open_to_all = {name for name, operation in OPERATIONS.items() if "security" not in operation}
    assert open_to_all == {
        "POST /codes",
        "POST /sessions",
        "POST /account/sessions",
        "POST /account/not-me",
        "POST /account/not-me/notice",
        "POST /not-mine",
        "POST /not-mine/notice",
        "GET /statement",
        "GET /documents/{document_hash}",
        "POST /document-checks",
    }
    assert all(set(way) <= schemes.keys() for each in OPERATIONS.values() for way in each.get("security", []))


# --- growth ---


def test_the_document_takes_nothing_from_clients_of_the_last_release() -> None:
    path = "docs/openapi.json"
    assert breaks(json.loads(released.files(".json", path)[path]), DOCUMENT) == []


def _operation(document: dict[str, Any], name: str) -> dict[str, Any]:
    method, path = name.split()
    return dict(document["paths"][f"/api/v1{path}"])[method.lower()]


def _schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    return dict(document["components"]["schemas"])[name]


CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("an operation goes", lambda new: new["paths"].pop("/api/v1/schools"), "get /api/v1/schools is gone"),
    ("a field of an answer goes", lambda new: _schema(new, "School")["properties"].pop("level"), "/level is gone"),
    ("a field of an answer may be left out", lambda new: _schema(new, "School")["required"].remove("id"), "may lack"),
    (
        "a field of an answer is of another type",
        lambda new: _schema(new, "School")["properties"]["id"].update(type="integer"),
        "was type string",
    ),
    (
        "a field of an answer may be null",
        lambda new: _schema(new, "School")["properties"].update(id={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "may be null now",
    ),
    (
        "a field of a request is needed",
        lambda new: _schema(new, "Redemption")["required"].append("cookie"),
        "requires more",
    ),
    (
        "a field of a request goes",
        lambda new: _schema(new, "Redemption")["properties"].pop("code"),
        "body/code is gone",
    ),
    (
        "a field of a request is to be shorter",
        lambda new: _schema(new, "Redemption")["properties"]["code"].update(maxLength=6),
        "narrower maxLength",
    ),
    (
        "a field of a request takes fewer values",
        lambda new: _schema(new, "StudentBody")["properties"]["level"]["enum"].pop(),
        "takes fewer values",
    ),
    (
        "an answer has more values",
        lambda new: _schema(new, "BindingState")["properties"]["state"]["enum"].append("lost"),
        "has more values",
    ),
    (
        "a parameter is needed",
        lambda new: _operation(new, "GET /schools")["parameters"][0].update(required=True),
        "is required anew",
    ),
    ("a parameter goes", lambda new: _operation(new, "GET /schools")["parameters"].clear(), "is gone"),
    (
        "success is told by another status",
        lambda new: _operation(new, "POST /codes")["responses"].pop("201"),
        "no longer answers 201",
    ),
    (
        "another name in generated code",
        lambda new: _operation(new, "POST /codes").update(operationId="x"),
        "has another operationId",
    ),
]


@pytest.mark.parametrize(("change", "expected"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES])
def test_what_would_break_a_client_is_noticed(change: Callable[[dict[str, Any]], Any], expected: str) -> None:
    new = copy.deepcopy(DOCUMENT)
    change(new)
    assert [fault for fault in breaks(DOCUMENT, new) if expected in fault]


def test_additions_break_nobody() -> None:
    new = copy.deepcopy(DOCUMENT)
    new["paths"]["/api/v1/more"] = {"get": _operation(DOCUMENT, "GET /schools")}
    _schema(new, "School")["properties"]["city"] = {"type": "string"}
    _schema(new, "School")["required"].append("city")
    _schema(new, "Redemption")["properties"]["more"] = {"type": "string"}
    _schema(new, "Redemption")["properties"]["code"].update(maxLength=500)
    _operation(new, "GET /schools")["responses"]["418"] = {"description": "a problem"}
    assert breaks(DOCUMENT, new) == []


# --- deprecation ---


def test_what_is_deprecated_says_so_in_its_headers_and_the_other_way_round() -> None:
    for route in api.routes():
        warns = any(each.dependency.__name__ == "warn_of_its_end" for each in route.dependencies)
        assert warns == bool(route.deprecated), route.path


async def test_a_deprecated_operation_tells_since_when_until_when_and_where_to_read_on() -> None:
    router, app = APIRouter(), FastAPI()
    warning = deprecated(date(2027, 1, 1), date(2028, 1, 1), "https://front.example/api")

    @router.get("/former", deprecated=True, dependencies=[Depends(warning)])
    async def former() -> str:
        return "still here"

    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gate") as client:
        headers = (await client.get("/former")).headers
    assert headers["deprecation"] == "@1798761600"
    assert headers["sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
    assert headers["link"] == '<https://front.example/api>; rel="deprecation"'
    assert app.openapi()["paths"]["/former"]["get"]["deprecated"] is True


# --- docs/api.md ---


def test_the_catalogue_of_problems_in_the_guide_is_what_the_code_says() -> None:
    text = API_TEXT.read_text(encoding="utf-8")
    assert text == with_catalogue(text), "run make contracts"
