"""What otp does: issue a code, redeem a code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog

from otp_service import domain, storage
from otp_service.metrics import CODES_ASKED, CODES_TRIED
from shared import outbox, rate_limits
from shared.contacts import ContactError, parse_email, parse_mobile
from shared.events import CodeIssued, CodeToSend
from shared.observing import use_case
from shared.rate_limits import Limit, client_subject
from shared.requests import (
    CodeToRedeem,
    ContactToVerify,
    IssueCode,
    IssueCodeAnswer,
    RedeemCode,
    RedeemCodeAnswer,
    request_place,
)

if TYPE_CHECKING:
    import asyncpg

    from shared.database import Connection, Database
    from shared.events import CodeDisowned
    from shared.sealing import HashKeys, SealingKeys

log = structlog.get_logger(__name__)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Otp:
    """What the use cases work with."""

    database: Database
    policy: domain.Policy
    sms_countries: frozenset[str]
    codes: HashKeys
    from_binding: SealingKeys
    to_notify: SealingKeys


@use_case
async def issue_code(otp: Otp, request: IssueCode) -> IssueCodeAnswer:
    """Issue a code for a login attempt and have it delivered; a former code of the attempt dies.

    A request that was answered with ``issued`` before gets that answer again and issues nothing.
    """
    answer = await _answer(otp, request)
    CODES_ASKED.labels(request.channel, answer.outcome).inc()
    return answer


async def _answer(otp: Otp, request: IssueCode) -> IssueCodeAnswer:
    asked = otp.from_binding.unseal_model(ContactToVerify, request.for_otp, request_place(request.request_id))
    try:
        contact = (
            parse_email(asked.contact) if request.channel == "email" else parse_mobile(asked.contact, otp.sms_countries)
        )
    except ContactError:
        return IssueCodeAnswer(outcome="refused")
    question = otp.codes.digest("issue", str(request.attempt_id), request.channel, contact)
    async with otp.database.transaction() as connection:
        await storage.lock_attempt(connection, request.attempt_id)
        given = await storage.answer_given(connection, request.request_id, question)
        if given is not None:
            return IssueCodeAnswer.model_validate(given)
        refusal = await _refusal(otp, connection, request, contact, asked.client_address)
        if refusal is not None:
            return refusal
        answer = await _issue(otp, connection, request, asked.contact, contact)
        await storage.keep_answer(connection, request.request_id, question, answer.model_dump(mode="json"))
    log.info("code issued", attempt=str(request.attempt_id), channel=request.channel)
    return answer


@use_case
async def redeem_code(otp: Otp, request: RedeemCode) -> RedeemCodeAnswer:
    """Try a code in the attempt that asked for it. The same request id and code get the same answer, uncounted.

    Unless it was "redeemed" and holds no more, because the code was disowned or replaced since.
    """
    typed = otp.from_binding.unseal_model(CodeToRedeem, request.for_otp, request_place(request.request_id))
    # The contact is part of the hash: an attempt that asked for codes to two contacts can't take one for the other.
    hashes = otp.codes.digests("code", str(request.attempt_id), typed.contact, typed.code)
    question = otp.codes.digest("redeem", str(request.attempt_id), typed.contact, typed.code)
    async with otp.database.transaction() as connection:
        await storage.lock_attempt(connection, request.attempt_id)
        given = await storage.answer_given(connection, request.request_id, question)
        if given is not None:
            answer = RedeemCodeAnswer.model_validate(given)
            return await _still(otp, connection, request, hashes) if answer.redeemed else answer
        tried = await storage.try_code(connection, request.attempt_id, uuid4(), hashes, otp.policy.tries_per_code)
        answer = _redemption(tried)
        await storage.keep_answer(connection, request.request_id, question, answer.model_dump(mode="json"))
    CODES_TRIED.labels("right" if answer.redeemed else "wrong").inc()
    log.info("code tried", attempt=str(request.attempt_id), redeemed=answer.redeemed, tries_left=answer.tries_left)
    return answer


async def _still(otp: Otp, connection: Connection, request: RedeemCode, hashes: list[str]) -> RedeemCodeAnswer:
    """The answer to who has redeemed the code before."""
    return _redemption(await storage.redeemed_code(connection, request.attempt_id, hashes, otp.policy.tries_per_code))


def _redemption(found: asyncpg.Record | None) -> RedeemCodeAnswer:
    if found is None:
        return RedeemCodeAnswer(redeemed=False, tries_left=0)
    ends = found["expires_at"] if found["redeemed"] else None
    return RedeemCodeAnswer(redeemed=found["redeemed"], tries_left=found["tries_left"], expires_at=ends)


@use_case
async def end_code(otp: Otp, connection: Connection, event: CodeDisowned) -> None:
    """Who got the code has not asked for it: it is dead, for who has redeemed it too; a later one lives on.

    Raises ValueError for a subject that is no UUID.
    """
    attempt_id = UUID(event.subject)
    await storage.lock_attempt(connection, attempt_id)
    ended = await storage.end_code(connection, attempt_id, event.data.expires_at, otp.policy.tries_per_code)
    log.info("code disowned", attempt=str(attempt_id), ended=ended)


async def _refusal(
    otp: Otp, connection: Connection, request: IssueCode, contact: str, client_address: str
) -> IssueCodeAnswer | None:
    """Why no code is issued now; None when one may be. Counts this request against the limits."""
    policy = otp.policy
    by_contact = otp.codes.digest("contact", contact)
    wait_between = timedelta(seconds=policy.resend_seconds)
    seconds = await storage.seconds_until_resend(connection, request.attempt_id, by_contact, wait_between)
    if seconds:
        return IssueCodeAnswer(outcome="too_soon", retry_after=seconds)
    by_address = otp.codes.digest("address", client_subject(client_address))
    wait = await rate_limits.hit(connection, _limits(policy, by_contact, by_address, acquainted=request.acquainted))
    return None if wait is None else IssueCodeAnswer(outcome="limited", retry_after=math.ceil(wait.total_seconds()))


def _limits(policy: domain.Policy, by_contact: str, by_address: str, *, acquainted: bool) -> list[tuple[Limit, str]]:
    """What a request counts against. What strangers do, at the same address too, is nothing to who is acquainted."""
    if acquainted:
        return [
            (Limit("acquainted-hour", policy.contact_per_hour, HOUR), by_contact),
            (Limit("acquainted-day", policy.contact_per_day, DAY), by_contact),
        ]
    return [
        (Limit("contact-hour", policy.contact_per_hour, HOUR), by_contact),
        (Limit("contact-day", policy.contact_per_day, DAY), by_contact),
        (Limit("address-hour", policy.address_per_hour, HOUR), by_address),
        (Limit("address-day", policy.address_per_day, DAY), by_address),
    ]


async def _issue(
    otp: Otp, connection: Connection, request: IssueCode, contact_as_sent: str, contact: str
) -> IssueCodeAnswer:
    code = domain.new_code()
    code_hash = otp.codes.digest("code", str(request.attempt_id), contact_as_sent, code)
    contact_hash = otp.codes.digest("contact", contact)
    life = otp.policy.life(request.channel)
    row = await storage.save_code(connection, request.attempt_id, code_hash, contact_hash, life)
    if request.deliver:
        event = CodeIssued.of(
            "otp", request.attempt_id, channel=request.channel, language=request.language, expires_at=row["expires_at"]
        ).sealed(otp.to_notify, for_notify=CodeToSend(contact=contact, code=code))
        await outbox.record(connection, event)
    return IssueCodeAnswer(
        outcome="issued",
        expires_at=row["expires_at"],
        resend_at=row["issued_at"] + timedelta(seconds=otp.policy.resend_seconds),
        tries_left=otp.policy.tries_per_code,
    )
