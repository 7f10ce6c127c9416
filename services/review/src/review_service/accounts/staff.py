"""Opening, resetting and closing the accounts of others: administrators do so in their school, the operator in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from review_service.accounts import domain, storage
from review_service.audit.use_cases import note
from review_service.context import OPERATOR
from review_service.errors import AccountClosedError, AccountExistsError, NotFoundError, OwnAccountError
from review_service.roster.use_cases import teacher_place
from shared.events import TeacherForReview
from shared.observing import use_case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from review_service.accounts.domain import AccountState
    from review_service.context import Review, Teacher
    from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Member:
    """One of the school's staff, and what their way in is."""

    id: str
    name: str
    email: str
    role: str
    classes: tuple[str, ...]
    username: str | None
    state: AccountState
    signed_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class StartPassword:
    """What an administrator hands to a teacher. It is shown once and kept nowhere."""

    username: str
    password: str
    ends: datetime


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to open with a known password, in the clear until it is hashed."""

    teacher_id: str
    username: str
    password: str
    must_change: bool = True


async def list_staff(review: Review, by: Teacher) -> list[Member]:
    """The active teachers and administrators of the administrator's school: administrators first, then by class."""
    async with review.database.connection() as connection:
        rows = await storage.staff(connection, by.school_id)
    members = [_member(review, row) for row in rows]
    return sorted(members, key=lambda member: (member.role, not member.classes, member.classes, member.name, member.id))


async def find_member(review: Review, by: Teacher, teacher_id: str) -> Member:
    """One of the school's staff. Raises NotFoundError for anybody else."""
    async with review.database.connection() as connection:
        return _member(review, await _row(connection, by, teacher_id))


@use_case
async def open_with_start_password(review: Review, by: Teacher, teacher_id: str, username: str) -> StartPassword:
    """Open an account with a start password.

    Raises NotFoundError, AccountClosedError, BadUsernameError, UsernameTakenError, AccountExistsError.
    """
    name, password = domain.parse_username(username), domain.make_start_password()
    password_hash = await review.passwords.hash(password)
    life = review.settings.sign_in_policy().start_password_life
    async with review.database.transaction() as connection:
        await _check_open(connection, by, teacher_id)
        if not await storage.open_account(connection, teacher_id, name, password_hash, life):
            raise AccountExistsError
        await note(review, connection, by, "account.opened", teacher_id)
        return StartPassword(name, password, await _ends(connection, teacher_id))


@use_case
async def reset(review: Review, by: Teacher, teacher_id: str) -> StartPassword:
    """A start password in place of the password; what was locked is unlocked, and the teacher's sessions end.

    Raises NotFoundError, also where there is no account, OwnAccountError, AccountClosedError.
    """
    _check_other(by, teacher_id)
    password = domain.make_start_password()
    password_hash = await review.passwords.hash(password)
    life = review.settings.sign_in_policy().start_password_life
    async with review.database.transaction() as connection:
        row = await _check_open(connection, by, teacher_id)
        if not await storage.reset_account(connection, teacher_id, password_hash, life):
            raise NotFoundError
        await storage.end_sessions(connection, teacher_id)
        await note(review, connection, by, "account.reset", teacher_id)
        return StartPassword(row["username"], password, await _ends(connection, teacher_id))


@use_case
async def close(review: Review, by: Teacher, teacher_id: str) -> None:
    """Neither a password nor single sign-on leads in from now on, and the teacher's sessions end.

    Raises NotFoundError, OwnAccountError.
    """
    _check_other(by, teacher_id)
    async with review.database.transaction() as connection:
        await _row(connection, by, teacher_id)
        if await storage.close_access(connection, teacher_id, by.id):
            await storage.end_sessions(connection, teacher_id)
            await note(review, connection, by, "account.closed", teacher_id)


@use_case
async def reopen(review: Review, by: Teacher, teacher_id: str) -> None:
    """Password and single sign-on lead in again. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        await _row(connection, by, teacher_id)
        if await storage.reopen_access(connection, teacher_id):
            await note(review, connection, by, "account.reopened", teacher_id)


def _check_other(by: Teacher, teacher_id: str) -> None:
    if by.id == teacher_id:
        raise OwnAccountError


async def _check_open(connection: Connection, by: Teacher, teacher_id: str) -> asyncpg.Record:
    row = await _row(connection, by, teacher_id)
    if row["is_closed"]:
        raise AccountClosedError
    return row


async def _row(connection: Connection, by: Teacher, teacher_id: str) -> asyncpg.Record:
    rows = await storage.staff(connection, None if by == OPERATOR else by.school_id, teacher_id)
    if not rows:
        raise NotFoundError
    return rows[0]


async def _ends(connection: Connection, teacher_id: str) -> datetime:
    ends = await storage.start_password_ends(connection, teacher_id)
    assert ends is not None  # noqa: S101 - written in this transaction
    return ends


def _member(review: Review, row: asyncpg.Record) -> Member:
    details = review.store.unseal_model(TeacherForReview, row["details"], teacher_place(row["id"]))
    state = domain.account_state(
        row["username"],
        row["signed_in_by"],
        is_closed=row["is_closed"],
        is_locked=row["is_locked"],
        is_expired=row["is_expired"],
        must_change=row["must_change"],
    )
    return Member(
        id=row["id"],
        name=details.name,
        email=details.email,
        role=row["role"],
        classes=tuple(row["classes"]),
        username=row["username"],
        state=state,
        signed_in_at=row["signed_in_at"],
    )


# --- with a password that somebody else chose: the operator's, at the command line ---


async def open_account(review: Review, by: Teacher, account: NewAccount) -> None:
    """Open one teacher's account; the roster may tell of the teacher later.

    Raises BadUsernameError, WeakPasswordError, UsernameTakenError, AccountExistsError.
    """
    username, password = domain.parse_username(account.username), domain.normal_password(account.password)
    domain.check_password(password, username)
    password_hash = await review.passwords.hash(password)
    life = review.settings.sign_in_policy().start_password_life if account.must_change else None
    async with review.database.transaction() as connection:
        if not await storage.open_account(connection, account.teacher_id, username, password_hash, life):
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
