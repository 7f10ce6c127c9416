"""Families that apply through the gateway's API: quick, where a test is about what comes after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from local_stack.sample_roster import make_national_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_stack.sample_roster import Student
    from support.stack import Sites

#: Above those of the sample roster, and of the parents who walk through the pages.
FIRST_SERIAL = 9_980_001
STROKES = [[[80, 90], [110, 130], [150, 80], [190, 140], [240, 85], [300, 130], [360, 90], [420, 140], [500, 95]]]


@dataclass(frozen=True, slots=True)
class Family:
    """A parent who applied: login, number of the application, the session's token."""

    email: str
    name: str
    number: str
    token: str


@dataclass(frozen=True, slots=True)
class Begun:
    """An application that is filled in half: the children are named, and the statement accepted."""

    serial: int
    email: str
    token: str


def apply(
    stack: Sites,
    serial: int,
    students: Sequence[Student],
    *,
    relation: str = "mother",
    headers: Mapping[str, str] | None = None,
    **own: str,
) -> Family:
    """The whole application of the ``serial``-th parent for these students, each request with these ``headers``.

    ``own`` are name, national_id, email and phone, where they matter.
    """
    begun = begin(stack, serial, students, relation=relation, headers=headers, **own)
    return finish(stack, begun, headers=headers, **own)


def begin(
    stack: Sites,
    serial: int,
    students: Sequence[Student],
    *,
    relation: str = "mother",
    headers: Mapping[str, str] | None = None,
    **own: str,
) -> Begun:
    """Its first half."""
    with _api(stack, headers=headers) as client:
        email = own.get("email", f"family{serial}@example.org")
        attempt = _do(client, "POST", "/codes", channel="email", contact=email)["attempt"]
        session = _do(client, "POST", "/sessions", attempt=attempt, code=stack.code_for(email))
        client.headers["authorization"] = f"Bearer {session['token']}"
        for student in students:
            _do(client, "POST", "/draft/students", **_student(student, relation))
        _do(client, "PUT", "/draft/consent", version=_do(client, "GET", "/statement")["version"])
        return Begun(serial, email, session["token"])


def finish(stack: Sites, begun: Begun, *, headers: Mapping[str, str] | None = None, **own: str) -> Family:
    """Its second half, by whichever binding."""
    with _api(stack, begun.token, headers) as client:
        _do(client, "PUT", "/draft/parent/id", national_id=own.get("national_id", parent_id(begun.serial)))
        name = own.get("name", "林淑芬")
        phone = own.get("phone", f"0911222{begun.serial:03}")
        _do(client, "PUT", "/draft/parent", name=name, email=begun.email, phone=phone)
        client.headers["idempotency-key"] = str(uuid4())
        sent = _do(client, "POST", "/applications", signature={"strokes": STROKES})
        return Family(begun.email, name, sent["number"], begun.token)


def progress(stack: Sites, family: Family) -> list[dict[str, Any]]:
    """What the family's page shows."""
    with _api(stack, family.token) as client:
        return list(_do(client, "GET", "/bindings"))


def withdraw(stack: Sites, family: Family) -> None:
    """Take back everything that the family has applied for."""
    with _api(stack, family.token) as client:
        for binding in _do(client, "GET", "/bindings"):
            _do(client, "DELETE", f"/bindings/{binding['id']}")


def paper_form(stack: Sites, family: Family) -> bytes:
    """The form that the family may print, as a PDF."""
    with _api(stack, family.token) as client:
        application = _do(client, "GET", "/bindings")[0]["application_id"]
        return client.get(f"/applications/{application}/form").raise_for_status().content


def parent_id(serial: int) -> str:
    """The ID number of the ``serial``-th parent."""
    return make_national_id("2", FIRST_SERIAL + serial)


def _api(stack: Sites, token: str = "", headers: Mapping[str, str] | None = None) -> httpx.Client:
    signed_in = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(
        base_url=f"{stack.binding}/api/v1", verify=stack.tls, timeout=30, headers={**signed_in, **(headers or {})}
    )


def _student(student: Student, relation: str) -> dict[str, str]:
    school = student.homeroom.school
    return {
        "relation": relation,
        "level": school.level,
        "national_id": student.national_id,
        "school_id": school.id,
    }


def _do(client: httpx.Client, method: str, path: str, **json: object) -> Any:  # noqa: ANN401 - JSON
    answer = client.request(method, path, json=json or None)
    assert answer.is_success, (method, path, answer.status_code, answer.text)
    return answer.json() if answer.content else None
