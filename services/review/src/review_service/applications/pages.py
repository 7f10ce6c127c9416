"""The inbox, one application, and the decision on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from starlette.routing import Route

from review_service.applications import domain, use_cases
from review_service.applications.domain import LONGEST_REASON, Outcome, Standing
from review_service.applications.reasons import COMMON_REASONS
from review_service.errors import AlreadyDecidedError, ReasonMissingError, ReasonTooLongError, WithdrawnError
from review_service.web import FORM, fields, see, signed_in
from review_service.words import LANGUAGES, _
from shared.languages import SOURCE, current_language, known_language, speaking
from shared.web.language_choice import in_language, remember_language

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.applications.use_cases import Inbox
    from review_service.context import Teacher
    from review_service.web import Site

#: What the templates of this room know.
IN_TEMPLATES = {"svg_path": domain.svg_path, "legal": domain.LEGAL_REPRESENTATIVES, "parents_language": SOURCE}


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

    @property
    def reason(self) -> str:
        """What the parent will read. Raises ReasonMissingError, ReasonTooLongError."""
        return domain.compose_reason(COMMON_REASONS.get(self.picked or "", ""), self.written)


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/", signed_in(show_inbox)),
        Route("/applications/{id:uuid}", signed_in(show_application)),
        Route("/applications/{id:uuid}/approve", signed_in(approve), methods=FORM),
        Route("/applications/{id:uuid}/refuse", signed_in(refuse), methods=FORM),
    ]


async def show_inbox(request: Request, site: Site, teacher: Teacher) -> Response:
    """What waits for this teacher, or what was decided."""
    show, inbox = await _list(request, site, teacher)
    done = await _done(request, site, teacher)
    return site.pages.render("inbox.html", teacher=teacher, show=show, inbox=inbox, done=done)


async def show_application(request: Request, site: Site, teacher: Teacher) -> Response:
    """One application."""
    return await _application_page(request, site, teacher)


async def approve(request: Request, site: Site, teacher: Teacher) -> Response:
    """Approve, and go on to the next one."""
    if request.method != "POST":
        return see(_application_address(request))
    return await _decide(request, site, teacher, Outcome.APPROVE, "")


async def refuse(request: Request, site: Site, teacher: Teacher) -> Response:
    """Refuse with a reason, and go on to the next one."""
    if request.method != "POST":
        return see(_application_address(request))
    form = await fields(request)
    refusal = Refusal(form.get("picked"), form.get("written", ""))
    if "language" in form:
        return await _translate_refusal(request, site, teacher, refusal, form["language"])
    try:
        reason = refusal.reason
    except ReasonMissingError:
        wrong = replace(refusal, error=_("請選擇或填寫不通過的理由，家長會看到這段文字。"))
    except ReasonTooLongError:
        wrong = replace(refusal, error=_("理由最多 {limit} 個字，請精簡後再送出。").format(limit=LONGEST_REASON))
    else:
        return await _decide(request, site, teacher, Outcome.REFUSE, reason)
    return await _application_page(request, site, teacher, status=422, refusal=wrong)


async def _translate_refusal(
    request: Request, site: Site, teacher: Teacher, refusal: Refusal, language: str
) -> Response:
    """Go on in another language. A refusal that was begun stands there again; nothing is decided by it."""
    if not refusal.begun:
        return in_language(_application_address(request), language, LANGUAGES)
    with speaking(known_language(language, LANGUAGES) or current_language()):
        page = await _application_page(request, site, teacher, refusal=refusal)
        remember_language(page)
    return page


async def _decide(request: Request, site: Site, teacher: Teacher, outcome: Outcome, reason: str) -> Response:
    binding_id: UUID = request.path_params["id"]
    try:
        await use_cases.decide(site.review, teacher, binding_id, outcome, reason)
    except (WithdrawnError, AlreadyDecidedError):
        return await _application_page(request, site, teacher, status=409, late=True)
    following = await use_cases.find_next(site.review, teacher, binding_id)
    return see(f"/applications/{following}?done={binding_id}" if following else f"/?done={binding_id}")


async def _application_page(
    request: Request,
    site: Site,
    teacher: Teacher,
    *,
    status: int = 200,
    refusal: Refusal | None = None,
    late: bool = False,
) -> Response:
    binding_id: UUID = request.path_params["id"]
    application = await use_cases.look(site.review, teacher, binding_id)
    show, inbox = await _list(request, site, teacher)
    return site.pages.render(
        "application.html",
        status=status,
        teacher=teacher,
        show=show,
        inbox=inbox,
        application=application,
        following=await use_cases.find_next(site.review, teacher, binding_id),
        done=await _done(request, site, teacher),
        late=late,
        refusal=refusal or Refusal(),
        reasons=COMMON_REASONS,
        longest=LONGEST_REASON,
        # The language switch sends the refusal along, so that what is written there is not lost.
        step_form=application.standing is Standing.WAITING,
    )


async def _list(request: Request, site: Site, teacher: Teacher) -> tuple[str, Inbox]:
    """The list that the page shows beside everything else, and its name."""
    if request.query_params.get("show") == "decided":
        return "decided", await use_cases.list_decided(site.review, teacher)
    return "waiting", await use_cases.list_waiting(site.review, teacher)


async def _done(request: Request, site: Site, teacher: Teacher) -> use_cases.Decided | None:
    """The decision that led to this page; the address has its id only, since it stays in the browser's history."""
    try:
        binding_id = UUID(request.query_params.get("done", ""))
    except ValueError:
        return None
    return await use_cases.recall_decision(site.review, teacher, binding_id)


def _application_address(request: Request) -> str:
    return f"/applications/{request.path_params['id']}"
