"""Who is signed in to the operators' page."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from notify_service.errors import TooManyTriesError, UnknownTokenError
from notify_service.operators import storage
from shared import rate_limits
from shared.named_tokens import hash_of, name_of
from shared.observing import use_case
from shared.rate_limits import Limit

if TYPE_CHECKING:
    from shared.database import Database

#: A night's shift.
LIFE = timedelta(hours=12)
#: Of everybody together: through a tunnel all come from one address. A token is not to be guessed, limit or none; this
#: keeps whoever tries all the same from filling the table of acts.
WRONG_TOKENS = Limit("operator-tokens", 10, timedelta(minutes=10))
EVERYBODY = "everybody"

log = structlog.get_logger(__name__)


class Sessions:
    """Signs operators in; ``known`` are the names and hashes of their tokens."""

    def __init__(self, database: Database, known: list[tuple[str, str]]) -> None:
        self._database = database
        self._known = known

    async def sign_in(self, token: str) -> str:
        """The cookie of a new session. Raises UnknownTokenError, TooManyTriesError."""
        return await _sign_in(self._database, self._known, token)

    async def operator_of(self, cookie: str) -> str | None:
        """Who is signed in by this cookie; None for nobody, and where the settings no longer hold that token."""
        if not cookie:
            return None
        async with self._database.connection() as connection:
            key_hash = await storage.key_of_session(connection, hash_of(cookie))
        return next((name for name, known in self._known if known == key_hash), None)

    async def sign_out(self, cookie: str, operator: str) -> None:
        """End the session, and with it the cookie's worth."""
        async with self._database.transaction() as connection:
            await storage.end_session(connection, hash_of(cookie))
            await storage.note_act(connection, operator, "signed_out")
        log.info("operator signed out", operator=operator)


@use_case
async def _sign_in(database: Database, known: list[tuple[str, str]], token: str) -> str:
    name = name_of(token, known)
    if name is None:
        await _refuse(database)
        raise UnknownTokenError
    cookie = secrets.token_urlsafe(32)
    async with database.transaction() as connection:
        await storage.add_session(connection, hash_of(cookie), hash_of(token), LIFE)
        await storage.note_act(connection, name, "signed_in")
    log.info("operator signed in", operator=name)
    return cookie


async def _refuse(database: Database) -> None:
    """Count and note a wrong token. Raises TooManyTriesError where it is one of many."""
    async with database.transaction() as connection:
        wait = await rate_limits.hit(connection, [(WRONG_TOKENS, EVERYBODY)])
        if wait is None:
            await storage.note_act(connection, "", "refused")
    log.warning("operator's sign-in refused: nobody's token")
    if wait is not None:
        raise TooManyTriesError(wait)
