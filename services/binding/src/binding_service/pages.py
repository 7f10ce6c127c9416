"""The parents' pages: server-rendered, a thin door to the same use cases as the API.

A form that is refused is shown again with what was typed and a message at each field; one that is accepted answers
with a redirect (303), so that going back or reloading sends nothing twice.
"""

from __future__ import annotations

from starlette.routing import Route

from binding_service.accounts import pages as accounts
from binding_service.applications import pages as applications
from binding_service.drafts import pages as drafts
from binding_service.logins import pages as logins


def routes() -> list[Route]:
    """Every page."""
    return [
        Route("/", logins.start),
        Route("/codes", logins.ask_code, methods=["POST"]),
        Route("/code", logins.code, methods=["GET"]),
        Route("/code", logins.redeem, methods=["POST"]),
        Route("/code/again", logins.ask_again, methods=["POST"]),
        Route("/sign-out", logins.sign_out, methods=["POST"]),
        Route("/students", drafts.students),
        Route("/students/new", drafts.new_student, methods=["GET"]),
        Route("/students/new", drafts.add_student, methods=["POST"]),
        Route("/students/{student_id}/remove", drafts.remove_student, methods=["POST"]),
        Route("/consent", drafts.consent, methods=["GET"]),
        Route("/consent", drafts.accept, methods=["POST"]),
        Route("/leave", logins.leave, methods=["POST"]),
        Route("/parent", drafts.parent, methods=["GET"]),
        Route("/parent", drafts.fill_parent, methods=["POST"]),
        Route("/parent/id", drafts.name_parent, methods=["GET", "POST"]),
        Route("/parent/email-code", drafts.email_code, methods=["GET"]),
        Route("/parent/email-code", drafts.prove_email, methods=["POST"]),
        Route("/parent/email-code/again", drafts.send_email_code, methods=["POST"]),
        Route("/check", applications.check, methods=["GET"]),
        Route("/check", applications.submit, methods=["POST"]),
        Route("/progress", applications.progress),
        Route("/progress/events", applications.events, methods=["GET"]),
        Route("/bindings/{binding_id:uuid}/withdraw", applications.withdraw, methods=["GET", "POST"]),
        Route("/bindings/clear", applications.clear_all, methods=["GET", "POST"]),
        Route("/account/sign-in", accounts.sign_in, methods=["GET", "POST"]),
        Route("/account/password", accounts.password, methods=["GET", "POST"]),
        Route("/account", accounts.account),
    ]
