"""My children, and an objection to another guardian."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import uuid4

from starlette.responses import Response

from binding_service.doors import binding_of, request_id_of
from binding_service.drafts import use_cases as drafts
from binding_service.errors import BindingError, InvalidFieldsError, LimitedError, NotFoundError
from binding_service.family import children, deletion, my_data, objections
from binding_service.family.domain import LONGEST_REASON, svg_path
from binding_service.web import form_of, messages_at, render, signed_in, to
from shared.web.language_choice import in_language_here

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import Request

    from binding_service.family.domain import Guardian
    from binding_service.logins.domain import Session


@signed_in
async def account(request: Request, session: Session) -> Response:
    """The account's children, bound and waiting, and what else can be done with the account."""
    binding = binding_of(request)
    mine = await children.my_children(binding, session)
    draft = await drafts.draft_of(binding, session)
    return render(
        session,
        "account.html",
        children=mine,
        has_draft=bool(draft.students or draft.adding),
        deletion_due=await deletion.due_at(binding, session),
    )


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


@signed_in
async def data(request: Request, session: Session) -> Response:
    """All that is kept about the account's person; by its password, as a file with the ID numbers whole."""
    binding = binding_of(request)
    everything = await my_data.my_data(binding, session)
    refused: BindingError | None = None
    if request.method == "POST":
        try:
            await deletion.confirm_by_password(binding, session, (await form_of(request)).get("password", ""))
        except (InvalidFieldsError, LimitedError) as error:
            refused = error
        else:
            return _file(everything)
    return render(
        session,
        "my_data.html",
        refused,
        data=everything.masked(),
        svg_path=svg_path,
        errors=messages_at(refused, "password") if refused else {},
    )


def _file(everything: my_data.MyData) -> Response:
    headers = {"content-disposition": 'attachment; filename="kinbind.json"'}
    return Response(everything.model_dump_json(indent=2), media_type="application/json", headers=headers)


@signed_in
async def delete(request: Request, session: Session) -> Response:
    """Ask for the account to be deleted: what goes, what stays and for how long; confirmed by the password."""
    binding = binding_of(request)
    mine = await children.my_children(binding, session)
    refused: BindingError | None = None
    if request.method == "POST":
        try:
            await deletion.ask(binding, session, (await form_of(request)).get("password", ""))
        except (InvalidFieldsError, LimitedError) as error:
            refused = error
        else:
            return to("/account")
    return render(
        session,
        "delete_account.html",
        refused,
        children=mine,
        days=binding.settings.deletion_days,
        errors=messages_at(refused, "password") if refused else {},
    )


@signed_in
async def keep(request: Request, session: Session) -> Response:
    """Take the deletion back."""
    await deletion.take_back(binding_of(request), session)
    return to("/account")
