"""Whether who asks for a code has shown before that the contact is theirs.

A stranger can use up the codes that a contact may get in an hour, by asking again and again. Who is known gets codes
from an allowance of their own then, which no stranger reaches: it takes a browser in which the contact's account was
signed in to, or a login that had proven the contact, or another contact of the same application. A contact that
somebody only typed into a draft, or that an application names unproven, shows nothing.

What is looked up is the asker's own, so a stranger's wait does not depend on whose the contact is.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from binding_service.logins import storage
from binding_service.logins.domain import token_hash
from shared.sealing import UnsealError

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding
    from binding_service.logins.domain import Browser
    from shared.database import Connection


async def is_known(binding: Binding, contact: str, browser: Browser) -> bool:
    """Whether the browser shows it: by its device, or by its session, also one that time has ended lately."""
    async with binding.database.connection() as connection:
        return await _by_session(binding, connection, contact, browser.token) or await _by_device(
            binding, connection, contact, browser.device
        )


async def is_known_to(binding: Binding, contact: str, proven: str) -> bool:
    """Whether who has proven the one contact has proven the other for the same application."""
    if contact == proven:
        return True
    async with binding.database.connection() as connection:
        return await _belong_together(binding, connection, contact, proven)


async def _by_session(binding: Binding, connection: Connection, contact: str, token: str | None) -> bool:
    row = await storage.session_ever(connection, token_hash(token)) if token else None
    if row is None:
        return False
    try:
        proven = binding.keys.store.unseal(row["contact_sealed"], f"sessions:{row['id']}:contact")
    except UnsealError:
        # Of a key that was taken out since: who cannot be recognised is a stranger, and gets a code as one.
        return False
    return proven == contact or await _belong_together(binding, connection, contact, proven)


async def _belong_together(binding: Binding, connection: Connection, contact: str, proven: str) -> bool:
    hashes = binding.keys.hashes
    return await storage.contacts_of_one_application(
        connection, hashes.digests("contact", proven), hashes.digests("contact", contact)
    )


async def _by_device(binding: Binding, connection: Connection, contact: str, device: str) -> bool:
    if not device:
        return False
    life = timedelta(days=binding.settings.device_days)
    accounts = await storage.accounts_of_device(connection, token_hash(device), life)
    hashes = binding.keys.hashes
    people = [value for account in accounts for value in hashes.digests("national-id", _national_id(binding, account))]
    return any(account["login"] == contact for account in accounts) or await storage.is_proven_by(
        connection, people, hashes.digests("contact", contact)
    )


def _national_id(binding: Binding, account: asyncpg.Record) -> str:
    return binding.keys.store.unseal(account["national_id_sealed"], f"accounts:{account['id']}:national_id")
