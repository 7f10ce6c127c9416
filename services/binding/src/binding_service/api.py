"""The JSON API under /api/v1: a thin door to the same use cases as the pages.

Errors are problem details (RFC 9457) with a stable ``code``. A session travels as a bearer token or as a cookie.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.routing import APIRoute

from binding_service.accounts import api as accounts
from binding_service.applications import api as applications
from binding_service.disowning import api as disowning
from binding_service.drafts import api as drafts
from binding_service.family import api as family
from binding_service.logins import api as logins
from binding_service.roster import api as roster

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "/api/v1"
ROOMS = {
    "login": (logins.router,),
    "draft": (drafts.router,),
    "application": (applications.router,),
    "account": (accounts.router, family.router),
    "roster": (roster.router,),
    "notice": (disowning.router,),
}

router = APIRouter(prefix=PREFIX)
for tag, rooms in ROOMS.items():
    for room in rooms:
        router.include_router(room, tags=[tag])


def routes() -> Iterator[APIRoute]:
    """Every operation; their paths are without the prefix."""
    for room in itertools.chain(*ROOMS.values()):
        yield from (route for route in room.routes if isinstance(route, APIRoute))
