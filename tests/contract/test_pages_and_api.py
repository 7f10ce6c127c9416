"""Whatever a page can do, a front end can: each page names its operations, or why it needs none."""

from __future__ import annotations

import pytest

from binding_service import pages
from contract.documents import openapi

#: By method and path of a page: operations of the API (their paths without /api/v1), or a sentence that says why none.
TABLE: dict[str, list[str] | str] = {
    "GET /": "asks nothing of the service: a form",
    "POST /": ["POST /codes"],
    "GET /code": "shows what POST /codes answered; the tries that are left come with each refusal",
    "POST /code": ["POST /sessions", "POST /codes"],
    "POST /sign-out": ["DELETE /sessions/current"],
    "GET /leave": "asks whether one means it",
    "POST /leave": ["DELETE /draft", "DELETE /sessions/current"],
    "POST /language": "each request says its language by Accept-Language; for notices the bodies have a field",
    "GET /students": ["GET /draft"],
    "GET /students/new": ["GET /draft"],
    "GET /students/new/relation": ["GET /draft"],
    "POST /students/new/relation": ["PATCH /draft/new-student"],
    "GET /students/new/level": ["GET /draft"],
    "POST /students/new/level": ["PATCH /draft/new-student"],
    "GET /students/new/id": ["GET /draft"],
    "POST /students/new/id": ["POST /id-numbers/check", "PATCH /draft/new-student"],
    "GET /students/new/school": ["GET /schools", "GET /draft"],
    "POST /students/new/school": ["POST /draft/students"],
    "GET /students/{student_id}/relation": ["GET /draft"],
    "POST /students/{student_id}/relation": ["PUT /draft/students/{student_id}/relation"],
    "POST /students/{student_id}/remove": ["DELETE /draft/students/{student_id}"],
    "GET /consent": ["GET /statement", "GET /draft"],
    "POST /consent": ["PUT /draft/consent"],
    "GET /parent": ["GET /draft"],
    "POST /parent": ["PUT /draft/parent", "POST /draft/email-code"],
    "GET /parent/id": "asks nothing of the service: a form",
    "POST /parent/id": ["POST /id-numbers/check", "PUT /draft/parent/id"],
    "GET /parent/email-code": ["GET /draft"],
    "POST /parent/email-code": ["POST /draft/email-proof", "POST /draft/email-code"],
    "GET /check": ["GET /draft"],
    "POST /check": ["POST /applications"],
    "GET /progress": ["GET /bindings", "GET /draft", "GET /sessions/current"],
    "GET /progress/events": ["GET /bindings/events"],
    "GET /applications/{application_id}/form.pdf": ["GET /applications/{application_id}/form"],
    "GET /bindings/{binding_id}/withdraw": ["GET /bindings"],
    "POST /bindings/{binding_id}/withdraw": ["DELETE /bindings/{binding_id}"],
    "POST /bindings/{binding_id}/again": ["POST /bindings/{binding_id}/again"],
    "GET /bindings/clear": ["GET /bindings"],
    "POST /bindings/clear": ["DELETE /bindings"],
    "GET /verify": ["GET /documents/{document_hash}"],
    "POST /verify": ["GET /documents/{document_hash}", "POST /document-checks"],
    "GET /account/sign-in": "asks nothing of the service: a form",
    "POST /account/sign-in": ["POST /account/sessions"],
    "GET /account/forgot": "asks nothing of the service: a form",
    "POST /account/forgot": ["POST /codes", "POST /sessions", "PUT /account/password"],
    "GET /account/password": ["GET /sessions/current"],
    "POST /account/password": ["PUT /account/password"],
    "GET /account/security": ["GET /account/sessions"],
    "POST /account/sessions/{session_id}/end": ["DELETE /account/sessions/{session_id}"],
    "POST /account/sessions/end-others": ["DELETE /account/sessions"],
    "GET /account/contacts": ["GET /account/contacts"],
    "GET /account/contacts/email": ["GET /account/contacts"],
    "POST /account/contacts/email": ["POST /account/contacts/{field}"],
    "GET /account/contacts/phone": ["GET /account/contacts"],
    "POST /account/contacts/phone": ["POST /account/contacts/{field}"],
    "GET /account/contacts/email/code": ["GET /account/contacts/{field}"],
    "POST /account/contacts/email/code": [
        "POST /account/contacts/{field}/proof",
        "POST /account/contacts/{field}/codes",
    ],
    "GET /account/contacts/phone/code": ["GET /account/contacts/{field}"],
    "POST /account/contacts/phone/code": [
        "POST /account/contacts/{field}/proof",
        "POST /account/contacts/{field}/codes",
    ],
    "GET /account/not-me": ["POST /account/not-me/notice"],
    "POST /account/not-me": ["POST /account/not-me"],
    "GET /not-mine": ["POST /not-mine/notice"],
    "POST /not-mine": ["POST /not-mine"],
    "GET /.well-known/change-password": "tells password managers of a page",
    "GET /account": ["GET /account/family", "GET /account/deletion", "GET /draft"],
    "GET /account/children/{binding_id}/objection": ["GET /account/family"],
    "POST /account/children/{binding_id}/objection": ["POST /account/guardians/{binding_id}/objections"],
    "GET /account/data": ["POST /account/data"],
    "POST /account/data": ["POST /account/data"],
    "GET /account/delete": ["GET /account/family"],
    "POST /account/delete": ["POST /account/deletion"],
    "POST /account/keep": ["DELETE /account/deletion"],
}
#: What the pages keep of forms that are left half-way is theirs: a front end keeps what is typed itself.
OPERATIONS = {
    f"{method.upper()} {path.removeprefix('/api/v1')}"
    for path, operations in openapi()["paths"].items()
    for method in operations
}


def pages_there_are() -> set[str]:
    return {
        f"{method} {route.path.replace(':uuid', '')}"
        for route in pages.routes()
        for method in (route.methods or ()) - {"HEAD"}
    }


def test_every_page_is_in_the_table() -> None:
    assert pages_there_are() == TABLE.keys()


@pytest.mark.parametrize("page", TABLE)
def test_what_a_page_does_an_operation_does(page: str) -> None:
    named = TABLE[page]
    assert named
    if not isinstance(named, str):
        assert set(named) <= OPERATIONS
