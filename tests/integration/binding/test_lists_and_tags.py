"""Lists part by part, and answers that the client has already."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from support.town import CHEN, LI, OTHER_PARENT_ID, PARENT_ID, TLS, WANG

if TYPE_CHECKING:
    from support.town import Town

CONTACT = "lin@example.org"
PARENTS = {WANG: PARENT_ID, CHEN: OTHER_PARENT_ID}


async def get(town: Town, path: str, token: str, **headers: str) -> httpx.Response:
    signed = {"authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with httpx.AsyncClient(base_url=town.url, verify=TLS, headers=signed) as client:
        return await client.get(path)


def next_of(answer: httpx.Response) -> str | None:
    return answer.links["next"]["url"] if "next" in answer.links else None


async def all_parts(town: Town, path: str, token: str) -> list[list[Any]]:
    parts = []
    following: str | None = path
    while following:
        answer = await get(town, following, token)
        assert answer.status_code == 200, answer.text
        parts.append(answer.json())
        following = next_of(answer)
    return parts


@pytest.fixture
async def token(town: Town) -> str:
    return await town.sign_in(CONTACT)


async def test_schools_are_chosen_by_level_and_words_of_their_name(town: Town, token: str) -> None:
    async def names(query: str) -> list[str]:
        return [school["name"] for school in (await get(town, f"/api/v1/schools?{query}", token)).json()]

    assert sorted(await names("")) == ["中正國小", "大同國小", "海山國中"]
    assert sorted(await names("level=elementary")) == ["中正國小", "大同國小"]
    assert await names("q=海山") == ["海山國中"]
    assert await names("level=elementary&q=海山") == []
    refused = await get(town, "/api/v1/schools?level=kindergarten", token)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_request")


async def test_a_long_list_comes_part_by_part_in_the_same_order(town: Town, token: str) -> None:
    whole = (await get(town, "/api/v1/schools", token)).json()
    parts = await all_parts(town, "/api/v1/schools?limit=2&q=國", token)
    assert [len(part) for part in parts] == [2, 1]
    assert [school for part in parts for school in part] == whole


@pytest.mark.parametrize("gone", [[0], [1], [0, 1], [0, 1, 2]])
async def test_what_is_gone_meanwhile_makes_no_gap_and_nothing_comes_twice(town: Town, gone: list[int]) -> None:
    token = await town.apply(CONTACT, [LI, WANG, CHEN])
    known = [binding["id"] for binding in await town.bindings(token)]
    first = await get(town, "/api/v1/bindings?limit=2", token)
    assert [binding["id"] for binding in first.json()] == known[:2]
    for place in gone:
        await town.do("DELETE", f"/bindings/{known[place]}", token)
    second = await get(town, str(next_of(first)), token)
    assert [binding["id"] for binding in second.json()] == [each for each in known[2:] if known.index(each) not in gone]
    assert next_of(second) is None


async def test_a_school_that_is_gone_meanwhile_makes_no_gap_either(town: Town, token: str) -> None:
    names = [school["name"] for school in (await get(town, "/api/v1/schools", token)).json()]
    first = await get(town, "/api/v1/schools?limit=2", token)
    await town.db.execute("UPDATE binding.schools SET active = false WHERE name = $1", names[1])
    second = await get(town, str(next_of(first)), token)
    assert [school["name"] for school in second.json()] == names[2:]


async def test_children_of_one_application_stand_in_the_order_in_which_they_were_named(town: Town) -> None:
    for children in ([WANG, LI, CHEN], [CHEN, LI, WANG]):
        token = await town.apply(
            f"parent-of-{children[0].id}@example.org".lower(), children, parent_id=PARENTS[children[0]]
        )
        assert [binding["student"] for binding in await town.bindings(token)] == [child.name for child in children]


async def test_a_cursor_tells_nothing_of_anybody(town: Town) -> None:
    token = await town.apply(CONTACT, [LI, WANG])
    following = str(next_of(await get(town, "/api/v1/bindings?limit=1", token)))
    cursor = parse_qs(urlsplit(following).query)["cursor"][0]
    place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    first = (await town.bindings(token))[0]
    assert [datetime.fromisoformat(place[0]), place[1]] == [datetime.fromisoformat(first["submitted_at"]), first["id"]]
    assert len(place) == 2


@pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "W0luZmluaXR5LCAieCJd", "IngieSI", "%00", "eyJhIjogMX0", "國"])
async def test_a_cursor_that_nobody_made_is_a_bad_request(town: Town, token: str, cursor: str) -> None:
    answer = await get(town, f"/api/v1/schools?limit=1&cursor={cursor}", token)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


@pytest.mark.parametrize("limit", ["0", "-1", "501", "x"])
async def test_a_part_has_one_entry_at_least_and_500_at_most(town: Town, token: str, limit: str) -> None:
    assert (await get(town, f"/api/v1/schools?limit={limit}", token)).status_code == 422


# --- tags ---


@pytest.mark.parametrize("path", ["schools", "statement", "draft", "bindings"])
async def test_what_the_client_has_is_not_sent_again(town: Town, path: str) -> None:
    token = await town.apply(CONTACT)
    # An empty draft is another one each time.
    await town.do("PATCH", "/draft/new-student", token, level=LI.level)
    first = await get(town, f"/api/v1/{path}", token)
    tag = first.headers["etag"]
    for had in (tag, f'"other", W/{tag}', "*"):
        again = await get(town, f"/api/v1/{path}", token, if_none_match=had)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await get(town, f"/api/v1/{path}", token, if_none_match='"other"')).status_code == 200


async def test_another_state_and_another_language_have_another_tag(town: Town) -> None:
    token = await town.apply(CONTACT)
    waiting = (await get(town, "/api/v1/bindings", token)).headers["etag"]
    assert (await get(town, "/api/v1/bindings", token, accept_language="en", if_none_match=waiting)).status_code == 200
    await town.decided((await town.bindings(token))[0]["id"])
    assert (await get(town, "/api/v1/bindings", token, if_none_match=waiting)).json()[0]["state"] == "approved"


async def test_what_is_personal_is_kept_by_no_browser_and_the_rest_is_asked_about_each_time(town: Town) -> None:
    token = await town.apply(CONTACT)
    kept = {path: (await get(town, f"/api/v1/{path}", token)).headers["cache-control"] for path in PATHS}
    assert kept == PATHS
    tag = (await get(town, "/api/v1/schools", token)).headers["etag"]
    again = await get(town, "/api/v1/schools", token, if_none_match=tag)
    assert (again.headers["cache-control"], again.headers["vary"]) == ("private, no-cache", "Accept-Language")


PATHS = {
    "schools": "private, no-cache",
    "statement": "private, no-cache",
    "draft": "no-store",
    "bindings": "no-store",
    "sessions/current": "no-store",
}


async def test_a_problem_has_no_tag(town: Town) -> None:
    answer = await get(town, "/api/v1/bindings", "nobody", if_none_match="*")
    assert (answer.status_code, "etag" in answer.headers) == (401, False)
