"""This is not mine, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from binding_service.api_parts import Body, Parts
from binding_service.disowning import use_cases
from binding_service.doors import client_address
from shared.not_mine import MOST_CHARACTERS

router = APIRouter()


class NotMineLink(Body):
    """The token of the link at a notice's foot."""

    token: str = Field(max_length=MOST_CHARACTERS)


class DisownedNotice(BaseModel):
    """The notice that a link stands in: nothing that the notice itself did not say."""

    kind: str = Field(description="application_received, code, …; there may be new ones.", examples=["approved"])
    sent_at: datetime = Field(description="When what it tells of happened; of a code, when it ends.")


@router.get("/not-mine", summary="Which notice a link is of; nothing is done")
async def read(binding: Parts, token: Annotated[str, Query(max_length=MOST_CHARACTERS)]) -> DisownedNotice:
    link = await use_cases.read(binding, token)
    return DisownedNotice(kind=link.kind, sent_at=link.at)


@router.post("/not-mine", status_code=204, summary="Say that a notice is not one's own, by its link's token")
async def disown(request: Request, binding: Parts, body: NotMineLink) -> Response:
    await use_cases.disown(binding, body.token, client_address(request))
    return Response(status_code=204)
