"""Forms that decide: approve, refuse, several at once, undo, and the administrator's end of a binding."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.routing import Route

from review_service.applications import cases, decisions, domain, inbox, reasons
from review_service.applications.domain import LONGEST_REASON, Outcome, Standing
from review_service.applications.inbox import Filter
from review_service.applications.pages import Refusal, application_page
from review_service.errors import (
    AlreadyDecidedError,
    ForAdministratorError,
    NotBoundError,
    ReasonMissingError,
    ReasonOutdatedError,
    ReasonTooLongError,
    WithdrawnError,
)
from review_service.web import FORM, administrator, fields, known_uuid, see, signed_in
from review_service.words import LANGUAGES, _
from shared.languages import current_language, known_language, speaking
from shared.web.language_choice import in_language, remember_language

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

    from review_service.context import Teacher
    from review_service.web import Site


def routes() -> list[Route]:
    """The pages of this room."""
    return [
        Route("/applications/{id:uuid}/approve", signed_in(approve), methods=FORM),
        Route("/applications/{id:uuid}/refuse", signed_in(refuse), methods=FORM),
        Route("/applications/{id:uuid}/unbind", administrator(unbind), methods=FORM),
        Route("/approve", signed_in(approve_several), methods=FORM),
        Route("/undo/{batch:uuid}", signed_in(undo), methods=FORM),
    ]


async def approve(request: Request, site: Site, teacher: Teacher) -> Response:
    """Approve, and go on to the next one."""
    if request.method != "POST":
        return see(_address(request))
    return await _decide(request, site, teacher, Outcome.APPROVE, "")


async def refuse(request: Request, site: Site, teacher: Teacher) -> Response:
    """Refuse with a reason, and go on to the next one."""
    if request.method != "POST":
        return see(_address(request))
    form = await fields(request)
    refusal = Refusal(form.get("picked"), form.get("written", ""))
    if "language" in form:
        return await _translate_refusal(request, site, teacher, refusal, form["language"])
    try:
        reason = await _reason(site, teacher, refusal)
    except _WRONG_REASON as error:
        wrong = replace(refusal, error=_reason_message(error))
        return await application_page(request, site, teacher, status=422, refusal=wrong)
    return await _decide(request, site, teacher, Outcome.REFUSE, reason)


async def approve_several(request: Request, site: Site, teacher: Teacher) -> Response:
    """Approve what was ticked in the list; what is unusual only when that was confirmed."""
    if request.method != "POST":
        return see("/")
    wanted = Filter.parse(request.query_params)
    async with request.form() as form:
        ticked = dict.fromkeys(id_ for id_ in map(known_uuid, map(str, form.getlist("id"))) if id_ is not None)
        how, confirmed = form.get("how"), set(form.getlist("confirmed"))
    entries = await inbox.pick(site.review, teacher, list(ticked)[: inbox.PAGE])
    unusual = [entry for entry in entries if entry.is_unusual]
    # What has become unusual since the question was asked is asked about as well.
    is_confirmed = how == "usual" or (how == "all" and confirmed.issuperset(str(entry.id) for entry in unusual))
    if unusual and not is_confirmed:
        return site.pages.render(
            "approve_several.html", teacher=teacher, entries=entries, unusual=unusual, query=wanted.query()
        )
    chosen = [entry.id for entry in entries if how != "usual" or not entry.is_unusual]
    batch, count = await decisions.approve_all(site.review, teacher, chosen)
    skipped = len(ticked) - len(entries) + len(chosen) - count
    return see(f"/{wanted.query(after=None, done=batch, skipped=skipped)}")


async def undo(request: Request, site: Site, teacher: Teacher) -> Response:
    """Take the decisions of a batch back."""
    wanted = Filter.parse(request.query_params)
    if request.method != "POST":
        return see(f"/{wanted.query()}")
    undone = await decisions.undo(site.review, teacher, request.path_params["batch"])
    if len(undone) == 1:
        return see(f"/applications/{undone[0]}{wanted.query(undone='1')}")
    return see(f"/{wanted.query(undone=str(len(undone)))}")


async def unbind(request: Request, site: Site, teacher: Teacher) -> Response:
    """Ask for the reason; with one, end the binding."""
    binding_id: UUID = request.path_params["id"]
    form = await fields(request) if request.method == "POST" else {}
    written = form.get("written", "")
    errors = {}
    if request.method == "POST":
        try:
            await decisions.unbind(site.review, teacher, binding_id, domain.compose_reason("", written))
        except _WRONG_REASON as error:
            errors = {"written": _reason_message(error)}
        except NotBoundError:
            return await application_page(
                request, site, teacher, status=409, late=_("這件綁定已經不存在，不需要解除。")
            )
        else:
            return see(_address(request))
    application = await cases.look(site.review, teacher, binding_id)
    if application.standing is not Standing.APPROVED:
        return see(_address(request))
    status = 422 if errors else 200
    return site.pages.render(
        "unbind.html", status=status, teacher=teacher, application=application, written=written, errors=errors
    )


async def _translate_refusal(
    request: Request, site: Site, teacher: Teacher, refusal: Refusal, language: str
) -> Response:
    """Go on in another language. A refusal that was begun stands there again; nothing is decided by it."""
    if not refusal.begun:
        return in_language(_address(request), language, LANGUAGES)
    with speaking(known_language(language, LANGUAGES) or current_language()):
        page = await application_page(request, site, teacher, refusal=refusal)
        remember_language(page)
    return page


async def _decide(request: Request, site: Site, teacher: Teacher, outcome: Outcome, reason: str) -> Response:
    binding_id: UUID = request.path_params["id"]
    wanted = Filter.parse(request.query_params)
    here = await inbox.place_of(site.review, teacher, binding_id)
    try:
        batch = await decisions.decide(site.review, teacher, binding_id, outcome, reason)
    except WithdrawnError:
        late = _("家長在您送出前已撤回這件申請，您的決定沒有送出。")
    except ForAdministratorError:
        late = _("這件申請由學校管理者審核，您的決定沒有送出。")
    except AlreadyDecidedError:
        late = _("這件申請在您送出前已有結果，您的決定沒有送出。目前的結果如下。")
    else:
        _before, following = await inbox.neighbours(site.review, teacher, wanted, here)
        return see(f"/{f'applications/{following}' if following else ''}{wanted.query(done=batch)}")
    return await application_page(request, site, teacher, status=409, late=late)


_WRONG_REASON = (ReasonMissingError, ReasonTooLongError, ReasonOutdatedError)


async def _reason(site: Site, teacher: Teacher, refusal: Refusal) -> str:
    """What the parent will read. Raises what _WRONG_REASON lists."""
    picked = await reasons.check_picked(site.review, teacher, refusal.picked or "")
    return domain.compose_reason(picked, refusal.written)


def _reason_message(error: Exception) -> str:
    if isinstance(error, ReasonTooLongError):
        return _("理由最多 {limit} 個字，請精簡後再送出。").format(limit=LONGEST_REASON)
    if isinstance(error, ReasonOutdatedError):
        return _("理由清單剛剛更新過，請重新選擇；您寫的文字還在。")
    return _("請選擇或填寫理由，家長會看到這段文字。")


def _address(request: Request) -> str:
    """The application's page, in the list that it was opened from."""
    return f"/applications/{request.path_params['id']}{Filter.parse(request.query_params).query()}"
