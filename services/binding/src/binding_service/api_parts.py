"""What the API's routes have in common: who asks, and the shapes of requests and problems."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Header
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
    Header(max_length=200, description="Send the same key again when an answer was lost: the wish is granted once."),
]


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


class SessionState(BaseModel):
    """A session. ``next`` is the page that the parent sees first."""

    token: str
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
    ).model_dump()
