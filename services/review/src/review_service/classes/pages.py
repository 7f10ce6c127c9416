"""Whose class it is and who is in it; a school at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.classes import custody, handovers, invitations, use_cases
from review_service.classes.domain import Sort, Standing
from review_service.classes.words import local_day
from review_service.disowning import use_cases as disowning
from review_service.web import administrator, see, signed_in

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site

#: What the templates of this room know.
IN_TEMPLATES = {"local_day": local_day}
#: What a class page says of what has just been done there.
DONE = frozenset({"substitute", "ended", "moved", "returned"})


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/classes", signed_in(show_classes)),
        Route("/classes/{id}", signed_in(show_class)),
        Route("/school", administrator(show_school)),
        *invitations.routes(),
        *handovers.routes(),
        *custody.routes(),
    ]


async def show_classes(_: Request, site: Site, teacher: Teacher) -> Response:
    """The teacher's own classes; an administrator's are the school's."""
    if teacher.is_administrator:
        return see("/school")
    classes = await use_cases.own_classes(site.review, teacher)
    return site.pages.render("classes.html", teacher=teacher, classes=classes)


async def show_class(request: Request, site: Site, teacher: Teacher) -> Response:
    """One class: every student, or only those who have nobody."""
    only_missing = request.query_params.get("show") == Standing.MISSING
    done = request.query_params.get("done", "")
    shown = await use_cases.look_at_class(site.review, teacher, request.path_params["id"])
    return site.pages.render(
        "class.html",
        teacher=teacher,
        shown=shown,
        only_missing=only_missing,
        students=shown.missing if only_missing else shown.students,
        done=done if done in DONE else "",
    )


async def show_school(request: Request, site: Site, teacher: Teacher) -> Response:
    """The administrator's school, sorted as the address says."""
    sort = Sort.CLASS if request.query_params.get("sort") == Sort.CLASS else Sort.TROUBLE
    school = await use_cases.school(site.review, teacher, sort)
    disowned = await disowning.count_open(site.review, teacher)
    return site.pages.render("school.html", teacher=teacher, school=school, sort=sort, disowned=disowned)
