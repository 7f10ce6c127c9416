"""Letting teachers in and out, and opening their accounts."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from review_service.accounts import domain, storage
from review_service.audit.use_cases import note
from review_service.context import Teacher
from review_service.errors import (
    AccountExistsError,
    BadUsernameError,
    NotInRosterError,
    SignInRefusedError,
    TooManyTriesError,
)
from review_service.roster.use_cases import teacher_name
from shared import rate_limits
from shared.rate_limits import Limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from review_service.context import Review
    from shared.database import Connection

TOKEN_BYTES = 32

log = structlog.get_logger(__name__)


async def sign_in(review: Review, username: str, password: str, address: str, old_token: str) -> str:
    """A new session's token; the session that the browser had before ends. ``address`` is the client's.

    Raises TooManyTriesError, SignInRefusedError, NotInRosterError. An unknown name takes as long as a wrong password.
    """
    try:
        name = domain.parse_username(username)
    except BadUsernameError:
        name = ""  # nobody's: counted and refused like any other
    await _count_try(review, name or username, address)
    async with review.database.connection() as connection:
        account = await storage.account(connection, name)
    if not await review.passwords.verify(account["password_hash"] if account else None, password) or not account:
        raise SignInRefusedError
    if account["id"] is None:
        raise NotInRosterError
    return await _open_session(review, _teacher(review, account, address), name, old_token)


async def _count_try(review: Review, username: str, address: str) -> None:
    """Count before comparing, in a transaction of its own: a try that is cut off has been made."""
    policy = review.settings.sign_in_policy()
    limits = [
        (Limit("sign-in-name", policy.tries, policy.window), review.hashes.digest("name", username)),
        (Limit("sign-in-address", policy.address_tries, policy.window), review.hashes.digest("address", address)),
    ]
    async with review.database.transaction() as connection:
        wait = await rate_limits.hit(connection, limits)
    if wait is not None:
        log.info("sign-in limited")
        raise TooManyTriesError(wait)


async def _open_session(review: Review, teacher: Teacher, username: str, old_token: str) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    life = review.settings.sign_in_policy().life
    async with review.database.transaction() as connection:
        await rate_limits.forget(connection, "sign-in-name", review.hashes.digest("name", username))
        await storage.end_session(connection, review.hashes.digests("session", old_token))
        await storage.open_session(connection, review.hashes.digest("session", token), teacher.id, life)
        await note(review, connection, teacher, "signed-in", teacher.id)
    log.info("teacher signed in", teacher=teacher.id)
    return token


async def sign_out(review: Review, token: str, address: str) -> None:
    """End the session of this token, if there is one."""
    teacher = await recognise(review, token, address)
    async with review.database.transaction() as connection:
        await storage.end_session(connection, review.hashes.digests("session", token))
        if teacher is not None:
            await note(review, connection, teacher, "signed-out", teacher.id)


async def recognise(review: Review, token: str, address: str) -> Teacher | None:
    """Who is signed in with this token, at this client address; None when the session is over."""
    idle = review.settings.sign_in_policy().idle
    async with review.database.connection() as connection:
        row = await storage.touch_session(connection, review.hashes.digests("session", token), idle)
    return _teacher(review, row, address) if row else None


async def live_sessions(review: Review, connection: Connection, token_hashes: Sequence[str]) -> set[str]:
    """Those of the sessions, by the hashes of their tokens, that are not over; to ask keeps none of them alive."""
    return await storage.live_sessions(connection, token_hashes, review.settings.sign_in_policy().idle)


def _teacher(review: Review, row: asyncpg.Record, address: str) -> Teacher:
    return Teacher(
        id=row["id"],
        name=teacher_name(review, row["id"], row["details"]),
        role=row["role"],
        school_id=row["school_id"],
        school=row["school_name"] or "",
        address=address,
    )


# --- opening accounts ---


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to open; the password is in the clear until it is hashed."""

    teacher_id: str
    username: str
    password: str


async def open_account(review: Review, by: Teacher, account: NewAccount) -> None:
    """Open one teacher's account.

    Raises BadUsernameError, WeakPasswordError, UsernameTakenError, AccountExistsError.
    """
    username = domain.parse_username(account.username)
    domain.check_password(account.password)
    password_hash = await review.passwords.hash(account.password)
    async with review.database.transaction() as connection:
        if not await storage.open_account(connection, account.teacher_id, username, password_hash):
            raise AccountExistsError
        await note(review, connection, by, "account.opened", account.teacher_id)


async def open_accounts(review: Review, by: Teacher, accounts: Sequence[NewAccount]) -> int:
    """Open those of the accounts that are not there yet; an existing one keeps its password. How many were opened."""
    async with review.database.connection() as connection:
        known = await storage.teachers_with_account(connection, [account.teacher_id for account in accounts])
    fresh = [account for account in accounts if account.teacher_id not in known]
    for account in fresh:
        await open_account(review, by, account)
    return len(fresh)
