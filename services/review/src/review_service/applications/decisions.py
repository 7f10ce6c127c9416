"""Deciding: one or several at once, undone for some seconds, then on the way to binding; and ending what is bound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog

from review_service.applications import storage
from review_service.applications.cases import Names, names_of, place
from review_service.applications.domain import Outcome, State
from review_service.audit.use_cases import note
from review_service.errors import (
    AlreadyDecidedError,
    ForAdministratorError,
    NotBoundError,
    NotFoundError,
    WithdrawnError,
)
from review_service.metrics import DECISION_WAIT
from shared import outbox, tracing
from shared.database import DATABASE_FAULTS
from shared.events import DecisionMade, DecisionReason, UnbindingDecided
from shared.logs import correlation_id
from shared.observing import use_case
from shared.sealing import UnsealError
from shared.wakes import happens

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from review_service.context import Review, Teacher
    from shared.events import Event
    from shared.wakes import Wakes

AT_ONCE = 200
#: Behind the wakes: a clock that was set, a wake that was lost.
POLL_SECONDS = 5
AWAY_SECONDS = 1
#: What another process holds is due all the same, and gone in a moment.
LEAST_SECONDS = 0.05

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What a teacher has just decided, to be told on the next page; ``undo_left`` until then it can be taken back."""

    batch: UUID
    outcome: Outcome
    decided: Sequence[tuple[UUID, Names, str]]
    undo_left: timedelta
    has_left: bool


@use_case
async def decide(review: Review, teacher: Teacher, binding_id: UUID, outcome: Outcome, reason: str = "") -> UUID:
    """Decide on an application; the batch by which that can be undone. Binding is told later, and has the last word.

    Asked again by the same teacher for the same outcome (a double tap, a lost answer) it does nothing. Raises
    NotFoundError, ForAdministratorError, WithdrawnError, AlreadyDecidedError.
    """
    batch = uuid4()
    taken = await _take(review, teacher, [binding_id], outcome, reason, batch)
    if taken:
        return batch
    async with review.database.connection() as connection:
        row = await storage.application(connection, teacher.id, binding_id)
    return _explain(teacher, outcome, row)


@use_case
async def approve_all(review: Review, teacher: Teacher, binding_ids: Sequence[UUID]) -> tuple[UUID, int]:
    """Approve those of the applications that still wait for this teacher: their batch, and how many they are."""
    batch = uuid4()
    return batch, len(await _take(review, teacher, binding_ids, Outcome.APPROVE, "", batch))


@use_case
async def undo(review: Review, teacher: Teacher, batch: UUID) -> Sequence[UUID]:
    """Take back those of a batch of one's own decisions that have not left; they wait again."""
    async with review.database.transaction() as connection:
        undone = await storage.undo_batch(connection, teacher.id, batch)
        for binding_id in undone:
            await note(review, connection, teacher, "application.undone", binding_id)
    log.info("decisions undone", batch=str(batch), count=len(undone))
    return undone


async def recall(review: Review, teacher: Teacher, batch: UUID) -> Done | None:
    """One's own decisions of a batch; None where there are none any more."""
    async with review.database.connection() as connection:
        rows = await storage.batch(connection, teacher.id, batch)
    if not rows:
        return None
    return Done(
        batch=batch,
        outcome=Outcome(rows[0]["decided_outcome"]),
        decided=[(row["id"], names_of(review, row["id"], row["names"]), row["class_name"] or "") for row in rows],
        undo_left=max(row["undo_left"] for row in rows),
        has_left=all(row["left_at"] is not None or row["state"] != State.WAITING for row in rows),
    )


async def _take(
    review: Review, teacher: Teacher, binding_ids: Sequence[UUID], outcome: Outcome, reason: str, batch: UUID
) -> list[UUID]:
    reasons = [review.store.seal(reason, place(id_, "reason")) if reason else None for id_ in binding_ids]
    undo_for = timedelta(seconds=review.settings.undo_seconds)
    async with review.database.transaction() as connection:
        await storage.hold_applications(connection, binding_ids)
        taken = await storage.take_decisions(
            connection,
            teacher.id,
            binding_ids,
            outcome,
            reasons,
            batch=batch,
            undo=undo_for,
            cause=correlation_id(),
            traceparent=tracing.traceparent(),
        )
        for binding_id in taken:
            await note(review, connection, teacher, f"application.{outcome}", binding_id)
    log.info("decisions taken", batch=str(batch), outcome=outcome, count=len(taken))
    return taken


def _explain(teacher: Teacher, outcome: Outcome, row: asyncpg.Record | None) -> UUID:
    """Raise what kept a decision from being taken; the batch where it had been taken before by this very request."""
    if row is None:
        raise NotFoundError
    if row["state"] == State.WITHDRAWN:
        raise WithdrawnError
    if row["decided_by"] == teacher.id and row["decided_outcome"] == outcome and row["batch"] is not None:
        batch: UUID = row["batch"]
        return batch
    if row["decided_by"] is None and row["state"] == State.WAITING and not row["is_mine"]:
        raise ForAdministratorError
    raise AlreadyDecidedError


# --- leaving ---


async def let_leave_for_ever(review: Review, wakes: Wakes) -> None:
    """Hand each decision to the outbox when it can be undone no longer; any number of processes may do it."""
    woken = wakes.subscribe()
    while True:
        await happens(woken, within=await _let_leave_and_look_ahead(review))
        woken.clear()


async def _let_leave_and_look_ahead(review: Review) -> float:
    """Let all leave that is due; the seconds until more may be.

    It looks before it begins a transaction: one that is committed wakes everybody, this worker too.
    """
    try:
        if await _seconds_until_next(review) <= 0:
            await let_leave(review)
        return max(LEAST_SECONDS, await _seconds_until_next(review))
    except DATABASE_FAULTS as fault:
        log.warning("decisions wait for the database", fault=type(fault).__name__)
        return AWAY_SECONDS


async def _seconds_until_next(review: Review) -> float:
    async with review.database.connection() as connection:
        seconds = await storage.seconds_until_next_leaves(connection)
    return POLL_SECONDS if seconds is None else min(seconds, POLL_SECONDS)


async def let_leave(review: Review) -> int:
    """Tell binding of the decisions that are due; how many were. One that cannot be read holds back no other.

    Where somebody else holds all that are due, nobody is woken: that would wake this very process, which would look
    again, without a pause.
    """
    async with review.database.pool.acquire() as connection, connection.transaction():
        rows = await storage.let_leave(connection, AT_ONCE)
        events = [(row, _decision_made(review, row)) for row in rows]
        await storage.give_back(connection, [row["id"] for row, event in events if event is None])
        told = [(row, event) for row, event in events if event is not None]
        if told:
            traces = [row["decision_traceparent"] for row, _ in told]
            await outbox.record(connection, *(event for _, event in told), traces=traces)
    if rows:
        review.database.committed.set()
        for row, _ in told:
            DECISION_WAIT.labels(row["decided_outcome"]).observe(row["waited_seconds"])
        log.info("decisions left", count=len(told))
    return len(rows)


def _decision_made(review: Review, row: asyncpg.Record) -> Event | None:
    """The event; None where the reason was sealed with a key that is gone: then it is to be decided anew."""
    try:
        reason = review.store.unseal(row["reason"], place(row["id"], "reason")) if row["reason"] else ""
    except UnsealError:
        log.error("a decision is to be taken anew: the key of its reason is missing", binding=str(row["id"]))  # noqa: TRY400 - the text says all
        return None
    facts = {"outcome": row["decided_outcome"], "decided_by": row["decided_by"], "version": row["submission_version"]}
    event = DecisionMade.of("review", row["id"], **facts)
    if row["decision_cause"] is not None:
        event = event.model_copy(update={"correlationid": row["decision_cause"]})
    return event.sealed(review.to_binding, for_binding=DecisionReason(reason=reason))


# --- unbinding ---


@use_case
async def unbind(review: Review, teacher: Teacher, binding_id: UUID, reason: str) -> None:
    """End what is bound; binding applies it. Asked again it does nothing. Raises NotFoundError, NotBoundError."""
    sealed = review.store.seal(reason, place(binding_id, "revoked_reason"))
    async with review.database.transaction() as connection:
        if not await storage.mark_unbinding(connection, teacher.id, binding_id, sealed):
            _explain_unbinding(teacher, await storage.application(connection, teacher.id, binding_id))
            return
        event = UnbindingDecided.of("review", binding_id, decided_by=teacher.id)
        await outbox.record(connection, event.sealed(review.to_binding, for_binding=DecisionReason(reason=reason)))
        await note(review, connection, teacher, "application.revoked", binding_id)
    log.info("unbinding decided", binding=str(binding_id))


def _explain_unbinding(teacher: Teacher, row: asyncpg.Record | None) -> None:
    """Raise what kept a binding from being ended; nothing where this administrator had ended it before."""
    if row is None:
        raise NotFoundError
    if row["revoked_by"] != teacher.id:
        raise NotBoundError
