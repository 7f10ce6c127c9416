"""What the API's routes have in common: who asks, what headers they take, and the shapes of requests and problems."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from binding_service import messages
from binding_service.context import Binding
from binding_service.doors import binding_of, session_in_force, session_of
from binding_service.errors import BindingError, InvalidFieldsError
from binding_service.logins.domain import Session

Parts = Annotated[Binding, Depends(binding_of)]
AnySession = Annotated[Session, Depends(session_of)]
SignedIn = Annotated[Session, Depends(session_in_force)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="idempotency-key",
        max_length=200,
        description="Any text, a UUID at best, and another one for each wish. Sent again with the same body when an"
        " answer was lost, it gets the first answer, and the wish is granted once. What it does after a"
        " fault (5xx), for each operation: docs/api.md, Sending again.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="if-none-match", description="The `ETag` of the answer that you have: 304 where it is still true."),
]


def takes_key(_key: IdempotencyKey = None) -> None:
    """The route is kept from doing the same twice (binding_service.api_route)."""


def is_tagged(_tag: IfNoneMatch = None) -> None:
    """The route's answer has an ETag (binding_service.api_route)."""


ONCE = Depends(takes_key)
TAGGED = Depends(is_tagged)
#: Taken out of the document again by binding_service.api_document.
REFUSES = "x-refuses"


def refuses(*errors: type[BindingError]) -> dict[str, Any]:
    """A route's ``openapi_extra``: what its use case refuses. What follows from how it is made is added to that."""
    return {REFUSES: [error.code for error in errors]}


def deprecated(since: date, until: date, read: str) -> Callable[[Response], None]:
    """The dependency of an operation marked ``deprecated``: since when, until when, and where to read what to use.

    Deprecation is RFC 9745's header, Sunset RFC 8594's; both days begin at midnight UTC.
    """
    begins, ends = (datetime.combine(day, time(), UTC) for day in (since, until))

    def warn_of_its_end(response: Response) -> None:
        response.headers["deprecation"] = f"@{int(begins.timestamp())}"
        response.headers["sunset"] = format_datetime(ends, usegmt=True)
        response.headers.append("link", f'<{read}>; rel="deprecation"')

    return warn_of_its_end


class Body(BaseModel):
    """A request: unknown fields are refused, and an error never quotes the input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    code: str
    message: str


class Problem(BaseModel):
    """Problem details, RFC 9457. ``errors`` has a message for each field that is wrong."""

    type: str = Field(description="urn:kinbind:problem:<code>")
    title: str
    status: int
    code: str = Field(description="Stable; go by it.")
    detail: str = Field(description="For the reader, in their language.")
    errors: list[FieldProblem] = []
    step: str | None = Field(default=None, description="Of `step_missing`: the step that has to come first.")
    tries_left: int | None = Field(default=None, description="Of `code_rejected`: how often this attempt may try.")


class SessionState(BaseModel):
    """A session. ``next`` is the page that the parent sees first."""

    token: str = Field(description="To be sent as `Authorization: Bearer …`; empty where a cookie was asked for.")
    expires_at: datetime
    next: Literal["progress", "students", "password"]
    device: str = Field(
        default="",
        description="After a sign-in with a password: a secret to send with the next one, which shows that the account"
        " was opened on this device before.",
    )


def problem(error: BindingError, status: int) -> dict[str, Any]:
    """An error as RFC 9457 writes it."""
    codes = error.fields if isinstance(error, InvalidFieldsError) else {error.field: error.code}
    return Problem(
        type=f"urn:kinbind:problem:{error.code}",
        title=error.code.replace("_", " "),
        status=status,
        code=error.code,
        detail=messages.message(error),
        errors=[
            FieldProblem(field=field, code=codes[field], message=message)
            for field, message in messages.field_messages(error).items()
        ],
        step=error.details.get("step"),
        tries_left=error.details.get("tries_left"),
    ).model_dump(exclude_none=True)
