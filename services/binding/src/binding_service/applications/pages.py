"""Check, sign and send; then the progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.responses import PlainTextResponse

from binding_service.accounts import use_cases as accounts
from binding_service.applications import use_cases as applications
from binding_service.applications.domain import fingerprint
from binding_service.applications.streams import StateStream
from binding_service.doors import binding_of, request_id_of, session_in_force
from binding_service.drafts import use_cases as drafts
from binding_service.errors import (
    BindingError,
    NotFoundError,
    NotPendingError,
    NotSignedInError,
    PasswordChangeDueError,
    StepMissingError,
)
from binding_service.statements import statement
from binding_service.web import LANGUAGE, form_of, messages_at, render, signed_in, to

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.logins.domain import Session


@signed_in
async def check(request: Request, session: Session) -> Response:
    """Everything once more, and the signature."""
    return await _check_page(request, session, "", {})


@signed_in
async def submit(request: Request, session: Session) -> Response:
    """Send the application."""
    form = await form_of(request)
    typed = form.get("typed", "")
    try:
        signature = applications.parse_signature(form.get("strokes", ""), typed)
        # Hashed to one short form: the page made the key, but whoever sends it may have changed it.
        key = str(request_id_of("applications", form.get("key")))
        await applications.submit(binding_of(request), session, signature, key, LANGUAGE)
    except BindingError as error:
        if isinstance(error, StepMissingError):
            raise
        return await _check_page(request, session, typed, messages_at(error, "signature"), error)
    return to("/progress")


async def _check_page(
    request: Request, session: Session, typed: str, errors: dict[str, str], error: BindingError | None = None
) -> Response:
    binding = binding_of(request)
    draft = await drafts.draft_of(binding, session)
    missing = draft.missing(statement().version, session.contact)
    if missing:
        raise StepMissingError(step=missing)
    return render(
        session,
        "check.html",
        error,
        students=await drafts.students_of(binding, draft),
        parent=await drafts.parent_of(binding, draft),
        key=draft.id,
        typed=typed,
        errors=errors,
    )


# --- after ---


@signed_in
async def progress(request: Request, session: Session) -> Response:
    """Every child and its state; what has been done and what comes next."""
    binding = binding_of(request)
    views = await applications.progress(binding, session)
    draft = await drafts.draft_of(binding, session)
    has_account = await accounts.has_account(binding, session)
    return render(
        session,
        "progress.html",
        bindings=views,
        has_draft=bool(draft.students),
        has_account=has_account,
        version=fingerprint((view.id, view.version) for view in views),
    )


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
    if request.method == "GET":
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
    if request.method == "GET":
        views = [view for view in await applications.progress(binding, session) if view.state != "approved"]
        return render(session, "clear.html", bindings=views) if views else to("/progress")
    await applications.clear_all(binding, session)
    return to("/progress")
