"""The page on which an administrator edits the reasons that the school's teachers can pick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.applications import reasons
from review_service.applications.reasons import LONGEST_LISTED, MOST_REASONS
from review_service.errors import ReasonTooLongError, TooManyReasonsError
from review_service.web import FORM, administrator, fields, see
from review_service.words import _

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site


def routes() -> list[Route]:
    """The pages of this room."""
    return [Route("/reasons", administrator(edit_reasons), methods=FORM)]


async def edit_reasons(request: Request, site: Site, teacher: Teacher) -> Response:
    """Show the list, a reason a line; take it as it was edited."""
    if request.method != "POST":
        words = "\n".join(await reasons.list_reasons(site.review, teacher))
        return _page(request, site, teacher, words)
    words = (await fields(request)).get("words", "")
    try:
        await reasons.save_reasons(site.review, teacher, words)
    except TooManyReasonsError:
        return _page(request, site, teacher, words, _("最多 {count} 個理由，請刪去幾行。").format(count=MOST_REASONS))
    except ReasonTooLongError:
        return _page(request, site, teacher, words, _("每個理由最多 {count} 個字。").format(count=LONGEST_LISTED))
    return see("/reasons?saved=1")


def _page(request: Request, site: Site, teacher: Teacher, words: str, error: str = "") -> Response:
    return site.pages.render(
        "reasons.html",
        status=422 if error else 200,
        teacher=teacher,
        words=words,
        saved="saved" in request.query_params,
        errors={"words": error} if error else {},
        most=MOST_REASONS,
        longest_listed=LONGEST_LISTED,
    )
