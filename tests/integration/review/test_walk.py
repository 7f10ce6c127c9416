"""Every route, asked by every role, by GET and by POST, for what is school S-1's.

A route of the service that is not in this table fails the first test: whoever adds a page says here who may see it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

import pytest

from review_service import pages
from shared.events import NoticeDisowned

if TYPE_CHECKING:
    from uuid import UUID

    from httpx import AsyncClient
    from tests.integration.review.conftest import Binding, Query, Visit

    from review_service.settings import Settings

NAME = "王大明"
HASH = "0123456789abcdef" * 4

#: In the order of the answers below. The substitute is a teacher of another class, and of this one for some days.
ROLES = ("nobody", "teacher", "other", "substitute", "administrator", "stranger")
TEACHERS = {
    "teacher": "T-1",
    "other": "T-3",
    "substitute": "T-4",
    "administrator": "A-1",
    "stranger": "A-9",
}
#: Whose page it is where an id is a name: by the first part of the address.
NAMES = {"staff": "T-1", "classes": "C-1", "students": "ST-1"}
Answers: TypeAlias = "tuple[int, int, int, int, int, int]"

#: Sent to sign in; or sees it; or finds nothing; or may not.
HERS: Answers = (303, 200, 404, 200, 200, 404)
HERS_AND_ON: Answers = (303, 303, 404, 303, 303, 404)
EVERYBODYS: Answers = (303, 200, 200, 200, 200, 200)
ON: Answers = (303, 303, 303, 303, 303, 303)
ADMINISTRATORS: Answers = (303, 403, 403, 403, 200, 200)
ADMINISTRATORS_AND_ON: Answers = (303, 403, 403, 403, 303, 303)
ONE_SCHOOLS: Answers = (303, 403, 403, 403, 200, 404)
ONE_SCHOOLS_AND_ON: Answers = (303, 403, 403, 403, 303, 404)
NOT_THERE: Answers = (404, 404, 404, 404, 404, 404)
NO_SUCH_WAY: Answers = (405, 405, 405, 405, 405, 405)


@dataclass(frozen=True, slots=True)
class Asked:
    """How each role is answered by GET and by POST (of ``form``). ``of``: which application stands in the address.

    ``shows``: to whom it is answered with 200, the student's name is on the page; nobody else ever sees it.
    """

    get: Answers
    post: Answers = NO_SUCH_WAY
    form: dict[str, str] = field(default_factory=dict)
    of: str = "waiting"
    shows: bool = False


#: {id} is an application of the class C-1 of school S-1, {hash} its document, {batch} a decision of T-1's on another.
TABLE: dict[str, Asked] = {
    "/language": Asked(NO_SUCH_WAY, (303,) * 6, {"language": "zh-TW"}),
    "/sign-in": Asked((200,) * 6, (422,) * 6, {"username": "nobody-at-all", "password": "wrong"}),
    "/sign-out": Asked(ON, ON),
    "/": Asked(EVERYBODYS),
    "/events": Asked((401, 0, 0, 0, 0, 0)),  # a stream that does not end: tests/integration/review/test_live.py
    "/find": Asked(ON, (303, 303, 404, 303, 303, 404), {"sought": HASH}),
    "/documents/{hash:str}": Asked(HERS_AND_ON),
    "/applications/{id:uuid}": Asked(HERS, shows=True),
    "/applications/{id:uuid}/aside": Asked(HERS),
    "/applications/{id:uuid}/contacts": Asked((303,) * 6, HERS, shows=True),
    "/applications/{id:uuid}/approve": Asked((303,) * 6, HERS_AND_ON),
    "/applications/{id:uuid}/refuse": Asked((303,) * 6, HERS_AND_ON, {"written": "不符"}),
    "/applications/{id:uuid}/unbind": Asked(
        (303, 403, 403, 403, 200, 404), (303, 403, 403, 403, 303, 404), {"written": "已轉學"}, of="bound", shows=True
    ),
    "/approve": Asked(ON, ON, {"id": "{id}", "how": "all"}),
    "/undo/{batch:uuid}": Asked(ON, ON),
    "/reasons": Asked(ADMINISTRATORS, ADMINISTRATORS_AND_ON, {"words": "甲\n乙"}),
    # Signing in, and one's own account; here is no provider of identities.
    "/sign-in/sso": Asked(NOT_THERE),
    "/sign-in/return": Asked(NOT_THERE),
    "/signed-out": Asked((200,) * 6),
    "/kept": Asked(ON, ON),
    "/account": Asked(EVERYBODYS),
    "/account/password": Asked(EVERYBODYS, (303, 422, 422, 422, 422, 422), {"old": "", "new": "", "again": ""}),
    "/account/sign-out": Asked(EVERYBODYS, ON),
    # Accounts of the school's staff: {id} is T-1, who has none yet.
    "/staff": Asked(ADMINISTRATORS),
    "/staff/{id}/open": Asked(ONE_SCHOOLS, (303, 403, 403, 403, 422, 404), {"username": "!"}),
    "/staff/{id}/reset": Asked(ONE_SCHOOLS_AND_ON, ONE_SCHOOLS_AND_ON),
    "/staff/{id}/close": Asked(ONE_SCHOOLS, ONE_SCHOOLS_AND_ON),
    "/staff/{id}/reopen": Asked(ONE_SCHOOLS, ONE_SCHOOLS_AND_ON),
    # Classes, students and the school: {id} is C-1, ST-1.
    "/classes": Asked((303, 200, 200, 200, 303, 303)),
    "/classes/{id}": Asked(HERS, shows=True),
    "/classes/{id}/invitations": Asked(HERS),
    "/classes/{id}/invitations/print": Asked(HERS),
    "/classes/{id}/substitutes": Asked(ONE_SCHOOLS, (303, 403, 403, 403, 422, 404)),
    "/classes/{id}/substitutes/{substitute:uuid}/end": Asked(ONE_SCHOOLS, ONE_SCHOOLS),
    "/classes/{id}/move": Asked(ONE_SCHOOLS, (303, 403, 403, 403, 422, 404)),
    "/classes/{id}/return": Asked((303, 403, 403, 403, 404, 404), (303, 403, 403, 403, 404, 404)),  # it was not moved
    "/students/{id}/custody": Asked(ONE_SCHOOLS, (303, 403, 403, 403, 422, 404), {"note": ""}, shows=True),
    "/students/{id}/custody/clear": Asked(ONE_SCHOOLS_AND_ON, ONE_SCHOOLS_AND_ON),
    "/school": Asked(ADMINISTRATORS),
    # Applications on paper: {id:uuid} is one that was sent back.
    "/paper": Asked(ADMINISTRATORS),
    "/paper/new": Asked(ADMINISTRATORS, (303, 403, 403, 403, 422, 422)),
    "/paper/{id:uuid}": Asked(ONE_SCHOOLS, (303, 403, 403, 403, 422, 404)),
    # What a guardian objected to another one of ST-2.
    "/objections": Asked(ADMINISTRATORS),
    "/objections/{id:uuid}": Asked(ONE_SCHOOLS, ONE_SCHOOLS_AND_ON, {"note": "已查明"}, shows=True),
    # What the readers of notices said by their links: {id:uuid} is about the one that is bound. The link is cut off.
    "/not-mine": Asked(NOT_THERE, NOT_THERE),
    "/disowned": Asked(ADMINISTRATORS),
    "/disowned/{id:uuid}/handled": Asked(ADMINISTRATORS_AND_ON, ADMINISTRATORS_AND_ON),
    "/audit": Asked(ADMINISTRATORS),
    "/audit/export": Asked(ADMINISTRATORS_AND_ON, ADMINISTRATORS),
}

#: What a POST may change for whom: the columns of these rows, by whose word. All else stays as it was.
MAY_CHANGE = {
    "/applications/{id:uuid}/approve": {"teacher", "substitute", "administrator"},
    "/applications/{id:uuid}/refuse": {"teacher", "substitute", "administrator"},
    "/applications/{id:uuid}/unbind": {"administrator"},
    "/approve": {"teacher", "substitute", "administrator"},
    "/undo/{batch:uuid}": {"teacher"},
    "/objections/{id:uuid}": {"administrator"},
    "/disowned/{id:uuid}/handled": {"administrator"},
}


@dataclass(frozen=True, slots=True)
class School:
    """What there is to find in school S-1."""

    waiting: UUID
    bound: UUID
    batch: UUID
    entry: UUID
    objection: UUID
    disowned: UUID
    substitution: UUID
    #: Of who is on the staff, a class, a student: by the first part of the address.
    names: dict[str, str]

    def address(self, path: str) -> str:
        """A route's address, with ids of this school."""
        room = path.split("/")[1]
        own = {"paper": self.entry, "objections": self.objection, "disowned": self.disowned}
        id_ = own.get(room) or (self.bound if TABLE[path].of == "bound" else self.waiting)
        values = {
            "{id:uuid}": id_,
            "{id}": self.names.get(room, ""),
            "{hash:str}": HASH,
            "{batch:uuid}": self.batch,
            "{substitute:uuid}": self.substitution,
        }
        for place, value in values.items():
            path = path.replace(place, str(value))
        assert "{" not in path, f"say here what stands in {path}"
        return path

    def form(self, path: str) -> dict[str, str]:
        """What is sent there."""
        return {name: value.replace("{id}", str(self.waiting)) for name, value in TABLE[path].form.items()}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Somebody signs in for each route."""
    many = {"sign_in_tries": 500, "sign_in_account_tries": 500, "sign_in_address_tries": 500}
    return settings.model_copy(update=many)


@pytest.fixture
async def school(binding: Binding, query: Query) -> School:
    """One that waits, one that is bound and one whose decision can still be undone, all of class C-1."""
    await binding.tell(binding.teacher("T-4"))
    taipei = (datetime.now(UTC) + timedelta(hours=8)).date()
    await binding.name_substitute("C-1", "T-4", taipei - timedelta(days=1), taipei + timedelta(days=1))
    waiting = await binding.submit(document_hash=HASH, application_number="20261124-7K3FQ9")
    bound, held = await binding.bind(student_id="ST-2"), await binding.submit(student_id="ST-3")
    batch, entry = uuid4(), uuid4()
    objection = await binding.object_to(bound)
    await binding.tell(NoticeDisowned.of("binding", bound, kind="approved", sent_at=datetime.now(UTC), school_id="S-1"))
    (disowned,) = await query("SELECT id FROM disowned_notices")
    await binding.tell_students("C-1", {"ST-1": NAME})
    await query(
        "INSERT INTO paper_entries (id, school_id, student_id, entered_by, state)"
        " VALUES ($1, 'S-1', 'ST-1', 'A-1', 'rejected')",
        entry,
    )
    (substitute,) = await query("SELECT id FROM substitutes")
    await query(
        "UPDATE bindings SET decided_outcome = 'approve', decided_by = 'T-1', decided_at = present(), batch = $2,"
        " leaves_at = present() + interval '1 hour' WHERE id = $1",
        held,
        batch,
    )
    return School(waiting, bound, batch, entry, objection, disowned["id"], substitute["id"], NAMES)


async def ask(browser: AsyncClient, method: str, school: School, path: str) -> tuple[int, str]:
    if method == "GET":
        answer = await browser.get(school.address(path))
    else:
        answer = await browser.post(school.address(path), data=school.form(path))
    return answer.status_code, answer.text


def test_every_route_is_in_the_table_and_every_address_of_it_is_a_route():
    routes = pages.routes()
    assert {route.path for route in routes} == set(TABLE)
    for path, asked in TABLE.items():
        methods = {method for route in routes if route.path == path for method in route.methods or ()}
        assert ("GET" in methods, "POST" in methods) == (asked.get != NO_SUCH_WAY, asked.post != NO_SUCH_WAY), path


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_answers_each_role_as_the_table_says_by_get_and_changes_nothing(
    school: School, visit: Visit, query: Query, role: str
):
    before = await everything(query)
    answers, expected, leaks = {}, {}, []
    for path, asked in TABLE.items():
        if (wanted := asked.get[ROLES.index(role)]) == 0:
            continue
        browser = await visit(TEACHERS.get(role, ""))
        answers[path], text = await ask(browser, "GET", school, path)
        expected[path] = wanted
        leaks += find_leaks(role, path, answers[path], text)
    assert answers == expected
    assert leaks == []
    assert await everything(query) == before


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_that_is_no_deed_of_the_roles_answers_by_post_as_the_table_says_and_changes_nothing(
    school: School, visit: Visit, query: Query, role: str
):
    before = await everything(query)
    answers, expected, leaks = {}, {}, []
    for path, asked in TABLE.items():
        if asked.post == NO_SUCH_WAY or role in MAY_CHANGE.get(path, set()):
            continue
        browser = await visit(TEACHERS.get(role, ""))
        answers[path], text = await ask(browser, "POST", school, path)
        expected[path] = asked.post[ROLES.index(role)]
        leaks += find_leaks(role, path, answers[path], text)
    assert answers == expected
    assert leaks == []
    assert await everything(query) == before


@pytest.mark.parametrize(
    ("path", "role"), [(path, role) for path, roles in MAY_CHANGE.items() for role in sorted(roles)]
)
async def test_who_may_change_something_by_post_does(school: School, visit: Visit, query: Query, path: str, role: str):
    browser = await visit(TEACHERS[role])
    before = await everything(query)
    status, _ = await ask(browser, "POST", school, path)
    assert status == TABLE[path].post[ROLES.index(role)]
    assert await everything(query) != before


@pytest.mark.parametrize("role", ROLES)
async def test_an_id_that_nobody_has_is_answered_like_another_schools(visit: Visit, school: School, role: str):
    assert school
    nobodys = dict.fromkeys(NAMES, "X-1")
    unknown = School(uuid4(), uuid4(), uuid4(), uuid4(), uuid4(), uuid4(), uuid4(), nobodys)
    browser = await visit(TEACHERS.get(role, ""))
    for path, asked in TABLE.items():
        for method, answers in (("GET", asked.get), ("POST", asked.post)):
            own, strangers = answers[ROLES.index(role)], answers[ROLES.index("stranger")]
            if "{id" in path and answers != NO_SUCH_WAY:
                expected = own if role == "nobody" or own == 403 else strangers
                status, text = await ask(browser, method, unknown, path)
                assert (status, NAME in text) == (expected, False), (path, method)


async def everything(query: Query) -> list[object]:
    """What a school's pages are about, as it stands."""
    return [
        await query("SELECT * FROM bindings ORDER BY id"),
        await query("SELECT * FROM outbox"),
        await query("SELECT * FROM disowned_notices"),
    ]


def find_leaks(role: str, path: str, status: int, text: str) -> list[str]:
    """Where somebody reads the student's name who may not, or does not read it who should."""
    is_theirs = role in {"teacher", "substitute", "administrator"}
    if NAME in re.sub(r"\s", "", text) and not is_theirs:
        return [f"{role} reads the student's name at {path}"]
    if status == 200 and TABLE[path].shows and NAME not in text:
        return [f"{role} reads no name at {path}"]
    return []
