"""Server-sent events of a page that is watched: each state of it, by name (shared.web.watching).

The format is https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, cast

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from shared.wakes import happens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Receive, Scope, Send

    from shared.web.watching import Watch, Watching

#: The longest silence. A proxy or a telephone network drops what says nothing for longer; most wait for a minute.
HEARTBEAT_SECONDS = 20
RECONNECT_MILLISECONDS = 5000
#: nginx and those who follow it pass on what they would otherwise gather first.
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def begins_stream(message: Message) -> bool:
    """Whether this ASGI message is the beginning of an answer that goes on for as long as its reader likes."""
    if message["type"] != "http.response.start":
        return False
    return Headers(raw=message["headers"]).get("content-type", "").startswith(StateStream.media_type)


class StateStream(Response):
    """Tells of each state of the watcher's page until there is nothing more to come, or the service ends.

    The app's ``state.watching`` knows the states. Sending it raises that one's refusal, before anything was sent, where
    too many of them are open.
    """

    media_type = "text/event-stream"

    def __init__(self, watcher: object) -> None:
        super().__init__(headers=HEADERS)
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        watching = cast("Watching[Any]", scope["app"].state.watching)
        with watching.watch(self._watcher) as watch:
            await StreamingResponse(_told(watch), headers=HEADERS, media_type=self.media_type)(scope, receive, send)


async def _told(watch: Watch[Any]) -> AsyncIterator[str]:
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n"
    while True:
        # Not all at the same time, though all were told of something at the same time.
        silence = random.uniform(HEARTBEAT_SECONDS / 2, HEARTBEAT_SECONDS)  # noqa: S311 - nothing secret
        is_news = await happens(watch.news, within=silence)
        watch.news.clear()
        if watch.is_over:
            return
        yield _state(watch.version) if is_news else ": nothing new\n\n"


def _state(version: str) -> str:
    return f"event: state\nid: {version}\ndata: {json.dumps({'version': version})}\n\n"
