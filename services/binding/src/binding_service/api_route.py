"""A route of the API: what its headers promise. Idempotency-Key is kept by it, and If-None-Match.

A route takes part by declaring the header (:data:`binding_service.api_parts.ONCE`, ``TAGGED``), so that the document
and what is done can't differ.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from starlette.responses import Response

from binding_service import idempotency
from binding_service.doors import binding_of, client_address, session_of
from binding_service.errors import NotSignedInError
from binding_service.idempotency import Answer, Asked
from shared.database import DATABASE_FAULTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from fastapi.dependencies.models import Dependant
    from starlette.requests import Request

    Handle = Callable[[Request], Awaitable[Response]]

KEY, IF_NONE_MATCH = "idempotency-key", "if-none-match"
SUCCESS = range(200, 300)
OK = 200


class Route(APIRoute):
    """Answers a repeated request with its first answer, and with 304 where the client has what would be sent."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's place for this."""
        handle = super().get_route_handler()
        headers = set(declared_headers(self.dependant))
        takes_key, is_tagged = KEY in headers, IF_NONE_MATCH in headers
        if not (takes_key or is_tagged):
            return handle

        async def answer(request: Request) -> Response:
            key = request.headers.get(KEY) if takes_key else None
            response = await (_once(request, key, handle) if key else handle(request))
            return _tagged(request, response) if is_tagged else response

        return answer


def declared_headers(dependant: Dependant) -> Iterator[str]:
    """The names of the headers that a route or what it depends on asks for."""
    yield from (field.alias for field in dependant.header_params)
    for each in dependant.dependencies:
        yield from declared_headers(each)


async def _once(request: Request, key: str, handle: Handle) -> Response:
    binding = binding_of(request)
    scope = await _scope_of(request)
    asked = idempotency.asked(binding.keys, scope, request.url.path, key, await request.body())
    known = await idempotency.begin(binding, asked)
    if known is not None:
        return _again(known)
    request.state.wish = asked.wish
    try:
        response = await handle(request)
    except Exception:
        await _note(request, asked, None)
        raise
    await _note(request, asked, response if response.status_code in SUCCESS else None)
    return response


async def _scope_of(request: Request) -> str:
    """Whose key it is. A token whose session is over is worth no more than none."""
    try:
        return str((await session_of(request)).id)
    except NotSignedInError:
        return client_address(request)


async def _note(request: Request, asked: Asked, response: Response | None) -> None:
    """Keep the answer, or free the key. What was done stands, whether or not that can be noted."""
    binding = binding_of(request)
    with suppress(*DATABASE_FAULTS):
        if response is None:
            await idempotency.give_up(binding, asked)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        answer = Answer(status=response.status_code, headers=headers, body=bytes(response.body).decode())
        await idempotency.keep(binding, asked, answer)


def _again(known: Answer) -> Response:
    response = Response(known.body, known.status)
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in known.headers]
    return response


def _tagged(request: Request, response: Response) -> Response:
    """With the ETag of what it says (RFC 9110, section 8.8.3); 304 where the client has just that."""
    if response.status_code != OK:
        return response
    tag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    response.headers["etag"] = tag
    response.headers["vary"] = "Accept-Language"
    has = [each.strip().removeprefix("W/") for each in request.headers.get(IF_NONE_MATCH, "").split(",")]
    if tag not in has and "*" not in has:
        return response
    kept = {
        name: response.headers[name] for name in ("etag", "vary", "cache-control", "link") if name in response.headers
    }
    return Response(status_code=304, headers=kept)
