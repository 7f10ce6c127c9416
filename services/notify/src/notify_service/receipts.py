"""Where SMS providers say what became of a message: delivered or not. Reached from outside, through the proxy.

An address holds the id of one try, which only its provider was told. Whoever calls one that is none learns nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import structlog
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from notify_service import storage
from notify_service.domain import PROVIDER_ID
from notify_service.metrics import RECEIPTS

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from notify_service.settings import Settings
    from shared.database import Database

ERROR_CODE = re.compile(r"\d{1,6}")
LONGEST_FORM = 16 * 1024

log = structlog.get_logger(__name__)


def receipt_routes(settings: Settings, database: Database) -> list[BaseRoute]:
    """The address of each provider that gives receipts; the forms of one that is not set up are nobody's."""

    async def mitake(request: Request) -> Response:
        from notify_service.mitake import acknowledgement, receipt  # noqa: PLC0415 - its HTTP client is 8 MB

        given, flag = (request.query_params.get(name, "") for name in ("msgid", "StatusFlag"))
        msgid = given.removeprefix("#")
        if not PROVIDER_ID.fullmatch(msgid):
            return Response(status_code=400)
        said = receipt(flag)
        if said:
            await _note(database, request.path_params["try_id"], "mitake", said, f"Mitake {flag}", msgid)
        # For one of a try that is none, too: else it would come again and again.
        return PlainTextResponse(acknowledgement(given))

    async def twilio(request: Request) -> Response:
        from notify_service.twilio import is_signed, receipt  # noqa: PLC0415 - the same

        form = await _form(request)
        try_id: UUID = request.path_params["try_id"]
        token, base = settings.twilio_token.get_secret_value(), settings.receipts_url("twilio")
        given = request.headers.get("x-twilio-signature", "")
        if form is None or not token or not is_signed(token, f"{base}/{try_id}", form, given):
            return Response(status_code=403)
        values = dict(form)
        said, code = receipt(values.get("MessageStatus", "")), values.get("ErrorCode", "")
        why = f"Twilio {code}" if ERROR_CODE.fullmatch(code) else "Twilio"
        if said:
            await _note(database, try_id, "twilio", said, why, values.get("MessageSid", ""))
        return Response(status_code=204)

    return [
        Route("/receipts/mitake/{try_id:uuid}", mitake, methods=["GET"]),
        Route("/receipts/twilio/{try_id:uuid}", twilio, methods=["POST"]),
    ]


async def _form(request: Request) -> list[tuple[str, str]] | None:
    """The form's fields, in their order; None for what is none. Bounded: anybody may post here."""
    body = b""
    async for some in request.stream():
        body += some
        if len(body) > LONGEST_FORM:
            return None
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return None


async def _note(database: Database, try_id: UUID, provider: str, said: str, why: str, provider_id: str) -> None:
    """Write it down, where it is news."""
    reason = why if said == "undelivered" else None
    async with database.connection() as connection:
        is_news = await storage.note_receipt(connection, try_id, provider, said, reason, provider_id)
    if is_news:
        RECEIPTS.labels(provider, said).inc()
        log.info("receipt", provider=provider, receipt=said, reason=reason)
