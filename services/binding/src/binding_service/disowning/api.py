"""This is not mine, as JSON."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from binding_service.api_parts import ONCE, Body, Parts, refuses
from binding_service.api_route import Route
from binding_service.disowning import use_cases
from binding_service.doors import client_address
from binding_service.errors import LimitedError, LinkOverError
from shared.not_mine import MOST_CHARACTERS

router = APIRouter(route_class=Route)


class NotMineLink(Body):
    """The token of the link at a notice's foot."""

    token: str = Field(max_length=MOST_CHARACTERS)


class DisownedNotice(BaseModel):
    """The notice that a link stands in: nothing that the notice itself did not say."""

    kind: str = Field(description="application_received, code, …; there may be new ones.", examples=["approved"])
    sent_at: datetime = Field(description="When what it tells of happened; of a code, when it ends.")


@router.post("/not-mine/notice", summary="Which notice a link is of", openapi_extra=refuses(LinkOverError))
async def read(binding: Parts, body: NotMineLink) -> DisownedNotice:
    """Nothing is done by it. A POST, because the token is a secret, and an address is not."""
    link = await use_cases.read(binding, body.token)
    return DisownedNotice(kind=link.kind, sent_at=link.at)


@router.post(
    "/not-mine",
    status_code=204,
    summary="Say that a notice is not one's own, by its link's token",
    dependencies=[ONCE],
    openapi_extra=refuses(LinkOverError, LimitedError),
)
async def disown(request: Request, binding: Parts, body: NotMineLink) -> Response:
    await use_cases.disown(binding, body.token, client_address(request))
    return Response(status_code=204)
