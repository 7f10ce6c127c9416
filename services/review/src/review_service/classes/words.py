"""Small things that the pages of classes say and lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from review_service.words import LANGUAGES, _
from shared.languages import current_language, known_language, speaking
from shared.web.language_choice import remember_language

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import date

    from starlette.responses import Response


def local_day(day: date) -> str:
    """``2026/12/01``; the order is the reader's language's."""
    return day.strftime(_("%Y/%m/%d"))


def class_address(class_id: str) -> str:
    """The page of a class."""
    return f"/classes/{quote(class_id, safe='')}"


def custody_address(student_id: str) -> str:
    """The page of a student's custody note."""
    return f"/students/{quote(student_id, safe='')}/custody"


async def said_again(language: str, page: Callable[[], Awaitable[Response]]) -> Response:
    """The page with what was typed on it, in another language from now on."""
    with speaking(known_language(language, LANGUAGES) or current_language()):
        response = await page()
        remember_language(response)
    return response
