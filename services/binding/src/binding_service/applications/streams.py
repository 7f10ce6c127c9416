"""Server-sent events of a progress page, the same for the pages and the API.

The format is https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from starlette.responses import Response, StreamingResponse

from shared.wakes import happens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from binding_service.applications.watching import Watch, Watching
    from binding_service.logins.domain import Session

#: A proxy or a telephone network drops what says nothing for longer; most wait for a minute.
HEARTBEAT_SECONDS = 20
RECONNECT_MILLISECONDS = 5000
#: nginx and those who follow it pass on what they would otherwise gather first.
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class StateStream(Response):
    """Tells of each state of the session's progress page until the session or the service ends.

    Sending it raises LimitedError, before anything was sent, where the contact has too many of them open.
    """

    media_type = "text/event-stream"

    def __init__(self, session: Session) -> None:
        super().__init__(headers=HEADERS)
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        watching = cast("Watching", scope["app"].state.watching)
        with watching.watch(self._session) as watch:
            await StreamingResponse(_told(watch), headers=HEADERS, media_type=self.media_type)(scope, receive, send)


async def _told(watch: Watch) -> AsyncIterator[str]:
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n"
    while True:
        is_news = await happens(watch.news, within=HEARTBEAT_SECONDS)
        watch.news.clear()
        if watch.is_over:
            return
        yield _state(watch.version) if is_news else ": nothing new\n\n"


def _state(version: str) -> str:
    return f"event: state\nid: {version}\ndata: {json.dumps({'version': version})}\n\n"
