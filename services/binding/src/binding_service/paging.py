"""A part of a list at a time: ``limit`` and an opaque ``cursor``, and a link to what comes next (RFC 8288)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Query, Request, Response

from binding_service.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

Limit = Annotated[
    int | None, Query(ge=1, le=500, description="Entries at most; left out, all of them. `Link` says where more are.")
]
Cursor = Annotated[str | None, Query(max_length=300, description="Where to go on: only as `Link` has it.")]


def page_of(
    request: Request,
    response: Response,
    items: Sequence[T],
    id_of: Callable[[T], str],
    limit: int | None,
    cursor: str | None,
) -> Sequence[T]:
    """The part of ``items`` that was asked for; ``response`` is given the link. Raises MalformedError.

    A cursor holds the last entry that was sent, and its place for the case that it is gone.
    """
    start = _start(cursor, [id_of(item) for item in items]) if cursor else 0
    end = len(items) if limit is None else start + limit
    if end < len(items):
        link_next(request, response, cursor=_cursor(end, id_of(items[end - 1])))
    return items[start:end]


def link_next(request: Request, response: Response, **parameters: str | int) -> None:
    """Tell where the list goes on: at this address, with these parameters in place of the present ones."""
    url = request.url.include_query_params(**parameters)
    response.headers["link"] = f'<{url.path}?{url.query}>; rel="next"'


def _cursor(end: int, last: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([end, last]).encode()).decode().rstrip("=")


def _start(cursor: str, ids: list[str]) -> int:
    try:
        end, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return ids.index(last) + 1 if last in ids else max(0, int(end))
    except (ValueError, TypeError, OverflowError):
        raise MalformedError({"cursor": "bad_request"}) from None
