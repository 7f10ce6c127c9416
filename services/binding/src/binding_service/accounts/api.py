"""The parent's account, as JSON."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from binding_service import labels
from binding_service.accounts import use_cases as accounts
from binding_service.api_parts import AnySession, Body, Parts, SessionState, SignedIn
from binding_service.doors import client_address

router = APIRouter()


class SignIn(Body):
    """Login and password."""

    login: str = Field(max_length=254)
    password: str = Field(max_length=256)


class NewPassword(Body):
    """A new password, at least 12 characters; ``current`` may be left out while the first password is in force."""

    current: str = Field(default="", max_length=256)
    password: str = Field(max_length=256)


class Child(BaseModel):
    """A child that is bound to the account."""

    name: str
    school: str
    class_name: str
    relation_label: str
    bound_at: datetime
    left_on: date | None = Field(description="Since when the school has no such student: graduated or left.")


@router.post("/account/sessions", status_code=201, summary="Sign in with a password")
async def sign_in(request: Request, binding: Parts, body: SignIn) -> SessionState:
    token, session = await accounts.sign_in(binding, body.login, body.password, client_address(request))
    landing: Literal["password", "progress"] = "password" if session.password_change_due else "progress"
    return SessionState(token=token, expires_at=session.expires_at, next=landing)


@router.put("/account/password", status_code=204, summary="Change the password")
async def change_password(binding: Parts, session: AnySession, body: NewPassword) -> Response:
    await accounts.change_password(binding, session, body.current, body.password, body.password)
    return Response(status_code=204)


@router.get("/account/children", summary="The account's children")
async def children(binding: Parts, session: SignedIn) -> list[Child]:
    return [
        Child(
            name=row["name"],
            school=row["school_name"],
            class_name=row["class_name"],
            relation_label=labels.relation(row["relation"], row["relation_text"]),
            bound_at=row["bound_at"],
            left_on=row["left_on"],
        )
        for row in await accounts.children(binding, session)
    ]
