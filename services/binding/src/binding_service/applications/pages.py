"""Check, sign and send; then the progress."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

from starlette.datastructures import UploadFile
from starlette.responses import PlainTextResponse

from binding_service.accounts import use_cases as accounts
from binding_service.applications import papers
from binding_service.applications import use_cases as applications
from binding_service.applications.domain import fingerprint
from binding_service.doors import binding_of, client_address, pdf_response, request_id_of, session_in_force
from binding_service.drafts import use_cases as drafts
from binding_service.errors import (
    InvalidFieldsError,
    NotFoundError,
    NotPendingError,
    NotSignedInError,
    PasswordChangeDueError,
    StepMissingError,
)
from binding_service.statements import statement
from binding_service.steps import Step
from binding_service.web import PAGES, form_of, messages_at, render, signed_in, to
from shared.languages import current_language
from shared.web.streams import StateStream

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session
    from binding_service.steps import Visit


class CheckStep(Step):
    """Everything once more, and the signature."""

    name = "check"
    template = "check.html"
    previous = "/parent"
    fields = ("typed", "strokes", "key")
    error_field = "signature"
    other_places = ("students", "email")

    async def known(self, visit: Visit) -> dict[str, str]:
        """Nothing; but all that is asked before has to be there."""
        missing = visit.draft.missing(statement().version, visit.session.contact)
        if missing and not await self._was_sent(visit):
            raise StepMissingError(step=missing)
        return {}

    async def values(self, visit: Visit, typed: dict[str, str]) -> dict[str, object]:
        """All that is signed."""
        return {
            "students": await drafts.students_of(visit.binding, visit.draft),
            "parent": await drafts.parent_of(visit.binding, visit.draft),
            "key": visit.draft.id,
        }

    async def take(self, visit: Visit, typed: dict[str, str]) -> str:
        """Send the application."""
        signature = applications.parse_signature(typed["strokes"], typed["typed"])
        key = _key(typed["key"])
        await applications.submit(visit.binding, visit.session, signature, key, current_language())
        return "/progress"

    async def _was_sent(self, visit: Visit) -> bool:
        """A second tap, or one after a lost answer: the draft is gone because it became an application."""
        if visit.request.method != "POST":
            return False
        key = _key((await form_of(visit.request)).get("key", ""))
        return await applications.was_sent(visit.binding, visit.session, key)


def _key(typed: str) -> str:
    """Hashed to one short form: the page made the key, but whoever sends it may have changed it."""
    return str(request_id_of("applications", typed))


# --- after ---


@signed_in
async def progress(request: Request, session: Session) -> Response:
    """Every child and its state; what has been done and what comes next."""
    binding = binding_of(request)
    views = await applications.progress(binding, session)
    draft = await drafts.draft_of(binding, session)
    has_account = await accounts.has_account(binding, session)
    forms = {view.application_number: view.application_id for view in views if view.has_paper_form}
    has_draft = bool(draft.students or draft.adding)
    return render(
        session,
        "progress.html",
        bindings=views,
        forms=forms,
        has_draft=has_draft,
        has_account=has_account,
        version=fingerprint((view.id, view.version) for view in views),
    )


@signed_in
async def paper_form(request: Request, session: Session) -> Response:
    """下載留存紙本申請書: the paper form as a PDF."""
    application_id = cast("UUID", request.path_params["application_id"])
    paper = await papers.paper_form(binding_of(request), session, application_id, current_language())
    return pdf_response(paper.number, paper.content)


async def verify(request: Request) -> Response:
    """Whether a paper form is genuine: by the hash that is printed on it, by its QR code, or by the file itself."""
    typed, of_file = request.query_params.get("hash", ""), ""
    if request.method == "POST":
        async with request.form(max_files=1, max_fields=10) as form:
            typed, of_file = _typed_hash(form), await _file_hash(form)
    elif not typed:
        return _verify_page(typed)
    binding = binding_of(request)
    try:
        found = await papers.verify(binding, of_file or papers.parse_hash(typed))
    except InvalidFieldsError as error:
        return _verify_page(typed, messages_at(error, "hash"))
    return _verify_page(typed, found=found, asked=True, review_url=binding.settings.review_url.rstrip("/"))


def _typed_hash(form: FormData) -> str:
    typed = form.get("hash")
    return typed if isinstance(typed, str) else ""


async def _file_hash(form: FormData) -> str:
    """The SHA-256 of the file that was chosen, in hex; empty where none was."""
    file = form.get("file")
    return hashlib.sha256(await file.read()).hexdigest() if isinstance(file, UploadFile) and file.size else ""


def _verify_page(
    typed: str,
    errors: dict[str, str] | None = None,
    *,
    found: papers.Genuine | None = None,
    asked: bool = False,
    review_url: str = "",
) -> Response:
    return PAGES.render(
        "verify.html",
        status=422 if errors else 200,
        typed=typed,
        errors=errors or {},
        found=found,
        asked=asked,
        review_url=review_url,
        signed_in=False,
    )


@signed_in
async def send_again(request: Request, session: Session) -> Response:
    """Begin anew for the child of a refusal, with all that was said then."""
    await drafts.take_up_again(binding_of(request), session, request.path_params["binding_id"], client_address(request))
    return to("/students")


async def events(request: Request) -> Response:
    """The stream that tells the progress page of changes; in plain text why there is none.

    No redirect to the start: an EventSource would follow it, and take the page for a broken stream.
    """
    try:
        session = await session_in_force(request)
    except (NotSignedInError, PasswordChangeDueError) as error:
        return PlainTextResponse(error.code, error.status)
    return StateStream(session)


@signed_in
async def withdraw(request: Request, session: Session) -> Response:
    """Withdraw one that waits; asked once."""
    binding, binding_id = binding_of(request), cast("UUID", request.path_params["binding_id"])
    if request.method != "POST":
        views = await applications.progress(binding, session)
        chosen = next((view for view in views if view.id == binding_id), None)
        if chosen is None:
            raise NotFoundError
        if chosen.state != "pending":
            raise NotPendingError
        return render(session, "withdraw.html", view=chosen)
    await applications.withdraw(binding, session, binding_id)
    return to("/progress")


@signed_in
async def clear_all(request: Request, session: Session) -> Response:
    """註銷全部紀錄; asked once."""
    binding = binding_of(request)
    if request.method != "POST":
        views = [view for view in await applications.progress(binding, session) if view.state != "approved"]
        return render(session, "clear.html", bindings=views) if views else to("/progress")
    await applications.clear_all(binding, session)
    return to("/progress")
