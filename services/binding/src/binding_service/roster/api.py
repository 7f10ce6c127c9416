"""The roster's import for schools' systems, as JSON. Not for front ends: who sends has an operator's token."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from binding_service.api_parts import IdempotencyKey, refuses
from binding_service.doors import bearer_of
from binding_service.errors import ImportRunsError, NotFoundError, NotZipError, UnsupportedTypeError
from binding_service.paging import link_next
from binding_service.roster.pushes import Pushes

router = APIRouter()

PATH = "/roster/imports"
ZIP_TYPES = ("application/zip", "application/x-zip-compressed", "application/octet-stream")
LINES_A_PAGE = 100


def pushes_of(request: Request) -> Pushes:
    return cast("Pushes", request.app.state.pushes)


def operator_of(request: Request) -> str:
    return pushes_of(request).operator_of(bearer_of(request) or "")


Operator = Annotated[str, Depends(operator_of)]
Sent = Annotated[Pushes, Depends(pushes_of)]


class ImportBegun(BaseModel):
    """The import was taken; its report comes at ``location``."""

    id: UUID
    location: str


class CountsState(BaseModel):
    """Rows of one table. ``held``: missing from the good lines, and left as they were because of a bad one."""

    new: int
    changed: int
    removed: int
    unchanged: int
    held: int


class BadLineState(BaseModel):
    """A line that was not taken, and why. ``line`` is 0 for one that an earlier file had."""

    file: str
    line: int
    column: str
    reason: str


class ProgressState(BaseModel):
    """How far an import is that runs."""

    phase: str
    file: str
    lines: int


class ImportState(BaseModel):
    """An import and its report; ``bad_lines`` are a page of those that were listed, 1,000 of them at most."""

    id: UUID
    pushed_by: str
    state: Literal["running", "done", "refused", "failed"]
    reason: str = Field(description="One sentence, where it was refused or has failed. Nothing of it went in then.")
    dry_run: bool
    strict: bool
    allow_removals: bool
    started_at: datetime
    finished_at: datetime | None
    progress: ProgressState | None
    revision: int | None = Field(description="Of the roster; null where nothing went in.")
    counts: dict[str, CountsState]
    bad_line_count: int
    bad_lines: list[BadLineState]
    passed_over: dict[str, int] = Field(description="Lines of delta files that are older than what is known, by file.")


@router.post(
    PATH,
    status_code=202,
    summary="Import a OneRoster export",
    responses={202: {"headers": {"Location": {"$ref": "#/components/headers/Location"}}}},
    openapi_extra=refuses(ImportRunsError, UnsupportedTypeError, NotZipError)
    | {
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def send(
    request: Request,
    response: Response,
    operator: Operator,
    pushes: Sent,
    dry_run: Annotated[bool, Query(description="Say what would change, and change nothing.")] = False,  # noqa: FBT002 - a query parameter
    strict: Annotated[bool, Query(description="Change nothing where a single line is bad.")] = False,  # noqa: FBT002 - the same
    allow_removals: Annotated[bool, Query(description="However many students and classes are removed.")] = False,  # noqa: FBT002 - the same
    idempotency_key: IdempotencyKey = None,
) -> ImportBegun:
    """The body is the zip file (bulk or delta files). One import runs at a time; get the report at `Location`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in ZIP_TYPES:
        raise UnsupportedTypeError
    choices = replace(pushes.choices, dry_run=dry_run, strict=strict, allow_removals=allow_removals)
    push_id = await pushes.take(operator, idempotency_key, choices, request.stream())
    location = f"/api/v1{PATH}/{push_id}"
    response.headers["location"] = location
    return ImportBegun(id=push_id, location=location)


@router.get(f"{PATH}/{{push_id}}", summary="An import's report", openapi_extra=refuses(NotFoundError))
async def report(
    request: Request,
    response: Response,
    _: Operator,
    pushes: Sent,
    push_id: UUID,
    offset: Annotated[int, Query(ge=0, description="Of the bad lines.")] = 0,
    limit: Annotated[int, Query(ge=0, le=1000, description="Bad lines at most.")] = LINES_A_PAGE,
) -> ImportState:
    row = await pushes.state_of(push_id)
    made: dict[str, Any] = row["report"] or {}
    if limit and offset + limit < len(made.get("bad_lines", [])):
        link_next(request, response, offset=offset + limit)
    return ImportState(
        **{name: row[name] for name in ("id", "pushed_by", "state", "reason", "started_at", "finished_at")},
        **{name: row["choices"][name] for name in ("dry_run", "strict", "allow_removals")},
        progress=row["progress"] if row["state"] == "running" else None,
        revision=made.get("revision") if row["state"] == "done" and not row["choices"]["dry_run"] else None,
        counts=made.get("counts", {}),
        bad_line_count=made.get("bad_line_count", 0),
        bad_lines=made.get("bad_lines", [])[offset : offset + limit],
        passed_over=made.get("passed_over", {}),
    )
