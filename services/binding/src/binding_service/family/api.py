"""The family around an account, as JSON."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from binding_service import labels
from binding_service.api_parts import ONCE, TAGGED, Body, IdempotencyKey, Parts, SignedIn, refuses
from binding_service.api_route import Route
from binding_service.doors import request_id_of
from binding_service.drafts.domain import mask_name
from binding_service.errors import InvalidFieldsError, LimitedError, NotFoundError, ObjectionOpenError
from binding_service.family import children as families
from binding_service.family import deletion, objections
from binding_service.family import my_data as data
from binding_service.family.domain import LONGEST_REASON

if TYPE_CHECKING:
    from binding_service.family.domain import Child as ChildOfAccount
    from binding_service.family.domain import Guardian

router = APIRouter(route_class=Route)


class ObjectionBody(Body):
    """Why the school is asked to look at another guardian."""

    reason: str = Field(max_length=2 * LONGEST_REASON)


class ObjectionState(BaseModel):
    """An objection as who sent it sees it."""

    submitted_at: datetime
    state: Literal["open", "answered", "unbound", "withdrawn"]
    closed_at: datetime | None
    note: str = Field(description="What the school wrote back.")


class GuardianState(BaseModel):
    """Another guardian of a child, who was bound later."""

    binding_id: UUID
    name_masked: str = Field(examples=["林○芬"])
    relation: str
    relation_label: str
    bound_at: datetime
    is_bound: bool = Field(description="False where the school has ended it after an objection.")
    objection: ObjectionState | None


class Child(BaseModel):
    """A child that is bound to the account."""

    name: str
    school: str
    class_name: str
    relation_label: str
    bound_at: datetime
    left_on: date | None = Field(description="Since when the school has no such student: graduated or left.")


class FamilyChild(BaseModel):
    """A child that is bound to the account, or waits for it."""

    binding_id: UUID
    name: str
    school: str
    class_name: str
    relation: str
    relation_label: str
    state: Literal["approved", "pending"]
    state_label: str
    since: datetime = Field(description="When it was bound; of one that waits, when it was applied for.")
    left_on: date | None = Field(description="Since when the school has no such student: graduated or left.")
    guardians: list[GuardianState]


class Confirmation(Body):
    """The account's password, once more."""

    password: str = Field(max_length=256)


class DeletionState(BaseModel):
    """Whether the account will be deleted."""

    due_at: datetime | None = Field(description="Until then it can be taken back; null: it stays.")


@router.get("/account/children", summary="The account's children", dependencies=[TAGGED])
async def children(binding: Parts, session: SignedIn) -> list[Child]:
    """Whole: one person's children are few."""
    return [
        Child(
            name=child.name,
            school=child.school,
            class_name=child.class_name,
            relation_label=labels.relation(child.relation, child.relation_text),
            bound_at=child.since,
            left_on=child.left_on,
        )
        for child in await families.my_children(binding, session)
        if child.state == "approved"
    ]


@router.get(
    "/account/family",
    summary="The account's children, bound and waiting, and their later guardians",
    dependencies=[TAGGED],
)
async def family(binding: Parts, session: SignedIn) -> list[FamilyChild]:
    """Whole: one person's children are few."""
    return [_child(child) for child in await families.my_children(binding, session)]


@router.post(
    "/account/guardians/{binding_id}/objections",
    status_code=201,
    summary="Ask the school to look at another guardian",
    openapi_extra=refuses(InvalidFieldsError, NotFoundError, LimitedError, ObjectionOpenError),
)
async def send_objection(
    binding: Parts, session: SignedIn, binding_id: UUID, body: ObjectionBody, idempotency_key: IdempotencyKey = None
) -> GuardianState:
    objection_id = request_id_of(f"objections/{session.account_id}/{binding_id}", idempotency_key)
    return _guardian(await objections.object_to(binding, session, binding_id, body.reason, objection_id))


@router.post(
    "/account/data",
    summary="All that is kept about the account's person",
    openapi_extra=refuses(InvalidFieldsError, LimitedError),
)
async def my_data(binding: Parts, session: SignedIn, body: Confirmation) -> data.MyData:
    """A POST, because it takes the password: what is open in a browser must not be enough for it."""
    await deletion.confirm_by_password(binding, session, body.password)
    return await data.my_data(binding, session)


@router.get("/account/deletion", summary="When the account will be deleted")
async def deletion_state(binding: Parts, session: SignedIn) -> DeletionState:
    return DeletionState(due_at=await deletion.due_at(binding, session))


@router.post(
    "/account/deletion",
    status_code=201,
    summary="Ask for the account to be deleted",
    dependencies=[ONCE],
    openapi_extra=refuses(InvalidFieldsError, LimitedError),
)
async def ask_deletion(binding: Parts, session: SignedIn, body: Confirmation) -> DeletionState:
    """Pending applications are withdrawn at once. Asked again, the day stays."""
    return DeletionState(due_at=await deletion.ask(binding, session, body.password))


@router.delete("/account/deletion", status_code=204, summary="Take the deletion back")
async def keep_account(binding: Parts, session: SignedIn) -> Response:
    await deletion.take_back(binding, session)
    return Response(status_code=204)


def _child(child: ChildOfAccount) -> FamilyChild:
    return FamilyChild.model_validate(
        {
            "binding_id": child.binding_id,
            "name": child.name,
            "school": child.school,
            "class_name": child.class_name,
            "relation": child.relation,
            "relation_label": labels.relation(child.relation, child.relation_text),
            "state": child.state,
            "state_label": labels.state(child.state),
            "since": child.since,
            "left_on": child.left_on,
            "guardians": [_guardian(guardian) for guardian in child.guardians],
        }
    )


def _guardian(guardian: Guardian) -> GuardianState:
    sent = guardian.objection
    state = (
        {
            "submitted_at": sent.submitted_at,
            "state": sent.outcome or "open",
            "closed_at": sent.closed_at,
            "note": sent.note,
        }
        if sent
        else None
    )
    return GuardianState.model_validate(
        {
            "binding_id": guardian.binding_id,
            "name_masked": mask_name(guardian.name),
            "relation": guardian.relation,
            "relation_label": labels.relation(guardian.relation, guardian.relation_text),
            "bound_at": guardian.bound_at,
            "is_bound": guardian.is_bound,
            "objection": state,
        }
    )
