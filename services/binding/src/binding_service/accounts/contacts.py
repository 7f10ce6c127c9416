"""Correcting an account's e-mail, which is its login, and its phone.

The password is asked again, and the new contact is proven by a code before it counts. No code reaches a landline: that
counts unproven, as in an application.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID, uuid5

import structlog

from binding_service.accounts import notices, storage
from binding_service.accounts import use_cases as accounts
from binding_service.accounts.notices import Told
from binding_service.applications.submissions import submitted
from binding_service.drafts import storage as draft_storage
from binding_service.errors import EmailTakenError, InvalidFieldsError, NoAttemptError
from binding_service.logins import sent_codes
from binding_service.logins import storage as login_storage
from binding_service.logins import use_cases as logins
from binding_service.logins.domain import digits_of
from shared import outbox
from shared.contacts import ContactError, mask_email, mask_phone, parse_email, parse_mobile, parse_phone
from shared.languages import current_language
from shared.observing import use_case

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from binding_service.context import Binding
    from binding_service.logins.domain import Browser, Session
    from shared.database import Connection
    from shared.events import Channel

log = structlog.get_logger(__name__)

Field = Literal["email", "phone"]


@dataclass(frozen=True, slots=True)
class Contacts:
    """An account's contacts as they are now."""

    email: str
    phone: str


@dataclass(frozen=True, slots=True)
class Change:
    """A contact that a code is to prove; ``expires_in`` and ``resend_in`` are seconds."""

    id: UUID
    contact: str
    tries_left: int
    expires_at: datetime
    expires_in: int
    resend_in: int


async def contacts(binding: Binding, session: Session) -> Contacts:
    """The account's contacts. Raises NotSignedInError, PasswordChangeDueError."""
    account = await _own_account(binding, session)
    return Contacts(account["login"], account["phone"])


@use_case
async def begin(
    binding: Binding, session: Session, field: Field, typed: str, current: str, browser: Browser, request_id: UUID
) -> Change | None:
    """Have a code sent to the contact that is to be the account's; None where it counts at once.

    The same ``request_id`` again is the same change, and sends no other code. An e-mail that is somebody else's is
    answered like any other, and its owner is told. Raises InvalidFieldsError, LimitedError, TooSoonError,
    ServiceAwayError, NotSignedInError.
    """
    account = await _own_account(binding, session)
    contact = _parse(field, typed)
    if contact == account["login" if field == "email" else "phone"]:
        raise InvalidFieldsError({field: "same_contact"})
    await accounts.check_current_password(binding, account, current)
    if field == "phone" and not _is_mobile(contact):
        async with binding.database.transaction() as connection:
            account = await accounts.hold(connection, account["id"], session)
            await _replace_phone(binding, connection, account, contact, browser, proven=False)
        return None
    await _send_code(binding, account, field, contact, uuid5(request_id, "change"), browser, request_id, is_new=True)
    return await change(binding, session, field)


async def send_again(binding: Binding, session: Session, field: Field, browser: Browser, request_id: UUID) -> None:
    """Have another code sent to the same contact, one for a ``request_id``.

    Raises what begin raises, and NoAttemptError.
    """
    account = await _own_account(binding, session)
    known = await change(binding, session, field)
    await _send_code(binding, account, field, known.contact, known.id, browser, request_id, is_new=False)


async def change(binding: Binding, session: Session, field: Field) -> Change:
    """The contact that a code is to prove. Raises NoAttemptError where there is none."""
    account = await _own_account(binding, session)
    async with binding.database.connection() as connection:
        row = await storage.contact_change(connection, account["id"], _channel(field))
    if row is None:
        raise NoAttemptError
    values = {name: value for name, value in row.items() if name != "contact_sealed"}
    return Change(contact=binding.keys.store.unseal(row["contact_sealed"], _place(row["id"])), **values)


@use_case
async def prove(
    binding: Binding, session: Session, field: Field, typed_code: str, request_id: UUID, browser: Browser
) -> None:
    """Prove the contact by its code: it is the account's from now on. A changed e-mail ends every other session.

    The same ``request_id`` again is done already. Raises NoAttemptError, InvalidFieldsError, CodeRejectedError,
    CodeDeadError, EmailTakenError, ServiceAwayError.
    """
    if await _was_proven(binding, request_id):
        return
    tried = await change(binding, session, field)
    code = digits_of(typed_code)
    if code is None:
        raise InvalidFieldsError({"code": "bad_code"})
    answer = await logins.redeem_code(binding, tried.id, tried.contact, code, request_id)
    if not answer.redeemed:
        async with binding.database.transaction() as connection:
            await storage.note_tries_left(connection, tried.id, answer.tries_left)
        raise logins.rejection(answer.tries_left)
    async with binding.database.transaction() as connection:
        ends = answer.expires_at or tried.expires_at
        await sent_codes.hold(binding, connection, tried.id, tried.contact, ends, request_id)
        account = await accounts.hold(connection, accounts.require_account(session), session)
        if field == "email":
            await _replace_email(binding, connection, session, account, tried.contact, browser)
        else:
            await _replace_phone(binding, connection, account, tried.contact, browser, proven=True)


async def _was_proven(binding: Binding, request_id: UUID) -> bool:
    async with binding.database.connection() as connection:
        return await login_storage.has_redeemed(connection, request_id)


async def _own_account(binding: Binding, session: Session) -> asyncpg.Record:
    accounts.require_account(session)
    return await accounts.account_of(binding, session)


def _parse(field: Field, typed: str) -> str:
    if not typed.strip():
        raise InvalidFieldsError({field: "required"})
    try:
        return parse_email(typed) if field == "email" else parse_phone(typed)
    except ContactError:
        raise InvalidFieldsError({field: f"bad_{field}"}) from None


def _is_mobile(phone: str) -> bool:
    try:
        parse_mobile(phone)
    except ContactError:
        return False
    return True


def _channel(field: Field) -> Channel:
    return "email" if field == "email" else "sms"


def _place(change_id: UUID) -> str:
    return f"contact_changes:{change_id}:contact"


async def _send_code(
    binding: Binding,
    account: asyncpg.Record,
    field: Field,
    contact: str,
    change_id: UUID,
    browser: Browser,
    request_id: UUID,
    *,
    is_new: bool,
) -> None:
    """A code, or where the e-mail is somebody else's, an answer that looks like one and a word to its owner."""
    hashes = accounts.person_hashes(binding, account)
    async with binding.database.transaction() as connection:
        taken = field == "email" and await draft_storage.email_owner_other_than(connection, contact, hashes)
    answer = await logins.issue_code(
        binding,
        change_id,
        _channel(field),
        contact,
        browser.address,
        current_language(),
        request_id,
        deliver=not taken,
    )
    async with binding.database.transaction() as connection:
        await sent_codes.note(binding, connection, change_id, contact, logins.times(answer)[0])
        await storage.save_contact_change(
            connection,
            change_id,
            account["id"],
            _channel(field),
            binding.keys.store.seal(contact, _place(change_id)),
            answer.tries_left,
            *logins.times(answer),
        )
        owner = await storage.by_login(connection, contact) if taken and is_new else None
        if owner is not None:
            await notices.inform(binding, connection, owner, "email_claimed")


async def _replace_email(
    binding: Binding, connection: Connection, session: Session, account: asyncpg.Record, email: str, browser: Browser
) -> None:
    if await draft_storage.email_owner_other_than(connection, email, accounts.person_hashes(binding, account)):
        raise EmailTakenError(field="code")
    await login_storage.end_sessions(connection, account["id"], accounts.login_hashes(binding, account), but=session.id)
    await move_email(binding, connection, account, email)
    await login_storage.set_contact(
        connection,
        session.id,
        binding.keys.hashes.digest("contact", email),
        binding.keys.store.seal(email, f"sessions:{session.id}:contact"),
    )
    await storage.end_contact_changes(connection, account["id"], "email")
    await tell_again(binding, connection, account)
    for to in (account["login"], email):
        told = Told(agent=browser.agent, to=to, now_masked=mask_email(email), email_before=account["login"])
        await notices.tell(binding, connection, account, "email_changed", told)
    log.info("e-mail changed", account=str(account["id"]))


async def _replace_phone(
    binding: Binding, connection: Connection, account: asyncpg.Record, phone: str, browser: Browser, *, proven: bool
) -> None:
    await move_phone(binding, connection, account, phone, proven=proven)
    await storage.end_contact_changes(connection, account["id"], "sms")
    await tell_again(binding, connection, account)
    told = Told(agent=browser.agent, now_masked=mask_phone(phone), phone_before=account["phone"])
    await notices.tell(binding, connection, account, "phone_changed", told)
    log.info("phone changed", account=str(account["id"]), proven=proven)


async def move_email(binding: Binding, connection: Connection, account: asyncpg.Record, email: str) -> None:
    """Give the account another login; its applications and its draft are reached by it, and by the former no longer."""
    hashes = binding.keys.hashes
    former, new = hashes.digests("contact", account["login"]), hashes.digest("contact", email)
    await storage.set_login(connection, account["id"], email)
    await storage.move_reach(connection, accounts.person_hashes(binding, account), former, new, proven=True)
    await storage.move_draft(connection, former, new)


async def move_phone(
    binding: Binding, connection: Connection, account: asyncpg.Record, phone: str, *, proven: bool
) -> None:
    """Give the account another phone; its applications are reached by it, and by the former no longer."""
    hashes = binding.keys.hashes
    former, new = hashes.digests("contact", account["phone"]), hashes.digest("contact", phone)
    await storage.set_phone(connection, account["id"], phone)
    await storage.move_reach(connection, accounts.person_hashes(binding, account), former, new, proven=proven)


async def tell_again(binding: Binding, connection: Connection, account: asyncpg.Record) -> None:
    """Who decides on the person's applications sees how the parent is reached now."""
    waiting = await storage.pending_bindings(connection, accounts.person_hashes(binding, account))
    if waiting:
        await outbox.record(connection, *await submitted(binding.keys, connection, waiting))
