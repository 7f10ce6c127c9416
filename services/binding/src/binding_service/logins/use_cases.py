"""Login by a one-time code: ask for one, redeem it, leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4, uuid5

import structlog

from binding_service.errors import (
    CodeDeadError,
    CodeRejectedError,
    InvalidFieldsError,
    LimitedError,
    NoAttemptError,
    NotSignedInError,
    ServiceAwayError,
    TooSoonError,
)
from binding_service.logins import acquaintance, sent_codes, storage
from binding_service.logins.agents import browser_of, system_of
from binding_service.logins.domain import Attempt, Browser, Session, digits_of, new_token, token_hash
from shared.contacts import ContactError, parse_email, parse_mobile
from shared.observing import use_case
from shared.requests import (
    ISSUE_CODE,
    REDEEM_CODE,
    CodeToRedeem,
    ContactToVerify,
    IssueCode,
    IssueCodeAnswer,
    NoAnswerError,
    RedeemCode,
    RedeemCodeAnswer,
    request_place,
)

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from binding_service.context import Binding
    from shared.database import Connection
    from shared.events import Channel, Language

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
#: A write for each request would be one too many; a session's end is kept as exactly as a tenth of its idle time.
USE_NOTED_EVERY = timedelta(minutes=5)


def parse_contact(channel: Channel, typed: str) -> str:
    """The contact as it is stored. Raises InvalidFieldsError at the channel's field (``email`` or ``phone``)."""
    field = "email" if channel == "email" else "phone"
    if not typed.strip():
        raise InvalidFieldsError({field: "required"})
    try:
        return parse_email(typed) if channel == "email" else parse_mobile(typed)
    except ContactError:
        raise InvalidFieldsError({field: "bad_email" if channel == "email" else "bad_mobile"}) from None


@use_case
async def ask_code(
    binding: Binding,
    token: str | None,
    channel: Channel,
    typed_contact: str,
    browser: Browser,
    language: Language,
    request_id: UUID,
) -> tuple[str, Attempt]:
    """Have a code sent, in the login attempt of ``token`` or in a new one; the attempt's token and its state.

    The same ``request_id`` again is the same code in the same attempt, whatever became of the first answer.
    Raises InvalidFieldsError, TooSoonError, LimitedError, ServiceAwayError.
    """
    contact = parse_contact(channel, typed_contact)
    async with binding.asking.one():
        known = await _attempt(binding, token) if token else None
        attempt_id = known.id if known else uuid5(request_id, "attempt")
        token = token if known and token else new_token()
        acquainted = await acquaintance.is_known(binding, contact, browser)
        answer = await issue_code(
            binding, attempt_id, channel, contact, browser.address, language, request_id, acquainted=acquainted
        )
        async with binding.database.transaction() as connection:
            await sent_codes.note(binding, connection, attempt_id, contact, times(answer)[0])
            await storage.save_attempt(
                connection,
                attempt_id,
                token_hash(token),
                channel,
                binding.keys.store.seal(contact, f"login_attempts:{attempt_id}:contact"),
                answer.tries_left,
                *times(answer),
            )
        return token, await attempt(binding, token)


async def issue_code(
    binding: Binding,
    attempt_id: UUID,
    channel: Channel,
    contact: str,
    client_address: str,
    language: Language,
    request_id: UUID,
    *,
    deliver: bool = True,
    acquainted: bool = False,
) -> IssueCodeAnswer:
    """Ask otp for a code; not ``deliver``: one that nobody gets; ``acquainted``: for who is known to own the contact.

    The same ``request_id`` asks for the same code again. Who asks notes where it went (sent_codes.note), in the
    transaction in which the answer is kept. Raises TooSoonError, LimitedError, InvalidFieldsError, ServiceAwayError.
    """
    sealed = binding.keys.to_otp.seal_model(
        ContactToVerify(contact=contact, client_address=client_address), request_place(request_id)
    )
    request = IssueCode(
        request_id=request_id,
        attempt_id=attempt_id,
        channel=channel,
        language=language,
        deliver=deliver,
        acquainted=acquainted,
        for_otp=sealed,
    )
    try:
        answer = await binding.requester.ask(ISSUE_CODE, request_id, request, IssueCodeAnswer)
    except NoAnswerError:
        raise ServiceAwayError(retry_after=RETRY_AFTER_SECONDS) from None
    if answer.outcome == "too_soon":
        raise TooSoonError(retry_after=answer.retry_after)
    if answer.outcome == "limited":
        raise LimitedError(retry_after=answer.retry_after)
    if answer.outcome == "refused":
        raise InvalidFieldsError({"email" if channel == "email" else "phone": "contact_refused"})
    return answer


async def attempt(binding: Binding, token: str | None) -> Attempt:
    """The state of this browser's login attempt. Raises NoAttemptError."""
    found = await _attempt(binding, token) if token else None
    if found is None:
        raise NoAttemptError
    return found


@use_case
async def redeem(
    binding: Binding, token: str | None, typed_code: str, request_id: UUID, browser: Browser
) -> tuple[str, Session]:
    """Prove the attempt's contact by its code: a new session's token, and the session; the browser's former one ends.

    The same ``request_id`` and code may be sent again when an answer was lost. Raises NoAttemptError,
    InvalidFieldsError, CodeRejectedError, CodeDeadError, ServiceAwayError.
    """
    async with binding.redeeming.one():
        tried, answer = await _try_code(binding, token, typed_code, request_id)
        return await _enter(binding, tried, answer, request_id, browser)


async def _try_code(
    binding: Binding, token: str | None, typed_code: str, request_id: UUID
) -> tuple[Attempt, RedeemCodeAnswer]:
    """What otp says of the code. Raises NoAttemptError, InvalidFieldsError, CodeRejectedError, ServiceAwayError."""
    tried = await attempt(binding, token)
    code = digits_of(typed_code)
    if code is None:
        raise InvalidFieldsError({"code": "bad_code"})
    answer = await redeem_code(binding, tried.id, tried.contact, code, request_id)
    if not answer.redeemed:
        async with binding.database.transaction() as connection:
            await storage.note_tries_left(connection, tried.id, answer.tries_left)
        raise rejection(answer.tries_left)
    return tried, answer


async def _enter(
    binding: Binding, tried: Attempt, answer: RedeemCodeAnswer, request_id: UUID, browser: Browser
) -> tuple[str, Session]:
    """A session for the contact that was proven. Raises CodeDeadError."""
    async with binding.database.transaction() as connection:
        ends = answer.expires_at or tried.expires_at
        code_id = await sent_codes.hold(binding, connection, tried.id, tried.contact, ends, request_id)
        session_token = await open_session(
            binding, connection, tried.channel, tried.contact, browser, attempt_id=tried.id, code_id=code_id
        )
    log.info("signed in by code", channel=tried.channel)
    return session_token, await session_of(binding, session_token)


def rejection(tries_left: int) -> CodeRejectedError | CodeDeadError:
    """What is told of a code that was not taken, whatever the reason was."""
    return CodeRejectedError(field="code", tries_left=tries_left) if tries_left else CodeDeadError(field="code")


async def redeem_code(
    binding: Binding, attempt_id: UUID, contact: str, code: str, request_id: UUID
) -> RedeemCodeAnswer:
    """Ask otp whether the code is right. Raises ServiceAwayError."""
    sealed = binding.keys.to_otp.seal_model(CodeToRedeem(contact=contact, code=code), request_place(request_id))
    request = RedeemCode(request_id=request_id, attempt_id=attempt_id, for_otp=sealed)
    try:
        return await binding.requester.ask(REDEEM_CODE, request_id, request, RedeemCodeAnswer)
    except NoAnswerError:
        raise ServiceAwayError(retry_after=RETRY_AFTER_SECONDS) from None


async def open_session(
    binding: Binding,
    connection: Connection,
    channel: str,
    contact: str,
    browser: Browser,
    *,
    attempt_id: UUID | None = None,
    code_id: UUID | None = None,
    account_id: UUID | None = None,
) -> str:
    """A new session for a proven contact or a signed-in account; its token. The one that the browser had ends."""
    session_token, session_id = new_token(), uuid4()
    contact_hash, *former = binding.keys.hashes.digests("contact", contact)
    if former:
        await storage.follow_contact(connection, former, contact_hash)
    if browser.token:
        await storage.end_session_of(connection, token_hash(browser.token))
    await storage.open_session(
        connection,
        session_id,
        token_hash(session_token),
        channel,
        contact_hash,
        binding.keys.store.seal(contact, f"sessions:{session_id}:contact"),
        timedelta(hours=binding.settings.session_hours),
        timedelta(minutes=binding.settings.session_idle_minutes),
        browser_of(browser.agent),
        system_of(browser.agent),
        attempt_id=attempt_id,
        code_id=code_id,
        account_id=account_id,
    )
    return session_token


async def session_of(binding: Binding, token: str | None) -> Session:
    """The session of this token. Raises NotSignedInError."""
    if not token:
        raise NotSignedInError
    idle = timedelta(minutes=binding.settings.session_idle_minutes)
    async with binding.database.connection() as connection:
        row = await storage.session(connection, token_hash(token))
        if row is None:
            raise NotSignedInError
        ends = row["expires_at"]
        if row["unused_for"] > min(USE_NOTED_EVERY, idle / 10):
            ends = await storage.note_use(connection, row["id"], idle)
    if ends is None:
        raise NotSignedInError
    return replace(_session(binding, row), expires_at=ends)


async def renew_token(binding: Binding, session: Session) -> str:
    """Another token for a session that has come to more rights; the former is worth nothing."""
    token = new_token()
    async with binding.database.transaction() as connection:
        await storage.renew_token(connection, session.id, token_hash(token))
    return token


async def ended_session_of(binding: Binding, token: str | None) -> Session | None:
    """The session of this token, if it has expired lately: what was typed in it may still be kept, nothing be read."""
    if not token:
        return None
    async with binding.database.connection() as connection:
        row = await storage.session(connection, token_hash(token), expired=True)
    return None if row is None else _session(binding, row)


def _session(binding: Binding, row: asyncpg.Record) -> Session:
    return Session(
        id=row["id"],
        channel=row["channel"],
        contact=binding.keys.store.unseal(row["contact_sealed"], f"sessions:{row['id']}:contact"),
        contact_hash=row["contact_hash"],
        account_id=row["account_id"],
        attempt_id=row["attempt_id"],
        password_change_due=row["password_change_due"],
        proven_at=row["proven_at"],
        expires_at=row["expires_at"],
    )


@use_case
async def sign_out(binding: Binding, session: Session) -> None:
    """End the session, and the login attempt that it came from: its code can't be asked about again."""
    async with binding.database.transaction() as connection:
        await storage.end_session(connection, session.id)
        if session.attempt_id:
            await storage.end_attempt(connection, session.attempt_id)


async def _attempt(binding: Binding, token: str) -> Attempt | None:
    async with binding.database.connection() as connection:
        row = await storage.attempt(connection, token_hash(token))
    if row is None:
        return None
    return Attempt(
        id=row["id"],
        channel=row["channel"],
        contact=binding.keys.store.unseal(row["contact_sealed"], f"login_attempts:{row['id']}:contact"),
        tries_left=row["tries_left"],
        expires_at=row["expires_at"],
        expires_in=row["expires_in"],
        resend_in=row["resend_in"],
    )


def times(answer: IssueCodeAnswer) -> tuple[datetime, datetime]:
    """When the code expires, when another may be asked for: an issued code has both."""
    assert answer.expires_at is not None  # noqa: S101 - see IssueCodeAnswer
    assert answer.resend_at is not None  # noqa: S101 - the same
    return answer.expires_at, answer.resend_at
