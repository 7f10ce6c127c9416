"""Signing in at the city's OpenID provider instead of with a password of our own."""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from review_service.accounts import storage
from review_service.accounts.domain import Way
from review_service.accounts.use_cases import TOKEN_BYTES, make_teacher, note_refused, open_session
from review_service.errors import (
    AccountClosedError,
    IdentityRefusedError,
    NotFoundError,
    NotInRosterError,
    SignInNotFinishedError,
    TooManyTriesError,
)
from shared import rate_limits
from shared.contacts import ContactError, parse_email
from shared.observing import use_case
from shared.rate_limits import Limit, client_subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

    from review_service.accounts.provider import Provider
    from review_service.accounts.use_cases import Browser
    from review_service.context import Review

#: Time to type a password and find a second factor.
UNDER_WAY = timedelta(minutes=15)
#: Sign-ins that one client address may have begun meanwhile: a school may sit behind one, and each leaves a row.
MOST_FROM_ADDRESS = 300


class Secrets(BaseModel):
    """What must come back unchanged, and where the teacher was heading."""

    nonce: str
    verifier: str
    next: str


@use_case
async def begin(review: Review, mark: str, next_: str, address: str) -> str:
    """Where to send the browser at this client address that keeps ``mark`` in a cookie.

    Raises NotFoundError, ProviderAwayError, TooManyTriesError.
    """
    state = secrets.token_urlsafe(TOKEN_BYTES)
    under_way = Secrets(
        nonce=secrets.token_urlsafe(TOKEN_BYTES), verifier=secrets.token_urlsafe(TOKEN_BYTES), next=next_
    )
    there = await _provider(review).sign_in_address(state, under_way.nonce, under_way.verifier)
    state_hash = review.hashes.digest("state", state)
    sealed = review.store.seal_model(under_way, _place(state_hash))
    limit = Limit("sign-in-elsewhere", MOST_FROM_ADDRESS, UNDER_WAY)
    async with review.database.transaction() as connection:
        wait = await rate_limits.hit(connection, [(limit, review.hashes.digest("address", client_subject(address)))])
        if wait is not None:
            raise TooManyTriesError(wait)
        await storage.begin_sign_in(connection, state_hash, review.hashes.digest("mark", mark), sealed, UNDER_WAY)
    return there


@use_case
async def finish(review: Review, answer: Mapping[str, str], mark: str, browser: Browser) -> tuple[str, str]:
    """A new session's token, and where the teacher was heading.

    ``answer`` is what the provider sent back with the browser. Raises SignInNotFinishedError, IdentityRefusedError,
    NotInRosterError, AccountClosedError, ProviderAwayError, NotFoundError.
    """
    provider = _provider(review)
    under_way = await _take(review, answer.get("state", ""), mark)
    if "error" in answer or not answer.get("code"):
        raise SignInNotFinishedError
    claim = review.settings.oidc_claim
    claims = await provider.identify(answer, under_way.nonce, under_way.verifier, claim)
    row = await _find_teacher(review, claims)
    if row["is_closed"]:
        await note_refused(review, row["id"], row["school_id"], browser.address)
        raise AccountClosedError
    teacher = make_teacher(review, row, browser.address)
    async with review.database.transaction() as connection:
        return await open_session(review, connection, teacher, Way.SINGLE_SIGN_ON, browser.token), under_way.next


async def _take(review: Review, state: str, mark: str) -> Secrets:
    """What was under way, once. Raises SignInNotFinishedError where nothing was, or in another browser."""
    async with review.database.transaction() as connection:
        row = await storage.take_sign_in(connection, review.hashes.digests("state", state))
    marks = review.hashes.digests("mark", mark)
    if row is None or not any(hmac.compare_digest(row["browser_hash"], known) for known in marks):
        raise SignInNotFinishedError
    return review.store.unseal_model(Secrets, row["secrets"], _place(row["state_hash"]))


async def _find_teacher(review: Review, claims: Mapping[str, Any]) -> asyncpg.Record:
    """The one active teacher whom the claim names. Raises NotInRosterError, IdentityRefusedError."""
    value = claims.get(review.settings.oidc_claim)
    if not isinstance(value, str) or not value:
        raise NotInRosterError
    async with review.database.connection() as connection:
        if review.settings.oidc_teacher == "id":
            rows = await storage.teachers_called(connection, teacher_id=value)
        else:
            rows = await storage.teachers_called(connection, email_hashes=_email_hashes(review, value, claims))
    if len(rows) != 1:
        raise NotInRosterError
    return rows[0]


def _email_hashes(review: Review, value: str, claims: Mapping[str, Any]) -> list[str]:
    """Hashes of the e-mail. Raises IdentityRefusedError for one that the provider says is not proven."""
    if claims.get("email_verified") in {False, "false"}:
        raise IdentityRefusedError
    try:
        return review.hashes.digests("teacher-email", parse_email(value))
    except ContactError:
        raise NotInRosterError from None


def _provider(review: Review) -> Provider:
    if review.provider is None:
        raise NotFoundError
    return review.provider


def _place(state_hash: str) -> str:
    return f"sign_ins_under_way:{state_hash}:secrets"
