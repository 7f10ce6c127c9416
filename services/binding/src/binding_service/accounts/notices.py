"""What the owner of an account is told by mail, and the link in it that says "this was not me"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from binding_service.accounts import storage
from binding_service.logins.agents import browser_of, system_of
from binding_service.logins.domain import new_token, token_hash
from shared import outbox
from shared.events import AccountActivity, AccountActivityNoted, ActivityToTell

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding
    from shared.database import Connection

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What happened, beside its kind: in which browser, to which contact it was changed, and from which."""

    agent: str = ""
    to: str = ""
    now_masked: str = ""
    email_before: str | None = None
    phone_before: str | None = None


async def tell(
    binding: Binding, connection: Connection, account: asyncpg.Record, kind: AccountActivity, told: Told | None = None
) -> None:
    """Tell the account's e-mail, or ``told.to``, what happened, with a link for who did not do it."""
    told = told or Told()
    notice_id, token = uuid4(), new_token()
    life = timedelta(days=binding.settings.not_me_days)
    until = await storage.add_notice(
        connection,
        notice_id,
        account["id"],
        kind,
        token_hash(token),
        told.email_before,
        told.phone_before,
        life,
    )
    event = AccountActivityNoted.of(
        "binding", account["id"], notice_id=notice_id, kind=kind, language=account["language"], not_me_until=until
    )
    who = ActivityToTell(
        email=told.to or account["login"],
        parent_name=account["name"],
        browser=browser_of(told.agent),
        system=system_of(told.agent),
        now_masked=told.now_masked,
        not_me_token=token,
    )
    await outbox.record(connection, event.sealed(binding.keys.to_notify, for_notify=who))
    log.info("account's owner is told", account=str(account["id"]), kind=kind)


async def inform(
    binding: Binding,
    connection: Connection,
    account: asyncpg.Record,
    kind: AccountActivity,
    *,
    to: str = "",
    now_masked: str = "",
) -> None:
    """Tell the account's e-mail, or ``to``, what nobody has to undo."""
    event = AccountActivityNoted.of(
        "binding", account["id"], notice_id=uuid4(), kind=kind, language=account["language"]
    )
    who = ActivityToTell(email=to or account["login"], parent_name=account["name"], now_masked=now_masked)
    await outbox.record(connection, event.sealed(binding.keys.to_notify, for_notify=who))
    log.info("account's owner is told", account=str(account["id"]), kind=kind)
