"""The parents' pages: server-rendered, a thin door to the same use cases as the API.

A form that is refused is shown again with what was typed and a message at each field; one that is accepted answers
with a redirect (303), so that going back or reloading sends nothing twice. A form is sent to the page's own address, so
that reloading an answer is never a dead end.
"""

from __future__ import annotations

from starlette.routing import Route

from binding_service.accounts import contact_pages as contacts
from binding_service.accounts import pages as accounts
from binding_service.applications import pages as applications
from binding_service.disowning import pages as disowning
from binding_service.drafts import pages as drafts
from binding_service.family import pages as family
from binding_service.logins import pages as logins
from shared.web.language_choice import choose_language

FORM = ["GET", "POST"]
CONTACTS = ("email", "phone")


def routes() -> list[Route]:
    """Every page."""
    return [
        Route("/", logins.start, methods=FORM),
        Route("/code", logins.code, methods=FORM),
        Route("/sign-out", logins.sign_out, methods=["POST"]),
        Route("/leave", logins.leave, methods=FORM),
        Route("/language", choose_language, methods=["POST"]),
        Route("/students", drafts.students),
        Route("/students/new", drafts.new_student),
        Route("/students/new/relation", drafts.RelationStep().answer, methods=FORM),
        Route("/students/new/level", drafts.LevelStep().answer, methods=FORM),
        Route("/students/new/id", drafts.StudentIdStep().answer, methods=FORM),
        Route("/students/new/school", drafts.SchoolStep().answer, methods=FORM),
        Route("/students/{student_id}/relation", drafts.OtherRelationStep().answer, methods=FORM),
        Route("/students/{student_id}/remove", drafts.remove_student, methods=["POST"]),
        Route("/consent", drafts.ConsentStep().answer, methods=FORM),
        Route("/parent", drafts.ParentStep().answer, methods=FORM),
        Route("/parent/id", drafts.ParentIdStep().answer, methods=FORM),
        Route("/parent/email-code", drafts.EmailCodeStep().answer, methods=FORM),
        Route("/check", applications.CheckStep().answer, methods=FORM),
        Route("/progress", applications.progress),
        Route("/progress/events", applications.events),
        Route("/applications/{application_id:uuid}/form.pdf", applications.paper_form),
        Route("/bindings/{binding_id:uuid}/withdraw", applications.withdraw, methods=FORM),
        Route("/bindings/{binding_id:uuid}/again", applications.send_again, methods=["POST"]),
        Route("/bindings/clear", applications.clear_all, methods=FORM),
        Route("/verify", applications.verify, methods=FORM),
        Route("/account/sign-in", accounts.sign_in, methods=FORM),
        Route("/account/forgot", accounts.forgot, methods=FORM),
        Route("/account/password", accounts.password, methods=FORM),
        Route("/account/security", accounts.security),
        Route("/account/sessions/{session_id:uuid}/end", accounts.end_session, methods=["POST"]),
        Route("/account/sessions/end-others", accounts.end_other_sessions, methods=["POST"]),
        Route("/account/contacts", contacts.show),
        *(Route(f"/account/contacts/{field}", contacts.correct, methods=FORM) for field in CONTACTS),
        *(Route(f"/account/contacts/{field}/code", contacts.code, methods=FORM) for field in CONTACTS),
        Route("/account/not-me", contacts.this_was_not_me, methods=FORM),
        *disowning.routes(),
        Route("/.well-known/change-password", accounts.change_password_address),
        Route("/account", family.account),
        Route("/account/children/{binding_id:uuid}/objection", family.objection, methods=FORM),
        Route("/account/data", family.data, methods=FORM),
        Route("/account/delete", family.delete, methods=FORM),
        Route("/account/keep", family.keep, methods=["POST"]),
    ]
