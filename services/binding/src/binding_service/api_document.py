"""What the OpenAPI document says beyond the shapes of requests and answers: who may ask, problems, examples, headers.

Made when the document is: no request takes longer by it. What a route refuses by its use case it says itself
(:func:`binding_service.api_parts.refuses`); what follows from how it is made is added here.
"""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from binding_service import messages
from binding_service.api_examples import EXAMPLES
from binding_service.api_parts import REFUSES, Problem, problem
from binding_service.api_route import IF_NONE_MATCH, KEY, Route, declared_headers
from binding_service.doors import session_in_force, session_of
from binding_service.errors import (
    BadOperatorTokenError,
    BindingError,
    CodeRejectedError,
    ImportRunsError,
    InternalError,
    InvalidFieldsError,
    KeyReusedError,
    LimitedError,
    MalformedError,
    NotSignedInError,
    OtherOriginError,
    PasswordChangeDueError,
    PushDisabledError,
    RequestInProgressError,
    ServiceAwayError,
    StepMissingError,
    StudentKnownError,
    TooLargeError,
    TooSoonError,
)
from binding_service.roster.api import operator_of
from shared.languages import speaking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute

PROBLEM_TYPE = "application/problem+json"
SAFE_METHODS = {"GET", "HEAD"}
#: The parameters by which a list is read part by part.
PARTS = {"cursor", "offset"}
#: What tells in Retry-After when it may be asked again.
WAITING = (TooSoonError, LimitedError, ServiceAwayError, ImportRunsError, RequestInProgressError)
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token that POST /sessions answers."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-kinbind-session",
        "description": "Set by POST /sessions with `cookie`. Without TLS, on a developer's machine, it has no __Host-.",
    },
    "operator": {"type": "http", "scheme": "bearer", "description": "Made by `binding-service roster token`."},
}
HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "Of this answer, in this language."},
    "Link": {"schema": {"type": "string"}, "description": 'Where the list goes on, as rel="next"; RFC 8288.'},
    "Location": {"schema": {"type": "string"}, "description": "Where to follow it."},
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds after which it can be asked again."},
}


def describe(document: dict[str, Any], routes: Iterable[APIRoute], prefix: str) -> None:
    """Complete FastAPI's document in place."""
    components = document["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    shapes = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= shapes.pop("$defs") | {"Problem": shapes}
    components["securitySchemes"] = SECURITY_SCHEMES
    components["headers"] = HEADERS
    known = errors_by_code()
    components["examples"] = dict(_examples(known))
    for route in routes:
        for method in route.methods or ():
            _describe_operation(document["paths"][prefix + route.path][method.lower()], method, route, known)


def errors_by_code() -> dict[str, type[BindingError]]:
    """Every problem there is."""
    return {error.code: error for error in _kinds(BindingError)}


def _kinds(kind: type[BindingError]) -> Iterator[type[BindingError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def _describe_operation(
    operation: dict[str, Any], method: str, route: APIRoute, known: Mapping[str, type[BindingError]]
) -> None:
    calls = set(_calls(route.dependant))
    headers = set(declared_headers(route.dependant))
    if session_of in calls or session_in_force in calls:
        operation["security"] = [{"bearer": []}, {"cookie": []}]
    elif operator_of in calls:
        operation["security"] = [{"operator": []}]
    own = [known[code] for code in operation.pop(REFUSES, [])]
    refused = {*own, *_refused_by_its_making(operation, method, calls)}
    if KEY in headers and isinstance(route, Route):
        refused |= {KeyReusedError, RequestInProgressError}
    answers = {status: made for status, made in operation["responses"].items() if status.startswith("2")}
    if IF_NONE_MATCH in headers:
        answers["200"].setdefault("headers", {})["ETag"] = {"$ref": "#/components/headers/ETag"}
        answers["304"] = {
            "description": "It is still true.",
            "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
        }
    operation["responses"] = answers | _problems(refused)
    for content in (operation.get("requestBody", {}), *answers.values()):
        for media in content.get("content", {}).values():
            _give_example(media)


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for each in dependant.dependencies:
        if each.call is not None:
            yield each.call
        yield from _calls(each)


def _refused_by_its_making(
    operation: dict[str, Any], method: str, calls: set[Callable[..., Any]]
) -> Iterator[type[BindingError]]:
    # Limited: whoever asks for so much at once that no turn is left (shared.web.fair_share).
    yield from (InternalError, ServiceAwayError, LimitedError)
    if "security" in operation and operator_of not in calls:
        yield NotSignedInError
    if session_in_force in calls:
        yield PasswordChangeDueError
    if operator_of in calls:
        yield from (BadOperatorTokenError, PushDisabledError)
    if method not in SAFE_METHODS:
        yield from (OtherOriginError, TooLargeError)
    if "requestBody" in operation or {each["name"] for each in operation.get("parameters", [])} - {IF_NONE_MATCH}:
        yield MalformedError


def _problems(refused: set[type[BindingError]]) -> dict[str, Any]:
    by_status: dict[int, list[type[BindingError]]] = defaultdict(list)
    for error in sorted(refused, key=lambda error: (error.status, error.code)):
        by_status[error.status].append(error)
    return {str(status): _problem_answer(status, errors) for status, errors in by_status.items()}


def _problem_answer(status: int, errors: list[type[BindingError]]) -> dict[str, Any]:
    codes = [error.code for error in errors]
    narrowed = {"type": "object", "properties": {"code": {"enum": codes}}}
    answer: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {
            PROBLEM_TYPE: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }
    if any(issubclass(error, WAITING) for error in errors):
        answer["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return answer


def _examples(known: Mapping[str, type[BindingError]]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((name, {"value": value}) for name, value in EXAMPLES.items())
    with speaking("zh-TW"):
        for code, error in known.items():
            meaning = " ".join((error.__doc__ or "").split())
            yield code, {"summary": meaning, "value": problem(_raised(error), error.status)}


def _raised(error: type[BindingError]) -> BindingError:
    """An error as it is raised somewhere."""
    made: dict[type[BindingError], Callable[[], BindingError]] = {
        InvalidFieldsError: lambda: InvalidFieldsError({"email": "bad_email"}),
        MalformedError: lambda: MalformedError({"email": "bad_request"}),
        StepMissingError: lambda: StepMissingError(step="consent"),
        CodeRejectedError: lambda: CodeRejectedError(field="code", tries_left=4),
        StudentKnownError: lambda: StudentKnownError(field="national_id", name="林小美"),
    }
    return made.get(error, lambda: error(retry_after=60) if issubclass(error, WAITING) else error())()


def _give_example(media: dict[str, Any]) -> None:
    """The example of the schema that is named, alone or in a list."""
    schema = media.get("schema", {})
    if "example" in media or "examples" in media:
        return
    if "$ref" in schema:
        media["examples"] = {"one": {"$ref": f"#/components/examples/{_name(schema)}"}}
    elif "$ref" in schema.get("items", {}):
        media["examples"] = {"one": {"value": [EXAMPLES[_name(schema["items"])]]}}


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def field_codes() -> list[str]:
    """Every code that may stand at a field and is no problem by itself."""
    codes = {code.partition(".")[0] for code in messages.MESSAGES}
    return sorted(codes - errors_by_code().keys())
