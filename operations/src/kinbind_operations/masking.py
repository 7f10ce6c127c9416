"""An event as an operator may see it: ids, times, numbers and fixed words; everything that may be personal is masked.

The event models say what a field may hold. What they do not know, and every free text, is masked; so is a value that is
not of its field's kind, because what is dead is often malformed.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from shared.events import EVENTS

NAME = re.compile(r"[a-z][a-z_]{0,39}")
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
SOURCES = frozenset({"/otp", "/binding", "/review", "/notify"})
#: Larger ones may be telephone or other numbers of people.
LARGEST_NUMBER = 9_999_999
#: Nonce and tag of AES-GCM: less than that is not sealed.
SEALED_BYTES = 28

BY_TYPE = {event.TYPE: event for event in EVENTS}


def masked_event(body: bytes) -> dict[str, object] | str:
    """The event with what may be personal masked; a sentence where it is none."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return f"not JSON ({len(body)} bytes)"
    if not isinstance(event, dict):
        return f"not an event ({len(body)} bytes)"
    type_ = event.get("type")
    return _fields(BY_TYPE.get(type_) if isinstance(type_, str) else None, event)


def shown_id(value: object) -> str:
    """An id that is a UUID; anything else, which may be somebody's, masked."""
    return str(value) if isinstance(value, str) and is_id(value) else _mask(value)


def shown_type(value: object) -> str:
    """An event's type, where it is one of ours."""
    return value if isinstance(value, str) and value in BY_TYPE else _mask(value)


def is_id(text: str) -> bool:
    """Whether it is a UUID."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _fields(model: type[BaseModel] | None, values: dict[str, Any]) -> dict[str, object]:
    """Each field by its kind; a name that is no plain word may be data too."""
    kinds = {} if model is None else {name: field.annotation for name, field in model.model_fields.items()}
    return {
        name if NAME.fullmatch(name) else _mask(name): _sealed(value)
        if name.startswith("for_")
        else _value(kinds.get(name), value)
        for name, value in values.items()
    }


def _value(kind: Any, value: object) -> object:  # noqa: ANN401 - whatever an annotation is
    """The value where it is of a kind that nothing personal has."""
    if value is None or isinstance(value, bool):
        return value
    if get_origin(kind) in {Union, UnionType}:
        (kind,) = [each for each in get_args(kind) if each is not NoneType][:1]
    if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict):
        return _fields(kind, value)
    if get_origin(kind) is list and isinstance(value, list):
        return [_value(get_args(kind)[0], each) for each in value]
    return value if _is_harmless(kind, value) else _mask(value)


def _is_harmless(kind: Any, value: object) -> bool:  # noqa: ANN401 - the same
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is int:
        return isinstance(value, int) and abs(value) <= LARGEST_NUMBER
    if kind in {date, datetime, AwareDatetime}:
        return isinstance(value, str) and _is_time(value)
    return isinstance(value, str) and (is_id(value) or value in SOURCES)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _sealed(value: object) -> str:
    """Under which key it was sealed, and how long it is; that it is sealed is seen by its form."""
    if not isinstance(value, str):
        return _mask(value)
    key_id, _, text = value.partition(".")
    try:
        data = base64.b64decode(text, altchars=b"-_", validate=True)
    except ValueError:
        data = b""
    if len(data) <= SEALED_BYTES or not KEY_ID.fullmatch(key_id):
        return _mask(value)
    return f"sealed under key {key_id} ({len(data)} bytes)"


def _mask(value: object) -> str:
    if isinstance(value, str):
        return f"•••• ({len(value)} characters)" if value else ""
    if isinstance(value, list | dict):
        return f"•••• ({len(value)} entries)"
    return "••••"
