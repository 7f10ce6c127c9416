"""What a browser lets front ends of other origins do: CORS (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: Headers that a front end may send, beside those that every page may.
SENT = ("authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id")
#: Headers of an answer that its script may read, beside those that every script may.
READ = ("retry-after", "etag", "link", "location", "deprecation", "sunset", "x-correlation-id")


class FrontEnds(CORSMiddleware):
    """Lets ``origins`` call the paths that begin with ``prefix``, with the cookie too; every other path is our own."""

    def __init__(self, app: ASGIApp, prefix: str, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=METHODS,
            allow_headers=SENT,
            expose_headers=READ,
        )
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        is_api = scope["type"] == "http" and scope["path"].startswith(self._prefix)
        await (super().__call__ if is_api else self.app)(scope, receive, send)
