"""How long a browser keeps what pages refer to."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from shared.web.pages import static_mounts, static_url

LOOK = static_url("shared.web", "look.css")


async def get(address: str) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=static_mounts("binding_service")))
    async with httpx.AsyncClient(transport=transport, base_url="https://school.example") as client:
        return await client.get(address)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (LOOK, "public, max-age=31536000, immutable"),
        # What a page of another version refers to, beside which this one runs.
        (f"{LOOK[:-1]}-", "no-cache"),
        (LOOK.partition("?")[0], None),
    ],
)
async def test_a_file_is_kept_for_good_under_the_address_that_has_its_version(address: str, kept: str | None) -> None:
    answer = await get(address)
    assert (answer.status_code, answer.headers.get("cache-control")) == (200, kept)


async def test_what_there_is_none_of_is_kept_by_nobody() -> None:
    answer = await get("/static/shared/none.css?v=0")
    assert (answer.status_code, answer.headers.get("cache-control")) == (404, None)
