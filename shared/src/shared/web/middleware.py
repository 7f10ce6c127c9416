"""Middleware of every HTTP server: a correlation id, safety headers, no forged forms, bounded bodies."""

from __future__ import annotations

import time
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from shared import tracing
from shared.languages import ALL, best_language, known_language, speak
from shared.logs import correlation_id, start_correlation
from shared.metrics import count_request, known_method
from shared.web.routes import route_template
from shared.web.streams import begins_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from shared.events import Language

log = structlog.get_logger("http")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Everything comes from our own origin; no inline script or style; nobody frames us.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
SAFETY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class RequestLog:
    """One line a request, under a correlation id that is also in the answer. It holds no address, only its pattern."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"].startswith("/health/"):
            await self.app(scope, receive, send)
            return
        start_correlation()
        began = time.perf_counter()
        status = 500
        is_stream = False

        async def send_marked(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = begins_stream(message)
                MutableHeaders(scope=message)["x-correlation-id"] = correlation_id()
            await send(message)

        # The route's pattern, where there is one: a path may hold an id that an address book could be built from.
        method, route = known_method(scope["method"]), route_template(scope)
        try:
            with tracing.request_span(method, route) as note_status:
                await self.app(scope, receive, send_marked)
                note_status(status)
        finally:
            seconds = time.perf_counter() - began
            count_request(method, route, status, seconds, is_stream=is_stream)
            log.info("request", method=method, path=route, status=status, milliseconds=round(seconds * 1000, 1))


class SafetyHeaders:
    """The headers of OWASP's secure-headers list that apply here; pages are never cached by others."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFETY_HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, send_safe if scope["type"] == "http" else send)


LANGUAGE_COOKIE = "kinbind-language"


class ReadersLanguage:
    """Answers in the language that the reader chose here (a cookie), else in the browser's first choice.

    Only the ``offered`` ones count: a page half in a language that this service does not speak helps nobody. Below
    the path ``by_header`` a front end asks, which has its own switch: there the cookie of the pages says nothing.
    """

    def __init__(self, app: ASGIApp, offered: Collection[Language] = ALL, by_header: str | None = None) -> None:
        self.app = app
        self._offered = offered
        self._by_header = by_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            request = Request(scope)
            is_front_end = self._by_header is not None and scope["path"].startswith(self._by_header)
            cookie = "" if is_front_end else request.cookies.get(LANGUAGE_COOKIE, "")
            chosen = known_language(cookie, self._offered)
            speak(chosen or best_language(request.headers.get("accept-language", ""), self._offered))
        await self.app(scope, receive, send)


def say_forged(_: Request) -> Response:
    """A plain 403, where no page of the service's own says it."""
    return PlainTextResponse("This request came from another site.", 403)


class SameOrigin:
    """Refuses a form or script of another site that would act with the visitor's cookie.

    The browser says where a request comes from (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/; the Origin
    header on older ones; Referer on the oldest). Signing somebody in from elsewhere is forging too, so a cookie is not
    what decides. A bearer token is no browser's doing, and ``allowed`` origins (``https://front.example``) may act.
    ``refuse`` makes the answer (403).
    """

    def __init__(
        self, app: ASGIApp, allowed: Collection[str] = (), refuse: Callable[[Request], Response] = say_forged
    ) -> None:
        self.app = app
        self._allowed = frozenset(allowed)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and self._is_forged(Headers(scope=scope)):
            log.warning("request of another origin refused")
            await self._refuse(Request(scope))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_forged(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin in self._allowed or headers.get("authorization", "").lower().startswith("bearer "):
            return False
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in {"same-origin", "none"}
        source = origin or headers.get("referer")
        if source is not None:
            return _host_of(source) != headers.get("host")
        return "cookie" in headers


def _host_of(url: str) -> str | None:
    """The host and port of an address; None for what is no address."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None


def say_too_large(_: Request) -> Response:
    """A plain 413, where no page of the service's own says it."""
    return PlainTextResponse("More was sent than is ever needed.", 413)


class BodyLimit:
    """Refuses a body of more than ``limit`` bytes before it is held in memory; ``refuse`` makes the answer (413).

    ``larger`` has the limits of paths whose routes write what comes to a file.
    """

    def __init__(
        self,
        app: ASGIApp,
        refuse: Callable[[Request], Response] = say_too_large,
        limit: int = 256 * 1024,
        larger: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.app = app
        self._refuse = refuse
        self._limit = limit
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit)
        if int(Headers(scope=scope).get("content-length") or 0) > limit:
            await self._refuse(Request(scope))(scope, receive, send)
            return
        seen = 0
        started = False

        async def receive_bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _TooLargeError
            return message

        async def send_noted(message: Message) -> None:
            nonlocal started
            # A framework that caught the fault has an answer of its own: ours goes out instead.
            if seen <= limit or started:
                started = True
                await send(message)

        with suppress(_TooLargeError):
            await self.app(scope, receive_bounded, send_noted)
        if seen > limit and not started:
            await self._refuse(Request(scope))(scope, receive, send)


def say_unexpected(_: Request) -> Response:
    """A plain 500, where no page of the service's own says it."""
    return PlainTextResponse("Something went wrong here. It has been noted.", 500)


class UnexpectedFaults:
    """Answers a fault of ours, and logs it. Inside the other middleware, so that the answer has its headers."""

    def __init__(self, app: ASGIApp, answer: Callable[[Request], Response] = say_unexpected) -> None:
        self.app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except _TooLargeError:
            raise
        except Exception:
            log.exception("request failed")
            if started:
                raise
            await self._answer(Request(scope))(scope, receive, send)


class _TooLargeError(Exception):
    """More bytes came than were announced or are allowed."""
