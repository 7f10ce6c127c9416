"""The JSON API under /api/v1: a thin door to the same use cases as the pages.

Errors are problem details (RFC 9457) with a stable ``code``. A session travels as a bearer token or as a cookie.
"""

from __future__ import annotations

from fastapi import APIRouter

from binding_service.accounts import api as accounts
from binding_service.applications import api as applications
from binding_service.disowning import api as disowning
from binding_service.drafts import api as drafts
from binding_service.family import api as family
from binding_service.logins import api as logins
from binding_service.roster import api as roster

router = APIRouter(prefix="/api/v1")
router.include_router(logins.router, tags=["login"])
router.include_router(drafts.router, tags=["draft"])
router.include_router(applications.router, tags=["application"])
router.include_router(accounts.router, tags=["account"])
router.include_router(roster.router, tags=["roster"])
router.include_router(family.router, tags=["account"])
router.include_router(disowning.router, tags=["notice"])
