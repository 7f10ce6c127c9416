"""My children, and an objection to another guardian."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import uuid4

from binding_service.doors import binding_of, request_id_of
from binding_service.drafts import use_cases as drafts
from binding_service.errors import BindingError, NotFoundError
from binding_service.family import children, objections
from binding_service.family.domain import LONGEST_REASON
from binding_service.web import form_of, messages_at, render, signed_in, to
from shared.web.language_choice import in_language_here

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

    from binding_service.family.domain import Guardian
    from binding_service.logins.domain import Session


@signed_in
async def account(request: Request, session: Session) -> Response:
    """The account's children, bound and waiting, and what else can be done with the account."""
    binding = binding_of(request)
    mine = await children.my_children(binding, session)
    draft = await drafts.draft_of(binding, session)
    return render(session, "account.html", children=mine, has_draft=bool(draft.students or draft.adding))


@signed_in
async def objection(request: Request, session: Session) -> Response:
    """Ask the school to look at another guardian; or what has become of that."""
    binding, binding_id = binding_of(request), cast("UUID", request.path_params["binding_id"])
    guardian = await objections.look(binding, session, binding_id)
    if request.method != "POST":
        return _objection_page(session, guardian, key=str(uuid4()))
    form = await form_of(request)
    reason, key = form.get("reason", ""), form.get("key", "")
    if "language" in form:
        return in_language_here(form["language"], lambda: _objection_page(session, guardian, reason, key))
    try:
        objection_id = request_id_of(f"objections/{session.account_id}/{binding_id}", key)
        await objections.object_to(binding, session, binding_id, reason, objection_id)
    except NotFoundError:
        raise
    except BindingError as error:
        return _objection_page(session, guardian, reason, key, error)
    return to(f"/account/children/{binding_id}/objection")


def _objection_page(
    session: Session, guardian: Guardian, reason: str = "", key: str = "", error: BindingError | None = None
) -> Response:
    sent = guardian.objection
    waits = sent is not None and not sent.outcome
    return render(
        session,
        "objection.html",
        error,
        guardian=guardian,
        waits=waits,
        can_object=guardian.is_bound and not waits,
        reason=reason,
        key=key,
        errors=messages_at(error, "reason") if error else {},
        longest=LONGEST_REASON,
        step_form=True,
    )
