"""The administrator's pages for objections of guardians."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.applications import live
from review_service.classes.words import said_again
from review_service.errors import ReasonMissingError, ReasonTooLongError
from review_service.objections import use_cases
from review_service.objections.use_cases import LONGEST_NOTE
from review_service.web import FORM, administrator, fields, see
from review_service.words import _

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/objections", administrator(list_objections)),
        Route("/objections/{id:uuid}", administrator(show_or_answer), methods=FORM),
    ]


async def list_objections(_request: Request, site: Site, teacher: Teacher) -> Response:
    """What waits, and what was dealt with."""
    version = await live.version(site.review, teacher)
    objections = await use_cases.list_objections(site.review, teacher)
    return site.pages.render("objections.html", teacher=teacher, objections=objections, version=version)


async def show_or_answer(request: Request, site: Site, teacher: Teacher) -> Response:
    """One objection, and the form that closes it."""
    objection_id = request.path_params["id"]
    if request.method != "POST":
        return await _page(request, site, teacher)
    form = await fields(request)
    written = form.get("note", "")
    if "language" in form:
        return await said_again(form["language"], lambda: _page(request, site, teacher, written))
    try:
        await use_cases.answer(site.review, teacher, objection_id, written)
    except ReasonMissingError:
        return await _page(request, site, teacher, written, _("請填寫給監護人的回覆。"))
    except ReasonTooLongError:
        error = _("回覆最多 {limit} 個字，請精簡後再送出。").format(limit=LONGEST_NOTE)
        return await _page(request, site, teacher, written, error)
    return see(f"/objections/{objection_id}")


async def _page(request: Request, site: Site, teacher: Teacher, written: str = "", error: str = "") -> Response:
    return site.pages.render(
        "objection.html",
        status=422 if error else 200,
        teacher=teacher,
        objection=await use_cases.look(site.review, teacher, request.path_params["id"]),
        written=written,
        errors={"note": error} if error else {},
        longest=LONGEST_NOTE,
        step_form=True,
    )
