"""Every teachers' page, room by room.

An address with somebody's data in it answers 404 to everyone else. An address that answers a form with a page leads
somewhere by GET too: there a teacher comes who goes on in another language, or who presses Enter in the address bar.
"""

from __future__ import annotations

from functools import partial

from starlette.routing import Route

from review_service.accounts import pages as accounts
from review_service.accounts import staff_pages
from review_service.applications import decision_pages, reason_pages
from review_service.applications import pages as applications
from review_service.audit import pages as audit
from review_service.classes import pages as classes
from review_service.disowning import pages as disowning
from review_service.objections import pages as objections
from review_service.papers import pages as papers
from review_service.words import LANGUAGES
from shared.web.language_choice import choose_language

#: What the templates know, whichever page they are of.
IN_TEMPLATES = {**applications.IN_TEMPLATES, **audit.IN_TEMPLATES, **classes.IN_TEMPLATES}


def routes() -> list[Route]:
    """Every page."""
    return [
        Route("/language", partial(choose_language, offered=LANGUAGES), methods=["POST"]),
        *accounts.routes(),
        *staff_pages.routes(),
        *applications.routes(),
        *decision_pages.routes(),
        *reason_pages.routes(),
        *papers.routes(),
        *objections.routes(),
        *disowning.routes(),
        *audit.routes(),
        *classes.routes(),
    ]
