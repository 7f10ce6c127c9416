"""A part of a list at a time: ``limit`` and an opaque ``cursor``, and a link to what comes next (RFC 8288)."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Query, Request, Response
from pydantic import TypeAdapter

from binding_service.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

T = TypeVar("T")
#: By what entries are in order; compared by code points, as PostgreSQL's collation "C" does.
Key = tuple[str, ...]
KEYS = TypeAdapter(Key)

Limit = Annotated[
    int | None, Query(ge=1, le=500, description="Entries at most; left out, all of them. `Link` says where more are.")
]
Cursor = Annotated[str | None, Query(max_length=1000, description="Where to go on: only as `Link` has it.")]


def page_of(
    request: Request,
    response: Response,
    items: Sequence[T],
    key_of: Callable[[T], Key],
    limit: int | None,
    cursor: str | None,
) -> Sequence[T]:
    """The part of ``items`` that was asked for; ``response`` is given the link. Raises MalformedError.

    They stand in the order of their keys, each of which is another one. A cursor holds the key of the last entry that
    was sent, so that what comes next is known when that is gone: nothing personal may be in it.
    """
    start = bisect_right(items, _key(cursor), key=key_of) if cursor else 0
    end = len(items) if limit is None else start + limit
    if end < len(items):
        link_next(request, response, cursor=_cursor(key_of(items[end - 1])))
    return items[start:end]


def time_key(moment: datetime) -> str:
    """A time as part of a key: texts in the order of the times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def link_next(request: Request, response: Response, **parameters: str | int) -> None:
    """Tell where the list goes on: at this address, with these parameters in place of the present ones."""
    url = request.url.include_query_params(**parameters)
    response.headers["link"] = f'<{url.path}?{url.query}>; rel="next"'


def _cursor(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, ensure_ascii=False).encode()).decode().rstrip("=")


def _key(cursor: str) -> Key:
    try:
        return KEYS.validate_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), strict=True)
    except ValueError:
        raise MalformedError({"cursor": "bad_request"}) from None
