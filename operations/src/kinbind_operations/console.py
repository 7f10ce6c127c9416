"""Speaking to whoever sits there."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID


def say(text: str) -> None:
    """To standard output: what was asked for."""
    print(text)  # noqa: T201 - a command line speaks to its user


def warn(text: str) -> None:
    """To standard error: how it goes, and what is wrong."""
    print(text, file=sys.stderr)  # noqa: T201 - the same


def as_json(value: object) -> str:
    """Indented, times in ISO 8601."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_plain)


def age(seconds: float) -> str:
    """``47 s``, ``12 min``, ``5 h``, ``3 days``: one figure is enough at night."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def seconds_since(moment: datetime) -> float:
    """How long ago that was."""
    return (datetime.now(UTC) - moment.astimezone(UTC)).total_seconds()


def _plain(value: Any) -> str:  # noqa: ANN401 - what json does not know
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
