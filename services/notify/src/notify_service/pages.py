"""The development mailbox in a browser, and as JSON for tests.

A recipient stands in the address here, which no page for real people does: the mailbox holds made-up people only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from notify_service import storage
from notify_service.domain import Kind
from shared.web.middleware import CONTENT_SECURITY_POLICY
from shared.web.pages import Pages, static_mounts

if TYPE_CHECKING:
    import asyncpg
    from starlette.requests import Request

    from shared.database import Database

SHOWN = 50
LONGEST_RECIPIENT = 254

#: The page may frame the mail's HTML, which is shown as a stranger's: no script, no form, no origin, nothing fetched.
LETTER_PAGE_POLICY = f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"
LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)


def mailbox_routes(database: Database) -> list[BaseRoute]:
    """The mailbox: its list, one message, the message's HTML, and the list as JSON."""
    pages = Pages("notify_service")

    async def found(request: Request) -> list[dict[str, Any]]:
        recipient = request.query_params.get("to", "").strip()[:LONGEST_RECIPIENT]
        async with database.connection() as connection:
            rows = await storage.mailbox_messages(connection, recipient, SHOWN)
        return [_entry(row) for row in rows]

    async def entry(request: Request) -> dict[str, Any] | None:
        async with database.connection() as connection:
            row = await storage.mailbox_message(connection, request.path_params["message_id"])
        return None if row is None else _entry(row)

    async def front(_: Request) -> Response:
        return RedirectResponse("/mailbox")

    async def list_messages(request: Request) -> HTMLResponse:
        recipient = request.query_params.get("to", "").strip()
        return pages.render("mailbox/list.html", messages=await found(request), recipient=recipient)

    async def show_message(request: Request) -> HTMLResponse:
        message = await entry(request)
        if message is None:
            return pages.render("mailbox/missing.html", status=404)
        headers = {"content-security-policy": LETTER_PAGE_POLICY}
        return pages.render("mailbox/message.html", headers=headers, message=message)

    async def show_html(request: Request) -> HTMLResponse:
        message = await entry(request)
        if message is None:
            return pages.render("mailbox/missing.html", status=404)
        return HTMLResponse(message["html"], headers={"content-security-policy": LETTER_POLICY})

    async def list_json(request: Request) -> JSONResponse:
        messages = await found(request)
        return JSONResponse(
            [{**item, "id": str(item["id"]), "arrived_at": item["arrived_at"].isoformat()} for item in messages]
        )

    return [
        Route("/", front),
        Route("/mailbox", list_messages),
        Route("/mailbox.json", list_json),
        Route("/mailbox/{message_id:uuid}", show_message),
        Route("/mailbox/{message_id:uuid}/html", show_html),
        *static_mounts("notify_service"),
    ]


def _entry(row: asyncpg.Record) -> dict[str, Any]:
    """A message as its readers want it; ``code`` is empty where it holds none."""
    code = re.search(r"\b\d{6}\b", row["body"]) if row["kind"] == Kind.CODE else None
    return {
        "id": row["id"],
        "kind": row["kind"],
        "channel": row["channel"],
        "to": row["recipient"],
        "subject": row["subject"],
        "text": row["body"],
        "html": row["html"],
        "code": code.group() if code else "",
        "arrived_at": row["arrived_at"],
    }
