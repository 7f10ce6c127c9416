"""What review does: learn the roster and the applications, let teachers in, show them theirs, take decisions."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from review_service import domain, storage
from review_service.domain import Outcome, Standing, State
from review_service.errors import (
    AccountExistsError,
    AlreadyDecidedError,
    BadUsernameError,
    NotFoundError,
    NotInRosterError,
    SignInRefusedError,
    TooManyTriesError,
    WithdrawnError,
)
from shared import outbox, rate_limits
from shared.events import (
    BindingApproved,
    BindingRefused,
    BindingToReview,
    BindingWithdrawn,
    DecisionMade,
    DecisionReason,
    Model,
    TeacherForReview,
)
from shared.rate_limits import Limit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    import asyncpg

    from shared.database import Connection, Database
    from shared.events import BindingSubmitted, ClassUpdated, SchoolUpdated, TeacherUpdated
    from shared.passwords import Passwords
    from shared.sealing import HashKeys, SealingKeys

LONGEST_LIST = 100
TOKEN_BYTES = 32

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Review:
    """What the use cases work with."""

    database: Database
    policy: domain.SignInPolicy
    passwords: Passwords
    from_binding: SealingKeys
    to_binding: SealingKeys
    store: SealingKeys
    hashes: HashKeys


class Names(Model):
    """At rest, sealed: what a list shows of an application."""

    student: str
    parent: str


@dataclass(frozen=True, slots=True)
class Teacher:
    """Who is signed in."""

    id: str
    name: str
    role: str
    school: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An application in a list."""

    id: UUID
    names: Names
    class_name: str
    relation: str
    standing: Standing
    submitted_at: datetime
    waited: timedelta


@dataclass(frozen=True, slots=True)
class Inbox:
    """A list of applications: the first LONGEST_LIST of ``total``."""

    entries: Sequence[Entry]
    total: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What a teacher has just done, to be told on the next page."""

    names: Names
    class_name: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Application:
    """One application as the teacher sees it. ``details`` are None once it is withdrawn: no one needs them any more."""

    id: UUID
    number: str
    names: Names
    class_name: str
    school_name: str
    relation: str
    submitted_at: datetime
    statement_version: str
    waited: timedelta
    standing: Standing
    settled_at: datetime | None
    outcome: Outcome | None
    decided_by: str
    decided_at: datetime | None
    reason: str
    details: BindingToReview | None


# --- what binding tells ---


async def learn_school(connection: Connection, event: SchoolUpdated) -> None:
    """A school is new or changed."""
    await storage.save_school(connection, event.subject, event.data)


async def learn_class(connection: Connection, event: ClassUpdated) -> None:
    """A class is new or changed: from now on its applications are its present teachers'."""
    await storage.save_class(connection, event.subject, event.data)


async def learn_teacher(review: Review, connection: Connection, event: TeacherUpdated) -> None:
    """A teacher is new or changed. Raises UnsealError."""
    teacher = review.from_binding.unseal_model(TeacherForReview, event.data.for_review, event.place("for_review"))
    sealed = review.store.seal_model(teacher, _teacher_place(event.subject))
    await storage.save_teacher(connection, event.subject, event.data, sealed)


async def take_submission(review: Review, connection: Connection, event: BindingSubmitted) -> None:
    """An application waits for its teacher. Raises UnsealError, and ValueError for a subject that is no UUID."""
    binding_id = UUID(event.subject)
    details = review.from_binding.unseal_model(BindingToReview, event.data.for_review, event.place("for_review"))
    names = Names(student=details.student_name, parent=details.parent_name)
    await storage.save_submission(
        connection,
        binding_id,
        event.data,
        names=review.store.seal_model(names, _place(binding_id, "names")),
        details=review.store.seal_model(details, _place(binding_id, "details")),
    )


async def take_settlement(connection: Connection, event: BindingApproved | BindingRefused | BindingWithdrawn) -> None:
    """Binding says how an application ended. Raises ValueError for a subject that is no UUID."""
    states = {
        BindingApproved.TYPE: State.APPROVED,
        BindingRefused.TYPE: State.REFUSED,
        BindingWithdrawn.TYPE: State.WITHDRAWN,
    }
    await storage.settle(connection, UUID(event.subject), event.data.version, states[event.type], event.time)


# --- what a teacher sees and does ---


async def list_waiting(review: Review, teacher: Teacher) -> Inbox:
    """What waits for this teacher, oldest first."""
    async with review.database.connection() as connection:
        return _inbox(review, await storage.waiting_applications(connection, teacher.id, LONGEST_LIST))


async def list_decided(review: Review, teacher: Teacher) -> Inbox:
    """What was decided or withdrawn, the latest first."""
    async with review.database.connection() as connection:
        return _inbox(review, await storage.decided_applications(connection, teacher.id, LONGEST_LIST))


async def look(review: Review, teacher: Teacher, binding_id: UUID) -> Application:
    """One application; that it was looked at goes to the audit log. Raises NotFoundError."""
    async with review.database.transaction() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
        if row is None:
            raise NotFoundError
        await storage.note(connection, teacher.id, "application.looked-at", binding_id)
    return _application(review, row)


async def find_next(review: Review, teacher: Teacher, binding_id: UUID) -> UUID | None:
    """The application to go on with after this one; None when nothing waits."""
    async with review.database.connection() as connection:
        return await storage.next_waiting(connection, teacher.id, binding_id)


async def decide(review: Review, teacher: Teacher, binding_id: UUID, outcome: Outcome, reason: str = "") -> None:
    """Decide on an application; binding is told, and has the last word.

    Asked again by the same teacher for the same outcome (a double tap, a lost answer) it does nothing. Raises
    NotFoundError, WithdrawnError, AlreadyDecidedError.
    """
    sealed = review.store.seal(reason, _place(binding_id, "reason")) if reason else None
    async with review.database.transaction() as connection:
        if not await storage.take_decision(connection, teacher.id, binding_id, outcome, sealed):
            _explain(teacher, outcome, await storage.application(connection, teacher.id, binding_id))
            return
        event = DecisionMade.of("review", binding_id, outcome=outcome, decided_by=teacher.id)
        await outbox.record(connection, event.sealed(review.to_binding, for_binding=DecisionReason(reason=reason)))
        await storage.note(connection, teacher.id, f"application.{outcome}", binding_id)
    log.info("decision made", binding=str(binding_id), outcome=outcome)


async def recall_decision(review: Review, teacher: Teacher, binding_id: UUID) -> Decided | None:
    """This teacher's own decision on an application; None where they made none."""
    async with review.database.connection() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
    if row is None or row["decided_by"] != teacher.id:
        return None
    names = review.store.unseal_model(Names, row["names"], _place(binding_id, "names"))
    return Decided(names, row["class_name"] or "", Outcome(row["decided_outcome"]))


def _explain(teacher: Teacher, outcome: Outcome, row: asyncpg.Record | None) -> None:
    """Raise what kept a decision from being taken; returns where it had been taken before by this very request."""
    if row is None:
        raise NotFoundError
    if row["state"] == State.WITHDRAWN:
        raise WithdrawnError
    if row["decided_by"] != teacher.id or row["decided_outcome"] != outcome:
        raise AlreadyDecidedError


def _inbox(review: Review, rows: list[asyncpg.Record]) -> Inbox:
    return Inbox([_entry(review, row) for row in rows], rows[0]["total"] if rows else 0)


def _entry(review: Review, row: asyncpg.Record) -> Entry:
    return Entry(
        id=row["id"],
        names=review.store.unseal_model(Names, row["names"], _place(row["id"], "names")),
        class_name=row["class_name"] or "",
        relation=row["relation"],
        standing=domain.standing(row["state"], row["decided_outcome"]),
        submitted_at=row["submitted_at"],
        waited=row["waited"],
    )


def _application(review: Review, row: asyncpg.Record) -> Application:
    id_ = row["id"]
    withdrawn = row["state"] == State.WITHDRAWN
    return Application(
        id=id_,
        number=row["application_number"],
        names=review.store.unseal_model(Names, row["names"], _place(id_, "names")),
        class_name=row["class_name"] or "",
        school_name=row["school_name"] or "",
        relation=row["relation"],
        submitted_at=row["submitted_at"],
        statement_version=row["statement_version"],
        waited=row["waited"],
        standing=domain.standing(row["state"], row["decided_outcome"]),
        settled_at=row["settled_at"],
        outcome=Outcome(row["decided_outcome"]) if row["decided_outcome"] else None,
        decided_by=_name(review, row["decided_by"], row["decider_details"]),
        decided_at=row["decided_at"],
        reason=review.store.unseal(row["reason"], _place(id_, "reason")) if row["reason"] else "",
        details=None
        if withdrawn
        else review.store.unseal_model(BindingToReview, row["details"], _place(id_, "details")),
    )


def _name(review: Review, teacher_id: str | None, details: str | None) -> str:
    """How a teacher is called; empty for nobody, and for one whom the roster has not told of."""
    if teacher_id is None or details is None:
        return ""
    return review.store.unseal_model(TeacherForReview, details, _teacher_place(teacher_id)).name


def _place(binding_id: UUID, column: str) -> str:
    return f"bindings:{binding_id}:{column}"


def _teacher_place(teacher_id: str) -> str:
    return f"teachers:{teacher_id}:details"


# --- signing in ---


async def sign_in(review: Review, username: str, password: str, client_address: str, old_token: str) -> str:
    """A new session's token; the session that the browser had before ends.

    Raises TooManyTriesError, SignInRefusedError, NotInRosterError. An unknown name takes as long as a wrong password.
    """
    try:
        name = domain.parse_username(username)
    except BadUsernameError:
        name = ""  # nobody's: counted and refused like any other
    await _count_try(review, name or username, client_address)
    async with review.database.connection() as connection:
        account = await storage.account(connection, name)
    if not await review.passwords.verify(account["password_hash"] if account else None, password) or not account:
        raise SignInRefusedError
    if not account["in_roster"]:
        raise NotInRosterError
    return await _open_session(review, account["teacher_id"], name, old_token)


async def _count_try(review: Review, username: str, client_address: str) -> None:
    """Count before comparing, in a transaction of its own: a try that is cut off has been made."""
    policy = review.policy
    async with review.database.transaction() as connection:
        wait = await rate_limits.hit(
            connection,
            [
                (Limit("sign-in-name", policy.tries, policy.window), review.hashes.digest("name", username)),
                (
                    Limit("sign-in-address", policy.address_tries, policy.window),
                    review.hashes.digest("address", client_address),
                ),
            ],
        )
    if wait is not None:
        log.info("sign-in limited")
        raise TooManyTriesError(wait)


async def _open_session(review: Review, teacher_id: str, username: str, old_token: str) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    async with review.database.transaction() as connection:
        await rate_limits.forget(connection, "sign-in-name", review.hashes.digest("name", username))
        await storage.end_session(connection, review.hashes.digests("session", old_token))
        await storage.open_session(connection, review.hashes.digest("session", token), teacher_id, review.policy.life)
        await storage.note(connection, teacher_id, "signed-in", teacher_id)
    log.info("teacher signed in", teacher=teacher_id)
    return token


async def sign_out(review: Review, token: str) -> None:
    """End the session of this token, if there is one."""
    async with review.database.transaction() as connection:
        teacher_id = await storage.end_session(connection, review.hashes.digests("session", token))
        if teacher_id is not None:
            await storage.note(connection, teacher_id, "signed-out", teacher_id)


async def recognise(review: Review, token: str) -> Teacher | None:
    """Who is signed in with this token; None when the session is over."""
    async with review.database.connection() as connection:
        row = await storage.touch_session(connection, review.hashes.digests("session", token), review.policy.idle)
    if row is None:
        return None
    return Teacher(
        id=row["id"],
        name=_name(review, row["id"], row["details"]),
        role=row["role"],
        school=row["school_name"] or "",
    )


# --- opening accounts ---


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to open; the password is in the clear until it is hashed."""

    teacher_id: str
    username: str
    password: str


async def open_account(database: Database, passwords: Passwords, account: NewAccount) -> None:
    """Open one teacher's account.

    Raises BadUsernameError, WeakPasswordError, UsernameTakenError, AccountExistsError.
    """
    username = domain.parse_username(account.username)
    domain.check_password(account.password)
    password_hash = await passwords.hash(account.password)
    async with database.transaction() as connection:
        if not await storage.open_account(connection, account.teacher_id, username, password_hash):
            raise AccountExistsError
        await storage.note(connection, account.teacher_id, "account.opened", account.teacher_id)


async def open_accounts(database: Database, passwords: Passwords, accounts: Sequence[NewAccount]) -> int:
    """Open those of the accounts that are not there yet; an existing one keeps its password. How many were opened."""
    async with database.connection() as connection:
        known = await storage.teachers_with_account(connection, [account.teacher_id for account in accounts])
    fresh = [account for account in accounts if account.teacher_id not in known]
    for account in fresh:
        await open_account(database, passwords, account)
    return len(fresh)
