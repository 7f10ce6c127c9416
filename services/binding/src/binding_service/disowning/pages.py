"""The page that the link at the foot of a notice opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from binding_service.disowning import use_cases
from binding_service.doors import binding_of, client_address
from binding_service.errors import LinkOverError
from binding_service.web import PAGES, form_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def routes() -> list[Route]:
    """The pages of this room."""
    return [Route("/not-mine", not_mine, methods=["GET", "POST"])]


async def not_mine(request: Request) -> Response:
    """What will happen, and the button that does it: only that does, as scanners of mail open links too."""
    binding = binding_of(request)
    try:
        if request.method == "POST":
            token = (await form_of(request)).get("token", "")
            link = await use_cases.disown(binding, token, client_address(request))
            return PAGES.render("disowned.html", kind=link.kind, signed_in=False)
        token = request.query_params.get("token", "")
        link = await use_cases.read(binding, token)
    except LinkOverError as error:
        return PAGES.render("not_mine_over.html", status=error.status, signed_in=False)
    return PAGES.render("not_mine.html", kind=link.kind, token=token, signed_in=False)
