"""The audit log of a school, for its administrator."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import StreamingResponse
from starlette.routing import Route

from review_service.audit import use_cases
from review_service.audit.actions import ACTIONS, action_words, role_words
from review_service.audit.use_cases import Filter, in_taipei
from review_service.web import FORM, administrator, fields, see
from shared.web.pages import TAIPEI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site

#: What the templates of this room know.
IN_TEMPLATES = {"action_words": action_words, "role_words": role_words, "audit_time": in_taipei}
#: A longer number is no position in a chain, nor one that the database knows.
LONGEST_NUMBER = 15


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/audit", administrator(show_audit)),
        Route("/audit/export", administrator(export), methods=FORM),
    ]


async def show_audit(request: Request, site: Site, teacher: Teacher) -> Response:
    """Lines of the own school, newest first."""
    wanted = _filter(request.query_params)
    page = await use_cases.look(site.review, teacher, wanted, _position(request.query_params.get("before", "")))
    return site.pages.render(
        "audit.html",
        teacher=teacher,
        page=page,
        wanted=wanted,
        older=f"/audit?{urlencode({**_as_fields(wanted), 'before': page.older})}",
        is_newest="before" not in request.query_params,
        newest=f"/audit?{urlencode(_as_fields(wanted))}",
        people=await use_cases.staff(site.review, teacher),
        actions=ACTIONS,
    )


async def export(request: Request, site: Site, teacher: Teacher) -> Response:
    """The same lines, all of them, as a file."""
    if request.method != "POST":
        return see("/audit")
    pieces = await use_cases.export(site.review, teacher, teacher.school_id, _filter(await fields(request)))
    name = f"kinbind-audit-{datetime.now(TAIPEI):%Y-%m-%d}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces, headers=headers, media_type="text/csv")


def _filter(told: Mapping[str, str]) -> Filter:
    """What was chosen; a day that is none, from an address that somebody typed, is left out."""
    return Filter(
        who=told.get("who", "").replace("\0", ""),
        action=told.get("action", "").replace("\0", ""),
        first_day=_day(told.get("from", "")),
        last_day=_day(told.get("until", "")),
    )


def _as_fields(wanted: Filter) -> dict[str, str]:
    """The filter as the form sends it, without what is not chosen."""
    fields_ = {
        "who": wanted.who,
        "action": wanted.action,
        "from": wanted.first_day.isoformat() if wanted.first_day else "",
        "until": wanted.last_day.isoformat() if wanted.last_day else "",
    }
    return {name: value for name, value in fields_.items() if value}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _position(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else 0
