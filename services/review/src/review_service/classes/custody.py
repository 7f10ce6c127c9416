"""A custody note: what the administrator has to know before anybody is bound to a student. Nobody else sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.classes import use_cases
from review_service.classes.domain import LONGEST_NOTE
from review_service.classes.words import custody_address, said_again
from review_service.web import FORM, administrator, fields, see
from review_service.words import _

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site

DONE = frozenset({"set", "cleared"})


@dataclass(frozen=True, slots=True)
class Typed:
    """The note as it was typed, and what is wrong with it. None where nothing was."""

    note: str | None = None
    error: str = ""


def routes() -> list[Route]:
    """The pages of custody notes."""
    return [
        Route("/students/{id}/custody", administrator(show_or_set), methods=FORM),
        Route("/students/{id}/custody/clear", administrator(clear), methods=FORM),
    ]


async def show_or_set(request: Request, site: Site, teacher: Teacher) -> Response:
    """The note, and the form that sets and changes it."""
    if request.method != "POST":
        return await _page(request, site, teacher, Typed())
    form = await fields(request)
    typed = form.get("note", "").replace("\r\n", "\n")
    if "language" in form:
        return await said_again(form["language"], lambda: _page(request, site, teacher, Typed(typed)))
    error = _error(typed.strip())
    if error:
        return await _page(request, site, teacher, Typed(typed, error))
    student_id = request.path_params["id"]
    await use_cases.set_custody_note(site.review, teacher, student_id, typed.strip())
    return see(f"{custody_address(student_id)}?done=set")


async def clear(request: Request, site: Site, teacher: Teacher) -> Response:
    """Be asked, and clear the note."""
    student_id = request.path_params["id"]
    if request.method == "POST":
        await use_cases.clear_custody_note(site.review, teacher, student_id)
        return see(f"{custody_address(student_id)}?done=cleared")
    custody = await use_cases.look_at_custody(site.review, teacher, student_id)
    if not custody.note:
        return see(custody_address(student_id))
    return site.pages.render("custody_clear.html", teacher=teacher, custody=custody)


def _error(note: str) -> str:
    if not note:
        return _("請填寫註記的內容；不再需要時，請用「清除註記」。")
    if len(note) > LONGEST_NOTE:
        return _("註記最多 {limit} 個字，請精簡後再儲存。").format(limit=LONGEST_NOTE)
    return ""


async def _page(request: Request, site: Site, teacher: Teacher, typed: Typed) -> Response:
    custody = await use_cases.look_at_custody(site.review, teacher, request.path_params["id"])
    done = request.query_params.get("done", "")
    return site.pages.render(
        "custody.html",
        status=422 if typed.error else 200,
        teacher=teacher,
        custody=custody,
        note=custody.note if typed.note is None else typed.note,
        errors={"note": typed.error} if typed.error else {},
        longest=LONGEST_NOTE,
        done=done if done in DONE and not typed.error else "",
        step_form=True,
    )
