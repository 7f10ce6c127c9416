"""Going on in another language: what the switch at the top of every page does."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse

from shared.languages import ALL, current_language, known_language, speaking
from shared.web.middleware import LANGUAGE_COOKIE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.requests import Request
    from starlette.responses import Response

    from shared.events import Language

A_YEAR_SECONDS = 365 * 24 * 3600


async def choose_language(request: Request, offered: Collection[Language] = ALL) -> Response:
    """Go on in another language, on the page where that was chosen."""
    async with request.form(max_files=0) as form:
        tag = form.get("language")
    return in_language(_page_before(request), tag if isinstance(tag, str) else "", offered)


def in_language(path: str, tag: str, offered: Collection[Language] = ALL) -> Response:
    """Go to a page by GET, in the language of this tag from now on."""
    return in_language_here(tag, lambda: RedirectResponse(path, 303), offered)


def in_language_here(tag: str, page: Callable[[], Response], offered: Collection[Language] = ALL) -> Response:
    """The page, in the language of this tag from now on; in the present one where the tag is not offered."""
    with speaking(known_language(tag, offered) or current_language()):
        response = page()
        remember_language(response)
    return response


def remember_language(response: Response) -> None:
    """Let the browser remember the language that is spoken now."""
    # No secret and no proof of anything, so it outlives the session and needs no prefix.
    response.set_cookie(
        LANGUAGE_COOKIE, current_language(), max_age=A_YEAR_SECONDS, path="/", samesite="lax", httponly=True
    )


def _page_before(request: Request) -> str:
    """The path and query where the reader was; the start where that is not told, or was this very address."""
    before = urlsplit(request.headers.get("referer", ""))
    # With two slashes at its beginning, a path would be another host's address.
    path = "/" + before.path.lstrip("/")
    if path == request.url.path:
        return "/"
    return f"{path}?{before.query}" if before.query else path
