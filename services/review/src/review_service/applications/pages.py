"""The inbox, and one application."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.applications import cases, decisions, domain, inbox, storage
from review_service.applications.domain import LONGEST_REASON, Standing
from review_service.applications.inbox import Filter
from review_service.applications.live import Watcher
from review_service.applications.reasons import COMMON_REASONS, list_reasons
from review_service.disowning import use_cases as disowning
from review_service.errors import NotFoundError
from review_service.objections import use_cases as objections
from review_service.web import FORM, fields, is_visit, known_uuid, see, signed_in
from review_service.words import _
from shared.languages import SOURCE
from shared.web.streams import StateStream

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.applications.cases import Contacts
    from review_service.applications.decisions import Done
    from review_service.context import Teacher
    from review_service.web import Site

#: What the templates of this room know.
IN_TEMPLATES = {
    "svg_path": domain.svg_path,
    "legal": domain.LEGAL_REPRESENTATIVES,
    "parents_language": SOURCE,
    "longest": LONGEST_REASON,
    "common_reasons": COMMON_REASONS,
    "counted": storage.MOST_COUNTED,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal form as it was filled in, and what is wrong with it. ``picked`` is None where nothing was."""

    picked: str | None = None
    written: str = ""
    error: str = ""

    @property
    def begun(self) -> bool:
        """Whether there is something in it that the teacher must find again."""
        return self.picked is not None or bool(self.written.strip() or self.error)


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/", signed_in(show_inbox)),
        Route("/events", signed_in(events, is_stream=True)),
        Route("/find", signed_in(find), methods=FORM),
        Route("/documents/{hash:str}", signed_in(open_document)),
        Route("/applications/{id:uuid}", signed_in(show_application)),
        Route("/applications/{id:uuid}/aside", signed_in(show_aside)),
        Route("/applications/{id:uuid}/contacts", signed_in(show_contacts), methods=FORM),
    ]


async def show_inbox(request: Request, site: Site, teacher: Teacher) -> Response:
    """What waits for this teacher, or what has ended."""
    return await inbox_page(request, site, teacher)


async def inbox_page(
    request: Request, site: Site, teacher: Teacher, *, status: int = 200, sought: str = "", not_found: bool = False
) -> Response:
    """The inbox; ``sought`` and ``not_found`` when it is where a search ended."""
    listed = await inbox.list_applications(site.review, teacher, Filter.parse(request.query_params))
    if listed.entries and is_visit(request):
        await inbox.note_look(site.review, teacher, listed)
    return site.pages.render(
        "inbox.html",
        status=status,
        teacher=teacher,
        inbox=listed,
        done=await done(request, site, teacher),
        undone=request.query_params.get("undone", ""),
        skipped=_skipped(request.query_params.get("skipped", "")),
        sought=sought,
        objections=await objections.count_open(site.review, teacher),
        errors={"sought": _("找不到這個編號的申請，請確認後再試；其他班級或學校的申請不會顯示。")} if not_found else {},
    )


def _skipped(told: str) -> int:
    """How many of several were not decided on; none where the address was not made by us."""
    return int(told) if re.fullmatch("[0-9]{1,4}", told) else 0


async def events(request: Request, site: Site, teacher: Teacher) -> Response:
    """Tells of every change in what the teacher sees (server-sent events), for pages that renew themselves."""
    token = request.cookies.get(site.cookie, "")
    return StateStream(Watcher(teacher.id, site.review.hashes.digests("session", token)))


async def find(request: Request, site: Site, teacher: Teacher) -> Response:
    """Open the application whose number was typed, or whose QR code a scanner typed."""
    if request.method != "POST":
        return see("/")
    sought = (await fields(request)).get("sought", "")
    found = await cases.find(site.review, teacher, sought)
    if found is None:
        return await inbox_page(request, site, teacher, status=404, sought=sought, not_found=True)
    return see(f"/applications/{found}")


async def open_document(request: Request, site: Site, teacher: Teacher) -> Response:
    """Where the QR code of a parent's paper form leads: the application that it was printed from."""
    found = await cases.find(site.review, teacher, request.path_params["hash"])
    if found is None:
        raise NotFoundError
    return see(f"/applications/{found}")


async def show_application(request: Request, site: Site, teacher: Teacher) -> Response:
    """One application."""
    return await application_page(request, site, teacher)


async def show_aside(request: Request, site: Site, teacher: Teacher) -> Response:
    """The list beside an application, and whether that changed: for the page that renews itself, so nobody looked."""
    wanted = Filter.parse(request.query_params)
    listed = await inbox.list_applications(site.review, teacher, wanted)
    mark = await cases.last_change(site.review, teacher, request.path_params["id"])
    return site.pages.render("aside.html", inbox=listed, application=mark)


async def show_contacts(request: Request, site: Site, teacher: Teacher) -> Response:
    """One application with ID number and contacts in full. By POST: no link that is fetched ahead shows them."""
    binding_id: UUID = request.path_params["id"]
    if request.method != "POST":
        return see(f"/applications/{binding_id}")
    contacts = await cases.show_contacts(site.review, teacher, binding_id)
    return await application_page(request, site, teacher, contacts=contacts)


async def application_page(
    request: Request,
    site: Site,
    teacher: Teacher,
    *,
    status: int = 200,
    refusal: Refusal | None = None,
    late: str = "",
    contacts: Contacts | None = None,
) -> Response:
    """One application beside its list. ``late``: why a decision that was just sent was not taken."""
    application = await cases.look(site.review, teacher, request.path_params["id"])
    wanted = Filter.parse(request.query_params)
    listed = await inbox.list_applications(site.review, teacher, wanted)
    place = (application.submitted_at, application.id)
    previous, following = await inbox.neighbours(site.review, teacher, wanted, place)
    return site.pages.render(
        "application.html",
        status=status,
        teacher=teacher,
        inbox=listed,
        application=application,
        previous=previous,
        following=following,
        done=await done(request, site, teacher),
        undone=request.query_params.get("undone", ""),
        late=late,
        refusal=refusal or Refusal(),
        reasons=await list_reasons(site.review, teacher),
        contacts=contacts,
        objections=await objections.notices(site.review, teacher, application.id),
        disowned=await disowning.about(site.review, teacher, application.id),
        # The language switch sends the refusal along, so that what is written there is not lost.
        step_form=application.standing is Standing.WAITING and application.is_mine,
    )


async def done(request: Request, site: Site, teacher: Teacher) -> Done | None:
    """The decisions that led to this page. The address has their batch only: it stays in the browser's history."""
    batch = known_uuid(request.query_params.get("done", ""))
    return await decisions.recall(site.review, teacher, batch) if batch else None
