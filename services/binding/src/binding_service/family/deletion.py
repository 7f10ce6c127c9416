"""The end of an account: asked for, taken back, and done by the purge when its time has come."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from binding_service.accounts.use_cases import account_of, check_current_password, require_account
from binding_service.applications import facts
from binding_service.applications import storage as application_storage
from binding_service.errors import NotSignedInError
from binding_service.family import storage
from binding_service.family.telling import close_about, close_withdrawn
from binding_service.logins import storage as login_storage
from shared import outbox
from shared.events import AccountDeletionAsked, AccountHolder, PersonForgotten
from shared.observing import use_case

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from binding_service.context import Binding, Keys
    from binding_service.logins.domain import Session
    from shared.database import Connection

log = structlog.get_logger(__name__)

#: Accounts that one transaction of the purge deletes: each is some statements.
AT_ONCE = 20


async def confirm_by_password(binding: Binding, session: Session, password: str) -> asyncpg.Record:
    """The account, where the password is its own: for what somebody at an open browser must not do.

    Raises InvalidFieldsError at ``password``, LimitedError, NotSignedInError.
    """
    require_account(session)
    account = await account_of(binding, session)
    await check_current_password(binding, account, password, field="password")
    return account


@use_case
async def ask(binding: Binding, session: Session, password: str) -> datetime:
    """Ask for the account to be deleted: when it will be. Pending applications are withdrawn at once.

    Every other session ends, and the account's e-mail is told. Asked again it stays as it is. Raises what
    :func:`confirm_by_password` raises.
    """
    account = await confirm_by_password(binding, session, password)
    async with binding.database.transaction() as connection:
        due = await storage.ask_deletion(connection, account["id"], timedelta(days=binding.settings.deletion_days))
        if due is not None:
            await _withdraw_pending(binding.keys, connection, account["person_hash"])
            await storage.end_other_sessions(connection, account["id"], session.id)
            await outbox.record(connection, _asked(binding.keys, account, due))
            log.info("account deletion asked", account=str(account["id"]))
            return due
        known = await storage.deletion_due(connection, account["id"])
    if known is None:
        raise NotSignedInError
    return known


@use_case
async def take_back(binding: Binding, session: Session) -> None:
    """The account stays; what was withdrawn stays withdrawn. Raises NotSignedInError."""
    account_id = require_account(session)
    async with binding.database.transaction() as connection:
        await storage.take_deletion_back(connection, account_id)
    log.info("account deletion taken back", account=str(account_id))


async def due_at(binding: Binding, session: Session) -> datetime | None:
    """When the account will be deleted; None where it will not. Raises NotSignedInError."""
    account_id = require_account(session)
    async with binding.database.connection() as connection:
        return await storage.deletion_due(connection, account_id)


async def delete_due(keys: Keys, connection: Connection, most: int) -> int:
    """Delete accounts whose time has come; how many."""
    accounts = await storage.deletions_due(connection, min(most, AT_ONCE))
    for account in accounts:
        await _forget(keys, connection, account)
    return len(accounts)


async def erase_closed(period: timedelta, connection: Connection, most: int) -> int:
    """Take what is personal out of applications that have been closed for so long; how many."""
    ids = await storage.closed(connection, period, most)
    await storage.erase_applications(connection, ids)
    return len(ids)


async def _forget(keys: Keys, connection: Connection, account: asyncpg.Record) -> None:
    """End what is bound, erase what is known, and tell the others to."""
    # An application that is being sent in the person's name comes before this or after it.
    await application_storage.lock_person(connection, account["person_hash"])
    await _withdraw_pending(keys, connection, account["person_hash"])
    ended = await storage.end_bindings(connection, account["person_hash"])
    binding_ids = [row["id"] for row in ended]
    for binding_id in binding_ids:
        await close_about(keys, connection, binding_id)
    await close_withdrawn(keys, connection, binding_ids)
    applications = await storage.applications_of_person(connection, account["person_hash"])
    event = PersonForgotten.of(
        "binding",
        account["id"],
        bindings=[{"id": row["id"], "version": row["version"]} for row in ended],
        application_ids=applications,
        objection_ids=await storage.objections_of(connection, binding_ids),
        language=account["language"],
    )
    await storage.erase_applications(connection, applications)
    by_login, by_phone = (keys.hashes.digests("contact", account[contact]) for contact in ("login", "phone"))
    await login_storage.forget_codes(connection, [*by_login, *by_phone])
    await storage.delete_account(connection, account["id"], by_login)
    await outbox.record(connection, event.sealed(keys.to_notify, for_notify=_holder(account)))
    log.info("account deleted", account=str(account["id"]), bindings=len(binding_ids))


async def _withdraw_pending(keys: Keys, connection: Connection, person_hash: str) -> None:
    for binding_id in await storage.pending_of_person(connection, person_hash):
        if await application_storage.end_pending(connection, binding_id, "withdrawn"):
            row = await application_storage.binding(connection, binding_id)
            assert row is not None  # noqa: S101 - it was just withdrawn
            await outbox.record(connection, facts.binding_ended(keys, row))


def _asked(keys: Keys, account: asyncpg.Record, due: datetime) -> AccountDeletionAsked:
    event = AccountDeletionAsked.of("binding", account["id"], language=account["language"], due_at=due)
    return event.sealed(keys.to_notify, for_notify=_holder(account))


def _holder(account: asyncpg.Record) -> AccountHolder:
    return AccountHolder(email=account["login"], parent_name=account["name"])
