"""This was not me: what the link of a notice does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from binding_service.accounts import contacts, notices, storage
from binding_service.accounts import use_cases as accounts
from binding_service.disowning import use_cases as disowning
from binding_service.drafts import storage as draft_storage
from binding_service.errors import LinkOverError
from binding_service.logins import storage as login_storage
from binding_service.logins.domain import new_token, token_hash
from shared.contacts import mask_email
from shared.observing import use_case

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding
    from shared.database import Connection

log = structlog.get_logger(__name__)


async def kind_of(binding: Binding, token: str) -> str:
    """What the notice told; nothing is done yet, as scanners of mail open links. Raises LinkOverError."""
    async with binding.database.connection() as connection:
        notice = await storage.notice(connection, token_hash(token))
    if notice is None:
        raise LinkOverError
    return str(notice["kind"])


@use_case
async def secure(binding: Binding, token: str) -> None:
    """Undo what the notice told and all that came after it, once: nobody is signed in, and no password works.

    The contacts are those that were there before, and a code to the e-mail is the way in again. The schools of the
    children hear of it. Raises LinkOverError.
    """
    # A password that nobody knows: a sign-in to this account takes as long as to any other.
    nobodys = await binding.passwords.hash(new_token())
    async with binding.database.transaction() as connection:
        used = await storage.use_notice(connection, token_hash(token))
        if used is None:
            raise LinkOverError
        account = await storage.hold_by_id(connection, used["account_id"])
        await storage.set_password(connection, account["id"], nobodys)
        await storage.forget_devices(connection, account["id"])
        await storage.end_contact_changes(connection, account["id"])
        login = await _put_back(binding, connection, account, used)
        for email in {account["login"], login}:
            hashes = binding.keys.hashes.digests("contact", email)
            await login_storage.end_sessions(connection, account["id"], hashes)
            await notices.inform(binding, connection, account, "secured", to=email, now_masked=mask_email(login))
        await disowning.tell_schools_of(connection, account["id"], used["kind"], used["created_at"])
    log.warning("account's owner says: not me", account=str(account["id"]))


async def _put_back(binding: Binding, connection: Connection, account: asyncpg.Record, used: asyncpg.Record) -> str:
    """Put the former contacts back; the login that the account has now."""
    login, email, phone = account["login"], used["email_before"], used["phone_before"]
    hashes = accounts.person_hashes(binding, account)
    if phone:
        await contacts.move_phone(binding, connection, account, phone, proven=False)
    if email and not await draft_storage.email_owner_other_than(connection, email, hashes):
        await contacts.move_email(binding, connection, account, email)
        login = email
    if email or phone:
        await contacts.tell_again(binding, connection, account)
    return str(login)
