"""Letting teachers in and out, and what they may do about their own account."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel

from review_service.accounts import domain, storage
from review_service.accounts.domain import Way
from review_service.audit.use_cases import note
from review_service.context import Teacher
from review_service.errors import (
    AccountClosedError,
    BadUsernameError,
    NotFoundError,
    NotInRosterError,
    SignInRefusedError,
    StartPasswordExpiredError,
    TooManySignInsError,
    TooManyTriesError,
    Weakness,
    WeakPasswordError,
)
from review_service.roster.use_cases import teacher_name, teacher_place
from shared import rate_limits
from shared.events import TeacherForReview
from shared.observing import use_case
from shared.rate_limits import Limit, client_subject
from shared.sealing import UnsealError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from review_service.context import Review
    from shared.database import Connection

    Counted = list[tuple[Limit, str]]

TOKEN_BYTES = 32

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser that wants in brings: its client address, and what its cookies hold."""

    address: str
    token: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the browser is to keep: the session's token, and what shows that this account was opened here before."""

    token: str
    device: str


# --- signing in with a local account ---


@use_case
async def sign_in(review: Review, username: str, password: str, browser: Browser) -> SignedIn:
    """A new session; the one that the browser had before ends.

    Raises TooManyTriesError, SignInRefusedError, NotInRosterError, AccountClosedError, StartPasswordExpiredError, and
    TooManySignInsError, where nothing was counted yet. An unknown name takes as long as a wrong password.
    """
    if review.passwords.is_line_full:
        raise TooManySignInsError
    try:
        name = domain.parse_username(username)
    except BadUsernameError:
        name = ""  # nobody's: counted and refused like any other
    async with review.database.connection() as connection:
        account = await storage.account(connection, name)
    tries = _Tries(review, name or username, account["resets"] if account else 0, browser)
    await tries.count()
    stored = account["password_hash"] if account else None
    if not await review.passwords.verify(stored, domain.normal_password(password)) or not account:
        await _note_refusal(review, tries, account, browser.address)
        raise SignInRefusedError
    await _check_may_enter(review, account, browser.address)
    token = await _enter(review, account, tries, browser)
    return SignedIn(token, tries.known_device())


async def _check_may_enter(review: Review, account: asyncpg.Record, address: str) -> None:
    """What is only told to who knows the password."""
    hindrances = {
        NotInRosterError: account["id"] is None,
        AccountClosedError: account["is_closed"],
        StartPasswordExpiredError: account["is_expired"],
    }
    for error, is_true in hindrances.items():
        if is_true:
            await note_refused(review, account["teacher_id"], account["school_id"], address)
            raise error


async def note_refused(review: Review, teacher_id: str, school_id: str | None, address: str) -> None:
    """Somebody was not let in as this teacher."""
    async with review.database.transaction() as connection:
        await note(review, connection, _stranger(school_id, address), "sign-in.refused", teacher_id)


def _stranger(school_id: str | None, address: str) -> Teacher:
    """Somebody who wants in at a school, for the audit log."""
    return Teacher("", "", "", school_id or "", "", address)


class _Tries:
    """How often this name was tried, and where.

    A stranger's tries lock a name for the stranger's own address, and only many of them, from many addresses, for
    everybody else. A browser in which the account was opened before counts for itself (OWASP's device cookies), so
    nobody else can keep a teacher out there. A reset begins all counts anew.
    """

    def __init__(self, review: Review, name: str, resets: int, browser: Browser) -> None:
        self._review = review
        self._account = (name, str(resets))
        policy = review.settings.sign_in_policy()
        hashes, address = review.hashes, client_subject(browser.address)
        if self._is_known(browser.device):
            subject = hashes.digest("device", *self._account, browser.device)
            self.first: Counted = [(Limit("sign-in-device", policy.tries, policy.window), subject)]
            self.then: Counted = []
            return
        here = Limit("sign-in-here", policy.tries, policy.window)
        from_address = Limit("sign-in-address", policy.address_tries, policy.window)
        anywhere = Limit("sign-in-name", policy.account_tries, policy.account_window)
        self.first = [
            (here, hashes.digest("here", *self._account, address)),
            (from_address, hashes.digest("address", address)),
        ]
        self.then = [(anywhere, hashes.digest("name", *self._account))]

    @property
    def of_name(self) -> Counted:
        """What is counted for this name, and not for the address alone."""
        return [(limit, subject) for limit, subject in self.first + self.then if limit.rule != "sign-in-address"]

    async def count(self) -> None:
        """Count before comparing, in a transaction of its own: a try that is cut off has been made.

        What one address may no longer try does not count for everybody. Raises TooManyTriesError.
        """
        async with self._review.database.transaction() as connection:
            wait = await rate_limits.hit(connection, self.first)
            if wait is None:
                wait = await rate_limits.hit(connection, self.then)
        if wait is not None:
            log.info("sign-in limited")
            raise TooManyTriesError(wait)

    async def forget(self, connection: Connection) -> None:
        """The right password came."""
        for limit, subject in self.of_name:
            await rate_limits.forget(connection, limit.rule, subject)

    def known_device(self) -> str:
        """What a browser keeps to show that this account was opened in it."""
        nonce = secrets.token_urlsafe(TOKEN_BYTES)
        return f"{nonce}.{self._marks(nonce)[0]}"

    def _is_known(self, device: str) -> bool:
        nonce, _, mark = device.partition(".")
        return any(hmac.compare_digest(mark.encode(), known.encode()) for known in self._marks(nonce))

    def _marks(self, nonce: str) -> list[str]:
        # A cookie holds no padding.
        return [mark.rstrip("=") for mark in self._review.hashes.digests("known device", *self._account, nonce)]


async def _note_refusal(review: Review, tries: _Tries, account: asyncpg.Record | None, address: str) -> None:
    """Who was meant, where that is known, and whether it was the last try for now."""
    async with review.database.transaction() as connection:
        full = [of for of in tries.of_name if not await rate_limits.left(connection, [of])]
        if account is None:
            return
        stranger = _stranger(account["school_id"], address)
        await note(review, connection, stranger, "sign-in.refused", account["teacher_id"])
        if full:
            await storage.set_lock(connection, account["teacher_id"], max(limit.window for limit, _ in full))
            await note(review, connection, stranger, "sign-in.locked", account["teacher_id"])


async def _enter(review: Review, account: asyncpg.Record, tries: _Tries, browser: Browser) -> str:
    """Open the session. Raises SignInRefusedError where the password was changed while it was compared."""
    teacher = make_teacher(review, account, browser.address)
    async with review.database.transaction() as connection:
        if not await storage.hold_account(connection, teacher.id, account["password_hash"]):
            raise SignInRefusedError
        await tries.forget(connection)
        await storage.set_lock(connection, teacher.id, None)
        return await open_session(review, connection, teacher, Way.PASSWORD, browser.token)


# --- sessions ---


async def open_session(review: Review, connection: Connection, teacher: Teacher, way: Way, old_token: str) -> str:
    """A new session's token; the session that the browser had before ends, and leaves its form to its owner."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    old = await storage.end_session(connection, review.hashes.digests("session", old_token))
    kept = old["kept"] if old and old["teacher_id"] == teacher.id else None
    life = review.settings.sign_in_policy().life
    await storage.open_session(connection, review.hashes.digest("session", token), teacher.id, way, life, kept)
    await storage.remember_sign_in(connection, teacher.id, way)
    await note(review, connection, teacher, "signed-in", teacher.id)
    log.info("teacher signed in", teacher=teacher.id, way=way)
    return token


@use_case
async def sign_out(review: Review, token: str, address: str) -> Way | None:
    """End the session of this token; how it was opened, None where there is none."""
    teacher = await recognise(review, token, address)
    async with review.database.transaction() as connection:
        ended = await storage.end_session(connection, review.hashes.digests("session", token))
        if teacher is not None:
            await note(review, connection, teacher, "signed-out", teacher.id)
    return Way(ended["way"]) if ended else None


@use_case
async def sign_out_everywhere(review: Review, teacher: Teacher) -> None:
    """End every session of who is signed in."""
    async with review.database.transaction() as connection:
        await storage.end_sessions(connection, teacher.id)
        await note(review, connection, teacher, "signed-out.everywhere", teacher.id)


async def recognise(review: Review, token: str, address: str, *, is_used: bool = True) -> Teacher | None:
    """Who is signed in with this token, at this client address; None when the session is over.

    ``is_used``: that a person asks, which keeps the session alive.
    """
    idle = review.settings.sign_in_policy().idle
    async with review.database.connection() as connection:
        row = await storage.touch_session(connection, review.hashes.digests("session", token), idle, is_used=is_used)
    return make_teacher(review, row, address, must_change=row["must_change"]) if row else None


async def live_sessions(review: Review, connection: Connection, token_hashes: Sequence[str]) -> set[str]:
    """Those of the sessions, by the hashes of their tokens, that are not over; to ask keeps none of them alive."""
    return await storage.live_sessions(connection, token_hashes, review.settings.sign_in_policy().idle)


def make_teacher(review: Review, row: asyncpg.Record, address: str, *, must_change: bool = False) -> Teacher:
    """The teacher of a row with storage.TEACHER's columns."""
    return Teacher(
        id=row["id"],
        name=teacher_name(review, row["id"], row["details"]),
        role=row["role"],
        school_id=row["school_id"],
        school=row["school_name"] or "",
        address=address,
        must_change=must_change,
    )


# --- a form that was sent when the session was over ---


class KeptForm(BaseModel):
    """Where a form was sent, and its fields in their order."""

    path: str
    fields: list[tuple[str, str]]


async def keep_form(review: Review, token: str, form: KeptForm) -> bool:
    """Keep a form in the session that was over when it came, for the same teacher; False where there is none left."""
    hashes = review.hashes.digests("session", token)
    async with review.database.transaction() as connection:
        owner = await storage.owner_of_session(connection, hashes)
        if owner is None:
            return False
        await storage.keep_form(connection, hashes, review.store.seal_model(form, _kept_place(owner)))
    return True


async def kept_form(review: Review, teacher: Teacher, token: str) -> KeptForm | None:
    """The form that the teacher sent when the session before was over."""
    async with review.database.connection() as connection:
        sealed = await storage.kept_form(connection, review.hashes.digests("session", token))
    try:
        return review.store.unseal_model(KeptForm, sealed, _kept_place(teacher.id)) if sealed else None
    except UnsealError:
        return None  # of a version before this one, or under a key that is gone: as if none had been kept


async def drop_form(review: Review, token: str) -> None:
    """The form is not wanted any more."""
    async with review.database.transaction() as connection:
        await storage.keep_form(connection, review.hashes.digests("session", token), None)


def _kept_place(teacher_id: str) -> str:
    return f"sessions:{teacher_id}:kept"


# --- the own account ---


async def own_username(review: Review, teacher: Teacher) -> str | None:
    """The user name of who is signed in; None for who has no local account."""
    async with review.database.connection() as connection:
        account = await storage.account_of(connection, teacher.id)
    return account["username"] if account else None


@use_case
async def change_password(review: Review, teacher: Teacher, token: str, old: str, new: str) -> str:
    """The new token of the session; every other session of the teacher ends.

    Who has just signed in with a start password is not asked for it again. Raises NotFoundError without a local
    account, TooManyTriesError, SignInRefusedError for a wrong old password, WeakPasswordError.
    """
    new = domain.normal_password(new)
    async with review.database.connection() as connection:
        account = await storage.account_of(connection, teacher.id)
    if account is None:
        raise NotFoundError
    if not teacher.must_change:
        await _check_old(review, teacher, account["password_hash"], domain.normal_password(old))
    email = review.store.unseal_model(TeacherForReview, account["details"], teacher_place(teacher.id)).email
    domain.check_password(new, account["username"], email)
    if await review.passwords.verify(account["password_hash"], new):
        raise WeakPasswordError(Weakness.SAME)
    return await _save_password(review, teacher, token, account["password_hash"], await review.passwords.hash(new))


async def _check_old(review: Review, teacher: Teacher, stored: str, old: str) -> None:
    """Raises TooManyTriesError, SignInRefusedError."""
    policy = review.settings.sign_in_policy()
    limit, subject = Limit("password-change", policy.tries, policy.window), review.hashes.digest("teacher", teacher.id)
    async with review.database.transaction() as connection:
        wait = await rate_limits.hit(connection, [(limit, subject)])
    if wait is not None:
        raise TooManyTriesError(wait)
    if not await review.passwords.verify(stored, old):
        raise SignInRefusedError
    async with review.database.transaction() as connection:
        await rate_limits.forget(connection, limit.rule, subject)


async def _save_password(review: Review, teacher: Teacher, token: str, before: str, password_hash: str) -> str:
    fresh = secrets.token_urlsafe(TOKEN_BYTES)
    hashes = review.hashes.digests("session", token)
    async with review.database.transaction() as connection:
        if not await storage.change_password(connection, teacher.id, before, password_hash):
            raise SignInRefusedError
        await storage.end_sessions(connection, teacher.id, but=hashes)
        await storage.rename_session(connection, hashes, review.hashes.digest("session", fresh))
        await note(review, connection, teacher, "password.changed", teacher.id)
    return fresh
