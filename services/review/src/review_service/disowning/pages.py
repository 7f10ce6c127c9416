"""The page that the link in a notice to the staff opens, and the administrator's list of what readers disowned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.disowning import use_cases
from review_service.errors import NotFoundError
from review_service.web import FORM, administrator, client_address, fields, see, site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/not-mine", not_mine, methods=FORM),
        Route("/disowned", administrator(list_disowned)),
        Route("/disowned/{id:uuid}/handled", administrator(handle), methods=FORM),
    ]


async def not_mine(request: Request) -> Response:
    """What will happen, and the button that does it: only that does, as scanners of mail open links too."""
    here = site(request)
    try:
        if request.method == "POST":
            await use_cases.disown(here.review, (await fields(request)).get("token", ""), client_address(request))
            return here.pages.render("not_mine.html", teacher=None, state="done", token="")
        token = request.query_params.get("token", "")
        await use_cases.read(here.review, token)
    except NotFoundError:
        return here.pages.render("not_mine.html", status=404, teacher=None, state="over", token="")
    return here.pages.render("not_mine.html", teacher=None, state="asked", token=token)


async def list_disowned(_request: Request, here: Site, teacher: Teacher) -> Response:
    """What waits, and what was handled."""
    disowned = await use_cases.list_disowned(here.review, teacher)
    return here.pages.render("disowned.html", teacher=teacher, disowned=disowned)


async def handle(request: Request, here: Site, teacher: Teacher) -> Response:
    """One was looked into."""
    if request.method == "POST":
        await use_cases.handle(here.review, teacher, request.path_params["id"])
    return see("/disowned")
